package keeper

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"cosmossdk.io/collections"

	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// ofRound ranges over the commits that wait for a round, by id.
func ofRound(round uint64) collections.Ranger[collections.Pair[uint64, uint64]] {
	return collections.NewPrefixedPairRange[uint64, uint64](round)
}

// hasQueued tells whether a commit is to be opened with a round.
func (k *Keeper) hasQueued(ctx context.Context, round uint64) (bool, error) {
	it, err := k.hidden.queue.Iterate(ctx, ofRound(round))
	if err != nil {
		return false, err
	}
	defer it.Close()
	return it.Valid(), nil
}

// isAwaited tells whether commits wait for a round that the chain has not.
func (k *Keeper) isAwaited(ctx context.Context, round uint64) (bool, error) {
	queued, err := k.hasQueued(ctx, round)
	if err != nil || !queued {
		return false, err
	}
	known, err := k.hidden.pulses.Has(ctx, round)
	return !known, err
}

// IsUsefulPulse tells whether a pulse is one that commits wait for, with the
// beacon's signature. Such a pulse pays no fee.
func (k *Keeper) IsUsefulPulse(ctx context.Context, msg *subnetv1.MsgSubmitPulse) (bool, error) {
	awaited, err := k.isAwaited(ctx, msg.Round)
	if err != nil || !awaited {
		return false, err
	}
	return k.verifyPulse(ctx, msg.Round, msg.Signature) == nil, nil
}

// verifyPulse checks a signature against the network's beacon.
func (k *Keeper) verifyPulse(ctx context.Context, round uint64, signature []byte) error {
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	return k.verified.check(params.Beacon.PublicKey, round, signature)
}

func (k *Keeper) addPulse(ctx context.Context, p subnetv1.Pulse) error {
	if err := k.hidden.pulses.Set(ctx, p.Round, p); err != nil {
		return err
	}
	emitEvent(ctx, "pulse", attr("round", p.Round))
	last, err := itemOr(ctx, k.hidden.lastPulse)
	if err != nil || p.Round < last.Round {
		return err
	}
	return k.hidden.lastPulse.Set(ctx, p)
}

// changeBeacon prepares for another beacon in the parameters: what was
// encrypted to the rounds of the old one can never be opened.
func (k *Keeper) changeBeacon(ctx context.Context, next subnetv1.Beacon) error {
	params, err := itemOr(ctx, k.params)
	if err != nil || sameBeacon(params.Beacon, next) {
		return err
	}
	all, err := k.commitsOf(ctx, nil)
	if err != nil {
		return err
	}
	for _, c := range all {
		if !isHidden(c) || !isTimelocked(c) {
			continue
		}
		if err := k.expire(ctx, c, reasonBeacon); err != nil {
			return err
		}
	}
	if err := k.hidden.pulses.Clear(ctx, nil); err != nil {
		return err
	}
	return k.hidden.lastPulse.Remove(ctx)
}

func sameBeacon(a, b subnetv1.Beacon) bool {
	return bytes.Equal(a.PublicKey, b.PublicKey) && a.GenesisTime == b.GenesisTime && a.PeriodSeconds == b.PeriodSeconds
}

// verifier remembers the last pulses that proved good, so that each is checked
// once, although the mempool, the ante handler and the message ask. It changes
// what an answer costs and never the answer.
type verifier struct {
	mu   sync.Mutex
	good [32][sha256.Size]byte
	next int
}

func (v *verifier) check(publicKey []byte, round uint64, signature []byte) error {
	if len(signature) != timelock.SignatureBytes {
		return fmt.Errorf("signature has %d bytes, want %d: %w", len(signature), timelock.SignatureBytes, timelock.ErrInvalidPulse)
	}
	id := sha256.Sum256(append(binary.BigEndian.AppendUint64(append([]byte{}, publicKey...), round), signature...))
	if v.knows(id) {
		return nil
	}
	key, err := timelock.ParsePublicKey(publicKey)
	if err != nil {
		return fmt.Errorf("the network's beacon: %v: %w", err, timelock.ErrInvalidPulse)
	}
	if err := key.Verify(round, signature); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.good[v.next] = id
	v.next = (v.next + 1) % len(v.good)
	return nil
}

func (v *verifier) knows(id [sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, g := range v.good {
		if g == id {
			return true
		}
	}
	return false
}
