package files

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/cosmos/gogoproto/proto"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/chain/network"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// genesis is the genesis before the validators' transactions are added.
func (w *writer) genesis() (*genutiltypes.AppGenesis, error) {
	state := w.chain.DefaultGenesis()
	if err := w.edit(state); err != nil {
		return nil, err
	}
	encoding := w.chain.Encoding()
	if err := w.chain.Basics().ValidateGenesis(encoding.Codec, encoding.TxConfig, state); err != nil {
		return nil, err
	}
	raw, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return nil, err
	}
	return genutiltypes.NewAppGenesisWithVersion(w.ChainID, raw), nil
}

// edit puts accounts, balances and rules into the default state of the modules.
func (w *writer) edit(state map[string]json.RawMessage) error {
	var auth authtypes.GenesisState
	accounts, balances, err := w.accounts()
	if err != nil {
		return err
	}
	if err := w.change(state, authtypes.ModuleName, &auth, func() {
		auth.Accounts = append(auth.Accounts, accounts...)
	}); err != nil {
		return err
	}
	var bank banktypes.GenesisState
	if err := w.change(state, banktypes.ModuleName, &bank, func() {
		bank.Balances = append(bank.Balances, balances...)
		bank.DenomMetadata = append(bank.DenomMetadata, denomination())
	}); err != nil {
		return err
	}
	var staking stakingtypes.GenesisState
	if err := w.change(state, stakingtypes.ModuleName, &staking, func() {
		staking.Params.BondDenom = network.Denom
		staking.Params.MaxValidators = uint32(w.active())
	}); err != nil {
		return err
	}
	var channel channelv1.GenesisState
	if err := w.change(state, channelkeeper.ModuleName, &channel, func() {
		if w.Channels != nil {
			channel.Params = *w.Channels
		}
	}); err != nil {
		return err
	}
	var subnet subnetv1.GenesisState
	return w.change(state, subnetkeeper.ModuleName, &subnet, func() { subnet.Params = w.Params })
}

// change decodes a module's state into g, lets edit work on it, and puts it
// back.
func (w *writer) change(state map[string]json.RawMessage, module string, g proto.Message, edit func()) error {
	cdc := w.chain.Encoding().Codec
	if err := cdc.UnmarshalJSON(state[module], g); err != nil {
		return fmt.Errorf("default genesis of %s: %w", module, err)
	}
	edit()
	raw, err := cdc.MarshalJSON(g)
	if err != nil {
		return fmt.Errorf("genesis of %s: %w", module, err)
	}
	state[module] = raw
	return nil
}

// accounts are those that hold something; the chain makes the others when they
// first matter.
func (w *writer) accounts() (packed []*codectypes.Any, balances []banktypes.Balance, err error) {
	held := map[string]uint64{}
	for _, v := range w.Validators {
		held[v.Name] = v.Stake + v.Balance
	}
	for _, a := range w.Accounts {
		held[a.Name] = a.Balance
	}
	var accounts authtypes.GenesisAccounts
	for _, name := range w.names() {
		if held[name] == 0 {
			continue
		}
		addr := w.addresses[name]
		accounts = append(accounts, authtypes.NewBaseAccount(addr, nil, 0, 0))
		balances = append(balances, banktypes.Balance{Address: addr.String(), Coins: sdk.NewCoins(coin(held[name]))})
	}
	packed, err = authtypes.PackAccounts(accounts)
	return packed, balances, err
}

// denomination tells wallets how to show amounts.
func denomination() banktypes.Metadata {
	return banktypes.Metadata{
		Description: "The token of Plexus",
		Name:        "Plexus",
		Symbol:      network.DisplayDenom,
		Base:        network.Denom,
		Display:     network.DisplayDenom,
		DenomUnits: []*banktypes.DenomUnit{
			{Denom: network.Denom, Exponent: 0},
			{Denom: network.DisplayDenom, Exponent: 9},
		},
	}
}

// writeGenesis collects the validators' transactions into a node's genesis. All
// nodes get the same one, as of now; each its own list of peers.
func (w *writer) writeGenesis(cfg *cmtcfg.Config, genesis genutiltypes.AppGenesis, now time.Time) error {
	encoding := w.chain.Encoding()
	genesis.GenesisTime = now
	_, err := genutil.GenAppStateFromConfig(encoding.Codec, encoding.TxConfig, cfg,
		genutiltypes.InitConfig{ChainID: w.ChainID, GenTxsDir: w.gentxs}, &genesis,
		banktypes.GenesisBalancesIterator{}, genutiltypes.DefaultMessageValidator,
		encoding.Registry.SigningContext().ValidatorAddressCodec())
	if err != nil {
		return err
	}
	// The SDK lists every validator as a peer, also those without a node.
	peers := strings.FieldsFunc(cfg.P2P.PersistentPeers, func(r rune) bool { return r == ',' })
	cfg.P2P.PersistentPeers = strings.Join(peers, ",")
	cmtcfg.WriteConfigFile(filepath.Join(cfg.RootDir, "config", "config.toml"), cfg)
	return nil
}
