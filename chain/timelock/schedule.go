package timelock

import (
	"encoding/hex"
	"math"
)

// Schedule says when a beacon publishes its rounds: round 1 at Genesis, one
// every Period. All times are seconds of Unix time, all arithmetic is on
// integers.
type Schedule struct {
	Genesis int64
	Period  uint64 // at least 1
}

// RoundAt returns the last round published by a time; 0 before the first.
func (s Schedule) RoundAt(unix int64) uint64 {
	if unix < s.Genesis || s.Period == 0 {
		return 0
	}
	passed := uint64(unix) - uint64(s.Genesis) // right also where the difference exceeds int64
	return passed/s.Period + 1
}

// TimeOf returns when a round is published, the end of time where it lies
// beyond. Round 0 counts as the first.
func (s Schedule) TimeOf(round uint64) int64 {
	before := max(round, 1) - 1
	if s.Period != 0 && before > math.MaxInt64/s.Period {
		return math.MaxInt64
	}
	passed := int64(before * s.Period)
	if s.Genesis > math.MaxInt64-passed {
		return math.MaxInt64
	}
	return s.Genesis + passed
}

// RoundAfter returns the first round published at a time or later.
func (s Schedule) RoundAfter(unix int64) uint64 {
	last := s.RoundAt(unix)
	if last > 0 && s.TimeOf(last) == unix {
		return last
	}
	return last + 1
}

// Quicknet returns the public key and schedule of drand's network of that
// name, which the League of Entropy runs: a round every three seconds.
func Quicknet() (publicKey []byte, s Schedule) {
	publicKey, err := hex.DecodeString(
		"83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c" +
			"8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb" +
			"5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a")
	if err != nil {
		panic(err) // a constant
	}
	return publicKey, Schedule{Genesis: 1692803367, Period: 3}
}
