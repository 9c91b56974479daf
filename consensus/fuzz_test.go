package consensus

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/plexusnet/plexus/consensus/fixed"
)

// reader turns fuzz bytes into numbers; after the last byte everything is zero.
type reader struct{ data []byte }

func (r *reader) u64() uint64 {
	var b [8]byte
	r.data = r.data[copy(b[:], r.data):]
	return binary.LittleEndian.Uint64(b[:])
}

func (r *reader) u16() uint16 {
	var b [2]byte
	r.data = r.data[copy(b[:], r.data):]
	return binary.LittleEndian.Uint16(b[:])
}

// input reads an arbitrary well-formed input: what the chain may hold after any sequence of transactions and more.
func (r *reader) input() *Input {
	n := 1 + int(r.u16()%12)
	flags := r.u16()
	in := &Input{
		Params: Params{
			Kappa: r.u16(), BondsPenalty: r.u16(), BondsMovingAverage: uint32(r.u64() % (averageUnit + 1)),
			Yuma3: flags&1 != 0, LiquidAlpha: flags&2 != 0, CommitReveal: flags&4 != 0,
			AlphaLow: r.u16(), AlphaSigmoidSteepness: int16(r.u16()), StakeThreshold: r.u64(),
			MaxValidators: r.u16() % 20, ActivityCutoff: r.u64(),
		},
		Height: r.u64(), LastEpoch: r.u64(), OwnerUID: int(r.u16()%uint16(n+1)) - 1,
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n), Permit: make([]bool, n),
		CommitHeight: make([]uint64, n), Weights: make([]Row, n), Bonds: make([]Row, n),
	}
	in.Params.AlphaHigh = max(in.Params.AlphaLow, r.u16())
	for i := range n {
		in.Stake[i], in.LastUpdate[i], in.Registered[i], in.CommitHeight[i] = r.u64(), r.u64(), r.u64(), r.u64()
		has := r.u16()
		in.Permit[i] = has&0x8000 != 0
		for j := range n {
			if has>>j&1 != 0 {
				in.Weights[i] = append(in.Weights[i], Entry{uint16(j), r.u16()})
			}
		}
		has = r.u16()
		for j := range n {
			if has>>j&1 != 0 {
				in.Bonds[i] = append(in.Bonds[i], Entry{uint16(j), r.u16()})
			}
		}
	}
	return in
}

// FuzzEpoch finds no panic, no overflow, no negative amount, nothing created by a split, and no difference between
// the engine and the plain form of the protocol.
func FuzzEpoch(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 64))
	full := make([]byte, 900)
	for i := range full {
		full[i] = byte(i*31) | 0x80
	}
	f.Add(full)
	var e Engine // inputs run one after the other, as a chain's subnets do
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reader{data}
		in := r.input()
		out, err := e.Epoch(in)
		if err != nil {
			t.Fatal(err)
		}
		same(t, plain(in), out, "fuzzed")
		amount := r.u64()
		parts := make([]uint64, len(in.Stake))
		for _, shares := range [][]fixed.I32F32{out.Incentive, out.ValidatorPayout(), out.CombinedShare} {
			rest, err := Apportion(parts, amount, shares)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				if p > math.MaxUint64-rest {
					t.Fatal("more paid than there was")
				}
				rest += p
			}
			if rest != amount {
				t.Fatalf("split %d into %d", amount, rest)
			}
		}
	})
}

func FuzzMaxUpscale(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reader{data}
		var values []uint64
		for len(r.data) > 0 {
			values = append(values, r.u64())
		}
		var top uint16
		positive := false
		for i, v := range MaxUpscale(nil, values) {
			top = max(top, v)
			positive = positive || values[i] > 0
		}
		if positive != (top == math.MaxUint16) {
			t.Fatalf("%v upscale to at most %d", values, top)
		}
	})
}
