package subnet

// Stream pays Total nplx to one validator and its delegators, evenly over the
// Length blocks after Start. What it has paid follows from the height alone,
// so a block pays without writing anything back. Source: protocol section 3.
type Stream struct {
	Validator string // operator address
	Total     uint64 // nplx
	Start     uint64 // height; the first payment is in the block after it
	Length    uint64 // blocks, at least 1
}

// PaidBy returns the nplx paid in all blocks up to and including height.
func (s Stream) PaidBy(height uint64) uint64 {
	passed := saturatingSub(height, s.Start)
	if passed >= s.Length {
		return s.Total
	}
	return mulDiv(s.Total, passed, s.Length)
}

// Due returns the nplx that the block at height pays.
func (s Stream) Due(height uint64) uint64 {
	if height <= s.Start {
		return 0
	}
	return s.PaidBy(height) - s.PaidBy(height-1)
}

// Left returns the nplx still to be paid after the block at height.
func (s Stream) Left(height uint64) uint64 { return s.Total - s.PaidBy(height) }

// Running returns the streams that have something left to pay after the block
// at height, in their order.
func Running(streams []Stream, height uint64) []Stream {
	var running []Stream
	for _, s := range streams {
		if s.Left(height) > 0 {
			running = append(running, s)
		}
	}
	return running
}
