package consensus

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"hash"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/plexusnet/plexus/consensus/fixed"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/digest.txt instead of comparing with it")

// TestDigest hashes all outputs of thousands of random epochs, chained through permits and bonds, and compares with
// the digest that amd64 gave: run on another processor (scripts/emulate.sh) it shows that results are the same there.
func TestDigest(t *testing.T) {
	const subnets, epochs = 2500, 2
	h := sha256.New()
	var e Engine
	for seed := range uint64(subnets) {
		r := rand.New(rand.NewPCG(seed, 11))
		in := randomInput(r, 1+r.IntN(30))
		for range epochs {
			out, err := e.Epoch(in)
			require.NoError(t, err)
			hashOutput(h, out)
			copy(in.Permit, out.Permit)
			for i, row := range out.Bonds {
				in.Bonds[i] = append(Row(nil), row...)
			}
			in.LastEpoch = in.Height + 1
			in.Height++
		}
	}
	hashArithmetic(h)
	got := hex.EncodeToString(h.Sum(nil))
	const path = "testdata/digest.txt"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got+"\n"), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), got)
}

func hashOutput(h hash.Hash, o *Output) {
	var b []byte
	for _, v := range [][]fixed.I32F32{o.Stake, o.ActiveStake, o.Consensus, o.Rank, o.Trust, o.ValidatorTrust,
		o.Incentive, o.Dividends, o.MinerShare, o.ValidatorShare, o.CombinedShare} {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint64(b, uint64(x))
		}
		for _, u := range AppendU16(nil, v) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
	}
	for i, row := range o.Bonds {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(row)))
		for _, e := range row {
			b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, e.UID), e.Value)
		}
		for _, flag := range []bool{o.Active[i], o.Permit[i]} {
			if flag {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
	}
	h.Write(b)
}

// hashArithmetic covers the operations on numbers of every size and sign.
func hashArithmetic(h hash.Hash) {
	r := rand.New(rand.NewPCG(3, 3))
	var b []byte
	for range 20_000 {
		x := fixed.I32F32(int64(r.Uint64()) >> r.IntN(64))
		y := fixed.I32F32(int64(r.Uint64()) >> r.IntN(64))
		for _, z := range []fixed.I32F32{x.Add(y), x.Sub(y), x.Mul(y), x.Div(y), fixed.Exp(x), fixed.Sigmoid(x, y, fixed.One/2),
			fixed.FromRatio(uint64(x), uint64(y)), fixed.I32F32(x.MulInt(uint64(y)))} {
			b = binary.LittleEndian.AppendUint64(b, uint64(z))
		}
	}
	h.Write(b)
}
