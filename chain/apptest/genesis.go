package apptest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cosmos/gogoproto/proto"

	sdkmath "cosmossdk.io/math"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Balance is what an account holds at genesis.
type Balance struct {
	Account Account
	Nplx    uint64
}

// Validator is a staking validator at genesis, operated by the account of its
// name and bonded if its tokens are among the most.
type Validator struct {
	Name          string
	Tokens        uint64 // nplx, delegated by the operator itself
	CommissionBps uint32
	Jailed        bool
}

// Account returns the account that operates the validator.
func (v Validator) Account() Account { return NewAccount(v.Name) }

// Genesis is the state of all modules before the first block, for edits that
// Config does not name.
type Genesis struct {
	app   *app.App
	state map[string]json.RawMessage
}

// Edit decodes the state of a module into g, runs the edit and puts it back.
func (g Genesis) Edit(module string, state proto.Message, edit func()) error {
	cdc := g.app.Encoding().Codec
	if err := cdc.UnmarshalJSON(g.state[module], state); err != nil {
		return fmt.Errorf("genesis of %s: %w", module, err)
	}
	edit()
	raw, err := cdc.MarshalJSON(state)
	if err != nil {
		return fmt.Errorf("genesis of %s: %w", module, err)
	}
	g.state[module] = raw
	return nil
}

// Fund gives an address nplx.
func (g Genesis) Fund(addr sdk.AccAddress, nplx uint64) error {
	var bank banktypes.GenesisState
	return g.Edit(banktypes.ModuleName, &bank, func() {
		coins := sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(nplx)))
		bank.Balances = append(bank.Balances, banktypes.Balance{Address: addr.String(), Coins: coins})
		bank.Supply = bank.Supply.Add(coins...)
	})
}

// newGenesis puts accounts, validators and parameters into the default state.
func newGenesis(a *app.App, cfg Config) (Genesis, error) {
	g := Genesis{app: a, state: a.DefaultGenesis()}
	held := map[string]uint64{}
	accounts := map[string]Account{}
	for _, v := range cfg.Validators {
		accounts[v.Name] = v.Account()
	}
	for _, b := range cfg.Balances {
		accounts[b.Account.Name] = b.Account
		held[b.Account.Name] += b.Nplx
	}
	var auth authtypes.GenesisState
	var base authtypes.GenesisAccounts
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		base = append(base, authtypes.NewBaseAccount(accounts[name].Address(), nil, 0, 0))
	}
	packed, err := authtypes.PackAccounts(base)
	if err != nil {
		return g, err
	}
	if err := g.Edit(authtypes.ModuleName, &auth, func() { auth.Accounts = packed }); err != nil {
		return g, err
	}
	for _, name := range slices.Sorted(maps.Keys(held)) {
		if held[name] == 0 {
			continue
		}
		if err := g.Fund(accounts[name].Address(), held[name]); err != nil {
			return g, err
		}
	}
	if err := g.addValidators(cfg); err != nil {
		return g, err
	}
	var state subnetv1.GenesisState
	err = g.Edit(keeper.ModuleName, &state, func() {
		if cfg.Params != nil {
			cfg.Params(&state.Params)
		}
	})
	if err != nil || cfg.Genesis == nil {
		return g, err
	}
	return g, cfg.Genesis(g)
}

// addValidators gives the staking module its validators. They start unbonded:
// the module itself then bonds those with the most tokens, as on a real chain.
func (g Genesis) addValidators(cfg Config) error {
	staked := uint64(0)
	var state stakingtypes.GenesisState
	var failed error
	err := g.Edit(stakingtypes.ModuleName, &state, func() {
		if cfg.MaxBonded > 0 {
			state.Params.MaxValidators = cfg.MaxBonded
		}
		for _, v := range cfg.Validators {
			pubkey, err := codectypes.NewAnyWithValue(consensusKey(v.Name).PubKey())
			if err != nil {
				failed = err
				return
			}
			tokens := sdkmath.NewIntFromUint64(v.Tokens)
			state.Validators = append(state.Validators, stakingtypes.Validator{
				OperatorAddress: v.Account().Operator().String(),
				ConsensusPubkey: pubkey,
				Jailed:          v.Jailed,
				Status:          stakingtypes.Unbonded,
				Tokens:          tokens,
				DelegatorShares: sdkmath.LegacyNewDecFromInt(tokens),
				Description:     stakingtypes.Description{Moniker: v.Name},
				Commission: stakingtypes.NewCommission(
					sdkmath.LegacyNewDecWithPrec(int64(v.CommissionBps), 4), sdkmath.LegacyOneDec(), sdkmath.LegacyOneDec()),
				MinSelfDelegation: sdkmath.OneInt(),
			})
			state.Delegations = append(state.Delegations, stakingtypes.NewDelegation(
				v.Account().String(), v.Account().Operator().String(), sdkmath.LegacyNewDecFromInt(tokens)))
			staked += v.Tokens
		}
	})
	if err != nil || failed != nil || staked == 0 {
		return firstError(err, failed)
	}
	if err := g.addSigningInfos(cfg); err != nil {
		return err
	}
	return g.Fund(authtypes.NewModuleAddress(stakingtypes.NotBondedPoolName), staked)
}

// addSigningInfos lets jailed validators come back.
func (g Genesis) addSigningInfos(cfg Config) error {
	var state slashingtypes.GenesisState
	return g.Edit(slashingtypes.ModuleName, &state, func() {
		for _, v := range cfg.Validators {
			if v.Jailed {
				addr := sdk.ConsAddress(consensusKey(v.Name).PubKey().Address())
				state.SigningInfos = append(state.SigningInfos, slashingtypes.SigningInfo{
					Address:              addr.String(),
					ValidatorSigningInfo: slashingtypes.NewValidatorSigningInfo(addr, 0, 0, cfg.start(), false, 0),
				})
			}
		}
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
