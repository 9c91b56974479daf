// Package amount reads and writes sums of money as people do. 1 PLX is 1e9 nplx.
package amount

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// PLX is one PLX in nplx.
const PLX = 1_000_000_000

// ErrAmount is returned for what is no amount.
var ErrAmount = errors.New("not an amount")

// Parse reads "1.5plx", "1500000000nplx" or a bare number of nplx. Capitals and a space before the unit are allowed; a
// fraction finer than 1 nplx and a sum over 2^64-1 nplx are not.
func Parse(text string) (uint64, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	number, isNano := strings.CutSuffix(lower, "nplx")
	if !isNano {
		var isPLX bool
		if number, isPLX = strings.CutSuffix(lower, "plx"); isPLX {
			return parsePLX(text, strings.TrimSpace(number))
		}
	}
	nplx, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	if err != nil {
		return 0, bad(text)
	}
	return nplx, nil
}

func parsePLX(text, number string) (uint64, error) {
	whole, fraction, _ := strings.Cut(number, ".")
	if len(fraction) > 9 || whole == "" {
		return 0, bad(text)
	}
	units, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return 0, bad(text)
	}
	rest, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 64)
	if err != nil {
		return 0, bad(text)
	}
	high, low := bits.Mul64(units, PLX)
	sum, carry := bits.Add64(low, rest, 0)
	if high != 0 || carry != 0 {
		return 0, bad(text)
	}
	return sum, nil
}

func bad(text string) error {
	return fmt.Errorf("%w: %q; write it like 1.5plx or 1500000000nplx", ErrAmount, text)
}

// Format writes nplx as PLX, without trailing zeros: 1500000000 is "1.5 PLX".
func Format(nplx uint64) string {
	text := fmt.Sprintf("%d.%09d", nplx/PLX, nplx%PLX)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " PLX"
}
