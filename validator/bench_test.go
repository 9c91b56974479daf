package validator

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/mechanism"
	"github.com/plexusnet/plexus/validator/mechanism/accuracy"
	"github.com/plexusnet/plexus/validator/replay"
	"github.com/plexusnet/plexus/validator/store"
)

// benchServers makes the test binary the miners of BenchmarkRound, in a process of its own: so many servers, of one model
// for "replay" and each of its own for "accuracy".
const benchServers = "VALIDATOR_BENCH_TEST_MINERS"

// What BenchmarkRound asks: 256 uids that 8 servers share, 10 challenges each.
const (
	benchUIDs       = 256
	benchMiners     = 8
	benchChallenges = 10
)

// convLayers are as many as one core of the machine that it was written on takes about 1 ms for.
const convLayers = 13

// convolutions is a digit classifier of random weights, about 1 ms of one core's work.
func convolutions(t testing.TB, seed uint64) []byte {
	t.Helper()
	const filters = 24
	draw := rand.New(rand.NewPCG(seed, 9))
	weights := func(n int, size float64) []float32 {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(size * draw.NormFloat64())
		}
		return values
	}
	b := onnx.NewBuilder("convolutions")
	b.Input(digits.InputName, models.FP32, models.Any, 1, digits.Size, digits.Size)
	last, channels := digits.InputName, 1
	for i := range convLayers {
		layer := strconv.Itoa(i)
		b.Floats("w"+layer, []int64{filters, int64(channels), 3, 3}, weights(filters*channels*9, math.Sqrt(2/float64(9*channels))))
		b.Node("Conv", []string{last, "w" + layer}, []string{"c" + layer}, onnx.Ints("pads", 1, 1, 1, 1))
		b.Node("Relu", []string{"c" + layer}, []string{"r" + layer})
		last, channels = "r"+layer, filters
	}
	b.Floats("out", []int64{filters, digits.Classes}, weights(filters*digits.Classes, 1))
	b.Node("GlobalAveragePool", []string{last}, []string{"pool"})
	b.Node("Flatten", []string{"pool"}, []string{"flat"}, onnx.Int("axis", 1))
	b.Node("MatMul", []string{"flat", "out"}, []string{"logits"})
	b.Node("Softmax", []string{"logits"}, []string{digits.OutputName}, onnx.Int("axis", 1))
	b.Output(digits.OutputName, models.FP32, models.Any, digits.Classes)
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

// BenchmarkRound is a whole round of 256 miners and 10 challenges, from the metagraph to what is saved: what a validator
// does in a minute, if it has one such round per minute. Miners serve a model of 1 ms over TLS, in another process, so that
// what the validator takes of the CPU can be told from what they take. Per mechanism it reports
//
//	validator_cpu_s  CPU time of the validator per round: at 60 s it would fill one core
//	miners_cpu_s     CPU time of all miners per round
//	model_us         time of one run of the model on one thread
//
// ns/op is the time of a round on this machine, most of it the miners' work.
func BenchmarkRound(b *testing.B) {
	if name := os.Getenv(benchServers); name != "" {
		serveUntilTold(b, name)
		return
	}
	b.Run(accuracy.Name, func(b *testing.B) {
		kind, err := tasks.ByName(digits.Name)
		require.NoError(b, err)
		m, err := accuracy.New(kind, accuracy.Options{})
		require.NoError(b, err)
		benchmarkRound(b, m)
	})
	calibrations := b.TempDir()
	b.Run(replay.Name, func(b *testing.B) {
		m, err := replay.New(b.Context(), orttest.Open(b), convolutions(b, 0), replay.Options{Cache: calibrations})
		require.NoError(b, err)
		defer m.Close()
		require.LessOrEqual(b, m.Calibration().Challenges, benchChallenges, "a decision takes no more")
		benchmarkRound(b, m)
	})
}

func benchmarkRound(b *testing.B, m mechanism.Mechanism) {
	model := timeOfModel(b)
	miners := startMiners(b, m.Describe().Name)
	chain := chaintest.New(1)
	for uid := range benchUIDs {
		chain.Add(metagraph.Neuron{Hotkey: fmt.Sprintf("miner%03d", uid), Endpoint: miners.endpoints[uid%benchMiners]})
	}
	kept, err := store.Open(filepath.Join(b.TempDir(), "validator.db"))
	require.NoError(b, err)
	defer kept.Close()
	shared := NewShared(oip.Dialer{}, nil, 0)
	defer shared.Close()
	view := chain.As("validator")
	v := &Validator{Member: membership.Member{Netuid: 1, Hotkey: "validator", Chain: view}, Chain: view, Mechanism: m, Book: kept.Book(1, "validator"),
		Shared: shared, Log: slog.New(slog.DiscardHandler), Options: Options{Challenges: benchChallenges, Deadline: time.Minute}}
	require.NoError(b, v.prepare())
	random := seeded()
	require.NoError(b, v.round(context.Background(), random)) // connections are made once
	own, theirs := cpuTime(), miners.cpuTime(b)
	b.ResetTimer()
	for range b.N {
		if err := v.round(context.Background(), random); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric((cpuTime()-own).Seconds()/float64(b.N), "validator_cpu_s")
	b.ReportMetric((miners.cpuTime(b)-theirs).Seconds()/float64(b.N), "miners_cpu_s")
	b.ReportMetric(float64(model.Nanoseconds())/1e3, "model_us")
	seen, _ := v.Health()
	require.Len(b, seen.Miners, benchUIDs)
	for _, one := range seen.Miners {
		require.Equal(b, one.Asked, one.Answered, "uid %d", one.UID)
		require.True(b, m.Describe().Name != replay.Name || one.Skill > 0, "uid %d: %v", one.UID, one.Flags)
	}
}

func timeOfModel(b *testing.B) time.Duration {
	session, err := orttest.Open(b).Load(b.Context(), convolutions(b, 0), ort.Options{})
	require.NoError(b, err)
	defer session.Close()
	image := []models.Tensor{models.FromFloat32s(digits.InputName, []int64{1, 1, digits.Size, digits.Size}, make([]float32, digits.Size*digits.Size))}
	best := time.Hour // what disturbs the machine only adds
	for range 100 {
		start := time.Now()
		_, err := session.Run(b.Context(), image, nil)
		require.NoError(b, err)
		best = min(best, time.Since(start))
	}
	return best
}

// otherMiners are the miners' process.
type otherMiners struct {
	endpoints []metagraph.Endpoint
	in        io.Writer
	out       *json.Decoder
}

func startMiners(b *testing.B, name string) *otherMiners {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkRound$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), benchServers+"="+name)
	answers, theirs, err := os.Pipe()
	require.NoError(b, err)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{theirs}, os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	require.NoError(b, theirs.Close())
	b.Cleanup(func() {
		in.Close()
		require.NoError(b, cmd.Wait())
		answers.Close()
	})
	m := &otherMiners{in: in, out: json.NewDecoder(answers)}
	require.NoError(b, m.out.Decode(&m.endpoints))
	return m
}

func (m *otherMiners) cpuTime(b *testing.B) (d time.Duration) {
	b.Helper()
	_, err := fmt.Fprintln(m.in)
	require.NoError(b, err)
	require.NoError(b, m.out.Decode(&d))
	return d
}

// serveUntilTold tells where the miners are, and for each line that it is sent how much CPU time they have taken.
func serveUntilTold(b *testing.B, name string) {
	answers := json.NewEncoder(os.NewFile(3, "answers"))
	var endpoints []metagraph.Endpoint
	for i := range uint64(benchMiners) {
		if name == replay.Name {
			i = 0
		}
		server := minertest.Serve(b, miner.ServerConfig{Identity: minertest.Identity(b), DrainTimeout: time.Second},
			map[string][]byte{"convolutions": convolutions(b, i)})
		endpoints = append(endpoints, server.Endpoint("convolutions"))
	}
	require.NoError(b, answers.Encode(endpoints))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		require.NoError(b, answers.Encode(cpuTime()))
	}
}

// cpuTime is what this process has taken of the CPUs, without its children.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
