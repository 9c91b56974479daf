package payment

import (
	"math"
	"math/bits"
	"time"
)

// Price is what a miner asks. A zero price is a gift.
type Price struct {
	Request uint64 // nplx per request
	Input   uint64 // nplx per KiB of input
	Output  uint64 // nplx per KiB of output
	Compute uint64 // nplx per second of compute
}

// Usage is what one request took.
type Usage struct {
	Input, Output uint64 // bytes of raw tensor contents
	Compute       time.Duration
}

// What the three metered prices are per, and the smallest whole that both
// divide, in which their remainders are added.
const (
	kib         = 1 << 10
	second      = uint64(time.Second)
	perByte     = 1_953_125 // common / kib
	perNano     = 2         // common / second
	commonWhole = kib * perByte
)

// Charge returns the nplx of a request: the parts added exactly and the sum
// rounded up once, so that a caller can reckon it to the unit. What is more than
// a uint64 holds is charged as its largest; a negative time as none.
func (p Price) Charge(u Usage) uint64 {
	input, inputRest := part(p.Input, u.Input, kib)
	output, outputRest := part(p.Output, u.Output, kib)
	compute, computeRest := part(p.Compute, uint64(max(u.Compute, 0)), second)
	rest := (inputRest+outputRest)*perByte + computeRest*perNano // below 3 wholes
	rounded := (rest + commonWhole - 1) / commonWhole
	return saturatingSum(p.Request, input, output, compute, rounded)
}

// part returns price*amount/per and the remainder.
func part(price, amount, per uint64) (whole, rest uint64) {
	hi, lo := bits.Mul64(price, amount)
	if hi >= per {
		return math.MaxUint64, 0
	}
	return bits.Div64(hi, lo, per)
}

func saturatingSum(amounts ...uint64) uint64 {
	sum := uint64(0)
	for _, a := range amounts {
		sum = saturatingAdd(sum, a)
	}
	return sum
}

// saturatingAdd returns a+b, or the largest uint64 where the sum is larger.
func saturatingAdd(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
}

// BasisPoints is the whole that the burned share is taken of.
const BasisPoints = 10_000

// Divide splits what is redeemed into what is burned and what the payee gets;
// the two add up to it. The burned part is rounded up, so that nobody burns
// less by redeeming in small pieces. More than BasisPoints counts as all.
func Divide(amount uint64, burnBps uint32) (burned, paid uint64) {
	hi, lo := bits.Mul64(amount, uint64(min(burnBps, BasisPoints)))
	burned, rest := bits.Div64(hi, lo, BasisPoints)
	if rest > 0 {
		burned++
	}
	return burned, amount - burned
}
