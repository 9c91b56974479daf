// Package timelock hides bytes until a beacon publishes one of its rounds.
//
// A beacon is a drand network of the scheme bls-unchained-g1-rfc9380, that of
// its "quicknet", or a single key of one's own that signs the same way. Round r
// is the BLS signature, a point of G1, over SHA-256 of r as eight big-endian
// bytes. That signature is the private key, in the sense of identity-based
// encryption, for everything that was encrypted to round r beforehand, so
// nobody can read it earlier and everybody can afterwards:
//
//	sealed, err := key.Seal(round, plaintext)        // now
//	err = key.Verify(round, signature)               // when the round is out
//	plaintext, err := timelock.Open(round, signature, sealed)
//
// The encryption is that of drand's tlock (Boneh and Franklin's scheme with the
// Fujisaki-Okamoto transformation, github.com/drand/kyber/encrypt/ibe) around a
// fresh 16-byte key, with which AES-GCM encrypts the plaintext. A ciphertext is
//
//	U (96 bytes, a point of G2) | V (16) | W (16) | AES-GCM output (plaintext + 16)
//
// Open, Verify and ParsePublicKey give the same answer on every machine and
// return errors on hostile bytes; Seal draws fresh randomness.
package timelock
