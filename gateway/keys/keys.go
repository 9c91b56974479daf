package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	// ErrUnknown: no key of the file has that secret, or that name.
	ErrUnknown = errors.New("no such key")
	// ErrRevoked: the key was taken back.
	ErrRevoked = errors.New("key is revoked")
	// ErrExpired: the key's time is over.
	ErrExpired = errors.New("key has expired")
	// ErrKey: a key that cannot be made.
	ErrKey = errors.New("not a key")
	// ErrFile: the file cannot be read, or is not one of keys.
	ErrFile = errors.New("file of keys")
)

// Prefix starts every secret, so that scanners for leaked secrets know one.
const Prefix = "plx"

const (
	idBytes     = 6
	secretBytes = 32
)

// Key says what its holder may do. Where a bound is 0 there is none.
type Key struct {
	ID          string    `json:"id"`     // 12 hexadecimal digits, part of the secret, not secret itself
	Name        string    `json:"name"`   // as the ledger has it
	Hash        string    `json:"sha256"` // of the secret, hexadecimal
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"`
	Revoked     time.Time `json:"revoked,omitzero"`
	Subnets     []uint32  `json:"subnets,omitempty"`       // that may be asked; none: all
	Models      []string  `json:"models,omitempty"`        // that may be asked; none: all
	BudgetTotal uint64    `json:"budget_total,omitempty"`  // nplx, ever
	BudgetDay   uint64    `json:"budget_day,omitempty"`    // nplx, per day of UTC
	Rate        float64   `json:"rate,omitempty"`          // requests per second
	Burst       int       `json:"burst,omitempty"`         // requests at once beyond the rate; 1 at least where there is a rate
	MaxInFlight int       `json:"max_in_flight,omitempty"` // requests in hand
}

// State is active, revoked or expired.
func (k Key) State(now time.Time) string {
	switch k.usable(now) {
	case nil:
		return "active"
	case ErrRevoked:
		return "revoked"
	default:
		return "expired"
	}
}

// usable returns ErrRevoked or ErrExpired for a key that is.
func (k Key) usable(now time.Time) error {
	switch {
	case !k.Revoked.IsZero():
		return ErrRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return ErrExpired
	default:
		return nil
	}
}

// MayUse reports whether the key is good for a model under the name that it was asked by.
func (k Key) MayUse(model string) bool { return len(k.Models) == 0 || slices.Contains(k.Models, model) }

// MayAsk reports whether the key is good for a subnet.
func (k Key) MayAsk(netuid uint32) bool {
	return len(k.Subnets) == 0 || slices.Contains(k.Subnets, netuid)
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// check finds what is wrong with a key.
func (k Key) check() error {
	switch {
	case !names.MatchString(k.Name):
		return fmt.Errorf("%w: name %q: want 1 to 64 letters, digits, dots, dashes, underscores and @, a letter or digit first", ErrKey, k.Name)
	case !(k.Rate >= 0 && k.Rate <= 1e6):
		return fmt.Errorf("%w: rate %v: want 0 to 1000000 requests per second", ErrKey, k.Rate)
	case k.Burst < 0 || k.MaxInFlight < 0:
		return fmt.Errorf("%w: burst %d, in flight %d: want 0 or more", ErrKey, k.Burst, k.MaxInFlight)
	case slices.Contains(k.Subnets, 0):
		return fmt.Errorf("%w: subnet 0: subnets count from 1", ErrKey)
	case slices.Contains(k.Models, ""):
		return fmt.Errorf("%w: a model without a name", ErrKey)
	case !k.Expires.IsZero() && !k.Expires.After(k.Created):
		return fmt.Errorf("%w: it would expire at %s, before it is made", ErrKey, k.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// newSecret returns a secret, its id and its hash.
func newSecret() (secret, id, hash string) {
	var random [idBytes + secretBytes]byte
	rand.Read(random[:]) // never fails: the program ends instead
	id = hex.EncodeToString(random[:idBytes])
	secret = Prefix + "_" + id + "_" + hex.EncodeToString(random[idBytes:])
	return secret, id, hashOf(secret)
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// idOf returns the id in a secret, or "" for what is none.
func idOf(secret string) string {
	parts := strings.Split(secret, "_")
	if len(parts) != 3 || parts[0] != Prefix || len(parts[1]) != 2*idBytes || len(parts[2]) != 2*secretBytes {
		return ""
	}
	return parts[1]
}

// matches compares in a time that tells nothing of where they differ.
func (k Key) matches(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(hashOf(secret)), []byte(k.Hash)) == 1
}
