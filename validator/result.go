package validator

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// Result is what came of one neuron's part of a round.
type Result struct {
	Neuron    metagraph.Neuron
	Asked     int            // by the validator itself
	Answered  int            // in the task's terms
	Sum       float64        // of the scores; Score takes the shoppers into account
	Failures  map[string]int // by reason: what was not answered, or not in the task's terms
	Reason    error          // the first failure
	Dishonest error          // why the miner is dishonest, if an answer shows it
	Latencies []time.Duration
	Outputs   [][]float64        // by challenge, for the search for copies; nil where there is no answer
	Choices   []mechanism.Choice // by challenge, likewise; none where the mechanism knows no classes

	Shopped int     // questions that a shopper asked, too
	Deficit float64 // sum of what shoppers' answers were worth less than the validator's to the same questions
}

// count adds one answer to the validator itself.
func (r *Result) count(a mechanism.Answer, m mechanism.Mark) {
	if a.Err == errNotAsked {
		return
	}
	r.Asked++
	switch {
	case a.Err != nil:
		r.failed(reasonOf(a.Err), a.Err)
		return
	case m.Reason != nil && !m.Dishonest:
		r.failed("not_an_answer", m.Reason)
	default:
		r.Answered++
	}
	r.Latencies = append(r.Latencies, a.Latency)
	r.Sum += min(max(m.Score, 0), 1)
	r.honest(m)
}

func (r *Result) failed(reason string, err error) {
	r.Failures[reason]++
	if r.Reason == nil {
		r.Reason = err
	}
}

func (r *Result) honest(m mechanism.Mark) {
	if m.Dishonest && r.Dishonest == nil {
		r.Dishonest = m.Reason
		if m.Reason == nil {
			r.Dishonest = errDishonest
		}
	}
}

// sameModel is how far apart, as a share of the largest, outputs of one model may be that are given to two askers: far
// more than one machine's runs, or two machines', differ by.
const sameModel = 0.01

// compare holds the answer that a shopper got against the validator's own. One that is another model's is worth nothing.
func (r *Result) compare(s sample, own mechanism.Answer, ownMark mechanism.Mark, shopped mechanism.Answer, mark mechanism.Mark) {
	if shopped.Err == errNotAsked {
		return
	}
	r.Shopped++
	worth := 0.0
	if shopped.Err == nil {
		worth = mark.Score
		r.honest(mark)
		if own.Err == nil && !agree(s.of(own.Outputs), s.of(shopped.Outputs), sameModel) {
			worth = 0
		}
	}
	r.Deficit += ownMark.Score - worth
}

// Score is the sum of the scores by the worse of the two treatments: that of the validator, and that of its shoppers,
// who are asked on the same challenges.
func (r Result) Score() float64 {
	if r.Shopped == 0 {
		return r.Sum
	}
	return max(0, r.Sum-float64(r.Asked)*max(0, r.Deficit)/float64(r.Shopped))
}

// Mean is the score per question.
func (r Result) Mean() float64 {
	if r.Asked == 0 {
		return 0
	}
	return r.Score() / float64(r.Asked)
}

// latency is the mean of what was answered, 0 if nothing was.
func (r Result) latency() time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	sum := time.Duration(0)
	for _, l := range r.Latencies {
		sum += l
	}
	return sum / time.Duration(len(r.Latencies))
}

// sampled is how many numbers of an answer are compared between miners.
const sampled = 64

// sample chooses which: the same of every miner's answers in a round, and secret.
type sample struct {
	seed [2]uint64
}

func newSample(random *rand.Rand) sample {
	return sample{seed: [2]uint64{random.Uint64(), random.Uint64()}}
}

// of returns some of the numbers in floating-point outputs, all if they are few; nil if there are none.
func (s sample) of(outputs []models.Tensor) []float64 {
	total := 0
	for _, t := range outputs {
		if size := width(t); size > 0 {
			total += len(t.Data) / size
		}
	}
	if total == 0 {
		return nil
	}
	if total <= sampled {
		chosen := make([]float64, 0, total)
		for i := range total {
			chosen = append(chosen, element(outputs, i))
		}
		return chosen
	}
	random := rand.New(rand.NewPCG(s.seed[0], s.seed[1]))
	chosen := make([]float64, sampled)
	for i := range chosen {
		chosen[i] = element(outputs, random.IntN(total))
	}
	return chosen
}

func width(t models.Tensor) int {
	if t.Datatype == models.FP32 || t.Datatype == models.FP64 {
		return t.Datatype.Size()
	}
	return 0
}

// element is the i-th number of all floating-point outputs, one after the other.
func element(outputs []models.Tensor, i int) float64 {
	for _, t := range outputs {
		size := width(t)
		if size == 0 {
			continue
		}
		if n := len(t.Data) / size; i >= n {
			i -= n
			continue
		}
		if size == 4 {
			return float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:])))
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:]))
	}
	return 0
}

// agree tells whether two samples are of one model's answers.
func agree(a, b []float64, tolerance float64) bool {
	if len(a) != len(b) {
		return false
	}
	largest := 0.0
	for i := range a {
		largest = max(largest, math.Abs(a[i]), math.Abs(b[i]))
	}
	for i := range a {
		if !(math.Abs(a[i]-b[i]) <= tolerance*largest) {
			return false
		}
	}
	return true
}
