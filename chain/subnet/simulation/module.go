package simulation

import (
	"context"
	"math/rand"

	"github.com/cosmos/cosmos-sdk/client"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	govkeeper "github.com/cosmos/cosmos-sdk/x/gov/keeper"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	sdksim "github.com/cosmos/cosmos-sdk/x/simulation"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// AccountKeeper tells with which sequence an account signs next.
type AccountKeeper interface {
	GetAccount(ctx context.Context, addr sdk.AccAddress) sdk.AccountI
}

// BankKeeper tells who has what.
type BankKeeper interface {
	GetBalance(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	SpendableCoin(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
	GetSupply(ctx context.Context, denom string) sdk.Coin
	IterateAllBalances(ctx context.Context, cb func(sdk.AccAddress, sdk.Coin) bool)
}

// StakingKeeper lists the validators.
type StakingKeeper interface {
	GetAllValidators(ctx context.Context) ([]stakingtypes.Validator, error)
}

// Seal encrypts weights to a round of a beacon. For the same arguments it should
// return the same bytes, or a simulation cannot be repeated to the byte.
type Seal func(b subnetv1.Beacon, round uint64, s *subnetv1.SealedWeights) ([]byte, error)

// Config is the application that a Module acts in. All fields but Proposals are
// needed.
type Config struct {
	Keeper   *keeper.Keeper
	StoreKey storetypes.StoreKey // of the keeper's store
	Accounts AccountKeeper
	Bank     BankKeeper
	Staking  StakingKeeper
	Gov      *govkeeper.Keeper
	TxConfig client.TxConfig
	Seal     Seal
	// Proposals draw messages of other modules that governance is asked to send.
	Proposals []func(*rand.Rand) sdk.Msg
}

// Module is the subnet module as the simulator sees it. It serves one
// simulation at a time.
type Module struct {
	cfg     Config
	beacon  timelock.SecretKey
	tally   *Tally
	known   *snapshot
	byName  map[string]simtypes.Account
	signers int // accounts in byName
}

var _ module.AppModuleSimulation = (*Module)(nil)

// New returns the module of an application.
func New(cfg Config) *Module { return &Module{cfg: cfg, tally: NewTally()} }

// Continue returns a module that goes on where m stopped, in an application that
// started from an export of m's: with the same beacon, whose rounds are awaited.
func (m *Module) Continue(cfg Config) *Module {
	return &Module{cfg: cfg, beacon: m.beacon, tally: NewTally()}
}

// Tally returns what became of the messages so far.
func (m *Module) Tally() *Tally { return m.tally }

// GenerateGenesisState draws the module's parameters.
func (m *Module) GenerateGenesisState(state *module.SimulationState) {
	m.beacon = randomBeacon(state.Rand)
	genesis := &subnetv1.GenesisState{Params: RandomParams(state.Rand, state.InitialStake.Uint64(), m.beaconParams(state.GenTimestamp.Unix(), state.Rand))}
	state.GenState[keeper.ModuleName] = state.Cdc.MustMarshalJSON(genesis)
}

// RegisterStoreDecoder tells how to print what is stored.
func (m *Module) RegisterStoreDecoder(decoders simtypes.StoreDecoderRegistry) {
	decoders[keeper.StoreKey] = NewDecoder(m.cfg.Keeper.Schema())
}

// WeightedOperations returns an operation for every message.
func (m *Module) WeightedOperations(module.SimulationState) []simtypes.WeightedOperation {
	var ops []simtypes.WeightedOperation
	for _, o := range []struct {
		weight int
		draw   draw
	}{
		{20, createSubnet}, {10, transferSubnet}, {2, removeSubnet}, {60, setHyperparams},
		{200, register}, {20, deregister}, {80, serve}, {15, swapHotkey}, {8, swapColdkey},
		{30, setIdentity}, {60, bindHotkey}, {80, setRootWeights},
		{120, setWeights}, {200, commitWeights}, {120, commitHash}, {100, submitPulse},
		{10, updateParams}, {4, propose},
	} {
		ops = append(ops, sdksim.NewWeightedOperation(o.weight, m.operation(o.draw)))
	}
	return ops
}

// authority is the address of governance.
func authority() string { return authtypes.NewModuleAddress(govtypes.ModuleName).String() }

// emissionAccount is an address that nobody may name as a recipient.
func emissionAccount() string { return authtypes.NewModuleAddress(keeper.EmissionAccount).String() }

// chance is true in percent of a hundred cases.
func chance(r *rand.Rand, percent int) bool { return r.Intn(100) < percent }

// between returns a number from low to high, both included.
func between(r *rand.Rand, low, high uint64) uint64 { return low + uint64(r.Int63n(int64(high-low)+1)) }

// oneOf returns a random element; there must be one.
func oneOf[T any](r *rand.Rand, of []T) T { return of[r.Intn(len(of))] }
