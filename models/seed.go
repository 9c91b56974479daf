package models

import (
	cryptorand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Seed is where a generator of challenges starts. The same seed draws the same challenges.
type Seed [32]byte

// RandomSeed returns a seed of 256 random bits, for challenges that nobody can foresee.
func RandomSeed() (Seed, error) {
	var s Seed
	if _, err := cryptorand.Read(s[:]); err != nil {
		return s, fmt.Errorf("read the system's randomness: %w", err)
	}
	return s, nil
}

// FixedSeed returns the n-th seed for a purpose within a task, such as "training" within "digits": the same for
// everybody, and of no relation to the seeds for other purposes and other tasks.
func FixedSeed(task, purpose string, n uint64) Seed {
	return sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("plexus "+task+" "+purpose+" "), n))
}
