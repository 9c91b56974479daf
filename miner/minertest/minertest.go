// Package minertest serves real models by real miners' servers, for tests of everything that calls a miner.
//
//	good := minertest.Classifier(t, 1500) // a digit classifier that saw 1500 examples
//	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"good": good})
//	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: server.Address})
//	...
//	server.Stop() // and the next call finds nobody
package minertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/repository"
)

// Server is a miner's server on a free port of this machine.
type Server struct {
	Address  string
	Metrics  *miner.Metrics
	identity oip.Identity
	hashes   map[string][32]byte
	stop     func()
}

// Stop shuts the server down and waits until it is. Stopping twice does nothing.
func (s *Server) Stop() { s.stop() }

// Endpoint is what a miner would announce for one of the models.
func (s *Server) Endpoint(model string) metagraph.Endpoint {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		panic(err) // the address is a listener's
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		panic(err)
	}
	hash := s.hashes[model]
	return metagraph.Endpoint{Host: host, Port: uint16(number), Protocol: oip.Protocol, TLSKeyHash: s.identity.KeyHash(),
		Model: model, ModelSHA256: hash[:]}
}

// Folder writes models, by name, in the layout that miners serve.
func Folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		folder := filepath.Join(root, name, "1")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "model.onnx"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Serve serves models, by name, until the test ends. It skips the test where there is no ONNX Runtime to be had.
func Serve(t testing.TB, cfg miner.ServerConfig, files map[string][]byte) *Server {
	t.Helper()
	rt := orttest.Open(t)
	repo, err := miner.OpenModels(t.Context(), rt, Folder(t, files), repository.Options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := ServeLibrary(t, cfg, repo)
	for name, data := range files {
		server.hashes[name] = sha256.Sum256(data)
	}
	t.Cleanup(func() {
		server.Stop()
		if err := repo.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// ServeLibrary serves any library until the test ends.
func ServeLibrary(t testing.TB, cfg miner.ServerConfig, library miner.Library) *Server {
	t.Helper()
	if cfg.Metrics == nil {
		cfg.Metrics = miner.NewMetrics()
	}
	lis, err := miner.Listen("127.0.0.1:0", cfg.Identity, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- miner.NewServer(library, cfg).Serve(ctx, lis) }()
	server := &Server{Address: lis.Addr().String(), Metrics: cfg.Metrics, identity: cfg.Identity, hashes: map[string][32]byte{}}
	server.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(server.Stop)
	return server
}

// Classifier returns a digit classifier as an ONNX file: softmax regression that saw so many examples. With none it has
// random weights and answers garbage, confidently.
func Classifier(t testing.TB, examples int) []byte {
	t.Helper()
	weights, bias := train(t, examples)
	b := onnx.NewBuilder("softmax-regression")
	b.Input(digits.InputName, models.FP32, models.Any, 1, digits.Size, digits.Size)
	b.Output(digits.OutputName, models.FP32, models.Any, digits.Classes)
	b.Floats("weights", []int64{pixels, digits.Classes}, weights)
	b.Floats("bias", []int64{digits.Classes}, bias)
	b.Node("Flatten", []string{digits.InputName}, []string{"flat"}, onnx.Int("axis", 1))
	b.Node("Gemm", []string{"flat", "weights", "bias"}, []string{"logits"})
	b.Node("Softmax", []string{"logits"}, []string{digits.OutputName}, onnx.Int("axis", 1))
	return bytesOf(t, b)
}

const pixels = digits.Size * digits.Size

// train returns weights [pixels, classes] and bias [classes] after one pass of stochastic gradient descent.
func train(t testing.TB, examples int) (weights, bias []float32) {
	drawer, err := digits.NewDrawer()
	if err != nil {
		t.Fatal(err)
	}
	random := mathrand.New(mathrand.NewPCG(1, 2))
	weights, bias = make([]float32, pixels*digits.Classes), make([]float32, digits.Classes)
	for i := range weights {
		weights[i] = float32(random.NormFloat64())
		if examples > 0 {
			weights[i] *= 0.01
		}
	}
	generator := drawer.Generator(digits.FixedSeed("minertest", 7))
	for range examples {
		c := generator.Next()
		step(weights, bias, digits.AppendPixels(nil, c.Image), c.Label)
	}
	return weights, bias
}

// step is one step of gradient descent on the cross-entropy of one example.
func step(weights, bias, image []float32, label int) {
	const rate = 0.02
	var p [digits.Classes]float64
	for c := range p {
		p[c] = float64(bias[c])
	}
	for i, x := range image {
		for c := range p {
			p[c] += float64(x * weights[i*digits.Classes+c])
		}
	}
	sum, top := 0.0, p[0]
	for _, v := range p {
		top = max(top, v)
	}
	for c, v := range p {
		p[c] = math.Exp(v - top)
		sum += p[c]
	}
	for c := range p {
		gradient := float32(p[c] / sum)
		if c == label {
			gradient--
		}
		bias[c] -= rate * gradient
		for i, x := range image {
			weights[i*digits.Classes+c] -= rate * gradient * x
		}
	}
}

// Slow returns a model that multiplies large matrices so many times, each some milliseconds of one core's work. It
// takes "x" FP32[1] and gives "y" FP32[].
func Slow(t testing.TB, multiplications int) []byte {
	t.Helper()
	b := onnx.NewBuilder("slow")
	b.Input("x", models.FP32, 1)
	b.Output("y", models.FP32)
	multiply(b, multiplications, "x", "y")
	return bytesOf(t, b)
}

// DenseWidth is the number of features of Dense.
const DenseWidth = 256

// Dense returns a network of so many layers of DenseWidth each, about 15 microseconds of one core's work per layer and
// row, and far less per row in a batch. It takes "x" FP32[-1 256] and gives "y" of the same shape.
func Dense(t testing.TB, layers int) []byte {
	t.Helper()
	b := onnx.NewBuilder("dense")
	b.Input("x", models.FP32, models.Any, DenseWidth)
	b.Output("y", models.FP32, models.Any, DenseWidth)
	random := mathrand.New(mathrand.NewPCG(3, 4))
	last := "x"
	for i := range layers {
		weights := make([]float32, DenseWidth*DenseWidth)
		for j := range weights {
			weights[j] = float32(random.NormFloat64() / 16)
		}
		name := strconv.Itoa(i)
		b.Floats("w"+name, []int64{DenseWidth, DenseWidth}, weights)
		b.Node("MatMul", []string{last, "w" + name}, []string{"h" + name})
		last = "t" + name
		if i == layers-1 {
			last = "y"
		}
		b.Node("Tanh", []string{"h" + name}, []string{last})
	}
	return bytesOf(t, b)
}

// ConvSize is the height and width of what Conv takes.
const ConvSize = 16

// Conv returns a convolutional network, about 50 microseconds of one core's work per row, in a batch too. It takes "x"
// FP32[-1 1 16 16] and gives "y" FP32[-1 24 1 1].
func Conv(t testing.TB) []byte {
	t.Helper()
	b := onnx.NewBuilder("conv")
	b.Input("x", models.FP32, models.Any, 1, ConvSize, ConvSize)
	b.Output("y", models.FP32, models.Any, convFilters, 1, 1)
	random := mathrand.New(mathrand.NewPCG(5, 6))
	last, channels := "x", 1
	for i := range 3 {
		weights := make([]float32, convFilters*channels*9)
		for j := range weights {
			weights[j] = float32(random.NormFloat64() / 4)
		}
		name := strconv.Itoa(i)
		b.Floats("w"+name, []int64{convFilters, int64(channels), 3, 3}, weights)
		b.Node("Conv", []string{last, "w" + name}, []string{"h" + name})
		b.Node("Relu", []string{"h" + name}, []string{"r" + name})
		last, channels = "r"+name, convFilters
	}
	b.Node("GlobalAveragePool", []string{last}, []string{"y"})
	return bytesOf(t, b)
}

const convFilters = 24

// multiply computes a scalar from a scalar, slowly.
func multiply(b *onnx.Builder, times int, from, to string) {
	const n = 512
	b.Floats("m", []int64{n, n}, make([]float32, n*n))
	b.Node("Add", []string{"m", from}, []string{"v0"})
	last := "v0"
	for i := range times {
		next := "v" + strconv.Itoa(i+1)
		b.Node("MatMul", []string{last, "v0"}, []string{next})
		last = next
	}
	b.Node("ReduceSum", []string{last}, []string{to}, onnx.Int("keepdims", 0))
}

// SlowConstant returns a digit classifier as slow as Slow that gives every class the same probability.
func SlowConstant(t testing.TB, multiplications, classes int) []byte {
	t.Helper()
	b := onnx.NewBuilder("slow-constant")
	b.Input(digits.InputName, models.FP32, models.Any, 1, digits.Size, digits.Size)
	b.Output(digits.OutputName, models.FP32, 1, int64(classes))
	b.Floats("zeros", []int64{1, int64(classes)}, make([]float32, classes))
	b.Node("ReduceMax", []string{digits.InputName}, []string{"any"}, onnx.Int("keepdims", 0))
	multiply(b, multiplications, "any", "late")
	b.Node("Add", []string{"zeros", "late"}, []string{"logits"})
	b.Node("Softmax", []string{"logits"}, []string{digits.OutputName}, onnx.Int("axis", 1))
	return bytesOf(t, b)
}

// Echo returns a model that gives what it takes: "in" of the datatype and shape as "out".
func Echo(t testing.TB, datatype models.Datatype, shape ...int64) []byte {
	t.Helper()
	b := onnx.NewBuilder("echo")
	b.Input("in", datatype, shape...)
	b.Output("out", datatype, shape...)
	b.Node("Identity", []string{"in"}, []string{"out"})
	return bytesOf(t, b)
}

// Reshape returns a model that gives 6 numbers the shape that "to" INT64[1] asks for, and fails where they do not fit it.
func Reshape(t testing.TB) []byte {
	t.Helper()
	b := onnx.NewBuilder("reshape")
	b.Input("to", models.INT64, 1)
	b.Output("out", models.FP32, models.Any)
	b.Floats("six", []int64{2, 3}, make([]float32, 6))
	b.Node("Reshape", []string{"six", "to"}, []string{"out"})
	return bytesOf(t, b)
}

// Constant returns a digit classifier that gives every image the same answer, whatever it is.
func Constant(t testing.TB, shape []int64, probabilities ...float32) []byte {
	t.Helper()
	b := onnx.NewBuilder("constant")
	b.Input(digits.InputName, models.FP32, models.Any, 1, digits.Size, digits.Size)
	b.Output(digits.OutputName, models.FP32, shape...)
	b.Floats("answer", shape, probabilities)
	b.Floats("zero", []int64{}, []float32{0})
	b.Node("ReduceMax", []string{digits.InputName}, []string{"any"}, onnx.Int("keepdims", 0))
	b.Node("Mul", []string{"any", "zero"}, []string{"nothing"}) // so that the input is used
	b.Node("Add", []string{"answer", "nothing"}, []string{digits.OutputName})
	return bytesOf(t, b)
}

func bytesOf(t testing.TB, b *onnx.Builder) []byte {
	t.Helper()
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Identity makes a self-signed certificate with a new key.
func Identity(t testing.TB) oip.Identity {
	t.Helper()
	cert, key := CertificateFiles(t)
	identity, err := oip.LoadIdentity(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// CertificateFiles writes a self-signed certificate and its new key as PEM.
func CertificateFiles(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
