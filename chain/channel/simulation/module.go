package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/module"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	sdksim "github.com/cosmos/cosmos-sdk/x/simulation"

	"github.com/plexusnet/plexus/chain/channel/keeper"
	subnetsim "github.com/plexusnet/plexus/chain/subnet/simulation"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// AccountKeeper tells with which sequence an account signs next.
type AccountKeeper interface {
	GetAccount(ctx context.Context, addr sdk.AccAddress) sdk.AccountI
}

// BankKeeper tells who has what.
type BankKeeper interface {
	SpendableCoin(ctx context.Context, addr sdk.AccAddress, denom string) sdk.Coin
}

// SubnetKeeper tells who may be paid.
type SubnetKeeper interface {
	ExportGenesis(ctx context.Context) (*subnetv1.GenesisState, error)
}

// Config is the application that a Module acts in. All fields are needed.
type Config struct {
	Keeper   *keeper.Keeper
	StoreKey storetypes.StoreKey // of the keeper's store
	Accounts AccountKeeper
	Bank     BankKeeper
	Subnets  SubnetKeeper
	TxConfig client.TxConfig
}

// Module is the channel module as the simulator sees it. It serves one
// simulation at a time.
type Module struct {
	cfg     Config
	tally   *subnetsim.Tally
	miners  []miner // as of height
	height  int64
	byName  map[string]simtypes.Account
	signers int // accounts in byName
}

// miner is a neuron that a channel can be opened to.
type miner struct {
	netuid uint32
	hotkey string
}

var _ module.AppModuleSimulation = (*Module)(nil)

// New returns the module of an application.
func New(cfg Config) *Module { return &Module{cfg: cfg, tally: subnetsim.NewTally(), height: -1} }

// Tally returns what became of the messages so far.
func (m *Module) Tally() *subnetsim.Tally { return m.tally }

// GenerateGenesisState draws the module's parameters.
func (m *Module) GenerateGenesisState(state *module.SimulationState) {
	genesis := &channelv1.GenesisState{Params: RandomParams(state.Rand)}
	state.GenState[keeper.ModuleName] = state.Cdc.MustMarshalJSON(genesis)
}

// RandomParams draws parameters under which channels end within a simulation.
func RandomParams(r *rand.Rand) channelv1.Params {
	return channelv1.Params{
		FeeBurn:         uint32(between(r, 0, 5_000)),
		CloseDelay:      between(r, 1, 8),
		MinDeposit:      between(r, 1, 1_000),
		MaxDuration:     between(r, 20, 200),
		MaxLanes:        uint32(between(r, 1, 4)),
		MaxVouchers:     uint32(between(r, 1, 6)),
		DemandWindow:    between(r, 1, 20),
		DemandSmoothing: uint32(between(r, 1, 10)),
	}
}

// UpdateParams draws a message for governance, wrong at times: then the proposal
// passes and fails.
func UpdateParams(r *rand.Rand) sdk.Msg {
	params := RandomParams(r)
	if r.Intn(8) == 0 {
		params.CloseDelay = 0
	}
	return &channelv1.MsgUpdateParams{Authority: authtypes.NewModuleAddress(govtypes.ModuleName).String(), Params: params}
}

// RegisterStoreDecoder tells how to print what is stored.
func (m *Module) RegisterStoreDecoder(decoders simtypes.StoreDecoderRegistry) {
	decoders[keeper.StoreKey] = subnetsim.NewDecoder(m.cfg.Keeper.Schema())
}

// WeightedOperations returns an operation for every message.
func (m *Module) WeightedOperations(module.SimulationState) []simtypes.WeightedOperation {
	var ops []simtypes.WeightedOperation
	for _, o := range []struct {
		weight int
		draw   draw
	}{
		{100, open}, {40, topUp}, {160, redeem}, {40, closeChannel}, {60, collect}, {5, updateParams},
	} {
		ops = append(ops, sdksim.NewWeightedOperation(o.weight, m.operation(o.draw)))
	}
	return ops
}

// between returns a number from low to high, both included.
func between(r *rand.Rand, low, high uint64) uint64 { return low + uint64(r.Int63n(int64(high-low)+1)) }

// oneOf returns a random element; there must be one.
func oneOf[T any](r *rand.Rand, of []T) T { return of[r.Intn(len(of))] }

// errNothing says that the state has no room for a message at the moment.
var errNothing = errors.New("nothing to do")

// draft is a message that an operation wants to send.
type draft struct {
	signer simtypes.Account
	msg    sdk.Msg
	wrong  bool // it must be refused
}

// draw decides who does what. It returns errNothing where nobody can.
type draw func(*world) (draft, error)

// txGas is more than any message needs.
const txGas = 10_000_000

// operation returns a draw as the simulator wants it: it fails where the module
// does, and not where it refuses.
func (m *Module) operation(d draw) simtypes.Operation {
	return func(r *rand.Rand, app *baseapp.BaseApp, ctx sdk.Context, accs []simtypes.Account, chainID string) (simtypes.OperationMsg, []simtypes.FutureOperation, error) {
		w, err := m.look(r, ctx, accs, chainID)
		if err != nil {
			return simtypes.NoOpMsg(keeper.ModuleName, "look", err.Error()), nil, err
		}
		draft, err := d(w)
		if errors.Is(err, errNothing) {
			return simtypes.NoOpMsg(keeper.ModuleName, "", err.Error()), nil, nil
		}
		if err != nil {
			return simtypes.NoOpMsg(keeper.ModuleName, "draw", err.Error()), nil, err
		}
		refusal := m.deliver(w, app, draft)
		m.tally.Count(draft.msg, draft.wrong, refusal)
		name := sdk.MsgTypeURL(draft.msg)
		switch {
		case refusal == nil && draft.wrong:
			err := fmt.Errorf("height %d: accepted what must be refused: %s %v", ctx.BlockHeight(), name, draft.msg)
			return simtypes.NewOperationMsg(draft.msg, true, err.Error()), nil, err
		case refusal == nil:
			return simtypes.NewOperationMsg(draft.msg, true, ""), nil, nil
		case subnetsim.IsFault(refusal):
			err := fmt.Errorf("height %d: %s %v: %w", ctx.BlockHeight(), name, draft.msg, refusal)
			return simtypes.NewOperationMsg(draft.msg, false, err.Error()), nil, err
		default:
			return simtypes.NewOperationMsg(draft.msg, false, refusal.Error()), nil, nil
		}
	}
}

// deliver signs a message and gives it to the application.
func (m *Module) deliver(w *world, app *baseapp.BaseApp, d draft) error {
	account := m.cfg.Accounts.GetAccount(w.ctx, d.signer.Address)
	if account == nil {
		return sdkerrors.ErrUnknownAddress.Wrap(d.signer.AddressBech32)
	}
	tx, err := simtestutil.GenSignedMockTx(w.r, m.cfg.TxConfig, []sdk.Msg{d.msg}, nil, txGas, w.chainID,
		[]uint64{account.GetAccountNumber()}, []uint64{account.GetSequence()}, d.signer.PrivKey)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	_, _, err = app.SimDeliver(m.cfg.TxConfig.TxEncoder(), tx)
	return err
}

// look reads the state for one operation. The miners are those of the block
// before: one that left meanwhile is refused by a rule.
func (m *Module) look(r *rand.Rand, ctx sdk.Context, accs []simtypes.Account, chainID string) (*world, error) {
	if m.height != ctx.BlockHeight() {
		subnets, err := m.cfg.Subnets.ExportGenesis(ctx)
		if err != nil {
			return nil, err
		}
		m.height, m.miners = ctx.BlockHeight(), nil
		for _, s := range subnets.Subnets {
			for _, n := range s.Neurons {
				if n.Hotkey != "" {
					m.miners = append(m.miners, miner{s.Subnet.Netuid, n.Hotkey})
				}
			}
		}
	}
	if m.signers != len(accs) {
		m.byName, m.signers = map[string]simtypes.Account{}, len(accs)
		for _, a := range accs {
			m.byName[a.AddressBech32] = a
		}
	}
	state, err := m.cfg.Keeper.ExportGenesis(ctx)
	return &world{m: m, r: r, ctx: ctx, accs: accs, chainID: chainID, state: state}, err
}

// CheckMoney reports where the money does not add up: the escrow holds what the
// channels have left, and what the totals say. It holds at any time.
func (m *Module) CheckMoney(ctx sdk.Context) error {
	state, err := m.cfg.Keeper.ExportGenesis(ctx)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	totals, err := keeper.NewQueryServer(m.cfg.Keeper).Totals(ctx, &channelv1.QueryTotalsRequest{})
	if err != nil {
		return err
	}
	left := uint64(0)
	for _, c := range state.Channels {
		left += c.Deposit - c.Redeemed
	}
	if totals.EscrowAccount != left || totals.Totals.Escrowed != left {
		return fmt.Errorf("channels hold %d nplx, the totals say %d, the escrow account has %d", left, totals.Totals.Escrowed, totals.EscrowAccount)
	}
	return nil
}

// Check reports what does not hold at the end of a block: the money, the
// structure of the state, and that an export of it imports to the same state,
// key by key.
func (m *Module) Check(ctx sdk.Context) error {
	state, err := m.cfg.Keeper.ExportGenesis(ctx)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	errs := []error{m.CheckMoney(ctx), keeper.ValidateGenesis(state)}
	if state.Totals.Burned > subnet.Cap {
		errs = append(errs, fmt.Errorf("%d nplx burned, there can be %d", state.Totals.Burned, subnet.Cap))
	}
	errs = append(errs, subnetsim.RoundTrip(ctx, m.cfg.StoreKey, m.cfg.Keeper.Schema(), func(branch sdk.Context) error {
		return m.cfg.Keeper.InitGenesis(branch, state)
	}))
	return errors.Join(errs...)
}
