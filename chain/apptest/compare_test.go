package apptest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/subnet"
)

// recorder stops the code under test where it would fail the test.
type recorder struct{ testing.TB }

type failure struct{ text string }

func (recorder) Helper()                     {}
func (recorder) FailNow()                    { panic(failure{"failed"}) }
func (recorder) Errorf(f string, a ...any)   { panic(failure{fmt.Sprintf(f, a...)}) }
func (r recorder) Fatalf(f string, a ...any) { r.Errorf(f, a...) }

// TestInstancesThatDisagreeFail proves that the comparison compares: one
// instance is exchanged for that of a chain which differs by one nplx.
func TestInstancesThatDisagreeFail(t *testing.T) {
	chainOf := func(nplx uint64) *Chain {
		chain := New(t, Config{
			Balances:   []Balance{{Account: NewAccount("alice"), Nplx: nplx}},
			Validators: []Validator{{Name: "val", Tokens: 100 * subnet.PLX}},
			Seed:       1,
		})
		chain.Advance(1)
		return chain
	}
	for i := range 3 {
		chain, other := chainOf(1000), chainOf(1001)
		chain.instances[i] = other.instances[i]
		chain.t = recorder{t}
		require.Panics(t, func() { chain.Advance(1) }, "instance %s", chain.instances[i].kind)
	}
}
