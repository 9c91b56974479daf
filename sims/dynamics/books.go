package dynamics

import (
	"fmt"
	"math"
)

// books remember what crossed the border of a system.
type books struct {
	inside float64 // what should be in all stocks
	turned float64 // all that ever crossed the border, which is what rounding is measured by
}

func (b *books) enter(amount float64) { b.inside += amount; b.turned += amount }
func (b *books) leave(amount float64) { b.inside -= amount; b.turned += amount }

// check compares the stocks with the books. A number that is not finite fails every comparison, hence the negation.
func (b *books) check(stocks []float64) error {
	have := total(stocks)
	if math.Abs(have-b.inside) <= balanceTolerance*(b.turned+math.Abs(have)+1) && b.turned < math.MaxFloat64 {
		return nil
	}
	return fmt.Errorf("%w: the stocks hold %g, the flows say %g", ErrBooks, have, b.inside)
}

func total(stocks []float64) float64 {
	sum := 0.0
	for _, s := range stocks {
		sum += s
	}
	return sum
}

// window is the mean of the last len(past) amounts. The running sum is taken afresh once around the ring, so that what
// rounding leaves does not pile up.
type window struct {
	past []float64
	at   int
	sum  float64
}

func (w *window) push(amount float64) {
	w.sum += amount - w.past[w.at]
	w.past[w.at] = amount
	if w.at++; w.at == len(w.past) {
		w.at, w.sum = 0, total(w.past)
	}
}

func (w *window) mean() float64 { return max(0, w.sum) / float64(len(w.past)) }
