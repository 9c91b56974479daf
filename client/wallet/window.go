package wallet

import "time"

// slots is how many parts of its length a window forgets one after the other.
const slots = 24

// window is what was signed of late.
type window struct {
	Length time.Duration `json:"length"`
	Start  int64         `json:"start"` // of the newest slot, in slots since 1970
	Sums   [slots]uint64 `json:"sums"`  // nplx; slot s is at s % slots
}

// sum returns the nplx within the window that ends now.
func (w *window) sum(now time.Time, length time.Duration) uint64 {
	w.advance(now, length)
	total := uint64(0)
	for _, s := range w.Sums {
		total = add(total, s)
	}
	return total
}

func (w *window) add(now time.Time, length time.Duration, nplx uint64) {
	w.advance(now, length)
	at := &w.Sums[w.Start%slots]
	*at = add(*at, nplx)
}

// take undoes what was added a moment ago.
func (w *window) take(nplx uint64) {
	at := &w.Sums[w.Start%slots]
	*at -= min(*at, nplx)
}

// advance forgets what is older than the window. A clock that was set back forgets nothing, nor does another length.
func (w *window) advance(now time.Time, length time.Duration) {
	slot := now.UnixNano() / max(1, int64(length)/slots)
	if length != w.Length {
		sum := uint64(0)
		for _, s := range w.Sums {
			sum = add(sum, s)
		}
		*w = window{Length: length, Start: slot}
		w.Sums[slot%slots] = sum
	}
	if slot-w.Start >= slots {
		*w = window{Length: length, Start: slot}
	}
	for w.Start < slot {
		w.Start++
		w.Sums[w.Start%slots] = 0
	}
}
