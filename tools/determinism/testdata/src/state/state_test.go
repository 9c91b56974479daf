package state

import "time"

// Tests may do all of it.
func inTests(m map[string]float64) {
	for range m {
		time.Sleep(1)
	}
}
