package payment

// Window counts what is redeemed in windows of blocks, and smooths what is
// burned over them. Burned amounts wait in a pool, of which every window credits
// the same part:
//
//	credit = floor(pool / smoothing),  pool' = pool - credit + burned
//
// where burned is that of the window which ends. This is the moving average with
// weight 1/smoothing, in integers, and such that all credits together can never
// be more than what was burned: what is credited leaves the pool.
type Window struct {
	Redeemed uint64 // nplx in the present window
	Burned   uint64 // nplx in the present window
	Pool     uint64 // nplx burned in the windows before and not credited yet
}

// Add counts a redemption in the present window.
func (w *Window) Add(redeemed, burned uint64) {
	w.Redeemed = saturatingAdd(w.Redeemed, redeemed)
	w.Burned = saturatingAdd(w.Burned, burned)
}

// Smoothed returns the nplx that the present window credits, with a smoothing of
// at least 1 window.
func (w Window) Smoothed(smoothing uint32) uint64 { return w.Pool / uint64(max(smoothing, 1)) }

// Pass lets windows end. It takes at most about 45 steps per window of smoothing,
// however many pass: a pool halves within less than one smoothing, and rests once
// it is too small to credit anything.
func (w *Window) Pass(windows uint64, smoothing uint32) {
	if windows == 0 {
		return
	}
	w.Pool = saturatingAdd(w.Pool-w.Smoothed(smoothing), w.Burned)
	w.Redeemed, w.Burned = 0, 0
	for ; windows > 1 && w.Smoothed(smoothing) > 0; windows-- {
		w.Pool -= w.Smoothed(smoothing)
	}
}

// Idle says whether nothing is counted that could still be credited.
func (w Window) Idle(smoothing uint32) bool {
	return w.Redeemed == 0 && w.Burned == 0 && w.Smoothed(smoothing) == 0
}
