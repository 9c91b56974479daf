package miner_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/proto/inference"
)

// shop is a miner that is paid, and a payer with a channel to it.
type shop struct {
	t       testing.TB
	till    *till.Till
	chain   *tilltest.Chain
	mine    oip.Identity
	payer   oip.Identity
	other   oip.Identity
	cfg     miner.ServerConfig
	key     ed25519.PrivateKey
	channel uint64
}

// shopPrice charges by request, input and output, but not by time: so that charges are known.
var shopPrice = payment.Price{Request: 100, Input: 1024, Output: 1024}

func newShop(t *testing.T, mode miner.Payment, change ...func(*till.Config)) *shop {
	t.Helper()
	account, other := newAccount(t), newAccount(t)
	s := &shop{t: t, chain: tilltest.NewChain(chainID), mine: node(t, newAccount(t), chainID), payer: node(t, account, chainID),
		other: node(t, other, chainID), key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))}
	s.channel = s.chain.Open(tilltest.Opening{Payer: account.address, Netuid: 1, Hotkey: "plx1miner", Key: s.key.Public().(ed25519.PublicKey), Deposit: 1 << 40, Expires: 1 << 40})
	config := till.Config{ChainID: chainID, Netuid: 1, Hotkey: "plx1miner", Price: shopPrice, Store: filepath.Join(t.TempDir(), "till.db"), Chain: s.chain, FlushInterval: 10 * time.Millisecond}
	for _, c := range change {
		c(&config)
	}
	var err error
	s.till, err = till.Open(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.till.Close()) })
	s.till.Look(t.Context())
	s.cfg = miner.ServerConfig{Identity: s.mine, Till: s.till, Policy: miner.Policy{Payment: mode}, Directory: &miner.Directory{}}
	s.cfg.Directory.Update(&metagraph.Metagraph{Height: 1})
	return s
}

func (s *shop) conn(server *minertest.Server, who oip.Identity) inference.GRPCInferenceServiceClient {
	s.t.Helper()
	conn, err := oip.Dialer{Identity: who}.Dial(oip.Endpoint{Address: server.Address, TLSKeyHash: s.mine.KeyHash()})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { conn.Close() })
	return inference.NewGRPCInferenceServiceClient(conn)
}

func (s *shop) voucher(lane uint32, nonce, amount uint64) []byte {
	raw, err := payment.Sign(chainID, s.key, payment.Voucher{Channel: s.channel, Lane: lane, Nonce: nonce, Amount: amount}).MarshalBinary()
	require.NoError(s.t, err)
	return raw
}

// offering returns a context whose calls are paid from a lane.
func (s *shop) offering(ctx context.Context, lane uint32, limit uint64, voucher []byte) context.Context {
	pairs := []string{oip.HeaderChannel, strconv.FormatUint(s.channel, 10) + "/" + strconv.FormatUint(uint64(lane), 10), oip.HeaderLimit, strconv.FormatUint(limit, 10)}
	if voucher != nil {
		pairs = append(pairs, oip.HeaderVoucher, string(voucher))
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// told reads charged and owed of a trailer; -1 for what is not there.
func told(md metadata.MD) (charged, owed int64) {
	read := func(key string) int64 {
		if v := md.Get(key); len(v) == 1 {
			if n, err := strconv.ParseInt(v[0], 10, 64); err == nil {
				return n
			}
		}
		return -1
	}
	return read(oip.TrailerCharged), read(oip.TrailerOwed)
}

// reason returns the reason and the metadata in an error.
func reason(err error) (string, map[string]string) {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.Reason, info.Metadata
		}
	}
	return "", nil
}

// A dense request takes 1 KiB and gives 1 KiB.
const denseCost = 100 + 1024 + 1024

func dense(t testing.TB) map[string][]byte { return map[string][]byte{"dense": minertest.Dense(t, 1)} }

func denseCall() *inference.ModelInferRequest {
	return oip.Request{Model: "dense", Inputs: []models.Tensor{features(1)}}.Message()
}

func TestPaidCalls(t *testing.T) {
	s := newShop(t, miner.PaymentRequire)
	server := minertest.Serve(t, s.cfg, dense(t))
	service := s.conn(server, s.payer)
	call := func(ctx context.Context, req *inference.ModelInferRequest) (charged, owed int64, err error) {
		var trailer metadata.MD
		_, err = service.ModelInfer(ctx, req, grpc.Trailer(&trailer))
		charged, owed = told(trailer)
		return charged, owed, err
	}

	_, _, err := call(t.Context(), denseCall())
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	why, price := reason(err)
	require.Equal(t, oip.ReasonPaymentRequired, why)
	require.Equal(t, "1024", price["price_output_kib"])

	charged, owed, err := call(s.offering(t.Context(), 0, 5000, s.voucher(0, 1, 10_000)), denseCall())
	require.NoError(t, err)
	require.Equal(t, [2]int64{denseCost, denseCost}, [2]int64{charged, owed})

	charged, owed, err = call(s.offering(t.Context(), 0, 2000, nil), denseCall())
	require.NoError(t, err)
	require.Equal(t, [2]int64{2000, denseCost + 2000}, [2]int64{charged, owed}, "the limit holds")

	charged, owed, err = call(s.offering(t.Context(), 0, 10_000, nil), denseCall())
	why, want := reason(err)
	require.Equal(t, oip.ReasonPaymentRequired, why)
	require.Equal(t, strconv.Itoa(denseCost+2000+10_000), want[oip.MetaNeeded])
	require.Equal(t, [2]int64{0, denseCost + 2000}, [2]int64{charged, owed}, "trailers come with errors")

	_, _, err = call(s.offering(t.Context(), 0, 1123, nil), denseCall())
	why, _ = reason(err)
	require.Equal(t, oip.ReasonLimitTooLow, why)

	for name, req := range map[string]*inference.ModelInferRequest{
		"no such model": oip.Request{Model: "none", Inputs: []models.Tensor{features(1)}}.Message(),
		"wrong shape":   oip.Request{Model: "dense", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{1, 2}, make([]float32, 2))}}.Message(),
		"no inputs":     oip.Request{Model: "dense"}.Message(),
	} {
		charged, owed, err = call(s.offering(t.Context(), 0, 2000, nil), req)
		require.Error(t, err, name)
		require.Equal(t, [2]int64{0, denseCost + 2000}, [2]int64{charged, owed}, "%s costs nothing", name)
	}
	_, err = s.conn(server, s.other).ModelInfer(s.offering(t.Context(), 0, 2000, nil), denseCall())
	require.Equal(t, codes.PermissionDenied, status.Code(err))
	_, err = s.conn(server, oip.Identity{}).ModelInfer(s.offering(t.Context(), 0, 2000, nil), denseCall())
	require.Equal(t, codes.PermissionDenied, status.Code(err))
	_, err = service.ModelInfer(s.offering(t.Context(), 0, 2000, []byte("no voucher")), denseCall())
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = service.ModelInfer(metadata.AppendToOutgoingContext(t.Context(), oip.HeaderChannel, "one"), denseCall())
	require.Equal(t, codes.InvalidArgument, status.Code(err))

	s.till.Finish(t.Context())
	require.Equal(t, uint64(10_000), s.chain.Paid())
}

func TestWhoPays(t *testing.T) {
	validator := newAccount(t)
	for name, c := range map[string]struct {
		mode miner.Payment
		who  func(*shop) oip.Identity
		want codes.Code
	}{
		"an account, required":   {miner.PaymentRequire, func(s *shop) oip.Identity { return s.other }, codes.FailedPrecondition},
		"a stranger, required":   {miner.PaymentRequire, func(*shop) oip.Identity { return oip.Identity{} }, codes.FailedPrecondition},
		"a validator, required":  {miner.PaymentRequire, func(*shop) oip.Identity { return node(t, validator, chainID) }, codes.OK},
		"an account, accepted":   {miner.PaymentAccept, func(s *shop) oip.Identity { return s.other }, codes.OK},
		"a stranger, accepted":   {miner.PaymentAccept, func(*shop) oip.Identity { return oip.Identity{} }, codes.OK},
		"a stranger, off":        {miner.PaymentOff, func(*shop) oip.Identity { return oip.Identity{} }, codes.OK},
		"off where nothing said": {"", func(s *shop) oip.Identity { return s.other }, codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, c.mode)
			s.cfg.Directory.Update(&metagraph.Metagraph{Height: 1, Neurons: []metagraph.Neuron{{Hotkey: validator.address, Stake: 1e12, Permit: true}}})
			server := minertest.Serve(t, s.cfg, dense(t))
			_, err := s.conn(server, c.who(s)).ModelInfer(t.Context(), denseCall())
			require.Equal(t, c.want, status.Code(err), "%v", err)
			if c.mode != miner.PaymentRequire {
				return
			}
			_, err = s.conn(server, c.who(s)).ModelMetadata(t.Context(), &inference.ModelMetadataRequest{Name: "dense"})
			require.NoError(t, err, "what is not inference is free")
		})
	}
}

// TestNobodyIsTakenForAStranger: a miner that has not read the chain yet does not tell a validator to pay.
func TestNobodyIsTakenForAStranger(t *testing.T) {
	s := newShop(t, miner.PaymentRequire)
	s.cfg.Directory = &miner.Directory{}
	server := minertest.Serve(t, s.cfg, dense(t))
	_, err := s.conn(server, s.other).ModelInfer(t.Context(), denseCall())
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
}

func TestPaidREST(t *testing.T) {
	s := newShop(t, miner.PaymentRequire)
	repo, _ := openFolder(t, dense(t))
	lis, err := miner.ListenREST("127.0.0.1:0", s.mine, false)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- miner.NewServer(repo, s.cfg).ServeREST(ctx, lis) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done) })
	shown, err := s.payer.TLS().GetCertificate(nil)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*shown}}}}
	t.Cleanup(client.CloseIdleConnections)
	values, err := json.Marshal(make([]float32, minertest.DenseWidth))
	require.NoError(t, err)
	body := `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,256],"data":` + string(values) + `}]}`
	post := func(body string, headers ...string) (*http.Response, map[string]any) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+lis.Addr().String()+"/v2/models/dense/infer", strings.NewReader(body))
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		var out map[string]any
		require.NoError(t, json.Unmarshal(raw, &out), "%s", raw)
		return resp, out
	}
	lane := strconv.FormatUint(s.channel, 10) + "/4"
	resp, out := post(body)
	require.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	require.Equal(t, oip.ReasonPaymentRequired, out["reason"])
	require.Equal(t, "100", out["metadata"].(map[string]any)[oip.MetaPriceRequest])

	voucher := base64.StdEncoding.EncodeToString(s.voucher(4, 1, 5000))
	resp, out = post(body, oip.HTTPChannel, lane, oip.HTTPLimit, "3000", oip.HTTPVoucher, voucher)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%v", out)
	require.Equal(t, [2]string{strconv.Itoa(denseCost), strconv.Itoa(denseCost)}, [2]string{resp.Header.Get(oip.HTTPCharged), resp.Header.Get(oip.HTTPOwed)}, "as by gRPC")

	resp, out = post(body, oip.HTTPChannel, lane, oip.HTTPLimit, "3000")
	require.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	require.Equal(t, strconv.Itoa(denseCost+3000), out["metadata"].(map[string]any)[oip.MetaNeeded])
	require.Equal(t, strconv.Itoa(denseCost), resp.Header.Get(oip.HTTPOwed))

	resp, _ = post(`{"inputs":[]}`, oip.HTTPChannel, lane, oip.HTTPLimit, "2000")
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, "0", resp.Header.Get(oip.HTTPCharged))
	resp, _ = post(body, oip.HTTPChannel, lane, oip.HTTPLimit, "2000", oip.HTTPVoucher, "%%%")
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

// TestPaidStreams: every request of a stream is paid for itself.
func TestPaidStreams(t *testing.T) {
	s := newShop(t, miner.PaymentRequire)
	server := minertest.Serve(t, s.cfg, dense(t))
	_, err := s.conn(server, s.payer).ModelStreamInfer(t.Context())
	require.NoError(t, err)
	stream, err := s.conn(server, s.payer).ModelStreamInfer(s.offering(t.Context(), 0, 3000, s.voucher(0, 1, 5500)))
	require.NoError(t, err)
	ask := func(req *inference.ModelInferRequest) *inference.ModelStreamInferResponse {
		require.NoError(t, stream.Send(req))
		resp, err := stream.Recv()
		require.NoError(t, err)
		return resp
	}
	for i := range uint64(2) {
		resp := ask(denseCall())
		require.Empty(t, resp.ErrorMessage)
		require.Equal(t, uint64(denseCost), resp.InferResponse.Parameters[miner.ParameterCharged].GetUint64Param())
		require.Equal(t, (i+1)*denseCost, resp.InferResponse.Parameters[miner.ParameterOwed].GetUint64Param())
	}
	resp := ask(denseCall())
	require.Contains(t, resp.ErrorMessage, "send a voucher")
	require.Zero(t, resp.InferResponse.Parameters[miner.ParameterCharged].GetUint64Param())

	next := denseCall()
	next.Parameters = map[string]*inference.InferParameter{miner.ParameterVoucher: {ParameterChoice: &inference.InferParameter_StringParam{
		StringParam: base64.StdEncoding.EncodeToString(s.voucher(0, 2, 20_000))}}}
	require.Empty(t, ask(next).ErrorMessage)
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	charged, owed := told(stream.Trailer())
	require.Equal(t, [2]int64{3 * denseCost, 3 * denseCost}, [2]int64{charged, owed})
}

// TestComputeIsSharedByRows: requests that ran together pay their part of one run each, whichever of them ran it, and
// by whichever of the two ways they came together.
func TestComputeIsSharedByRows(t *testing.T) {
	for name, delay := range map[string]time.Duration{"taken along": 0, "gathered": time.Hour} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, miner.PaymentRequire, func(c *till.Config) { c.Price = payment.Price{Compute: 1e9} }) // 1 nplx per nanosecond
			library := &slowLibrary{started: make(chan struct{}, 16), release: make(chan struct{}), delay: delay, rows: 5}
			s.cfg.Slots = 1
			server := minertest.ServeLibrary(t, s.cfg, library)
			service := s.conn(server, s.payer)
			const limit = 1 << 34 // 17 s
			charges := make([]int64, 3)
			rows := []int64{1, 1, 3}
			var group sync.WaitGroup
			ask := func(i int) {
				var trailer metadata.MD
				req := oip.Request{Model: "slow", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{rows[i], 1}, make([]float32, rows[i]))}}.Message()
				_, err := service.ModelInfer(s.offering(t.Context(), uint32(i), limit, s.voucher(uint32(i), 1, limit)), req, grpc.Trailer(&trailer))
				if err != nil {
					t.Error(err)
				}
				charges[i], _ = told(trailer)
			}
			group.Go(func() { ask(0) })
			if delay == 0 {
				<-library.started // it has the slot; the others meet in the queue
			}
			group.Go(func() { ask(1) })
			group.Go(func() { ask(2) })
			if delay == 0 {
				require.Eventually(t, func() bool { return waiting(t, server) == 2 }, 20*time.Second, time.Millisecond)
			}
			close(library.release)
			group.Wait()
			if delay == 0 {
				require.Equal(t, []int64{1, 4}, library.ran())
			} else {
				require.Equal(t, []int64{5}, library.ran())
				require.Equal(t, charges[0], charges[1])
			}
			require.Positive(t, charges[1])
			require.InDelta(t, 3*charges[1], charges[2], 3)
		})
	}
}

// slowLibrary has one model, "slow", that gives back what it takes, [rows 1], when it is released.
type slowLibrary struct {
	started chan struct{}
	release chan struct{}
	delay   time.Duration
	rows    int // at once

	mu   sync.Mutex
	runs []int64
}

func (l *slowLibrary) Get(name, _ string) (miner.Served, error) {
	if name != "slow" {
		return miner.Served{}, miner.ErrUnknownModel
	}
	return miner.Served{Name: "slow", Version: "1", Model: l, MaxRows: l.rows, Delay: l.delay}, nil
}

func (l *slowLibrary) Versions(string) []string { return []string{"1"} }

func (l *slowLibrary) Inputs() []models.TensorSpec {
	return []models.TensorSpec{{Name: "x", Datatype: models.FP32, Shape: []int64{models.Any, 1}}}
}

func (l *slowLibrary) Outputs() []models.TensorSpec { return l.Inputs() }

func (l *slowLibrary) Run(ctx context.Context, inputs []models.Tensor, _ []string) ([]models.Tensor, error) {
	l.mu.Lock()
	l.runs = append(l.runs, inputs[0].Shape[0])
	l.mu.Unlock()
	l.started <- struct{}{}
	select {
	case <-l.release:
		return inputs, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *slowLibrary) ran() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs
}

// waiting returns how many requests wait for a slot, as the metrics say.
func waiting(t *testing.T, server *minertest.Server) int {
	t.Helper()
	lis, err := miner.ListenMetrics("127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Metrics.Serve(ctx, lis) }()
	defer func() { cancel(); require.NoError(t, <-done) }()
	resp, err := http.Get("http://" + lis.Addr().String() + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "nv_inference_pending_request_count "); ok {
			waiting, err := strconv.Atoi(n)
			require.NoError(t, err)
			return waiting
		}
	}
	t.Fatal("the metric is missing")
	return 0
}

// TestACallerThatCancels pays for request and input once the model has begun, and nothing before; one for whom the miner
// takes too long pays nothing.
func TestACallerThatCancels(t *testing.T) {
	begin := func(t *testing.T, timeout time.Duration) (*shop, *slowLibrary, *minertest.Server) {
		s := newShop(t, miner.PaymentRequire)
		library := &slowLibrary{started: make(chan struct{}, 16), release: make(chan struct{}), rows: 1}
		s.cfg.Slots, s.cfg.RequestTimeout = 1, timeout
		return s, library, minertest.ServeLibrary(t, s.cfg, library)
	}
	req := oip.Request{Model: "slow", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{256, 1}, make([]float32, 256))}}.Message()
	owed := func(s *shop, lane int) func() bool {
		return func() bool {
			lanes := s.till.Earnings().Lanes
			return len(lanes) > lane && lanes[lane].Reserved == 0 && lanes[lane].Owed == 100+1024
		}
	}
	t.Run("while the model runs", func(t *testing.T) {
		s, library, server := begin(t, time.Minute)
		ctx, cancel := context.WithCancel(s.offering(t.Context(), 0, 5000, s.voucher(0, 1, 5000)))
		go func() { <-library.started; cancel() }()
		_, err := s.conn(server, s.payer).ModelInfer(ctx, req)
		require.Equal(t, codes.Canceled, status.Code(err))
		require.Eventually(t, owed(s, 0), 20*time.Second, time.Millisecond)
	})
	t.Run("by a deadline of its own", func(t *testing.T) {
		s, library, server := begin(t, time.Minute)
		ctx, cancel := context.WithTimeout(s.offering(t.Context(), 0, 5000, s.voucher(0, 1, 5000)), 2*time.Second)
		defer cancel()
		_, err := s.conn(server, s.payer).ModelInfer(ctx, req)
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		<-library.started
		require.Eventually(t, owed(s, 0), 20*time.Second, time.Millisecond)
	})
	t.Run("while it waits", func(t *testing.T) {
		s, library, server := begin(t, time.Minute)
		service := s.conn(server, s.payer)
		first := make(chan error, 1)
		go func() {
			_, err := service.ModelInfer(s.offering(t.Context(), 0, 5000, s.voucher(0, 1, 5000)), req)
			first <- err
		}()
		<-library.started
		ctx, cancel := context.WithCancel(s.offering(t.Context(), 1, 5000, s.voucher(1, 1, 5000)))
		second := make(chan error, 1)
		go func() { _, err := service.ModelInfer(ctx, req); second <- err }()
		require.Eventually(t, func() bool { return waiting(t, server) == 1 }, 20*time.Second, time.Millisecond)
		cancel()
		require.Equal(t, codes.Canceled, status.Code(<-second))
		require.Eventually(t, func() bool { return s.till.Earnings().Lanes[1].Reserved == 0 }, 20*time.Second, time.Millisecond)
		require.Zero(t, s.till.Earnings().Lanes[1].Owed)
		close(library.release)
		require.NoError(t, <-first)
	})
	t.Run("too slow a miner", func(t *testing.T) {
		s, _, server := begin(t, 300*time.Millisecond)
		var trailer metadata.MD
		_, err := s.conn(server, s.payer).ModelInfer(s.offering(t.Context(), 0, 5000, s.voucher(0, 1, 5000)), req, grpc.Trailer(&trailer))
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Eventually(t, func() bool { return s.till.Earnings().Lanes[0].Reserved == 0 }, 20*time.Second, time.Millisecond)
		require.Zero(t, s.till.Earnings().Lanes[0].Owed)
	})
}

// TestWhoPaysGoesFirst: where payment is accepted, unpaid requests wait for paid ones that came later, and leave half of
// the places to them.
func TestWhoPaysGoesFirst(t *testing.T) {
	s := newShop(t, miner.PaymentAccept)
	library := &slowLibrary{started: make(chan struct{}, 16), release: make(chan struct{}), rows: 1}
	s.cfg.Slots, s.cfg.MaxInFlight = 1, 6
	server := minertest.ServeLibrary(t, s.cfg, library)
	free, paying := s.conn(server, s.other), s.conn(server, s.payer)
	var group sync.WaitGroup
	ask := func(service inference.GRPCInferenceServiceClient, ctx context.Context, rows int64) error {
		_, err := service.ModelInfer(ctx, oip.Request{Model: "slow", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{rows, 1}, make([]float32, rows))}}.Message())
		return err
	}
	const unpaid, paid = 1, 2 // rows, to tell them apart
	send := func(service inference.GRPCInferenceServiceClient, ctx context.Context, rows int64, inLine int) {
		group.Go(func() {
			if err := ask(service, ctx, rows); err != nil {
				t.Error(err)
			}
		})
		require.Eventually(t, func() bool { return waiting(t, server) == inLine }, 20*time.Second, time.Millisecond)
	}
	send(free, t.Context(), unpaid, 0)
	<-library.started
	send(free, t.Context(), unpaid, 1)
	send(free, t.Context(), unpaid, 2)
	require.Equal(t, codes.ResourceExhausted, status.Code(ask(free, t.Context(), unpaid)), "half of the places")
	for lane := range uint32(3) {
		send(paying, s.offering(t.Context(), lane, 2000, s.voucher(lane, 1, 2000)), paid, 3+int(lane))
	}
	close(library.release)
	group.Wait()
	require.Equal(t, []int64{unpaid, paid, paid, paid, unpaid, unpaid}, library.ran())
}
