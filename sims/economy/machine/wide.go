package machine

import (
	"fmt"
	"math/bits"
)

// wide is a decimal amount of nplx in units of 1e-18, as the SDK's decimals
// have: at most 3.4e38, which is more than the cap of 2.1e34.
type wide struct{ hi, lo uint64 }

// unit is one nplx.
const unit = 1_000_000_000_000_000_000

func whole(nplx uint64) wide { return wide{lo: nplx}.times(unit) }

func (a wide) plus(b wide) wide {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return wide{hi, lo}
}

// minus needs b <= a.
func (a wide) minus(b wide) wide {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return wide{hi, lo}
}

// times needs a product that fits.
func (a wide) times(n uint64) wide {
	hi, lo := bits.Mul64(a.lo, n)
	return wide{hi + a.hi*n, lo}
}

// over is a/n rounded down.
func (a wide) over(n uint64) wide {
	hi, rest := a.hi/n, a.hi%n
	lo, _ := bits.Div64(rest, a.lo, n)
	return wide{hi, lo}
}

// split is the whole nplx and what is left of them.
func (a wide) split() (nplx uint64, rest wide) {
	nplx = a.over(unit).lo
	return nplx, a.minus(whole(nplx))
}

func (a wide) isZero() bool { return a.hi|a.lo == 0 }

func (a wide) less(b wide) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// String writes the amount in nplx with 18 decimals, as the SDK does.
func (a wide) String() string {
	nplx, rest := a.split()
	return fmt.Sprintf("%d.%018d", nplx, rest.lo)
}
