package keeper_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// hidingNet is a chain with subnet 1 in which validators hide their weights.
// Neuron i is the hotkey of validator i.
type hidingNet struct {
	*apptest.Chain
	t       testing.TB
	cfg     apptest.Config
	beacon  timelock.SecretKey
	owner   apptest.Account
	hotkeys []apptest.Account
}

// beaconGenesis is when every chain of apptest starts.
var beaconGenesis = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

func operator(i int) apptest.Account { return apptest.NewAccount(fmt.Sprintf("val%d", i)) }

// newHidingNet runs until n validators have permits, edits the parameters
// first.
func newHidingNet(t testing.TB, n int, edit func(*subnetv1.Params)) *hidingNet {
	secret, err := timelock.ParseSecretKey(append(make([]byte, 31), 77))
	require.NoError(t, err)
	h := &hidingNet{t: t, beacon: secret, owner: apptest.NewAccount("owner")}
	h.cfg = apptest.Config{
		Balances: []apptest.Balance{{Account: h.owner, Nplx: 1000 * subnet.PLX}},
		Params: func(p *subnetv1.Params) {
			p.Defaults.Tempo, p.Defaults.WeightsRateLimit, p.Defaults.ImmunityPeriod = tempo, 1, 0
			p.Defaults.MinNonImmune = 0
			p.Beacon = subnetv1.Beacon{PublicKey: secret.Public().Bytes(), GenesisTime: beaconGenesis, PeriodSeconds: 3}
			if edit != nil {
				edit(p)
			}
		},
	}
	for i := range n {
		h.cfg.Validators = append(h.cfg.Validators, apptest.Validator{Name: operator(i).Name, Tokens: uint64(100-i) * subnet.PLX})
		h.cfg.Balances = append(h.cfg.Balances, apptest.Balance{Account: operator(i), Nplx: 100 * subnet.PLX})
		h.hotkeys = append(h.hotkeys, apptest.NewAccount(fmt.Sprintf("hotkey%d", i)))
	}
	h.Chain = apptest.New(t, h.cfg)
	h.Advance(1)
	h.Must(h.owner, &subnetv1.MsgCreateSubnet{Owner: h.owner.String(), Name: "digits", MaxLock: 200 * subnet.PLX})
	var txs []apptest.Tx
	for i, hotkey := range h.hotkeys {
		txs = append(txs, apptest.Tx{Signer: operator(i), Msgs: []sdk.Msg{
			&subnetv1.MsgRegister{Coldkey: operator(i).String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: 50 * subnet.PLX, HotkeyProof: hotkey.Proof(operator(i))},
			&subnetv1.MsgBindHotkey{Operator: operator(i).String(), Hotkey: hotkey.String()},
		}})
	}
	for _, res := range h.Block(txs...) {
		require.Zero(t, res.Code, res.Log)
	}
	// The first epoch counts the stake, the second gives the permits.
	h.runEpochs(2)
	return h
}

func (h *hidingNet) info() subnetv1.SubnetInfo {
	resp, err := h.Subnet().Subnet(context.Background(), &subnetv1.QuerySubnetRequest{Netuid: 1})
	require.NoError(h.t, err)
	return resp.Subnet
}

// runEpochs advances to the block in which the n-th epoch from now runs.
func (h *hidingNet) runEpochs(n int) {
	for want := h.info().Subnet.Epochs + uint64(n); h.info().Subnet.Epochs < want; {
		h.Advance(1)
	}
}

// nextRound is the first round that a commit of the next block may name.
func (h *hidingNet) nextRound() uint64 {
	return sealing.Schedule(h.params().Beacon).RoundAt(beaconGenesis+int64(12*(h.Height()+1))) + 1
}

func (h *hidingNet) params() subnetv1.Params {
	resp, err := h.Subnet().Params(context.Background(), &subnetv1.QueryParamsRequest{})
	require.NoError(h.t, err)
	return resp.Params
}

func (h *hidingNet) sealed(i int, uids, values []uint32) *subnetv1.SealedWeights {
	s, err := sealing.New(apptest.ChainID, h.info().Subnet, h.hotkeys[i].String(), uids, values)
	require.NoError(h.t, err)
	return s
}

func (h *hidingNet) encrypt(round uint64, s *subnetv1.SealedWeights) []byte {
	ciphertext, err := sealing.Encrypt(h.params().Beacon, round, s)
	require.NoError(h.t, err)
	return ciphertext
}

func (h *hidingNet) msg(i int, round uint64, ciphertext []byte) *subnetv1.MsgCommitWeights {
	return &subnetv1.MsgCommitWeights{Hotkey: h.hotkeys[i].String(), Netuid: 1, Round: round, Ciphertext: ciphertext, Epoch: h.info().Subnet.Epochs}
}

// commit hides that neuron i gives everything to one uid.
func (h *hidingNet) commit(i int, round uint64, uid uint32) uint64 {
	res := h.Must(h.hotkeys[i], h.msg(i, round, h.encrypt(round, h.sealed(i, []uint32{uid}, []uint32{1}))))
	return commitID(h.t, res)
}

func commitID(t testing.TB, res *abci.ExecTxResult) uint64 {
	var data sdk.TxMsgData
	require.NoError(t, data.Unmarshal(res.Data))
	var resp subnetv1.MsgCommitWeightsResponse
	require.NoError(t, resp.Unmarshal(data.MsgResponses[0].Value))
	return resp.Id
}

func (h *hidingNet) pulse(round uint64) *subnetv1.MsgSubmitPulse {
	signature, err := h.beacon.Sign(round)
	require.NoError(h.t, err)
	return &subnetv1.MsgSubmitPulse{Sender: h.owner.String(), Round: round, Signature: signature}
}

func (h *hidingNet) submit(rounds ...uint64) {
	for _, r := range rounds {
		h.Must(h.owner, h.pulse(r))
	}
}

func (h *hidingNet) commits() []subnetv1.Commit {
	resp, err := h.Subnet().Commits(context.Background(), &subnetv1.QueryCommitsRequest{Netuid: 1})
	require.NoError(h.t, err)
	return resp.Commits
}

func (h *hidingNet) find(id uint64) subnetv1.Commit {
	for _, c := range h.commits() {
		if c.Id == id {
			return c
		}
	}
	require.Fail(h.t, "no such commit", "id %d", id)
	return subnetv1.Commit{}
}

// weightsOf returns the uid to which neuron i gives everything, and as of when;
// -1 without weights.
func (h *hidingNet) weightsOf(i int) (uid int, updated uint64) {
	resp, err := h.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1})
	require.NoError(h.t, err)
	for _, row := range resp.Rows {
		if row.Uid == uint32(i) {
			require.Len(h.t, row.Uids, 1)
			return int(row.Uids[0]), row.Updated
		}
	}
	return -1, 0
}

func (h *hidingNet) awaited() *subnetv1.QueryPulseResponse {
	resp, err := h.Subnet().Pulse(context.Background(), &subnetv1.QueryPulseRequest{})
	require.NoError(h.t, err)
	return resp
}

func (h *hidingNet) requireStatus(id uint64, status subnetv1.CommitStatus, reason string) {
	h.t.Helper()
	c := h.find(id)
	require.Equal(h.t, status.String(), c.Status.String(), "reason: %s", c.Reason)
	require.Equal(h.t, reason, c.Reason)
	if status != hidden {
		require.Empty(h.t, c.Ciphertext, "a settled commit keeps no ciphertext")
		require.NotZero(h.t, c.Settled)
	}
}

const (
	hidden   = subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN
	revealed = subnetv1.CommitStatus_COMMIT_STATUS_REVEALED
	failed   = subnetv1.CommitStatus_COMMIT_STATUS_FAILED
	expired  = subnetv1.CommitStatus_COMMIT_STATUS_EXPIRED
)

func TestTimelockedWeightsOpenAfterTheirPeriod(t *testing.T) {
	h := newHidingNet(t, 2, nil)
	round := h.nextRound()
	id := h.commit(0, round, 1)
	committed := h.Height()
	epoch := h.info().Subnet.Epochs

	c := h.find(id)
	require.Equal(t, epoch, c.Epoch)
	require.Equal(t, epoch+1, c.Due)
	require.Equal(t, committed, c.Height)
	require.Equal(t, []uint64{round}, h.awaited().Rounds)
	uid, _ := h.weightsOf(0)
	require.Equal(t, -1, uid)

	// The author's daemon may be gone from here on; anyone brings the round.
	h.submit(round)
	require.Empty(t, h.awaited().Rounds, "the round is here")
	require.EqualValues(t, 1, h.awaited().Waiting)
	h.requireStatus(id, hidden, "")
	require.Greater(t, h.info().NextEpoch, h.Height(), "the pulse came before the epoch")

	h.runEpochs(1)
	h.requireStatus(id, hidden, "")
	h.Advance(1)
	h.requireStatus(id, revealed, "")
	uid, updated := h.weightsOf(0)
	require.Equal(t, 1, uid)
	require.Equal(t, committed, updated, "weights count as of their commit")
	require.Zero(t, h.awaited().Waiting)
	require.Equal(t, round, h.awaited().Last.Round)

	h.runEpochs(1)
	meta, err := h.Subnet().Metagraph(context.Background(), &subnetv1.QueryMetagraphRequest{Netuid: 1})
	require.NoError(t, err)
	require.NotZero(t, meta.Incentive[1], "and earn what they stand for")
}

func TestLateRoundOnlyDelays(t *testing.T) {
	h := newHidingNet(t, 3, nil)
	early := h.nextRound()
	late := early + 100
	first := h.commit(0, early, 1)
	second := h.commit(1, late, 2)
	h.runEpochs(3)

	h.submit(late)
	h.requireStatus(second, revealed, "")
	h.requireStatus(first, hidden, "")
	require.Equal(t, []uint64{early}, h.awaited().Rounds, "the later round skips no earlier one")

	h.runEpochs(subnet.RevealGrace - 2)
	h.submit(early)
	h.requireStatus(first, revealed, "")
	uid, _ := h.weightsOf(0)
	require.Equal(t, 1, uid)
}

func TestLateRoundDoesNotUndoNewerWeights(t *testing.T) {
	h := newHidingNet(t, 3, nil)
	early := h.nextRound()
	old := h.commit(0, early, 1)
	h.runEpochs(1)
	newer := h.commit(0, h.nextRound(), 2)
	round := h.find(newer).Round
	h.runEpochs(1)
	h.submit(round)
	h.requireStatus(newer, revealed, "")
	before := h.Balance(operator(0).Address())
	h.submit(early)
	h.requireStatus(old, failed, "newer weights are in force")
	require.Equal(t, before, h.Balance(operator(0).Address()), "it is nobody's fault")
	uid, _ := h.weightsOf(0)
	require.Equal(t, 2, uid)
}

func TestUnopenedTimelockExpires(t *testing.T) {
	h := newHidingNet(t, 2, nil)
	round := h.nextRound()
	id := h.commit(0, round, 1)
	h.runEpochs(1 + subnet.RevealGrace)
	h.Advance(1)
	h.requireStatus(id, hidden, "")
	h.runEpochs(1)
	h.Advance(1)
	h.requireStatus(id, expired, "its round did not reach the chain in time")
	require.Empty(t, h.awaited().Rounds)
	h.Refuse(keeper.ErrUselessPulse, h.owner, h.pulse(round))
}

func TestFaultyCommitsFailAloneAndCost(t *testing.T) {
	h := newHidingNet(t, 12, func(p *subnetv1.Params) { p.Defaults.Tempo = 3 * tempo })
	round := h.nextRound() + 60
	fee := h.params().FailedCommitFee
	require.NotZero(t, fee)
	with := func(i int, edit func(*subnetv1.SealedWeights)) []byte {
		s := h.sealed(i, []uint32{1}, []uint32{1})
		edit(s)
		return h.encrypt(round, s)
	}
	foreign, err := timelock.NewSecretKey().Public().Seal(round, []byte("x"))
	require.NoError(t, err)
	text, err := h.beacon.Public().Seal(round, []byte("these are no weights"))
	require.NoError(t, err)
	const (
		sealedWrong = "the ciphertext cannot be opened with its round"
		boundWrong  = "the weights were made for another chain, subnet, hotkey or epoch, or their salt has a wrong size"
	)
	cases := []struct {
		name       string
		ciphertext []byte
		reason     string
		charged    bool
	}{
		{"copied from another validator's transaction", h.encrypt(round, h.sealed(1, []uint32{2}, []uint32{1})), boundWrong, true},
		{"random bytes", make([]byte, 300), sealedWrong, true},
		{"encrypted to another round", h.encrypt(round+1, h.sealed(2, []uint32{1}, []uint32{1})), sealedWrong, true},
		{"encrypted to another beacon", foreign, sealedWrong, true},
		{"no SealedWeights", text, sealedWrong, true},
		{"another chain", with(5, func(s *subnetv1.SealedWeights) { s.ChainId = "plexus-main" }), boundWrong, true},
		{"another subnet", with(6, func(s *subnetv1.SealedWeights) { s.Netuid = 2 }), boundWrong, true},
		{"another epoch", with(7, func(s *subnetv1.SealedWeights) { s.Epoch++ }), boundWrong, true},
		{"short salt", with(8, func(s *subnetv1.SealedWeights) { s.Salt = s.Salt[:15] }), boundWrong, true},
		{"unknown uid", with(9, func(s *subnetv1.SealedWeights) { s.Uids[0] = 99 }), "the weights name a uid that does not exist", false},
		{"wrong version", with(10, func(s *subnetv1.SealedWeights) { s.Version = 3 }), "the subnet wants another weights version", false},
		{"uid given twice", with(11, func(s *subnetv1.SealedWeights) { s.Uids, s.Values = []uint32{1, 1}, []uint32{1, 1} }), "the weights are invalid", false},
	}
	ids := make([]uint64, len(cases))
	for i, c := range cases {
		ids[i] = commitID(t, h.Must(h.hotkeys[i], h.msg(i, round, c.ciphertext)))
	}
	before := make([]uint64, len(cases))
	h.runEpochs(1)
	h.Advance(1)
	for i := range cases {
		before[i] = h.Balance(operator(i).Address())
	}
	burned := h.Emission().Totals.Burned
	h.submit(round)
	charged := uint64(0)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h.requireStatus(ids[i], failed, c.reason)
			want := before[i]
			if c.charged {
				want -= fee
				charged += fee
			}
			require.Equal(t, want, h.Balance(operator(i).Address()))
			uid, _ := h.weightsOf(i)
			require.Equal(t, -1, uid)
		})
	}
	require.Equal(t, burned+charged, h.Emission().Totals.Burned)
	require.Zero(t, h.awaited().Waiting)
	// A failed commit counts against the rate limit of its epoch and no longer.
	h.commit(1, h.nextRound(), 2)
}

func TestFailedCommitTakesWhatTheColdkeyHas(t *testing.T) {
	h := newHidingNet(t, 2, func(p *subnetv1.Params) { p.FailedCommitFee = 1_000_000 * subnet.PLX })
	round := h.nextRound()
	id := commitID(t, h.Must(h.hotkeys[0], h.msg(0, round, make([]byte, 200))))
	h.runEpochs(1)
	require.NotZero(t, h.Balance(operator(0).Address()))
	h.submit(round)
	h.requireStatus(id, failed, "the ciphertext cannot be opened with its round")
	require.Zero(t, h.Balance(operator(0).Address()))
}

func TestOpeningsPerBlockAreBounded(t *testing.T) {
	h := newHidingNet(t, 6, func(p *subnetv1.Params) { p.MaxRevealsPerBlock = 2 })
	round := h.nextRound() + 40
	h.commit(5, round+1, 0) // a later round waits its turn although its id is lower
	for i := range 5 {
		h.commit(i, round, 5)
	}
	h.runEpochs(1)
	h.Advance(1)
	count := func() (open []int) {
		for i := range 6 {
			if uid, _ := h.weightsOf(i); uid >= 0 {
				open = append(open, i)
			}
		}
		return open
	}
	for _, res := range h.Block(
		apptest.Tx{Signer: h.owner, Msgs: []sdk.Msg{h.pulse(round + 1)}},
		apptest.Tx{Signer: h.owner, Msgs: []sdk.Msg{h.pulse(round)}},
	) {
		require.Zero(t, res.Code, res.Log)
	}
	require.Equal(t, []int{0, 1}, count())
	h.Advance(1)
	require.Equal(t, []int{0, 1, 2, 3}, count())
	h.Advance(1)
	require.Equal(t, []int{0, 1, 2, 3, 4, 5}, count())
}

func TestWaitingForTheEpochHoldsUpNobody(t *testing.T) {
	h := newHidingNet(t, 3, func(p *subnetv1.Params) { p.MaxRevealsPerBlock = 1 })
	early := h.nextRound() + 10
	first := h.commit(0, early+1, 1)
	h.runEpochs(1)
	// The younger commit has the earlier round, and its epoch is not over.
	second := h.commit(1, max(early, h.nextRound()), 2)
	h.submit(h.find(second).Round, early+1)
	h.Advance(1)
	h.requireStatus(first, revealed, "")
	h.requireStatus(second, hidden, "")
	h.runEpochs(1)
	h.Advance(1)
	h.requireStatus(second, revealed, "")
}

func TestCommitDiesWithItsNeuron(t *testing.T) {
	h := newHidingNet(t, 2, func(p *subnetv1.Params) { p.Defaults.MaxUids, p.Defaults.MaxValidators = 2, 2 })
	round := h.nextRound() + 200
	h.commit(0, round, 1)
	h.commit(1, round, 0)
	register := func(who, hotkey apptest.Account) {
		h.Must(who, &subnetv1.MsgRegister{Coldkey: who.String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: 50 * subnet.PLX, HotkeyProof: hotkey.Proof(who)})
	}
	// Validator 1 earns least: its neuron makes room, and then comes back.
	register(h.owner, apptest.NewAccount("newcomer"))
	require.Len(t, h.commits(), 1, "the evicted neuron's commit is gone")
	for i := range 2 {
		_, err := h.Subnet().Neuron(context.Background(), &subnetv1.QueryNeuronRequest{Netuid: 1, Hotkey: h.hotkeys[i].String()})
		require.Equal(t, i == 1, err != nil)
	}
	register(operator(1), h.hotkeys[1])
	h.runEpochs(1)
	h.submit(round)
	uid, _ := h.weightsOf(0)
	require.Equal(t, 1, uid)
	uid, _ = h.weightsOf(1)
	require.Equal(t, -1, uid, "what was committed before the new registration never counts")
}

func TestCommitsFollowTheirNeuron(t *testing.T) {
	h := newHidingNet(t, 3, nil)
	round := h.nextRound() + 60
	h.commit(0, round, 1)
	h.commit(1, round, 2)
	kept := h.commit(2, round, 1)
	h.Must(operator(0), &subnetv1.MsgDeregister{Sender: operator(0).String(), Hotkey: h.hotkeys[0].String(), Netuid: 1})
	require.Len(t, h.commits(), 2, "a neuron that leaves takes its commits with it")
	fresh := apptest.NewAccount("fresh")
	h.Must(operator(1), &subnetv1.MsgSwapHotkey{Coldkey: operator(1).String(), Hotkey: h.hotkeys[1].String(), NewHotkey: fresh.String(), NewHotkeyProof: fresh.Proof(operator(1))})
	h.runEpochs(1)
	h.Advance(1)
	h.submit(round)
	h.requireStatus(kept, revealed, "")
	uid, _ := h.weightsOf(1)
	require.Equal(t, 2, uid, "a swapped hotkey keeps what it committed")

	h.commit(2, h.nextRound()+60, 1)
	h.Must(h.owner, &subnetv1.MsgRemoveSubnet{Sender: h.owner.String(), Netuid: 1})
	require.Zero(t, h.awaited().Waiting, "nothing waits for a subnet that is gone")
	h.Advance(2 * tempo)
}

func TestCommitRefusals(t *testing.T) {
	h := newHidingNet(t, 3, func(p *subnetv1.Params) {
		p.Defaults.MaxValidators = 2
		p.Defaults.WeightsRateLimit = tempo + 5
		p.Defaults.MaxUids = 16
	})
	round := h.nextRound() + 20
	good := h.msg(0, round, h.encrypt(round, h.sealed(0, []uint32{1}, []uint32{1})))
	most := sealing.MaxCiphertext(16)
	epoch := h.info().Subnet.Epochs
	for _, c := range []struct {
		name string
		by   int
		edit func(*subnetv1.MsgCommitWeights)
		want *errorsmod.Error
	}{
		{"unknown subnet", 0, func(m *subnetv1.MsgCommitWeights) { m.Netuid = 9 }, keeper.ErrUnknownSubnet},
		{"epoch that is over", 0, func(m *subnetv1.MsgCommitWeights) { m.Epoch = epoch - 1 }, keeper.ErrWrongEpoch},
		{"epoch to come", 0, func(m *subnetv1.MsgCommitWeights) { m.Epoch = epoch + 1 }, keeper.ErrWrongEpoch},
		{"no permit", 2, func(m *subnetv1.MsgCommitWeights) {}, keeper.ErrNoPermit},
		{"empty ciphertext", 0, func(m *subnetv1.MsgCommitWeights) { m.Ciphertext = nil }, keeper.ErrInvalidCommit},
		{"nothing encrypted", 0, func(m *subnetv1.MsgCommitWeights) { m.Ciphertext = make([]byte, timelock.Overhead) }, keeper.ErrInvalidCommit},
		{"ciphertext too long", 0, func(m *subnetv1.MsgCommitWeights) { m.Ciphertext = make([]byte, most+1) }, keeper.ErrInvalidCommit},
		{"round 0", 0, func(m *subnetv1.MsgCommitWeights) { m.Round = 0 }, keeper.ErrWrongRound},
		{"round that is out", 0, func(m *subnetv1.MsgCommitWeights) { m.Round = h.nextRound() - 1 }, keeper.ErrWrongRound},
		{"round in a thousand years", 0, func(m *subnetv1.MsgCommitWeights) { m.Round = 1 << 62 }, keeper.ErrWrongRound},
		{"round at the end of all", 0, func(m *subnetv1.MsgCommitWeights) { m.Round = 1<<64 - 1 }, keeper.ErrWrongRound},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := *good
			c.edit(&msg)
			msg.Hotkey = h.hotkeys[c.by].String()
			h.Refuse(c.want, h.hotkeys[c.by], &msg)
		})
	}
	t.Run("not registered", func(t *testing.T) {
		msg := *good
		msg.Hotkey = h.owner.String()
		h.Refuse(keeper.ErrNotRegistered, h.owner, &msg)
	})
	t.Run("plain weights", func(t *testing.T) {
		_, err := h.Do(apptest.Tx{Signer: h.hotkeys[0], Msgs: []sdk.Msg{&subnetv1.MsgSetWeights{
			Hotkey: h.hotkeys[0].String(), Netuid: 1, Uids: []uint32{1}, Values: []uint32{1},
		}}})
		require.ErrorIs(t, err, keeper.ErrCommitReveal)
		require.ErrorContains(t, err, "plexus tx subnet commit-weights")
	})
	t.Run("hashed weights", func(t *testing.T) {
		h.Refuse(keeper.ErrCommitReveal, h.hotkeys[0], &subnetv1.MsgCommitHash{
			Hotkey: h.hotkeys[0].String(), Netuid: 1, Hash: make([]byte, 32), Epoch: h.info().Subnet.Epochs,
		})
	})
	// Refusals make blocks, so start afresh in an epoch.
	h.runEpochs(1)
	first := h.nextRound() + 5
	h.commit(0, first, 1)
	t.Run("too soon", func(t *testing.T) {
		h.runEpochs(1)
		h.Refuse(keeper.ErrRateLimited, h.hotkeys[0], h.msg(0, h.nextRound()+5, make([]byte, 200)))
	})
}

func TestOneCommitPerEpoch(t *testing.T) {
	h := newHidingNet(t, 2, nil)
	h.commit(0, h.nextRound()+30, 1)
	h.Refuse(keeper.ErrCommitted, h.hotkeys[0], h.msg(0, h.nextRound()+30, make([]byte, 200)))
	h.runEpochs(1)
	h.commit(0, h.nextRound()+30, 1)
	require.Len(t, h.commits(), 2)
}

func TestStakeIsAskedForAtTheCommit(t *testing.T) {
	h := newHidingNet(t, 2, func(p *subnetv1.Params) { p.StakeThreshold = 99*subnet.PLX + 1 })
	h.Refuse(keeper.ErrStakeTooLow, h.hotkeys[1], h.msg(1, h.nextRound()+5, make([]byte, 200)))
}

func TestOnlySomeSettledCommitsAreRemembered(t *testing.T) {
	h := newHidingNet(t, 2, nil)
	for range subnet.KeptCommits + 2 {
		round := h.nextRound()
		h.commit(0, round, 1)
		h.runEpochs(1)
		h.submit(round)
	}
	commits := h.commits()
	require.Len(t, commits, subnet.KeptCommits)
	require.EqualValues(t, subnet.KeptCommits+2, commits[len(commits)-1].Id)
	one, err := h.Subnet().Commits(context.Background(), &subnetv1.QueryCommitsRequest{Netuid: 1, Hotkey: h.hotkeys[1].String()})
	require.NoError(t, err)
	require.Empty(t, one.Commits)
}

func TestWithoutBeacon(t *testing.T) {
	h := newHidingNet(t, 2, func(p *subnetv1.Params) { p.Beacon = subnetv1.Beacon{} })
	h.Refuse(keeper.ErrNoBeacon, h.hotkeys[0], h.msg(0, 5, make([]byte, 200)))
}

func TestChangedBeaconExpiresWhatNobodyCanOpen(t *testing.T) {
	h := newHidingNet(t, 2, nil)
	round := h.nextRound()
	id := h.commit(0, round, 1)
	params := h.params()
	params.Beacon.PublicKey = timelock.NewSecretKey().Public().Bytes()
	ctx := h.Context()
	_, err := keeper.NewMsgServer(h.App().Subnet).UpdateParams(ctx, &subnetv1.MsgUpdateParams{Authority: h.Authority(), Params: params})
	require.NoError(t, err)
	resp, err := keeper.NewQueryServer(h.App().Subnet).Commits(ctx, &subnetv1.QueryCommitsRequest{Netuid: 1})
	require.NoError(t, err)
	require.Len(t, resp.Commits, 1)
	require.Equal(t, id, resp.Commits[0].Id)
	require.Equal(t, expired, resp.Commits[0].Status)
	require.Equal(t, "the network changed its beacon", resp.Commits[0].Reason)
}

func TestPulses(t *testing.T) {
	h := newHidingNet(t, 2, nil)
	round := h.nextRound() + 30
	h.Refuse(keeper.ErrUselessPulse, h.owner, h.pulse(round))
	h.commit(0, round, 1)

	wrong := h.pulse(round + 1)
	wrong.Round = round
	h.Refuse(keeper.ErrInvalidPulse, h.owner, wrong)
	short := h.pulse(round)
	short.Signature = short.Signature[:10]
	h.Refuse(keeper.ErrInvalidPulse, h.owner, short)
	h.Refuse(keeper.ErrUselessPulse, h.owner, h.pulse(round+1))

	h.submit(round)
	h.Refuse(keeper.ErrUselessPulse, h.owner, h.pulse(round))
	// A commit to a round that is out would hide nothing.
	h.Refuse(keeper.ErrWrongRound, h.hotkeys[1], h.msg(1, round, make([]byte, 200)))
}

func TestUsefulPulsesAreFree(t *testing.T) {
	h := newHidingNet(t, 2, nil)
	h.cfg.MinGasPrices = "0.1nplx"
	h.cfg.Exported = h.Export()
	h.Chain = apptest.New(t, h.cfg)
	h.Advance(1)
	round := h.nextRound() + 9
	h.commit(0, round, 1)
	h.commit(1, round+1, 1)

	wrong := h.pulse(round + 1)
	wrong.Round = round
	for _, msg := range []sdk.Msg{h.pulse(round + 2), wrong} {
		_, err := h.Do(apptest.Tx{Signer: h.owner, Msgs: []sdk.Msg{msg}})
		require.ErrorIs(t, err, sdkerrors.ErrInsufficientFee, "a useless pulse pays")
	}
	before := h.Balance(h.owner.Address())
	_, err := h.Do(apptest.Tx{Signer: h.owner, Msgs: []sdk.Msg{h.pulse(round + 2)}, Fee: apptest.Gas / 10})
	require.ErrorIs(t, err, keeper.ErrUselessPulse)
	require.Equal(t, before-apptest.Gas/10, h.Balance(h.owner.Address()))

	// Beside a duty a pulse would take it past the checks of duties.
	mixed := []sdk.Msg{h.pulse(round), h.msg(0, round+50, make([]byte, 200))}
	mixed[0].(*subnetv1.MsgSubmitPulse).Sender = h.hotkeys[0].String()
	_, err = h.Do(apptest.Tx{Signer: h.hotkeys[0], Msgs: mixed})
	require.ErrorIs(t, err, sdkerrors.ErrInsufficientFee)

	h.submit(round) // without a fee
	h.submit(round + 1)
	require.Equal(t, before-apptest.Gas/10, h.Balance(h.owner.Address()))
}

func TestExportKeepsCommits(t *testing.T) {
	h := newHidingNet(t, 4, nil)
	old := h.nextRound()
	done := h.commit(3, old, 1)
	h.runEpochs(1)
	h.submit(old)
	h.requireStatus(done, revealed, "")
	round := h.nextRound() + 6
	withPulse := h.commit(0, round, 1)
	without := h.commit(1, round+50, 2)
	h.submit(round)
	h.requireStatus(withPulse, hidden, "")

	exported := h.Export()
	before, rounds := h.commits(), h.awaited()
	h.cfg.Exported = exported
	h.Chain = apptest.New(t, h.cfg)
	h.Advance(1)
	require.Equal(t, before, h.commits())
	require.Equal(t, rounds, h.awaited())
	h.Refuse(keeper.ErrCommitted, h.hotkeys[0], h.msg(0, h.nextRound()+9, make([]byte, 200)))

	h.runEpochs(1)
	h.Advance(1)
	h.requireStatus(withPulse, revealed, "")
	h.submit(round + 50)
	h.requireStatus(without, revealed, "")
	require.Equal(t, without+1, h.commit(2, round+60, 0), "ids go on")
}

func hashNet(t *testing.T) *hidingNet {
	return newHidingNet(t, 2, func(p *subnetv1.Params) { p.Defaults.CommitReveal = subnet.CommitRevealHash })
}

func (h *hidingNet) hashMsg(i int, next, opening *subnetv1.SealedWeights) *subnetv1.MsgCommitHash {
	msg := &subnetv1.MsgCommitHash{Hotkey: h.hotkeys[i].String(), Netuid: 1, Epoch: h.info().Subnet.Epochs, Opening: opening}
	if next != nil {
		hash, err := sealing.Hash(next)
		require.NoError(h.t, err)
		msg.Hash = hash
	}
	return msg
}

func TestHashedWeightsOpenWithTheNextCommit(t *testing.T) {
	h := hashNet(t)
	first := h.sealed(0, []uint32{1}, []uint32{7})
	id := commitID(t, h.Must(h.hotkeys[0], h.hashMsg(0, first, nil)))
	committed := h.Height()
	h.Refuse(keeper.ErrNotDue, h.hotkeys[0], h.hashMsg(0, nil, first))
	h.runEpochs(1)
	second := h.sealed(0, []uint32{0}, []uint32{7})
	h.Must(h.hotkeys[0], h.hashMsg(0, second, first))
	h.requireStatus(id, revealed, "")
	uid, updated := h.weightsOf(0)
	require.Equal(t, 1, uid)
	require.Equal(t, committed, updated)
	h.Refuse(keeper.ErrUnknownCommit, h.hotkeys[0], h.hashMsg(0, nil, first))

	// One that is not opened in its epoch is lost.
	h.runEpochs(2)
	h.Advance(1)
	h.requireStatus(id+1, expired, "its author did not open it in the epoch in which it was due")
	h.Refuse(keeper.ErrUnknownCommit, h.hotkeys[0], h.hashMsg(0, nil, second))
}

func TestHashedOpeningsMustMatch(t *testing.T) {
	h := hashNet(t)
	mine := h.sealed(0, []uint32{1}, []uint32{7})
	theirs := h.sealed(1, []uint32{0}, []uint32{7})
	h.Must(h.hotkeys[0], h.hashMsg(0, mine, nil))
	// Validator 1 commits to validator 0's hash and hopes to open it later.
	h.Must(h.hotkeys[1], h.hashMsg(1, mine, nil))
	h.runEpochs(1)
	for name, edit := range map[string]func(*subnetv1.SealedWeights){
		"other weights": func(s *subnetv1.SealedWeights) { s.Values = []uint32{8} },
		"other salt":    func(s *subnetv1.SealedWeights) { s.Salt = append([]byte{s.Salt[0] ^ 1}, s.Salt[1:]...) },
		"other version": func(s *subnetv1.SealedWeights) { s.Version++ },
	} {
		changed := *mine
		edit(&changed)
		t.Run(name, func(t *testing.T) {
			h.Refuse(keeper.ErrWrongOpening, h.hotkeys[0], h.hashMsg(0, nil, &changed))
		})
	}
	h.Refuse(keeper.ErrWrongOpening, h.hotkeys[1], h.hashMsg(1, nil, mine))
	h.Refuse(keeper.ErrWrongOpening, h.hotkeys[1], h.hashMsg(1, nil, theirs))
	h.Refuse(keeper.ErrInvalidCommit, h.hotkeys[0], h.hashMsg(0, nil, nil))
	bad := h.hashMsg(0, mine, nil)
	bad.Hash = bad.Hash[:31]
	h.Refuse(keeper.ErrInvalidCommit, h.hotkeys[0], bad)
	h.Must(h.hotkeys[0], h.hashMsg(0, nil, mine))
	uid, _ := h.weightsOf(0)
	require.Equal(t, 1, uid)
}

func TestPlainSubnetTakesNoCommits(t *testing.T) {
	h := newHidingNet(t, 2, func(p *subnetv1.Params) { p.Defaults.CommitReveal = subnet.CommitRevealOff })
	h.Must(h.hotkeys[0], &subnetv1.MsgSetWeights{Hotkey: h.hotkeys[0].String(), Netuid: 1, Uids: []uint32{1}, Values: []uint32{1}})
	_, err := h.Do(apptest.Tx{Signer: h.hotkeys[1], Msgs: []sdk.Msg{h.msg(1, h.nextRound()+5, make([]byte, 200))}})
	require.ErrorIs(t, err, keeper.ErrCommitReveal)
	require.ErrorContains(t, err, "plexus tx subnet set-weights")
}
