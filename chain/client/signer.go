package chainclient

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cosmos/cosmos-sdk/codec/address"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/network"
)

// backends are the keyrings that can be opened, safest first.
var backends = []string{keyring.BackendOS, keyring.BackendFile, keyring.BackendTest, keyring.BackendMemory}

// OpenKeyring opens the keyring of a home folder: backend "os" (the desktop's
// secret store), "file" (encrypted, asks for a passphrase on in), "test"
// (unencrypted, for test networks), or "memory".
func OpenKeyring(home, backend string, in io.Reader) (keyring.Keyring, error) {
	if !slices.Contains(backends, backend) {
		return nil, fmt.Errorf("keyring backend %q: want one of %s", backend, strings.Join(backends, ", "))
	}
	enc, err := newEncoding()
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	kr, err := keyring.New(sdk.KeyringServiceName(), backend, home, in, enc.codec)
	if err != nil {
		return nil, fmt.Errorf("open the %s keyring in %s: %w", backend, home, err)
	}
	return kr, nil
}

// Signer is an account that can sign. It has at most one transaction in flight,
// so its users may call Submit from several goroutines.
type Signer struct {
	keyring keyring.Keyring
	name    string
	address string

	// turn is held by the transaction in flight, which alone touches account.
	turn    chan struct{}
	account *account
}

// account is where an account stands on a chain.
type account struct {
	chainID  string
	number   uint64
	sequence uint64
}

// NewSigner is the key of that name in kr.
func NewSigner(kr keyring.Keyring, name string) (*Signer, error) {
	record, err := kr.Key(name)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	raw, err := record.GetAddress()
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	text, err := address.NewBech32Codec(network.AddressPrefix).BytesToString(raw)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	return &Signer{keyring: kr, name: name, address: text, turn: make(chan struct{}, 1)}, nil
}

// Address is the account that signs.
func (s *Signer) Address() string { return s.address }

// Name is the key's name in its keyring.
func (s *Signer) Name() string { return s.name }

// lock waits for the transaction before to end.
func (s *Signer) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Signer) unlock() { <-s.turn }
