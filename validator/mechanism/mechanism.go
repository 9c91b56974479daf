package mechanism

import (
	"context"
	"time"

	"github.com/plexusnet/plexus/models"
)

// Mechanism is what a subnet rewards. Its methods are called one at a time, those of its rounds are not.
type Mechanism interface {
	// Describe says what the mechanism asks of a miner.
	Describe() Description
	// Draw returns n challenges that nobody can foresee and that are never drawn again.
	Draw(ctx context.Context, n int) (Round, error)
	// Close frees what the mechanism holds. Rounds drawn before may not be judged after.
	Close() error
}

// Description is what a validator needs to know of a mechanism.
type Description struct {
	Name   string      // accuracy, replay or external
	Task   models.Task // what goes in and out of a miner's model
	Chance float64     // mean score of who guesses, 0 to 1: it earns nothing
	// Distinct says that two miners' models cannot honestly give the same outputs, to the last bits, again and again:
	// miners that do share one reward.
	Distinct bool
}

// Round is one set of challenges and the judge of its answers.
type Round interface {
	// Challenges returns the inputs of every challenge. They must not be changed.
	Challenges() [][]models.Tensor
	// Judge marks one miner's answers, the i-th being to the i-th challenge. An error says that the mechanism failed,
	// not the miner: nothing is learnt about anybody. It is safe for concurrent use.
	Judge(ctx context.Context, answers []Answer) ([]Mark, error)
}

// Answer is what a miner made of one challenge.
type Answer struct {
	Outputs []models.Tensor // nil where Err is set
	Latency time.Duration   // from the question to the whole answer
	Err     error           // why there is no answer: too late, refused, unreachable, malformed
}

// Mark is what one answer is worth.
type Mark struct {
	Score     float64 // 0 to 1
	Dishonest bool    // no honest miner answers so: the answer is not of the model that it is said to be of
	Reason    error   // why the score is 0 although there was an answer; nil for one that is merely wrong
	Choice    Choice  // where the truth is one of some classes
}

// Choice is which class an answer says it is. The zero value says nothing.
type Choice struct {
	Class int     // from 1; 0: no class
	Sure  float64 // the probability that the answer gave to it, 0 to 1
	Right bool
}
