package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand"
	randv2 "math/rand/v2"
	"slices"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"
	"cosmossdk.io/log/v2"
	sdkmath "cosmossdk.io/math"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/network"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// What every chain of a test has in common.
const (
	ChainID = "plexus-test"
	// BlockTime is the time between the headers of two blocks.
	BlockTime = 12 * time.Second
	// Gas is what transactions may use if they do not say otherwise.
	Gas = 2_000_000
	// firstCrash bounds the number of blocks before the first crash of the
	// instance that crashes; after each crash the bound doubles.
	firstCrash = 12
)

// Config describes a chain at its genesis.
type Config struct {
	Balances   []Balance
	Validators []Validator // at least one of them not jailed
	MaxBonded  uint32      // size of the block-producing set; 0: the SDK's default
	Params     func(*subnetv1.Params)
	// Genesis edits the genesis after everything else, if set.
	Genesis func(Genesis) error
	// Exported continues the chain of an export instead; of the above only
	// Validators is read, to know their keys.
	Exported *servertypes.ExportedApp
	// MinGasPrices is what the instance with a mempool asks for, such as
	// "0.1nplx".
	MinGasPrices string
	// Seed decides when the crashing instance crashes; 0: follows from the
	// name of the test.
	Seed uint64
	// Alone runs one instance and checks nothing: for benchmarks.
	Alone bool
	// Home keeps the state of a chain that is Alone on disk below this folder,
	// with the database and the options of a node as `plexus init` sets it up;
	// empty: in memory.
	Home string
}

func (Config) start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// Chain is a running chain. Its methods fail the test where the instances
// disagree or the modules' accounts do not hold what they should.
type Chain struct {
	t         testing.TB
	cfg       Config
	rng       *randv2.Rand
	memos     *rand.Rand
	instances []*instance // the first answers queries
	height    int64
	appHash   []byte
	sets      [3][]abci.ValidatorUpdate // that sign the last block, the next, and the one after
	absent    map[string]bool           // consensus addresses that do not sign
	misdeeds  []abci.Misbehavior
}

// New starts a chain and makes its first block: before that a node has no state
// against which it could check a transaction.
func New(t testing.TB, cfg Config) *Chain {
	t.Helper()
	c, err := Start(t, cfg)
	require.NoError(t, err)
	return c
}

// Start is New that returns why a genesis is refused instead of failing.
func Start(t testing.TB, cfg Config) (*Chain, error) {
	t.Helper()
	if cfg.Seed == 0 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(t.Name()))
		cfg.Seed = h.Sum64()
	}
	c := &Chain{
		t:      t,
		cfg:    cfg,
		rng:    randv2.New(randv2.NewPCG(cfg.Seed, 0)),
		memos:  rand.New(rand.NewSource(int64(cfg.Seed))),
		absent: map[string]bool{},
	}
	kinds := []kind{checking, plain, crashing}
	if cfg.Alone {
		kinds = kinds[:1]
	}
	for _, k := range kinds {
		in, err := newInstance(k, cfg)
		if err != nil {
			return nil, err
		}
		c.instances = append(c.instances, in)
	}
	if err := c.initChain(); err != nil {
		return nil, err
	}
	c.block(nil)
	return c, nil
}

func (c *Chain) initChain() error {
	req, err := c.genesisRequest()
	if err != nil {
		return err
	}
	for i, in := range c.instances {
		res, err := in.initChain(req)
		if err != nil {
			return err
		}
		if i == 0 {
			c.sets = [3][]abci.ValidatorUpdate{nil, res.Validators, res.Validators}
		}
	}
	c.height = req.InitialHeight - 1
	return nil
}

func (c *Chain) genesisRequest() (*abci.RequestInitChain, error) {
	consensus := cmttypes.DefaultConsensusParams().ToProto()
	req := &abci.RequestInitChain{
		ChainId: ChainID, Time: c.cfg.start(), InitialHeight: 1, ConsensusParams: &consensus,
	}
	if e := c.cfg.Exported; e != nil {
		req.InitialHeight, req.AppStateBytes = e.Height, e.AppState
		req.Time = c.timeOf(e.Height - 1)
		return req, nil
	}
	genesis, err := newGenesis(c.instances[0].app, c.cfg)
	if err != nil {
		return nil, err
	}
	encoding := c.instances[0].app.Encoding()
	if err := c.instances[0].app.Basics().ValidateGenesis(encoding.Codec, encoding.TxConfig, genesis.state); err != nil {
		return nil, err
	}
	req.AppStateBytes, err = json.Marshal(genesis.state)
	return req, err
}

func (c *Chain) timeOf(height int64) time.Time {
	return c.cfg.start().Add(time.Duration(height) * BlockTime)
}

// Tx is a transaction: messages and who signs them. Zero values stand for no
// fee and Gas.
type Tx struct {
	Signer Account
	Msgs   []sdk.Msg
	Fee    uint64 // nplx
	Gas    uint64
}

// Block makes one block of the transactions, whether or not a mempool would
// have let them in, and returns their results.
func (c *Chain) Block(txs ...Tx) []*abci.ExecTxResult {
	c.t.Helper()
	raw := c.sign(txs)
	c.check(raw)
	return c.block(raw)
}

// Do sends a transaction the way users do: where the mempool refuses it, it is
// in no block. The error carries codespace and code, as clients see it.
func (c *Chain) Do(tx Tx) (*abci.ExecTxResult, error) {
	c.t.Helper()
	raw := c.sign([]Tx{tx})
	if res := c.check(raw)[0]; res.Code != 0 {
		return nil, errorsmod.ABCIError(res.Codespace, res.Code, res.Log)
	}
	res := c.block(raw)[0]
	if res.Code != 0 {
		return res, errorsmod.ABCIError(res.Codespace, res.Code, res.Log)
	}
	return res, nil
}

// Must sends messages without a fee and fails the test if they are refused.
func (c *Chain) Must(signer Account, msgs ...sdk.Msg) *abci.ExecTxResult {
	c.t.Helper()
	res, err := c.Do(Tx{Signer: signer, Msgs: msgs})
	require.NoError(c.t, err)
	return res
}

// Refuse sends a message and fails the test unless it is refused with the
// error's code and leaves the supply and the signer's money as they were.
func (c *Chain) Refuse(want *errorsmod.Error, signer Account, msg sdk.Msg) {
	c.t.Helper()
	before := c.Balance(signer.Address())
	_, err := c.Do(Tx{Signer: signer, Msgs: []sdk.Msg{msg}})
	require.ErrorIs(c.t, err, want, "refused otherwise: %v", err)
	require.Equal(c.t, before, c.Balance(signer.Address()), "a refused message moved money")
}

// Advance makes n blocks without transactions.
func (c *Chain) Advance(n int) {
	c.t.Helper()
	for range n {
		c.block(nil)
	}
}

// AdvanceTo makes blocks without transactions until the height is reached.
func (c *Chain) AdvanceTo(height uint64) {
	c.t.Helper()
	require.LessOrEqual(c.t, c.Height(), height)
	c.Advance(int(height - c.Height()))
}

// Height returns the height of the last block.
func (c *Chain) Height() uint64 { return uint64(c.height) }

// Absent decides whether a validator signs blocks from now on.
func (c *Chain) Absent(v Validator, absent bool) {
	c.absent[string(consensusKey(v.Name).PubKey().Address())] = absent
}

// DoubleSign reports in the next block that a validator signed two blocks.
func (c *Chain) DoubleSign(v Validator) {
	c.misdeeds = append(c.misdeeds, abci.Misbehavior{
		Type:      abci.MisbehaviorType_DUPLICATE_VOTE,
		Validator: abci.Validator{Address: consensusKey(v.Name).PubKey().Address(), Power: 1},
		Height:    c.height,
		Time:      c.timeOf(c.height),
	})
}

// Export returns the state as a genesis for Config.Exported.
func (c *Chain) Export() *servertypes.ExportedApp {
	c.t.Helper()
	exported, err := c.instances[0].app.Export(nil)
	require.NoError(c.t, err)
	return &exported
}

// Context reads the state after the last block, for keepers. What is written
// to it is lost.
func (c *Chain) Context() sdk.Context {
	header := cmtproto.Header{ChainID: ChainID, Height: c.height, Time: c.timeOf(c.height)}
	return sdk.NewContext(c.App().CommitMultiStore().CacheMultiStore(), header, false, log.NewNopLogger())
}

// Took returns how long the last block took on the instance that answers
// queries.
func (c *Chain) Took() Took { return c.instances[0].took }

// Close closes the database of the instance that answers queries. Nothing can
// be asked of the chain afterwards.
func (c *Chain) Close() {
	c.t.Helper()
	require.NoError(c.t, c.App().Close())
}

// StoredBytes returns the size of all keys and values in the database of the
// instance that answers queries, before the database compresses them.
func (c *Chain) StoredBytes() uint64 {
	c.t.Helper()
	size, err := c.instances[0].storedBytes()
	require.NoError(c.t, err)
	return size
}

// App returns the instance that answers queries.
func (c *Chain) App() *app.App { return c.instances[0].app }

// AppHash returns the hash of the state after the last block.
func (c *Chain) AppHash() []byte { return c.appHash }

// Authority returns the address of governance.
func (c *Chain) Authority() string { return authtypes.NewModuleAddress(govtypes.ModuleName).String() }

// Balance returns the nplx of an account.
func (c *Chain) Balance(addr sdk.AccAddress) uint64 {
	return c.App().Bank.GetBalance(c.Context(), addr, network.Denom).Amount.Uint64()
}

// Subnet returns a client of the module's queries at the last block.
func (c *Chain) Subnet() subnetv1.QueryClient { return subnetv1.NewQueryClient(conn{c.App()}) }

// Channel returns a client of the queries about payment channels.
func (c *Chain) Channel() channelv1.QueryClient { return channelv1.NewQueryClient(conn{c.App()}) }

// Emission returns the state of issuance.
func (c *Chain) Emission() *subnetv1.QueryEmissionResponse {
	c.t.Helper()
	e, err := c.Subnet().Emission(context.Background(), &subnetv1.QueryEmissionRequest{})
	require.NoError(c.t, err)
	return e
}

// sign encodes transactions in the order in which they will be in a block.
func (c *Chain) sign(txs []Tx) [][]byte {
	c.t.Helper()
	raw := make([][]byte, len(txs))
	used := map[string]uint64{}
	ctx := c.Context()
	for i, tx := range txs {
		number, sequence := uint64(0), uint64(0)
		if acc := c.App().Accounts.GetAccount(ctx, tx.Signer.Address()); acc != nil {
			number, sequence = acc.GetAccountNumber(), acc.GetSequence()
		}
		sequence += used[tx.Signer.Name]
		used[tx.Signer.Name]++
		gas := tx.Gas
		if gas == 0 {
			gas = Gas
		}
		fee := sdk.NewCoins()
		if tx.Fee > 0 {
			fee = sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(tx.Fee)))
		}
		config := c.App().Encoding().TxConfig
		signed, err := simtestutil.GenSignedMockTx(c.memos, config, tx.Msgs, fee, gas, ChainID,
			[]uint64{number}, []uint64{sequence}, tx.Signer.Key)
		require.NoError(c.t, err)
		raw[i], err = config.TxEncoder()(signed)
		require.NoError(c.t, err)
	}
	return raw
}

// check offers transactions to the instance with a mempool.
func (c *Chain) check(raw [][]byte) []*abci.ResponseCheckTx {
	c.t.Helper()
	results := make([]*abci.ResponseCheckTx, len(raw))
	for i, tx := range raw {
		res, err := c.instances[0].app.CheckTx(&abci.RequestCheckTx{Tx: tx, Type: abci.CheckTxType_New})
		require.NoError(c.t, err)
		results[i] = res
	}
	return results
}

// block runs one block on every instance and compares what they answer.
func (c *Chain) block(raw [][]byte) []*abci.ExecTxResult {
	c.t.Helper()
	req := c.request(raw)
	var first *abci.ResponseFinalizeBlock
	for _, in := range c.instances {
		res, err := in.run(req, c.rng)
		require.NoError(c.t, err, "instance %s, height %d", in.kind, req.Height)
		if first == nil {
			first = res
			continue
		}
		c.requireSame(first, res, in)
	}
	c.height = req.Height
	c.appHash = first.AppHash
	c.misdeeds = nil
	c.sets = [3][]abci.ValidatorUpdate{c.sets[1], c.sets[2], updated(c.sets[2], first.ValidatorUpdates)}
	if !c.cfg.Alone {
		c.requireAccounts()
	}
	return first.TxResults
}

func (c *Chain) request(raw [][]byte) *abci.RequestFinalizeBlock {
	height := c.height + 1
	req := &abci.RequestFinalizeBlock{
		Txs:         raw,
		Height:      height,
		Time:        c.timeOf(height),
		Misbehavior: c.misdeeds,
	}
	for _, v := range c.sets[0] {
		addr := addressOf(v)
		flag := cmtproto.BlockIDFlagCommit
		if c.absent[string(addr)] {
			flag = cmtproto.BlockIDFlagAbsent
		}
		req.DecidedLastCommit.Votes = append(req.DecidedLastCommit.Votes, abci.VoteInfo{
			Validator: abci.Validator{Address: addr, Power: v.Power}, BlockIdFlag: flag,
		})
	}
	if len(c.sets[1]) > 0 {
		req.ProposerAddress = addressOf(c.sets[1][0])
	}
	req.Hash = fmt.Appendf(nil, "block %026d", height)
	return req
}

// requireSame compares two instances' answers to a block.
func (c *Chain) requireSame(want, got *abci.ResponseFinalizeBlock, in *instance) {
	c.t.Helper()
	if bytes.Equal(want.AppHash, got.AppHash) {
		a, err := want.Marshal()
		require.NoError(c.t, err)
		b, err := got.Marshal()
		require.NoError(c.t, err)
		if bytes.Equal(a, b) {
			return
		}
	}
	require.Equal(c.t, want, got, "instance %s disagrees at height %d", in.kind, c.height+1)
}

// requireAccounts compares the modules' accounts with what their state owes.
func (c *Chain) requireAccounts() {
	c.t.Helper()
	e := c.Emission()
	require.Equal(c.t, e.Pending+e.Streaming, e.EmissionAccount, "emission account at height %d", c.height)
	require.Equal(c.t, e.Locked, e.LockAccount, "lock account at height %d", c.height)
	require.LessOrEqual(c.t, e.Supply, e.Cap, "supply at height %d", c.height)
	channels, err := c.Channel().Totals(context.Background(), &channelv1.QueryTotalsRequest{})
	require.NoError(c.t, err)
	require.Equal(c.t, channels.Totals.Escrowed, channels.EscrowAccount, "escrow account at height %d", c.height)
}

// updated returns a validator set after the changes that a block announced.
func updated(set, changes []abci.ValidatorUpdate) []abci.ValidatorUpdate {
	next := slices.Clone(set)
	for _, change := range changes {
		next = slices.DeleteFunc(next, func(v abci.ValidatorUpdate) bool { return v.PubKey.Equal(change.PubKey) })
		if change.Power > 0 {
			next = append(next, change)
		}
	}
	return next
}
