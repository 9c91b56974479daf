package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const netuid = 1

// TestNetwork looks at one network from its start to its end. The parts build
// on each other and run in order; all but the first need those before only to
// have left the network alive.
func TestNetwork(t *testing.T) {
	begin := time.Now()
	n := startLocal(t, "--restart", "node")
	at, err := n.places()
	require.NoError(t, err)
	s := &story{t: t, net: n, at: at, chain: n.chain()}

	if !t.Run("miners are paid", func(t *testing.T) { s.minersArePaid(t, begin) }) {
		return
	}
	t.Run("every epoch is divided 18/41/41 to the unit", s.split)
	t.Run("the better model earns more", s.order)
	t.Run("supply is genesis + rewards - burned", s.supply)
	t.Run("the best miner names a digit", s.infer)
	t.Run("bad transactions", s.badTransactions)
	t.Run("a miner with a port in use", s.portInUse)
	t.Run("a miner without registration", s.unregisteredMiner)
	t.Run("the best miner dies", s.bestMinerDies)
	t.Run("the node dies and comes back", s.nodeDies)
	t.Run("it ends without a trace", s.end)
}

type story struct {
	t     *testing.T
	net   *local
	at    localnet.Places
	chain *chainclient.Client

	genesis uint64
	best    string // hotkey
}

// meanwhile is the bound on whatever takes some epochs on a busy machine.
const meanwhile = 3 * time.Minute

// eventually retries while the chain is away or the condition does not hold.
func eventually[T any](t *testing.T, what string, ask func(context.Context) (T, error), holds func(T) bool) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), meanwhile)
	defer cancel()
	for {
		got, err := ask(ctx)
		if err == nil && holds(got) {
			return got
		}
		if err != nil && !errors.Is(err, chainclient.ErrUnavailable) && !errors.Is(err, chainclient.ErrNotFound) {
			require.NoError(t, err, what)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			require.Fail(t, what+" did not happen", "last answer: %v, error: %v", got, err)
		}
	}
}

func (s *story) subnet(ctx context.Context) (*subnetv1.SubnetInfo, error) {
	return s.chain.Subnet(ctx, netuid)
}

func (s *story) meta(ctx context.Context) (*subnetv1.QueryMetagraphResponse, error) {
	return s.chain.Metagraph(ctx, netuid)
}

func (s *story) minersArePaid(t *testing.T, begin time.Time) {
	paid := eventually(t, "emission to miners", s.subnet, func(i *subnetv1.SubnetInfo) bool { return i.Subnet.Ledger.MinersPaid > 0 })
	t.Logf("the first epoch that paid miners was epoch %d, seen %s after the start of `plexus localnet`",
		paid.Subnet.Epochs, time.Since(begin).Round(time.Second))
	require.Eventually(t, func() bool {
		text := s.net.progressText()
		return strings.Contains(text, "miners were paid for the first time") && strings.Contains(text, "INCENTIVE")
	}, 20*time.Second, 100*time.Millisecond, "what is not a terminal is told as much")
}

// epoch is what the chain says right after an epoch.
type epoch struct {
	meta *subnetv1.QueryMetagraphResponse
	info *subnetv1.SubnetInfo
}

// nextEpoch waits for one and reads its outcome.
func (s *story) nextEpoch(t *testing.T, after uint64) epoch {
	t.Helper()
	ask := func(ctx context.Context) (e epoch, err error) {
		if e.info, err = s.subnet(ctx); err == nil {
			e.meta, err = s.meta(ctx)
		}
		return e, err
	}
	return eventually(t, "the next epoch", ask, func(e epoch) bool {
		return e.info.Subnet.Epochs > after && e.meta.LastEpoch == e.info.Subnet.LastEpoch
	})
}

// split follows two epochs in a row. What there is to divide is reckoned from
// the blocks, and not taken from the chain's books.
func (s *story) split(t *testing.T) {
	first := s.nextEpoch(t, 0)
	for round := range 2 {
		before := first
		now := s.nextEpoch(t, before.info.Subnet.Epochs)
		require.Equal(t, before.info.Subnet.Epochs+1, now.info.Subnet.Epochs, "an epoch was missed")
		old, books := before.info.Subnet.Ledger, now.info.Subnet.Ledger
		blocks := now.info.Subnet.LastEpoch - before.info.Subnet.LastEpoch
		require.Equal(t, now.info.Subnet.Hyperparams.Tempo, blocks, "exactly tempo blocks")

		carried := carriedAt(t, before)
		amount := carried + blocks*subnet.PLX
		require.Less(t, carried, uint64(100), "only what rounding left was carried")
		neurons := uint64(len(now.meta.Hotkeys))
		require.Equal(t, amount*1800/10_000, books.OwnerPaid-old.OwnerPaid, "owner, round %d", round)
		requirePart(t, "miners", amount*4100/10_000, books.MinersPaid-old.MinersPaid, neurons)
		requirePart(t, "validators", amount*4100/10_000, books.ValidatorsPaid-old.ValidatorsPaid, neurons)
		require.Equal(t, books.Burned, old.Burned, "nothing is burned in an epoch with incentive")
		left := amount - (books.OwnerPaid - old.OwnerPaid) - (books.MinersPaid - old.MinersPaid) - (books.ValidatorsPaid - old.ValidatorsPaid)
		require.Equal(t, left, carriedAt(t, now), "the remainder is pending")

		miners, validators := uint64(0), uint64(0)
		for uid, nplx := range now.meta.Emission {
			if now.meta.Stake[uid] > 0 {
				validators += nplx
			} else {
				miners += nplx
			}
		}
		require.Equal(t, books.MinersPaid-old.MinersPaid, miners, "what neurons were paid adds up")
		require.Equal(t, books.ValidatorsPaid-old.ValidatorsPaid, validators, "what validators were paid adds up")
		first = now
	}
}

// carriedAt is the pending amount right after the epoch: what is pending now
// without the whole rewards of the blocks since.
func carriedAt(t *testing.T, e epoch) uint64 {
	t.Helper()
	rewards := e.info.Pending / subnet.PLX
	require.LessOrEqual(t, rewards, e.info.Subnet.Hyperparams.Tempo)
	return e.info.Pending % subnet.PLX
}

// requirePart allows one unit for every neuron among whom a part is divided,
// and one for the precision of a share.
func requirePart(t *testing.T, who string, due, paid, neurons uint64) {
	t.Helper()
	require.LessOrEqual(t, paid, due, who)
	require.LessOrEqual(t, due-paid, 2*neurons, who)
}

// order compares what coldkeys gained over some epochs with how good their
// models are on images that nobody has seen.
func (s *story) order(t *testing.T) {
	from := s.nextEpoch(t, 0)
	before := s.balances(t, from.meta)
	to := eventually(t, "two more epochs", s.meta, func(m *subnetv1.QueryMetagraphResponse) bool {
		return m.LastEpoch >= from.meta.LastEpoch+2*from.info.Subnet.Hyperparams.Tempo
	})
	after := s.balances(t, to)

	type miner struct {
		model    string
		earned   uint64
		accuracy float64
	}
	var miners []miner
	accuracy := s.accuracies(t)
	for uid, hotkey := range to.Hotkeys {
		if to.Endpoints[uid].Port == 0 {
			continue
		}
		model := to.Endpoints[uid].Model
		require.Contains(t, accuracy, model)
		miners = append(miners, miner{model, after[to.Coldkeys[uid]] - before[to.Coldkeys[uid]], accuracy[model]})
		if model == "digits-large" {
			s.best = hotkey
		}
	}
	require.Len(t, miners, 4)
	slices.SortFunc(miners, func(a, b miner) int { return cmp.Compare(b.earned, a.earned) })
	t.Logf("earned: %+v", miners)
	for i := range miners[1:] {
		require.Greater(t, miners[i].accuracy, miners[i+1].accuracy, "earnings are in the order of accuracy")
		require.Greater(t, miners[i].earned, miners[i+1].earned, "and strictly")
	}
	garbage := miners[3]
	require.Equal(t, "digits-untrained", garbage.model)
	require.Less(t, garbage.earned, miners[0].earned/100, "garbage is at or near nothing")
}

func (s *story) balances(t *testing.T, meta *subnetv1.QueryMetagraphResponse) map[string]uint64 {
	t.Helper()
	balances := map[string]uint64{}
	for _, coldkey := range meta.Coldkeys {
		nplx, err := s.chain.Balance(t.Context(), coldkey)
		require.NoError(t, err)
		balances[coldkey] = nplx
	}
	return balances
}

func (s *story) accuracies(t *testing.T) map[string]float64 {
	t.Helper()
	out, stderr, code := plexus(t, "model", "eval", filepath.Join(s.net.dir, "models"), "--count", "2000", "--output", "json")
	require.Zero(t, code, stderr)
	var results []struct {
		Model    string
		Accuracy float64
	}
	require.NoError(t, json.Unmarshal([]byte(out), &results))
	accuracy := map[string]float64{}
	for _, r := range results {
		accuracy[r.Model] = r.Accuracy
	}
	return accuracy
}

// supply reckons from the genesis file and the height.
func (s *story) supply(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(s.at.Home, "config", "genesis.json"))
	require.NoError(t, err)
	var genesis struct {
		AppState struct {
			Bank struct {
				Balances []struct {
					Coins []struct{ Denom, Amount string }
				}
			}
		} `json:"app_state"`
	}
	require.NoError(t, json.Unmarshal(raw, &genesis))
	s.genesis = 0
	for _, balance := range genesis.AppState.Bank.Balances {
		nplx, err := strconv.ParseUint(balance.Coins[0].Amount, 10, 64)
		require.NoError(t, err)
		s.genesis += nplx
	}

	info, err := s.subnet(t.Context())
	require.NoError(t, err)
	e, err := s.chain.Emission(t.Context())
	require.NoError(t, err)
	rewards := (e.Height - info.Subnet.Created + 1) * subnet.PLX
	require.Equal(t, rewards, e.Totals.Minted)
	require.Equal(t, s.genesis+rewards-e.Totals.Burned, e.Supply)
	require.Equal(t, info.Subnet.Ledger.Burned+info.Subnet.Ledger.Registrations, e.Totals.Burned, "every burn is accounted for")
	require.Equal(t, e.Pending+e.Streaming, e.EmissionAccount)
	require.Equal(t, e.Locked, e.LockAccount)
	require.Equal(t, info.Subnet.Lock, e.Locked)

	// The bank's own sum over all accounts, at the height of another answer.
	held := s.sumOfBalances(t)
	require.Equal(t, s.genesis+(held.height-info.Subnet.Created+1)*subnet.PLX-e.Totals.Burned, held.sum)
}

type holdings struct{ height, sum uint64 }

// sumOfBalances adds up what every account holds, modules' included, at the
// height that the answer names.
func (s *story) sumOfBalances(t *testing.T) holdings {
	t.Helper()
	resp, err := http.Get(s.at.REST + "/cosmos/bank/v1beta1/denom_owners/nplx?pagination.limit=1000")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var page struct {
		Owners []struct {
			Balance struct{ Amount string }
		} `json:"denom_owners"`
		Pagination struct {
			NextKey []byte `json:"next_key"`
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&page))
	require.Empty(t, page.Pagination.NextKey)
	var h holdings
	h.height, err = strconv.ParseUint(resp.Header.Get("Grpc-Metadata-X-Cosmos-Block-Height"), 10, 64)
	require.NoError(t, err)
	for _, owner := range page.Owners {
		nplx, err := strconv.ParseUint(owner.Balance.Amount, 10, 64)
		require.NoError(t, err)
		h.sum += nplx
	}
	return h
}

// drawDigit draws a digit as a person with a thick pen would: big, dark on
// white, in a size and font that no model was made for.
func drawDigit(t *testing.T, digit int) string {
	t.Helper()
	parsed, err := opentype.Parse(gobold.TTF)
	require.NoError(t, err)
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: 120, DPI: 72})
	require.NoError(t, err)
	img := image.NewRGBA(image.Rect(0, 0, 160, 160))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	pen := font.Drawer{Dst: img, Src: image.NewUniform(color.RGBA{20, 30, 90, 255}), Face: face}
	text := strconv.Itoa(digit)
	bounds, _ := pen.BoundString(text)
	size := bounds.Max.Sub(bounds.Min)
	pen.Dot = fixed.Point26_6{X: (fixed.I(160)-size.X)/2 - bounds.Min.X, Y: (fixed.I(160)-size.Y)/2 - bounds.Min.Y}
	pen.DrawString(text)
	path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.png", digit))
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, png.Encode(file, img))
	require.NoError(t, file.Close())
	return path
}

type answer struct {
	Label         int
	Probabilities []float64
	Miner         struct {
		UID    int
		Hotkey string
		Model  string
	}
}

func (s *story) ask(t *testing.T, pictures ...string) []answer {
	t.Helper()
	args := append([]string{"infer", "--netuid", "1", "--node", s.at.GRPC, "--output", "json"}, pictures...)
	out, stderr, code := plexus(t, args...)
	require.Zero(t, code, stderr)
	var answers []answer
	require.NoError(t, json.Unmarshal([]byte(out), &answers), out)
	require.Len(t, answers, len(pictures))
	return answers
}

func (s *story) infer(t *testing.T) {
	digits := []int{3, 7}
	var pictures []string
	for _, d := range digits {
		pictures = append(pictures, drawDigit(t, d))
	}
	for i, a := range s.ask(t, pictures...) {
		require.Equal(t, digits[i], a.Label)
		require.Equal(t, s.best, a.Miner.Hotkey, "the best miner answers")
		require.Equal(t, "digits-large", a.Miner.Model)
		sum := 0.0
		for _, p := range a.Probabilities {
			sum += p
		}
		require.InDelta(t, 1, sum, 1e-3)
		require.False(t, math.IsNaN(sum))
	}
}

// badTransactions are refused, each with the code of its own reason.
func (s *story) badTransactions(t *testing.T) {
	keys, err := chainclient.OpenKeyring(s.at.Home, keyring.BackendTest, nil)
	require.NoError(t, err)
	signer := func(name string) *chainclient.Signer {
		s, err := chainclient.NewSigner(keys, name)
		require.NoError(t, err)
		return s
	}
	validator, owner := signer("validator-1-hot"), signer("owner")
	_, err = s.chain.Submit(t.Context(), validator, &subnetv1.MsgSetWeights{Hotkey: validator.Address(), Netuid: netuid, Uids: []uint32{0}, Values: []uint32{1}})
	requireRefused(t, err, keeper.ErrCommitReveal.ABCICode(), "commit-weights")

	_, err = s.chain.Submit(t.Context(), validator, &subnetv1.MsgCommitWeights{Hotkey: validator.Address(), Netuid: netuid, Round: 1, Ciphertext: make([]byte, 400), Epoch: 1})
	requireRefused(t, err, keeper.ErrWrongEpoch.ABCICode(), "names epoch 1")

	_, err = s.chain.Submit(t.Context(), owner, &subnetv1.MsgCommitHash{Hotkey: owner.Address(), Netuid: netuid, Hash: make([]byte, 32)})
	requireRefused(t, err, keeper.ErrNotRegistered.ABCICode(), "not registered")

	_, err = s.chain.Submit(t.Context(), owner, &subnetv1.MsgRegister{Coldkey: owner.Address(), Hotkey: owner.Address(), Netuid: 77, MaxBurn: subnet.PLX})
	requireRefused(t, err, keeper.ErrUnknownSubnet.ABCICode(), "unknown subnet")

	_, err = s.chain.Submit(t.Context(), owner, &subnetv1.MsgRegister{Coldkey: owner.Address(), Hotkey: owner.Address(), Netuid: netuid, MaxBurn: 1})
	requireRefused(t, err, keeper.ErrPriceTooHigh.ABCICode(), "your maximum is 1")

	_, err = s.chain.Neuron(t.Context(), netuid, owner.Address())
	require.ErrorIs(t, err, chainclient.ErrNotFound)

	_, err = s.chain.Status(t.Context())
	require.NoError(t, err, "the node is none the worse")
}

func requireRefused(t *testing.T, err error, code uint32, why string) {
	t.Helper()
	var refused *chainclient.TxError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, refused.Code, refused.Log)
	require.Contains(t, refused.Log, why)
}

// strayMiner runs `plexus miner start` with a key of its own to its end.
func (s *story) strayMiner(t *testing.T, listen string) (stderr string, code int) {
	t.Helper()
	home := t.TempDir()
	keys, err := chainclient.OpenKeyring(home, keyring.BackendTest, nil)
	require.NoError(t, err)
	_, _, err = keys.NewMnemonic("stray", keyring.English, sdk.FullFundraiserPath, "", hd.Secp256k1)
	require.NoError(t, err)
	_, stderr, code = plexus(t, "miner", "start", "--home", home, "--keyring-backend", "test", "--node", s.at.GRPC,
		"--netuid", "1", "--hotkey", "stray", "--listen", listen,
		"--models", filepath.Join(s.net.dir, "miner-small", "models"))
	return stderr, code
}

func (s *story) portInUse(t *testing.T) {
	meta, err := s.meta(t.Context())
	require.NoError(t, err)
	uid := slices.Index(meta.Hotkeys, s.best)
	port := strconv.Itoa(int(meta.Endpoints[uid].Port))
	stderr, code := s.strayMiner(t, "127.0.0.1:"+port)
	require.NotZero(t, code)
	require.Contains(t, stderr, port)
	require.Contains(t, stderr, "--listen")
}

func (s *story) unregisteredMiner(t *testing.T) {
	stderr, code := s.strayMiner(t, "127.0.0.1:0")
	require.NotZero(t, code)
	require.Contains(t, stderr, "not registered")
	require.Contains(t, stderr, "--coldkey", "says what to do")
}

func (s *story) bestMinerDies(t *testing.T) {
	picture := drawDigit(t, 7)
	require.NoError(t, syscall.Kill(s.net.process("miner-large"), syscall.SIGKILL))
	got := s.ask(t, picture)[0]
	require.NotEqual(t, s.best, got.Miner.Hotkey, "another answers")
	require.Equal(t, "digits-medium", got.Miner.Model, "the next best")
	require.Equal(t, 7, got.Label)
	require.Eventually(t, func() bool { return strings.Contains(s.net.progressText(), "miner-large died (signal: killed)") },
		20*time.Second, 100*time.Millisecond, "localnet tells of it and goes on")
}

// nodeDies kills the node, which localnet was told to restart, and looks for
// what proves that everybody else found it again: new weights, and an epoch
// that pays miners by them.
func (s *story) nodeDies(t *testing.T) {
	before, err := s.meta(t.Context())
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(s.net.process("node"), syscall.SIGKILL))
	validators := map[int]bool{}
	for uid, stake := range before.Stake {
		if stake > 0 {
			validators[uid] = true
		}
	}
	require.Len(t, validators, 3)
	back := eventually(t, "weights by all validators after the restart", s.meta, func(m *subnetv1.QueryMetagraphResponse) bool {
		for uid := range validators {
			if m.Updated[uid] <= before.Height+1 {
				return false
			}
		}
		return true
	})
	paid := eventually(t, "an epoch that pays miners after the restart", s.meta, func(m *subnetv1.QueryMetagraphResponse) bool {
		return m.LastEpoch > back.Height
	})
	earned := uint64(0)
	for uid, nplx := range paid.Emission {
		if !validators[uid] {
			earned += nplx
		}
	}
	require.NotZero(t, earned)
	for _, name := range []string{"beacon", "miner-small", "miner-medium", "miner-untrained", "validator-1", "validator-2", "validator-3"} {
		require.True(t, alive(s.net.process(name)), "%s was never restarted, it waited", name)
	}
	log, err := os.ReadFile(filepath.Join(s.at.Logs, "validator-1.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "chain is back")
}

func (s *story) end(t *testing.T) {
	pids, ports := descendants(s.net.cmd.Process.Pid), s.net.ports()
	require.Len(t, pids, 8, "all but the miner that was killed")
	require.Len(t, ports, 4+3+3, "of the node, of miners, and where validators publish what they see")
	require.NoError(t, s.net.cmd.Process.Signal(syscall.SIGTERM))
	code := s.net.wait(time.Minute)
	requireNothingLeft(t, pids, ports)
	require.Zero(t, code, s.net.progressText())

	var sum localnet.Summary
	require.NoError(t, json.Unmarshal(s.net.stdout.Bytes(), &sum), s.net.stdout.String())
	require.True(t, sum.Supply.Exact, "%+v", sum.Supply)
	require.Equal(t, s.genesis, sum.Supply.Genesis)
	require.True(t, sum.Ranked, "%+v", sum.Miners)
	require.Len(t, sum.Miners, 4)
	require.Len(t, sum.Validators, 3)
}

// TestKilledNetworkLeavesNothing kills the supervising process the hard way.
func TestKilledNetworkLeavesNothing(t *testing.T) {
	n := startLocal(t)
	chain := n.chain()
	eventually(t, "three validators", func(ctx context.Context) (*subnetv1.QueryMetagraphResponse, error) {
		return chain.Metagraph(ctx, netuid)
	},
		func(m *subnetv1.QueryMetagraphResponse) bool { return len(m.Hotkeys) >= 3 })
	pids, ports := descendants(n.cmd.Process.Pid), n.ports()
	require.GreaterOrEqual(t, len(pids), 4)
	require.NoError(t, n.cmd.Process.Kill())
	n.wait(10 * time.Second)
	requireNothingLeft(t, pids, ports)
}

// TestInterruptedRunSaysSo: a run that was to see some epochs and did not fails.
func TestInterruptedRunSaysSo(t *testing.T) {
	n := startLocal(t, "--for", "50")
	require.Eventually(t, func() bool { return strings.Contains(n.progressText(), "starting the node") }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, n.cmd.Process.Signal(syscall.SIGINT))
	require.NotZero(t, n.wait(time.Minute))
	require.Contains(t, n.progressText(), "interrupted after 0 of 50 epochs")
}
