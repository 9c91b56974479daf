package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/gateway"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/proto/inference"
)

const denseBody = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,256],"parameters":{"binary_data_size":1024}}]}`

// denseCall is an inference request over REST.
func denseCall(t testing.TB, w *world, headers ...string) (int, []byte, http.Header) {
	t.Helper()
	return w.call(t, "POST", "/v2/models/dense/infer", append([]byte(denseBody), denseInput().Data...),
		append([]string{"Inference-Header-Content-Length", "98"}, headers...)...)
}

func TestTheHeaderOfTheTestsBody(t *testing.T) { require.Len(t, denseBody, 98) }

func TestAKeyIsKeptToItsRate(t *testing.T) {
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, nil)
	secret, _, err := w.keys.Create(keys.Key{Name: "slow", Rate: 0.01, Burst: 3})
	require.NoError(t, err)
	for range 3 {
		code, body, _ := denseCall(t, w, "Authorization", "Bearer "+secret)
		require.Equal(t, 200, code, "%s", body)
	}
	code, body, headers := denseCall(t, w, "X-Api-Key", secret, "Authorization", "")
	require.Equal(t, 429, code)
	require.Contains(t, string(body), `may make 0.01 requests per second`)
	require.NotEmpty(t, headers.Get("Retry-After"))
	code, _, _ = denseCall(t, w)
	require.Equal(t, 200, code, "others are not held up")
	code, body, _ = w.call(t, "GET", "/v1/models", nil, "Authorization", "Bearer "+secret)
	require.Equal(t, 429, code)
	require.JSONEq(t, `{"type":"rate_limit_error","code":"rate_limit_exceeded","param":null,"message":"key \"slow\" may make 0.01 requests per second"}`, errorOf(t, body))
}

func errorOf(t *testing.T, body []byte) string {
	t.Helper()
	var out struct{ Error json.RawMessage }
	require.NoError(t, json.Unmarshal(body, &out))
	return string(out.Error)
}

// A crowd finds room for as many as there is, a queue for as many as there may be, and a refusal in its own words.
func TestACrowdIsTurnedAwayAtTheDoor(t *testing.T) {
	w := start(t, map[string][]byte{"slow": minertest.Slow(t, 200), "dense": minertest.Dense(t, 1)}, func(c *gateway.Config, o *client.Options) {
		c.MaxInFlight, c.Queue, c.QueueTimeout = 1, 1, 50*time.Millisecond
		o.Timeout, o.Suspect = 25*time.Second, -1
	})
	one, _, err := w.keys.Create(keys.Key{Name: "one", MaxInFlight: 1})
	require.NoError(t, err)
	slow := `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}`
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	busy.Go(func() {
		req, _ := http.NewRequestWithContext(ctx, "POST", w.url+"/v2/models/slow/infer", strings.NewReader(slow))
		req.Header.Set("Authorization", "Bearer "+one)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	require.Eventually(t, func() bool { return w.gateway.Status(t.Context()).InFlight == 1 }, 10*time.Second, time.Millisecond)
	code, body, _ := w.call(t, "POST", "/v2/models/slow/infer", slow, "Authorization", "Bearer "+one)
	require.Equal(t, 429, code)
	require.Contains(t, string(body), "has 1 requests in hand and may have no more")

	var full, late atomic.Int64
	var crowd sync.WaitGroup
	for range 8 {
		crowd.Go(func() {
			_, err := w.dial(t, w.secret).ServerMetadata(context.Background(), &inference.ServerMetadataRequest{})
			switch {
			case status.Code(err) != codes.ResourceExhausted:
			case strings.Contains(err.Error(), "no turn within"):
				late.Add(1)
			case strings.Contains(err.Error(), "waiting"):
				full.Add(1)
			}
		})
	}
	crowd.Wait()
	require.Equal(t, int64(8), full.Load()+late.Load())
	require.Positive(t, late.Load())
	code, _, _ = w.call(t, "GET", "/healthz", nil)
	require.Equal(t, 200, code, "a busy gateway still says that it lives")
	cancel()
	busy.Wait()
	require.Eventually(t, func() bool { code, _, _ := denseCall(t, w); return code == 200 }, 10*time.Second, 10*time.Millisecond, "and goes on when there is room")
}

func TestOpenToThisMachine(t *testing.T) {
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, func(c *gateway.Config, _ *client.Options) { c.Open = gateway.OpenKey(0, 0, 0) })
	for _, shown := range []string{"", "Bearer sk-none", "Basic abc"} {
		code, body, _ := denseCall(t, w, "Authorization", shown)
		require.Equal(t, 200, code, "%s", body)
	}
	code, _, _ := denseCall(t, w, "Authorization", "Bearer plx_000000000000_0")
	require.Equal(t, 401, code, "a key of ours must be good")
	require.Equal(t, "open", w.entries(t)[0].Key)
	_, err := gateway.Listen("0.0.0.0:0", nil, true, true)
	require.ErrorIs(t, err, gateway.ErrOpenListen)
	_, err = gateway.Listen("0.0.0.0:0", nil, false, false)
	require.ErrorIs(t, err, gateway.ErrPlaintextListen)
	lis, err := gateway.Listen("0.0.0.0:0", nil, true, false)
	require.NoError(t, err)
	require.NoError(t, lis.Close())
	_, err = gateway.ListenState("0.0.0.0:0")
	require.ErrorContains(t, err, "127.0.0.1")
}

// Pages may call only where they are allowed to; by default none may.
func TestPagesOfOtherOrigins(t *testing.T) {
	files := map[string][]byte{"dense": minertest.Dense(t, 1)}
	preflight := func(w *world, origin string) http.Header {
		code, _, headers := w.call(t, "OPTIONS", "/v1/embeddings", nil, "Origin", origin, "Authorization", "",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,x-grpc-web")
		require.Less(t, code, 500)
		return headers
	}
	closed := start(t, files, nil)
	require.Empty(t, preflight(closed, "https://example.org").Get("Access-Control-Allow-Origin"))
	some := start(t, files, func(c *gateway.Config, _ *client.Options) { c.Origins = []string{"https://example.org"} })
	headers := preflight(some, "https://example.org")
	require.Equal(t, "https://example.org", headers.Get("Access-Control-Allow-Origin"))
	require.Contains(t, strings.ToLower(headers.Get("Access-Control-Allow-Headers")), "authorization")
	require.Empty(t, headers.Get("Access-Control-Allow-Credentials"))
	require.Empty(t, preflight(some, "https://evil.example").Get("Access-Control-Allow-Origin"))
	code, _, headers := denseCall(t, some, "Origin", "https://example.org")
	require.Equal(t, 200, code)
	require.Equal(t, "https://example.org", headers.Get("Access-Control-Allow-Origin"))
	require.Contains(t, headers.Get("Access-Control-Expose-Headers"), "Grpc-Status")
	code, _, _ = denseCall(t, some, "Origin", "https://example.org", "Authorization", "")
	require.Equal(t, 401, code, "a key is needed all the same")
}

func TestTLS(t *testing.T) {
	cert, key := minertest.CertificateFiles(t)
	config, err := gateway.LoadTLS(cert, key)
	require.NoError(t, err)
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, func(c *gateway.Config, _ *client.Options) { c.TLS = config })
	known := x509.NewCertPool()
	pem, err := os.ReadFile(cert)
	require.NoError(t, err)
	require.True(t, known.AppendCertsFromPEM(pem))
	trust := &tls.Config{RootCAs: known, InsecureSkipVerify: true} // the certificate names no host
	conn, err := grpc.NewClient(w.address, grpc.WithTransportCredentials(credentials.NewTLS(trust)))
	require.NoError(t, err)
	defer conn.Close()
	server, err := inference.NewGRPCInferenceServiceClient(keyed{conn, w.secret}).ServerMetadata(t.Context(), &inference.ServerMetadataRequest{})
	require.NoError(t, err, "gRPC and HTTP on one port")
	require.Equal(t, gateway.ServerName, server.Name)
	for _, forceHTTP2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: forceHTTP2}
		resp, err := (&http.Client{Transport: transport}).Get("https://" + w.address + "/readyz")
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 200, resp.StatusCode)
		transport.CloseIdleConnections()
	}
	_, err = gateway.LoadTLS(cert, "")
	require.ErrorContains(t, err, "both")
}

// gRPC's health check and the state for the operator, which say more than callers are told.
func TestState(t *testing.T) {
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, nil)
	conn, err := grpc.NewClient(w.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	health := healthv1.NewHealthClient(conn)
	got, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "inference.GRPCInferenceService"})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, got.Status)
	_, err = health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "other"})
	require.Equal(t, codes.NotFound, status.Code(err))

	code, _, _ := denseCall(t, w)
	require.Equal(t, 200, code)
	lis, err := gateway.ListenState("127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.gateway.ServeState(ctx, lis) }()
	get := func(path string) string {
		resp, err := http.Get("http://" + lis.Addr().String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(data)
	}
	text := get("/metrics")
	for _, want := range []string{`plexus_gateway_requests_total{protocol="rest",status="200"} 1`, `plexus_gateway_calls_total{code="OK",netuid="1"} 1`,
		`plexus_gateway_in_flight 0`, `plexus_gateway_miner_seconds_count{netuid="1"} 1`} {
		require.Contains(t, text, want)
	}
	var state gateway.Status
	require.NoError(t, json.Unmarshal([]byte(get("/status")), &state))
	require.True(t, state.Ready)
	require.Equal(t, "hotkey-dense", state.Subnets[0].Miners[0].Miner.Hotkey)
	require.NotContains(t, get("/status"), w.secret)
	cancel()
	require.NoError(t, <-done)
}

// What is in hand when the gateway is told to stop is answered; what comes after is not let in.
func TestGracefulShutdown(t *testing.T) {
	w := start(t, map[string][]byte{"slow": minertest.Slow(t, 60)}, func(_ *gateway.Config, o *client.Options) { o.Suspect = -1 })
	service := w.dial(t, w.secret)
	answered := make(chan error, 1)
	go func() {
		_, err := service.ModelInfer(context.Background(), &inference.ModelInferRequest{ModelName: "slow",
			Inputs: []*inference.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32", Shape: []int64{1}, Contents: &inference.InferTensorContents{Fp32Contents: []float32{1}}}}})
		answered <- err
	}()
	require.Eventually(t, func() bool { return w.gateway.Status(context.Background()).InFlight == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, w.stop())
	require.NoError(t, <-answered)
	_, err := net.DialTimeout("tcp", w.address, time.Second)
	require.Error(t, err)
	entries := w.entries(t)
	require.Equal(t, "OK", entries[len(entries)-1].Status)
}

func TestNotReadyWithoutMiners(t *testing.T) {
	w := start(t, nil, nil)
	for _, path := range []string{"/readyz", "/v2/health/ready"} {
		code, body, _ := w.call(t, "GET", path, nil)
		require.Equal(t, 503, code)
		require.Contains(t, string(body), "no miner serves")
	}
	code, body, _ := w.call(t, "GET", "/v1/models", nil)
	require.Equal(t, 200, code)
	require.Contains(t, string(body), "subnet-1")
	ready, err := w.dial(t, w.secret).ModelReady(t.Context(), &inference.ModelReadyRequest{Name: "subnet-1"})
	require.NoError(t, err)
	require.False(t, ready.Ready)
}

func TestWhatIsNoGateway(t *testing.T) {
	_, err := gateway.New(subnets{}, client.Options{}, gateway.Config{Aliases: map[string][]uint32{"a b": {1}, "c": {}}})
	for _, want := range []string{"subnets are offered", "no ledger", "nobody may call", `model "a b"`, `model "c"`} {
		require.ErrorContains(t, err, want)
	}
}
