package main

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
)

// A challenge shows past readings of a signal, and the answer is what comes next.
const (
	past   = 64
	future = 8
	waves  = 3
	noise  = 0.05 // standard deviation on what is shown; each wave has an amplitude of 0.5 to 1
)

// forecast is the mechanism. Who knows the signal scores 1, and who says that it stays as it is or that it is 0 scores 0.
type forecast struct {
	mechanismv1.UnimplementedMechanismServer

	mu     sync.Mutex
	rounds map[string]*round
}

// round is what the validator is not told: how each signal goes on.
type round struct {
	truths    [][]float64
	baselines []float64 // squared error of who does not forecast
	expires   time.Time
}

func newForecast() *forecast { return &forecast{rounds: map[string]*round{}} }

// Describe implements mechanismv1.MechanismServer.
func (f *forecast) Describe(context.Context, *mechanismv1.DescribeRequest) (*mechanismv1.DescribeResponse, error) {
	return &mechanismv1.DescribeResponse{
		Task:     "forecast",
		Inputs:   []*mechanismv1.TensorSpec{{Name: "past", Datatype: "FP32", Shape: []int64{-1, past}}},
		Outputs:  []*mechanismv1.TensorSpec{{Name: "future", Datatype: "FP32", Shape: []int64{-1, future}}},
		Metric:   "1 - squared error / squared error of not forecasting",
		Chance:   0,
		Distinct: true,
	}, nil
}

// Challenge implements mechanismv1.MechanismServer.
func (f *forecast) Challenge(_ context.Context, req *mechanismv1.ChallengeRequest) (*mechanismv1.ChallengeResponse, error) {
	var seed [32]byte
	cryptorand.Read(seed[:])
	rng := rand.New(rand.NewChaCha8(seed))
	drawn := &round{expires: time.Now().Add(time.Duration(req.ExpiresMs) * time.Millisecond)}
	resp := &mechanismv1.ChallengeResponse{Round: []byte(cryptorand.Text())}
	for range req.Count {
		shown, truth := wave(rng)
		drawn.truths = append(drawn.truths, truth)
		drawn.baselines = append(drawn.baselines, baseline(shown[past-1], truth))
		resp.Challenges = append(resp.Challenges, &mechanismv1.Question{Inputs: []*mechanismv1.Tensor{
			{Name: "past", Datatype: "FP32", Shape: []int64{1, past}, Contents: encode(shown)}}})
	}
	f.keep(string(resp.Round), drawn)
	return resp, nil
}

// keep remembers a round and forgets those that have expired.
func (f *forecast) keep(name string, drawn *round) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for old, r := range f.rounds {
		if time.Now().After(r.expires) {
			delete(f.rounds, old)
		}
	}
	f.rounds[name] = drawn
}

// Score implements mechanismv1.MechanismServer.
func (f *forecast) Score(_ context.Context, req *mechanismv1.ScoreRequest) (*mechanismv1.ScoreResponse, error) {
	f.mu.Lock()
	drawn := f.rounds[string(req.Round)]
	f.mu.Unlock()
	if drawn == nil {
		return nil, status.Error(codes.NotFound, "no such round, or it has expired")
	}
	if len(req.Answers) != len(drawn.truths) {
		return nil, status.Errorf(codes.InvalidArgument, "%d answers to %d challenges", len(req.Answers), len(drawn.truths))
	}
	resp := &mechanismv1.ScoreResponse{}
	for i, answer := range req.Answers {
		resp.Marks = append(resp.Marks, mark(answer, drawn.truths[i], drawn.baselines[i]))
	}
	return resp, nil
}

// mark says what an answer is worth. Where there is none, that is nothing.
func mark(answer *mechanismv1.Answer, truth []float64, baseline float64) *mechanismv1.Mark {
	if answer.Error != "" {
		return &mechanismv1.Mark{}
	}
	said := answer.Outputs[0].Contents // the validator has checked the datatype and its rank
	if len(said) != 4*future {
		return &mechanismv1.Mark{Reason: fmt.Sprintf("%d numbers to one question: want %d", len(said)/4, future)}
	}
	squares := 0.0
	for i, want := range truth {
		d := float64(math.Float32frombits(binary.LittleEndian.Uint32(said[4*i:]))) - want
		squares += d * d
	}
	if math.IsNaN(squares) || math.IsInf(squares, 0) {
		return &mechanismv1.Mark{Reason: "not all numbers are finite"}
	}
	return &mechanismv1.Mark{Score: max(0, 1-squares/baseline)}
}

// wave draws a sum of waves: what is shown of it, with noise, and how it goes on.
func wave(rng *rand.Rand) (shown, truth []float64) {
	var amplitude, frequency, phase [waves]float64
	for k := range waves {
		amplitude[k] = 0.5 + 0.5*rng.Float64()
		frequency[k] = 0.05 + 0.4*rng.Float64() // radians per reading
		phase[k] = 2 * math.Pi * rng.Float64()
	}
	at := func(t int) (y float64) {
		for k := range waves {
			y += amplitude[k] * math.Sin(frequency[k]*float64(t)+phase[k])
		}
		return y
	}
	for t := range past {
		shown = append(shown, at(t)+noise*rng.NormFloat64())
	}
	for t := range future {
		truth = append(truth, at(past+t))
	}
	return shown, truth
}

// baseline is the smaller squared error of two that do not forecast: that all stays as it is, and that all is 0. It is
// never 0, so that scores are numbers.
func baseline(last float64, truth []float64) float64 {
	stays, zero := 0.0, 0.0
	for _, y := range truth {
		stays += (y - last) * (y - last)
		zero += y * y
	}
	return max(min(stays, zero), 1e-6)
}

func encode(values []float64) []byte {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
	}
	return data
}
