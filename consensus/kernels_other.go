//go:build !amd64

package consensus

// Other processors run the Go of kernels.go, with the same results; these stand in for what they never call.

func cpuHasAVX2() bool { return false }

func normalizeAVX2(w, mulHi, mulLo, shift *uint64, packed *uint32, n int) (any uint64) { return 0 }

func bucketsAVX2(index, w *uint64, n int, lo, shift uint64) {}

func clipAVX2(clip, trust, w, stake *uint64, n int, consensus, penalty uint64) (before, rank uint64) {
	return 0, 0
}

func bondsAVX2(s *columnSums, x, trust, w, stake *uint64, packed *uint32, n int, m *bondMove) {}

func divideAVX2(normal, value *uint32, x *uint64, n int, mulHi, mulLo, shift uint64) {}

func incomeAVX2(income *uint64, normal *uint32, n int, incentive uint64) {}

func sumAVX2(row *Entry, n int) (sum uint64, ascending bool) { return 0, false }

func packAVX2(packed *uint32, stride int, weights, bonds *[laneStep]*tile) {}

func matchAVX2(mask *uint8, index *uint64, n int, b uint64) {}

func unpackAVX2(tiles *[laneStep]tile, zeros *[laneStep]uint8, value *uint32, stride int, uid uint32) {
}
