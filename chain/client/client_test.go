package chainclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/types/query"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func pageKey(key string) *query.PageResponse { return &query.PageResponse{NextKey: []byte(key)} }

func atHeight(h uint64) func() (uint64, error) { return func() (uint64, error) { return h, nil } }

// startFake is a node, a client of it and a key.
func startFake(t *testing.T) (*fakeNode, *Client, *Signer) {
	node := newFakeNode(t)
	address, _ := node.serve("127.0.0.1:0", atHeight(5))
	return node, dial(t, Config{Address: address, TxTimeout: 5 * time.Second}), newSigner(t)
}

func register(s *Signer) *subnetv1.MsgRegister {
	return &subnetv1.MsgRegister{Coldkey: s.Address(), Hotkey: s.Address(), Netuid: 1, MaxBurn: 10}
}

func TestSubmitReturnsWhatTheBlockSays(t *testing.T) {
	node, c, s := startFake(t)
	node.sequence, node.committed, node.delay = 3, 3, 2

	res, err := c.Submit(t.Context(), s, register(s))
	require.NoError(t, err)
	require.Equal(t, uint64(103), res.Height)
	require.Equal(t, uint64(50_000), res.GasUsed)

	var answer subnetv1.MsgRegisterResponse
	require.NoError(t, res.Response(0, &answer))
	require.Equal(t, uint64(5), answer.Burned)
	require.ErrorContains(t, res.Response(1, &answer), "no message 1")
	require.ErrorContains(t, res.Response(0, &subnetv1.MsgServeResponse{}), "not a /plexus.subnet.v1.MsgServeResponse")
}

func TestSubmitAsksForTheAccountOnce(t *testing.T) {
	node, c, s := startFake(t)
	for range 3 {
		_, err := c.Submit(t.Context(), s, register(s))
		require.NoError(t, err)
	}
	require.Equal(t, 1, node.accounts)
	require.Equal(t, uint64(3), node.sequence)
}

func TestSubmitFromManyGoroutinesNeverRaces(t *testing.T) {
	node, c, s := startFake(t)
	const n = 8
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { _, errs[i] = c.Submit(t.Context(), s, register(s)) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, uint64(n), node.sequence)
	require.Equal(t, 1, node.accounts, "no sequence was ever wrong")
}

func TestSubmitRecoversFromAWrongSequence(t *testing.T) {
	t.Run("another program used the key between", func(t *testing.T) {
		node, c, s := startFake(t)
		_, err := c.Submit(t.Context(), s, register(s))
		require.NoError(t, err)
		node.sequence, node.committed = 9, 9
		_, err = c.Submit(t.Context(), s, register(s))
		require.NoError(t, err)
		require.Equal(t, 2, node.accounts)
	})
	t.Run("another transaction is still in the mempool", func(t *testing.T) {
		node, c, s := startFake(t)
		node.sequence = 1 // queries still say 0
		time.AfterFunc(300*time.Millisecond, func() {
			node.mu.Lock()
			defer node.mu.Unlock()
			node.committed = 1
		})
		_, err := c.Submit(t.Context(), s, register(s))
		require.NoError(t, err)
		require.GreaterOrEqual(t, node.accounts, 2)
	})
	t.Run("lost the race at the mempool", func(t *testing.T) {
		node, c, s := startFake(t)
		node.onBroadcast = func() *sdkError { return refusalOf(sdkerrors.ErrWrongSequence) }
		_, err := c.Submit(t.Context(), s, register(s))
		require.NoError(t, err)
		require.Equal(t, 2, node.accounts)
	})
	t.Run("not for ever", func(t *testing.T) {
		node, c, s := startFake(t)
		node.sequence = 1 // and queries say 0 all the time
		_, err := c.Submit(t.Context(), s, register(s))
		var refused *TxError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, sdkerrors.ErrWrongSequence.ABCICode(), refused.Code)
		require.Equal(t, maxSequenceRetries+1, node.accounts)
	})
}

func TestSubmitRefusals(t *testing.T) {
	tooDear := &sdkError{"subnet", 12, "the price is 2 PLX, above max_burn"}
	cases := map[string]func(*fakeNode){
		"simulated": func(n *fakeNode) { n.onSimulate = func() *sdkError { return tooDear } },
		"checked":   func(n *fakeNode) { n.onBroadcast = func() *sdkError { return tooDear } },
		"in block":  func(n *fakeNode) { n.inBlock = tooDear },
	}
	for name, arrange := range cases {
		t.Run(name, func(t *testing.T) {
			node, c, s := startFake(t)
			arrange(node)
			_, err := c.Submit(t.Context(), s, register(s))
			var refused *TxError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "subnet", refused.Codespace)
			require.Equal(t, uint32(12), refused.Code)
			require.ErrorContains(t, err, tooDear.log)

			node.inBlock = nil
			_, err = c.Submit(t.Context(), s, register(s))
			require.NoError(t, err, "a refusal leaves the signer usable")
		})
	}
}

func TestSubmitWithoutAccount(t *testing.T) {
	node, c, s := startFake(t)
	node.noAccount = true
	_, err := c.Submit(t.Context(), s, register(s))
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, s.Address())
}

func TestSubmitRefusesWhatItCouldNotReadBack(t *testing.T) {
	_, c, s := startFake(t)
	_, err := c.Submit(t.Context(), s, &govtypes.MsgVote{})
	require.ErrorContains(t, err, "/cosmos.gov.v1.MsgVote")
	_, err = c.Submit(t.Context(), s)
	require.ErrorContains(t, err, "at least one message")
	require.NoError(t, c.enc.check([]sdk.Msg{&banktypes.MsgSend{}}))
}

func TestSubmitNotIncluded(t *testing.T) {
	node := newFakeNode(t)
	node.delay = -1
	address, _ := node.serve("127.0.0.1:0", atHeight(5))
	c := dial(t, Config{Address: address, TxTimeout: 400 * time.Millisecond})
	s := newSigner(t)

	_, err := c.Submit(t.Context(), s, register(s))
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "in no block after 400ms")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	node.sequence, node.committed = 0, 0
	_, err = c.Submit(ctx, s, register(s))
	require.ErrorIs(t, err, context.DeadlineExceeded, "the caller's own deadline is its own")
	require.NotErrorIs(t, err, ErrUnavailable)
}

func TestSubmitKeepsWaitingWhileTheNodeRestarts(t *testing.T) {
	node, c, s := startFake(t)
	node.getTxDown = 3
	_, err := c.Submit(t.Context(), s, register(s))
	require.NoError(t, err)
}

func TestSubmitMempoolFull(t *testing.T) {
	node, c, s := startFake(t)
	node.onBroadcast = func() *sdkError { return refusalOf(sdkerrors.ErrMempoolIsFull) }
	_, err := c.Submit(t.Context(), s, register(s))
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestStatusAndHeight(t *testing.T) {
	node := newFakeNode(t)
	var height atomic.Uint64
	address, _ := node.serve("127.0.0.1:0", func() (uint64, error) {
		if height.Load() == 0 {
			// What the SDK answers before the first block, on the wire.
			return 0, sdkerrors.ErrInvalidHeight.Wrap("plexus is not ready; please wait for first block")
		}
		return height.Add(1), nil
	})
	c := dial(t, Config{Address: address})

	_, err := c.Status(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "wait for first block")

	height.Store(10)
	st, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, Status{ChainID: fakeChainID, Height: 11, BlockTime: time.Unix(1_700_000_000, 0).UTC(), CatchingUp: true}, st)

	got, err := c.WaitHeight(t.Context(), 14)
	require.NoError(t, err)
	require.Equal(t, uint64(14), got)

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = c.WaitHeight(ctx, 1_000_000)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestSubnetsReadsAllPages(t *testing.T) {
	node, c, _ := startFake(t)
	for i := range uint32(5) {
		node.subnets = append(node.subnets, subnetv1.SubnetInfo{Subnet: subnetv1.Subnet{Netuid: i + 1}})
	}
	all, err := c.Subnets(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 5)
	for i, s := range all {
		require.Equal(t, uint32(i+1), s.Subnet.Netuid)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	node := newFakeNode(t)
	node.subnets = []subnetv1.SubnetInfo{{Subnet: subnetv1.Subnet{Name: strings.Repeat("x", 10_000)}}}
	address, _ := node.serve("127.0.0.1:0", atHeight(1))
	c := dial(t, Config{Address: address, MaxMessageBytes: 1000})
	_, err := c.Subnets(t.Context())
	require.Equal(t, codes.ResourceExhausted, status.Code(errors.Unwrap(errors.Unwrap(err))), "%v", err)
	require.NotErrorIs(t, err, ErrUnavailable, "asking again would not help")
}

func TestWrongChain(t *testing.T) {
	node := newFakeNode(t)
	address, _ := node.serve("127.0.0.1:0", atHeight(1))
	c := dial(t, Config{Address: address, ChainID: "plexus-1"})
	_, err := c.Status(t.Context())
	require.ErrorIs(t, err, ErrWrongChain)
	s := newSigner(t)
	_, err = c.Submit(t.Context(), s, register(s))
	require.ErrorIs(t, err, ErrWrongChain)
}

func TestChainThatComesBack(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())

	c := dial(t, Config{Address: address})
	_, err = c.Params(t.Context())
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, address)

	time.AfterFunc(500*time.Millisecond, func() { newFakeNode(t).serve(address, atHeight(8)) })
	var log bytes.Buffer
	var st Status
	err = Retry(t.Context(), "status", slog.New(slog.NewTextHandler(&log, nil)), func(ctx context.Context) (err error) {
		st, err = c.Status(ctx)
		return err
	})
	require.NoError(t, err)
	require.Equal(t, uint64(8), st.Height)
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
	require.Equal(t, 1, strings.Count(log.String(), "level=INFO"), log.String())
}

func TestRetry(t *testing.T) {
	t.Run("another error ends it", func(t *testing.T) {
		calls := 0
		err := Retry(t.Context(), "x", nil, func(context.Context) error { calls++; return ErrNotFound })
		require.ErrorIs(t, err, ErrNotFound)
		require.Equal(t, 1, calls)
	})
	t.Run("the context ends it", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := Retry(ctx, "x", nil, func(context.Context) error { return fmt.Errorf("node: %w", ErrUnavailable) })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ErrUnavailable)
	})
}

func TestCallErrors(t *testing.T) {
	cases := map[string]struct {
		err  error
		want error
	}{
		"down":                  {status.Error(codes.Unavailable, "connection refused"), ErrUnavailable},
		"slow":                  {status.Error(codes.DeadlineExceeded, "deadline"), ErrUnavailable},
		"absent":                {status.Error(codes.NotFound, "no subnet 7"), ErrNotFound},
		"absent, SDK's number":  {status.Error(codes.Unknown, "codespace sdk code 38: not found: x"), ErrNotFound},
		"unknown address":       {status.Error(codes.Unknown, "codespace sdk code 9: unknown address: plx1"), ErrNotFound},
		"block being committed": {status.Error(codes.Unknown, "codespace sdk code 26: invalid height: context did not contain latest block height"), ErrUnavailable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, callError(t.Context(), "x", c.err), c.want)
		})
	}
	other := callError(t.Context(), "x", status.Error(codes.InvalidArgument, "bad bech32"))
	require.NotErrorIs(t, other, ErrUnavailable)
	require.NotErrorIs(t, other, ErrNotFound)
	require.ErrorContains(t, other, "bad bech32")
	require.NoError(t, callError(t.Context(), "x", nil))

	soon, cancelSoon := context.WithTimeout(t.Context(), deadlineSlack/2)
	defer cancelSoon()
	require.NotErrorIs(t, callError(soon, "x", status.Error(codes.DeadlineExceeded, "noticed early")), ErrUnavailable)
	late, cancelLate := context.WithTimeout(t.Context(), time.Hour)
	defer cancelLate()
	require.ErrorIs(t, callError(late, "x", status.Error(codes.DeadlineExceeded, "one call")), ErrUnavailable)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := callError(ended, "x", status.Error(codes.Unavailable, "down"))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrUnavailable)
}

func TestDialRefusesBadConfig(t *testing.T) {
	cases := map[string]Config{
		"address":        {Address: "localhost"},
		"gas price":      {GasPrice: "cheap"},
		"gas adjustment": {GasAdjustment: 0.5},
		"timeouts":       {CallTimeout: -1},
		"max message":    {MaxMessageBytes: -1},
		"gas price sign": {GasPrice: "-1"},
	}
	for name, cfg := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(cfg)
			require.Error(t, err)
		})
	}
}

func TestPlaintextOnlyOnThisMachine(t *testing.T) {
	cases := map[string]struct {
		cfg  Config
		want string
	}{
		"loopback v4": {Config{Address: "127.0.0.2:9090"}, "insecure"},
		"loopback v6": {Config{Address: "[::1]:9090"}, "insecure"},
		"localhost":   {Config{Address: "localhost:9090"}, "insecure"},
		"elsewhere":   {Config{Address: "10.0.0.1:9090"}, "tls"},
		"a name":      {Config{Address: "node.example:9090"}, "tls"},
		"told to":     {Config{Address: "10.0.0.1:9090", Insecure: true}, "insecure"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, transport(c.cfg).Info().SecurityProtocol)
		})
	}
}

func TestKeyring(t *testing.T) {
	home := t.TempDir()
	_, err := OpenKeyring(home, "vault", nil)
	require.ErrorContains(t, err, "want one of os, file, test, memory")

	kr, err := OpenKeyring(home, keyring.BackendTest, nil)
	require.NoError(t, err)
	_, err = NewSigner(kr, "nobody")
	require.ErrorContains(t, err, `key "nobody"`)

	s := newSigner(t)
	require.True(t, strings.HasPrefix(s.Address(), "plx1"), s.Address())
	require.Equal(t, "alice", s.Name())
}

func TestKeyFilesArePrivate(t *testing.T) {
	home := t.TempDir()
	kr, err := OpenKeyring(home, keyring.BackendTest, nil)
	require.NoError(t, err)
	_, _, err = kr.NewMnemonic("a", keyring.English, "", "", hd.Secp256k1)
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(filepath.Join(home, "keyring-test"), func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is %s", path, info.Mode())
		return nil
	}))
}
