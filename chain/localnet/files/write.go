package files

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"

	sdkmath "cosmossdk.io/math"

	clienttx "github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/network"
)

// writer holds what the steps of one Write share.
type writer struct {
	Spec
	chain *app.App
	keys  keyring.Keyring

	addresses map[string]sdk.AccAddress
	gentxs    string // folder
}

// Write writes the network. Folders that hold keys are for their owner alone.
// Nothing of an earlier network may be there.
func Write(spec Spec) (*Network, error) {
	if err := spec.validate(); err != nil {
		return nil, fmt.Errorf("network files: %w", err)
	}
	w := &writer{Spec: spec.withDefaults(), addresses: map[string]sdk.AccAddress{}}
	if err := w.write(); err != nil {
		return nil, fmt.Errorf("network files: %w", err)
	}
	return w.result(), nil
}

func (w *writer) write() error {
	if err := w.open(); err != nil {
		return err
	}
	if err := w.makeKeys(); err != nil {
		return err
	}
	genesis, err := w.genesis()
	if err != nil {
		return err
	}
	nodes := map[string]*cmtcfg.Config{}
	for _, v := range w.Validators {
		if err := w.makeValidator(v, nodes); err != nil {
			return fmt.Errorf("validator %s: %w", v.Name, err)
		}
	}
	now := time.Now().UTC()
	for name, cfg := range nodes {
		if err := w.writeGenesis(cfg, *genesis, now); err != nil {
			return fmt.Errorf("genesis of %s: %w", name, err)
		}
	}
	return nil
}

// open prepares codecs, folders and the keyring.
func (w *writer) open() error {
	var err error
	w.chain, err = app.Describe()
	if err != nil {
		return err
	}
	w.gentxs = filepath.Join(w.Dir, "gentxs")
	for _, dir := range []string{w.Dir, w.KeyDir, w.gentxs} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	w.keys, err = keyring.New(sdk.KeyringServiceName(), keyring.BackendTest, w.KeyDir, nil, w.chain.Encoding().Codec)
	return err
}

func (w *writer) makeKeys() error {
	for _, name := range w.names() {
		if _, err := w.keys.Key(name); err == nil {
			return fmt.Errorf("key %q is in %s already: use another folder", name, w.KeyDir)
		}
		record, _, err := w.keys.NewMnemonic(name, keyring.English, sdk.FullFundraiserPath, keyring.DefaultBIP39Passphrase, hd.Secp256k1)
		if err != nil {
			return fmt.Errorf("key %q: %w", name, err)
		}
		if w.addresses[name], err = record.GetAddress(); err != nil {
			return fmt.Errorf("key %q: %w", name, err)
		}
	}
	return nil
}

// makeValidator writes the home of a validator's node, if it has one, and the
// transaction by which it joins the genesis.
func (w *writer) makeValidator(v Validator, nodes map[string]*cmtcfg.Config) error {
	consensusKey, memo := ed25519.GenPrivKey().PubKey(), ""
	if v.Node != nil {
		cfg, err := w.writeConfig(v)
		if err != nil {
			return err
		}
		nodeID, key, err := genutil.InitializeNodeValidatorFiles(cfg)
		if err != nil {
			return err
		}
		nodes[v.Name] = cfg
		consensusKey, memo = key, fmt.Sprintf("%s@%s:%d", nodeID, v.Node.Host, v.Node.P2P)
	}
	encoded, err := w.joinTx(v, consensusKey, memo)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.gentxs, v.Name+".json"), encoded, 0o600)
}

// joinTx is a signed MsgCreateValidator as JSON.
func (w *writer) joinTx(v Validator, consensusKey cryptotypes.PubKey, memo string) ([]byte, error) {
	encoding := w.chain.Encoding()
	operator, err := encoding.Registry.SigningContext().ValidatorAddressCodec().BytesToString(w.addresses[v.Name])
	if err != nil {
		return nil, err
	}
	take := sdkmath.LegacyNewDecWithPrec(commissionBps, 4)
	msg, err := stakingtypes.NewMsgCreateValidator(operator, consensusKey, coin(v.Stake),
		stakingtypes.NewDescription(v.Name, "", "", "", ""),
		stakingtypes.NewCommissionRates(take, sdkmath.LegacyOneDec(), sdkmath.LegacyNewDecWithPrec(1, 2)),
		sdkmath.OneInt())
	if err != nil {
		return nil, err
	}
	factory := clienttx.Factory{}.
		WithChainID(w.ChainID).
		WithTxConfig(encoding.TxConfig).
		WithKeybase(w.keys).
		WithSignMode(signing.SignMode_SIGN_MODE_DIRECT).
		WithMemo(memo)
	builder, err := factory.BuildUnsignedTx(msg)
	if err != nil {
		return nil, err
	}
	if err := clienttx.Sign(context.Background(), factory, v.Name, builder, true); err != nil {
		return nil, err
	}
	return encoding.TxConfig.TxJSONEncoder()(builder.GetTx())
}

func coin(nplx uint64) sdk.Coin {
	return sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(nplx))
}

func (w *writer) result() *Network {
	net := &Network{ChainID: w.ChainID, KeyDir: w.KeyDir, Homes: map[string]string{}, Addresses: map[string]string{}}
	for name, addr := range w.addresses {
		net.Addresses[name] = addr.String()
	}
	for _, v := range w.Validators {
		net.Supply += v.Stake + v.Balance
		if v.Node != nil {
			net.Homes[v.Name] = v.Node.Home
		}
	}
	for _, a := range w.Accounts {
		net.Supply += a.Balance
	}
	return net
}
