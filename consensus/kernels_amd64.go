package consensus

// cpuHasAVX2 tells whether processor and system have the instructions of kernels_amd64.s.
func cpuHasAVX2() bool

//go:noescape
func normalizeAVX2(w, mulHi, mulLo, shift *uint64, packed *uint32, n int) (any uint64)

//go:noescape
func bucketsAVX2(index, w *uint64, n int, lo, shift uint64)

//go:noescape
func clipAVX2(clip, trust, w, stake *uint64, n int, consensus, penalty uint64) (before, rank uint64)

//go:noescape
func bondsAVX2(s *columnSums, x, trust, w, stake *uint64, packed *uint32, n int, m *bondMove)

//go:noescape
func divideAVX2(normal, value *uint32, x *uint64, n int, mulHi, mulLo, shift uint64)

//go:noescape
func incomeAVX2(income *uint64, normal *uint32, n int, incentive uint64)

//go:noescape
func sumAVX2(row *Entry, n int) (sum uint64, ascending bool)

//go:noescape
func packAVX2(packed *uint32, stride int, weights, bonds *[laneStep]*tile)

//go:noescape
func matchAVX2(mask *uint8, index *uint64, n int, b uint64)

//go:noescape
func unpackAVX2(tiles *[laneStep]tile, zeros *[laneStep]uint8, value *uint32, stride int, uid uint32)
