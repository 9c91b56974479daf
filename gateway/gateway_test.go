package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/gateway"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/gateway/ledger"
	"github.com/plexusnet/plexus/gateway/openai"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/models/text"
	"github.com/plexusnet/plexus/proto/inference"
)

// texts is a small model of the text task, after a short training.
var texts = sync.OnceValues(func() ([]byte, error) {
	kind, err := tasks.ByName(text.Name)
	if err != nil {
		return nil, err
	}
	grade, err := classifier.ByName(text.Name, "small")
	if err != nil {
		return nil, err
	}
	trained, err := classifier.Train(context.Background(), kind, grade, classifier.Options{Seed: 1, HeldOut: 100})
	if err != nil {
		return nil, err
	}
	return trained.ONNX, nil
})

const (
	width   = text.Length // of a prompt
	letters = 24          // that the writer writes at most
)

// writer is a model that generates text: after two letters comes the one that most often did in messages of the text task.
// It takes "text" UINT8[-1 128] and gives "text_output" UINT8[-1 24].
func writer(t testing.TB) []byte {
	t.Helper()
	generator := text.NewGenerator(models.FixedSeed(text.Name, "writer", 1))
	counts := make([]int, 1<<24)
	for range 3000 {
		message := strings.ToLower(generator.Next().Text) + "\x00"
		for i := 2; i < len(message); i++ {
			counts[int(message[i-2])<<16|int(message[i-1])<<8|int(message[i])]++
		}
	}
	table := make([]int64, 1<<16)
	for pair := range table {
		most := 0
		for next, n := range counts[pair<<8 : (pair+1)<<8] {
			if n > most {
				most, table[pair] = n, int64(next)
			}
		}
	}
	b := onnx.NewBuilder("writer")
	b.Input("text", models.UINT8, models.Any, width)
	b.Output("text_output", models.UINT8, models.Any, letters)
	b.Int64s("table", []int64{1 << 16}, table)
	b.Int64s("axis", []int64{1}, []int64{1})
	for name, value := range map[string]int64{"zero": 0, "one": 1, "two": 2, "shift": 256} {
		b.Int64s(name, []int64{1, 1}, []int64{value})
	}
	to := func(d models.Datatype) onnx.Attribute { return onnx.Int("to", int64(onnx.ElementType(d))) }
	b.Node("Cast", []string{"text"}, []string{"letters"}, to(models.INT64))
	b.Node("Cast", []string{"text"}, []string{"there"}, to(models.BOOL))
	b.Node("Cast", []string{"there"}, []string{"ones"}, to(models.INT64))
	b.Node("ReduceSum", []string{"ones", "axis"}, []string{"length"}, onnx.Int("keepdims", 1))
	for i, back := range []string{"two", "one"} {
		at := fmt.Sprintf("at%d", i)
		b.Node("Sub", []string{"length", back}, []string{at + ".raw"})
		b.Node("Max", []string{at + ".raw", "zero"}, []string{at})
		b.Node("GatherElements", []string{"letters", at}, []string{fmt.Sprintf("w%d", i)}, onnx.Int("axis", 1))
	}
	var written []string
	for i := range letters {
		before, last, next := fmt.Sprintf("w%d", i), fmt.Sprintf("w%d", i+1), fmt.Sprintf("w%d", i+2)
		b.Node("Mul", []string{before, "shift"}, []string{next + ".high"})
		b.Node("Add", []string{next + ".high", last}, []string{next + ".pair"})
		b.Node("Gather", []string{"table", next + ".pair"}, []string{next})
		written = append(written, next)
	}
	b.Node("Concat", written, []string{"all"}, onnx.Int("axis", 1))
	b.Node("Cast", []string{"all"}, []string{"text_output"}, to(models.UINT8))
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

// subnets is a chain of more than one subnet.
type subnets map[uint32]*chaintest.Chain

func (s subnets) Metagraph(ctx context.Context, netuid uint32) (*metagraph.Metagraph, error) {
	chain := s[netuid]
	if chain == nil {
		return nil, fmt.Errorf("subnet %d: %w", netuid, metagraph.ErrNotFound)
	}
	return chain.As("").Metagraph(ctx, netuid)
}

// world is a gateway with everything that it needs.
type world struct {
	url     string
	address string
	secret  string // of a key without bounds
	keys    *keys.File
	ledger  string // folder
	gateway *gateway.Gateway
	book    *ledger.Ledger
	miners  map[string]*minertest.Server // by model
	chain   subnets
	stop    func() error
}

// start serves models, each by a miner of its own in subnet 1, by a gateway.
func start(t testing.TB, files map[string][]byte, change func(*gateway.Config, *client.Options)) *world {
	t.Helper()
	w := &world{keys: keys.Open(filepath.Join(t.TempDir(), "keys.json"), keys.Options{Refresh: time.Millisecond}), ledger: filepath.Join(t.TempDir(), "ledger"),
		miners: map[string]*minertest.Server{}, chain: subnets{1: chaintest.New(1)}}
	for name, data := range files {
		w.miners[name] = minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{name: data})
		w.chain[1].Add(metagraph.Neuron{Hotkey: "hotkey-" + name, Incentive: 100, Endpoint: w.miners[name].Endpoint(name)})
	}
	var err error
	w.secret, _, err = w.keys.Create(keys.Key{Name: "all"})
	require.NoError(t, err)
	w.book, err = ledger.Open(w.ledger, ledger.Options{})
	require.NoError(t, err)
	cfg, options := gateway.Config{Netuids: []uint32{1}, Keys: w.keys, Ledger: w.book, Version: "test"}, client.Options{}
	if change != nil {
		change(&cfg, &options)
	}
	w.gateway, err = gateway.New(w.chain, options, cfg)
	require.NoError(t, err)
	lis, err := gateway.Listen("127.0.0.1:0", cfg.TLS, false, cfg.Open != nil)
	require.NoError(t, err)
	w.address, w.url = lis.Addr().String(), "http://"+lis.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.gateway.Serve(ctx, lis) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		w.gateway.Close()
		return err
	})
	t.Cleanup(func() {
		require.NoError(t, w.stop())
		require.NoError(t, w.book.Close())
	})
	return w
}

// call makes an HTTP request with the key that may do everything, or another.
func (w *world) call(t testing.TB, method, path string, body any, headers ...string) (int, []byte, http.Header) {
	t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	case string:
		reader = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		require.NoError(t, err)
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, reader)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.secret)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, data, resp.Header
}

// dial returns gRPC's own client, with a key.
func (w *world) dial(t testing.TB, secret string) inference.GRPCInferenceServiceClient {
	t.Helper()
	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: w.address})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return inference.NewGRPCInferenceServiceClient(keyed{conn, secret})
}

// keyed adds a key to every call.
type keyed struct {
	*grpc.ClientConn
	secret string
}

func (k keyed) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return k.ClientConn.Invoke(withKey(ctx, k.secret), method, args, reply, opts...)
}

func (w *world) entries(t testing.TB) []ledger.Entry {
	t.Helper()
	var list []ledger.Entry
	require.NoError(t, ledger.Each(w.ledger, ledger.Filter{}, func(e ledger.Entry) error { list = append(list, e); return nil }))
	return list
}

func ramp(n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i) / float32(n)
	}
	return values
}

func denseInput() models.Tensor {
	return models.FromFloat32s("x", []int64{1, minertest.DenseWidth}, ramp(minertest.DenseWidth))
}

// direct asks a miner itself.
func direct(t testing.TB, server *minertest.Server, model string, in models.Tensor) []models.Tensor {
	t.Helper()
	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: server.Address})
	require.NoError(t, err)
	defer conn.Close()
	resp, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(t.Context(), oip.Request{Model: model, Inputs: []models.Tensor{in}}.Message())
	require.NoError(t, err)
	outputs, err := oip.Outputs(resp)
	require.NoError(t, err)
	return outputs
}

func textSettings() map[string]openai.Settings {
	return map[string]openai.Settings{"texts": {Flagged: []string{"payment"}}}
}
