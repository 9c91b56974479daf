package consensus

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// benchInput is a busy subnet: validators weigh every density-th neuron with noise around a common view, and hold
// bonds from earlier epochs.
func benchInput(n, validators int, density float64, params Params) *Input {
	r := rand.New(rand.NewPCG(7, 7))
	in := &Input{
		Params: params, Height: 10_000, LastEpoch: 9_640, OwnerUID: -1,
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Permit: make([]bool, n), Weights: make([]Row, n), Bonds: make([]Row, n),
	}
	in.Params.MaxValidators = uint16(validators)
	quality := make([]float64, n)
	for j := range quality {
		quality[j] = 0.2 + r.Float64()
		in.LastUpdate[j], in.Registered[j] = 9_990, uint64(j)
	}
	for i := range validators {
		in.Stake[i], in.Permit[i] = 1e12+r.Uint64N(1e12), true
		for j := range n {
			if r.Float64() >= density {
				continue
			}
			w := min(max(quality[j]*(1+0.4*r.NormFloat64()), 0.01), 3)
			in.Weights[i] = append(in.Weights[i], Entry{uint16(j), uint16(w * 21_000)})
		}
	}
	var e Engine
	for range 3 { // fill the bonds
		out, err := e.Epoch(in)
		if err != nil {
			panic(err)
		}
		for i, row := range out.Bonds {
			in.Bonds[i] = append(in.Bonds[i][:0], row...)
		}
	}
	return in
}

// weightsOf counts the weights of an input.
func weightsOf(in *Input) (n int) {
	for _, row := range in.Weights {
		n += len(row)
	}
	return n
}

// benchEpochs times epochs of one subnet with a warm engine. Beside the mean it reports the fastest, which other work
// on the machine does not stretch.
func benchEpochs(b *testing.B, in *Input, workers int) (fastest time.Duration) {
	e := Engine{Workers: workers}
	if _, err := e.Epoch(in); err != nil {
		b.Fatal(err)
	}
	fastest = time.Hour
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if _, err := e.Epoch(in); err != nil {
			b.Fatal(err)
		}
		fastest = min(fastest, time.Since(start))
	}
	b.ReportMetric(float64(fastest.Microseconds()), "µs-fastest")
	b.ReportMetric(float64(fastest.Nanoseconds())/float64(weightsOf(in)), "ns/weight")
	return fastest
}

// BenchmarkEpoch times one epoch on one core: the sizes with named limits (150 µs, 300 µs, 15 ms, 150 ms), Yuma2,
// liquid alpha, and sparse weights.
func BenchmarkEpoch(b *testing.B) {
	yuma2, liquid := DefaultParams(), DefaultParams()
	yuma2.Yuma3 = false
	liquid.LiquidAlpha = true
	for _, c := range []struct {
		n, validators int
		density       float64
		kind          string
		params        Params
	}{
		{256, 64, 1, "yuma3", DefaultParams()},
		{512, 64, 1, "yuma3", DefaultParams()},
		{4096, 256, 1, "yuma3", DefaultParams()},
		{16384, 512, 1, "yuma3", DefaultParams()},
		{256, 64, 1, "yuma2", yuma2},
		{512, 64, 1, "yuma2", yuma2},
		{256, 64, 1, "liquid", liquid},
		{4096, 256, 0.1, "yuma3", DefaultParams()},
		{16384, 512, 0.1, "yuma3", DefaultParams()},
		{16384, 512, 0.01, "yuma3", DefaultParams()},
	} {
		b.Run(fmt.Sprintf("%s/%dx%d/density=%g", c.kind, c.n, c.validators, c.density), func(b *testing.B) {
			benchEpochs(b, benchInput(c.n, c.validators, c.density, c.params), 1)
		})
	}
}

// BenchmarkCurve shows the cost per weight as subnets, validators and rows grow.
func BenchmarkCurve(b *testing.B) {
	for _, density := range []float64{1, 0.1} {
		for _, n := range []int{128, 256, 512, 1024, 2048, 4096, 8192} {
			b.Run(fmt.Sprintf("neurons=%d/density=%g", n, density), func(b *testing.B) {
				benchEpochs(b, benchInput(n, 64, density, DefaultParams()), 1)
			})
		}
		for _, validators := range []int{8, 32, 128, 512} {
			b.Run(fmt.Sprintf("validators=%d/density=%g", validators, density), func(b *testing.B) {
				benchEpochs(b, benchInput(1024, validators, density, DefaultParams()), 1)
			})
		}
	}
}

func BenchmarkWorkers(b *testing.B) {
	in := benchInput(4096, 256, 1, DefaultParams())
	for workers := 1; workers <= runtime.GOMAXPROCS(0); workers *= 2 {
		b.Run(fmt.Sprint(workers), func(b *testing.B) { benchEpochs(b, in, workers) })
	}
}

// BenchmarkAgainstNumpy compares with a straightforward numpy epoch of the same size, 448 miners and 64 validators,
// both on one core and in turns. It needs a python3 with numpy (Debian's python3-numpy).
func BenchmarkAgainstNumpy(b *testing.B) {
	const script = "../scripts/bench_yuma_numpy.py"
	var python string
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import numpy").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		b.Skip("no python3 with numpy: apt-get install python3-numpy")
	}
	in := benchInput(512, 64, 1, DefaultParams())
	for i := range in.Weights { // validators weigh miners only
		in.Weights[i] = in.Weights[i][seek(in.Weights[i], 64):]
		in.Bonds[i] = in.Bonds[i][seek(in.Bonds[i], 64):]
	}
	var e Engine
	var numpy float64
	fastest := time.Hour
	for b.Loop() {
		for range 3 {
			cmd := exec.Command(python, script, "448", "64", "1")
			cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
			out, err := cmd.Output()
			if err != nil {
				b.Fatal(err)
			}
			rate, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			if err != nil {
				b.Fatal(err)
			}
			numpy = max(numpy, rate)
			for start := time.Now(); time.Since(start) < time.Second; {
				began := time.Now()
				if _, err := e.Epoch(in); err != nil {
					b.Fatal(err)
				}
				fastest = min(fastest, time.Since(began))
			}
		}
	}
	b.ReportMetric(1/fastest.Seconds(), "epochs/s")
	b.ReportMetric(numpy, "numpy-epochs/s")
	b.ReportMetric(1/fastest.Seconds()/numpy, "times-numpy")
	b.ReportMetric(0, "ns/op")
}
