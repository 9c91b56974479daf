package sealing

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"

	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// What everything but the weights may take in an encoded SealedWeights: names
// of at most 128 bytes, numbers, salt and the lengths of all of them.
const (
	maxNameBytes  = 128
	envelopeBytes = 2*(maxNameBytes+3) + 4*11 + subnet.MaxSaltBytes + 2
	lengthBytes   = 2 * 4
)

// ErrNoBeacon is returned where the network's parameters name no beacon.
var ErrNoBeacon = errors.New("the network has no beacon")

// MaxBytes returns the size of the largest SealedWeights of a subnet of n
// neurons.
func MaxBytes(n uint32) int {
	uid := (max(bits.Len32(max(n, 1)-1), 1) + 6) / 7 // of a varint
	const value = 3                                  // 65535 as a varint
	return envelopeBytes + lengthBytes + int(n)*(uid+value)
}

// MaxCiphertext returns the size of the largest ciphertext that a subnet of n
// neurons takes.
func MaxCiphertext(n uint32) int { return MaxBytes(n) + timelock.Overhead }

// New returns the weights of a hotkey, with a fresh salt, for a commit in the
// subnet's present epoch. Values are u16; only their ratios count.
func New(chainID string, s subnetv1.Subnet, hotkey string, uids, values []uint32) (*subnetv1.SealedWeights, error) {
	salt := make([]byte, subnet.MaxSaltBytes)
	if _, err := rand.Read(salt); err != nil {
		return nil, fmt.Errorf("draw a salt: %w", err)
	}
	return &subnetv1.SealedWeights{
		ChainId: chainID, Netuid: s.Netuid, Hotkey: hotkey, Epoch: s.Epochs,
		Uids: uids, Values: values, Version: s.Hyperparams.WeightsVersion, Salt: salt,
	}, nil
}

// Hash is what the hash scheme commits to: SHA-256 of the encoded weights.
func Hash(s *subnetv1.SealedWeights) ([]byte, error) {
	encoded, err := s.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode the weights: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return sum[:], nil
}

// Encrypt seals weights to a round of a beacon. Errors: ErrNoBeacon,
// timelock.ErrInvalidKey, timelock.ErrTooLarge.
func Encrypt(b subnetv1.Beacon, round uint64, s *subnetv1.SealedWeights) ([]byte, error) {
	if len(b.PublicKey) == 0 {
		return nil, ErrNoBeacon
	}
	key, err := timelock.ParsePublicKey(b.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("the network's beacon: %w", err)
	}
	encoded, err := s.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode the weights: %w", err)
	}
	return key.Seal(round, encoded)
}

// Decrypt opens what Encrypt made, with the verified signature of its round.
// Errors: timelock.ErrUndecryptable.
func Decrypt(round uint64, signature, ciphertext []byte) (*subnetv1.SealedWeights, error) {
	encoded, err := timelock.Open(round, signature, ciphertext)
	if err != nil {
		return nil, err
	}
	return decode(encoded)
}

func decode(encoded []byte) (*subnetv1.SealedWeights, error) {
	var s subnetv1.SealedWeights
	if err := s.Unmarshal(encoded); err != nil {
		return nil, fmt.Errorf("it holds no SealedWeights: %w", timelock.ErrUndecryptable)
	}
	return &s, nil
}

// Opening is the weights as the rules see them.
func Opening(s *subnetv1.SealedWeights) subnet.Opening {
	return subnet.Opening{
		ChainID: s.ChainId, Netuid: s.Netuid, Hotkey: s.Hotkey, Epoch: s.Epoch, Salt: s.Salt,
		Opinion: subnet.Opinion{UIDs: s.Uids, Values: s.Values, Version: s.Version},
	}
}

// Schedule is when a beacon publishes its rounds.
func Schedule(b subnetv1.Beacon) timelock.Schedule {
	return timelock.Schedule{Genesis: b.GenesisTime, Period: b.PeriodSeconds}
}

// Tip is where a chain stands.
type Tip struct {
	Height     uint64
	Unix       int64  // seconds of Unix time of the block at Height
	BlockNanos uint64 // nanoseconds per block, measured
}

// DueHeight returns the height of the epoch after which a commit of now may be
// opened, if epochs run on time.
func DueHeight(info subnetv1.SubnetInfo) uint64 {
	h := info.Subnet.Hyperparams
	return info.NextEpoch + h.Tempo*(max(h.RevealPeriod, 1)-1)
}

// Round returns the round to encrypt to so that weights committed now are
// opened when their period is over, and in time for the epoch that follows. It
// aims a block and a twentieth of the tempo past DueHeight: too early a round
// shows the weights to others before they count (the chain itself waits), too
// late a one risks the epoch. Errors: ErrNoBeacon.
func Round(b subnetv1.Beacon, info subnetv1.SubnetInfo, tip Tip) (uint64, error) {
	if len(b.PublicKey) == 0 || b.PeriodSeconds == 0 {
		return 0, ErrNoBeacon
	}
	target := DueHeight(info) + 1 + info.Subnet.Hyperparams.Tempo/20
	blocks := target - min(tip.Height, target)
	const nanosPerSecond = 1_000_000_000
	hi, lo := bits.Mul64(blocks, tip.BlockNanos)
	if hi >= nanosPerSecond {
		return 0, fmt.Errorf("a block every %d ns leaves no time to speak of in %d blocks", tip.BlockNanos, blocks)
	}
	seconds, rest := bits.Div64(hi, lo, nanosPerSecond)
	if rest > 0 {
		seconds++
	}
	const century = 100 * 365 * 24 * 3600
	if seconds > century {
		return 0, fmt.Errorf("%d blocks of %d ns are more than a century", blocks, tip.BlockNanos)
	}
	schedule := Schedule(b)
	// Never a round that is out already.
	return max(schedule.RoundAfter(tip.Unix+int64(seconds)), schedule.RoundAt(tip.Unix)+1), nil
}
