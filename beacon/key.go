package beacon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/plexusnet/plexus/chain/timelock"
)

// keyPerm is who may read a key file: its owner.
const keyPerm fs.FileMode = 0o600

// maxKeyFileBytes bounds what is read of a file that may be no key.
const maxKeyFileBytes = 4096

// ErrOpenKey is returned for a key file that others than its owner can read.
var ErrOpenKey = errors.New("key file is open to others")

// CreateKey draws a key and writes it to a new file that only its owner can
// read. A file that exists is left alone, with fs.ErrExist.
func CreateKey(path string) (key timelock.SecretKey, err error) {
	key = timelock.NewSecretKey()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, keyPerm)
	if err != nil {
		return key, fmt.Errorf("beacon key: %w", err)
	}
	_, err = fmt.Fprintln(file, hex.EncodeToString(key.Bytes()))
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return key, fmt.Errorf("beacon key %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return key, nil
}

// LoadKey reads a file of CreateKey. Errors: ErrOpenKey when others can read
// it, timelock.ErrInvalidKey when it holds none.
func LoadKey(path string) (timelock.SecretKey, error) {
	file, err := os.Open(path)
	if err != nil {
		return timelock.SecretKey{}, fmt.Errorf("beacon key: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return timelock.SecretKey{}, fmt.Errorf("beacon key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return timelock.SecretKey{}, fmt.Errorf("beacon key %s has mode %#o: run chmod 600 on it: %w", path, info.Mode().Perm(), ErrOpenKey)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFileBytes))
	if err != nil {
		return timelock.SecretKey{}, fmt.Errorf("beacon key: %w", err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		// The error of the decoder would quote a byte of the key.
		return timelock.SecretKey{}, fmt.Errorf("beacon key %s is not hexadecimal: %w", path, timelock.ErrInvalidKey)
	}
	key, err := timelock.ParseSecretKey(raw)
	if err != nil {
		return key, fmt.Errorf("beacon key %s: %w", path, err)
	}
	return key, nil
}

// Signer is a beacon of one's own key.
type Signer struct{ Key timelock.SecretKey }

// Check compares the key with that of the chain's parameters.
func (s Signer) Check(_ context.Context, publicKey []byte, _ timelock.Schedule) error {
	if mine := s.Key.Public().Bytes(); string(mine) != string(publicKey) {
		return fmt.Errorf("the chain's beacon has public key %x, this key is %x: put it into the parameters (beacon.public_key) or use the right key: %w",
			publicKey, mine, ErrWrongBeacon)
	}
	return nil
}

// Round signs a round.
func (s Signer) Round(_ context.Context, round uint64) ([]byte, error) { return s.Key.Sign(round) }
