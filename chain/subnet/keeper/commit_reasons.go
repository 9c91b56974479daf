package keeper

import (
	"errors"

	"github.com/plexusnet/plexus/chain/timelock"
	"github.com/plexusnet/plexus/subnet"
)

// What stands in the state as the reason of a commit that came to nothing. The
// events tell more: unlike them, these texts are part of the state, so that a
// change of one must wait for an upgrade of all nodes.
const (
	reasonUndecryptable = "the ciphertext cannot be opened with its round"
	reasonBinding       = "the weights were made for another chain, subnet, hotkey or epoch, or their salt has a wrong size"
	reasonChangedHands  = "the uid changed hands"
	reasonSuperseded    = "newer weights are in force"
	reasonVersion       = "the subnet wants another weights version"
	reasonUnknownUID    = "the weights name a uid that does not exist"
	reasonTooFew        = "too few weights"
	reasonTooLarge      = "a weight is above the maximum"
	reasonInvalid       = "the weights are invalid"
	reasonPanic         = "opening it was a fault of the chain: please report it"
	reasonLateOpening   = "its author did not open it in the epoch in which it was due"
	reasonBeacon        = "the network changed its beacon"
	reasonLateRound     = "its round did not reach the chain in time"
)

// reasonOf returns the reason to store for why a commit could not be opened.
func reasonOf(err error) string {
	for _, r := range []struct {
		rule   error
		reason string
	}{
		{timelock.ErrUndecryptable, reasonUndecryptable},
		{subnet.ErrWrongBinding, reasonBinding},
		{subnet.ErrChangedHands, reasonChangedHands},
		{subnet.ErrSuperseded, reasonSuperseded},
		{subnet.ErrWrongVersion, reasonVersion},
		{subnet.ErrUnknownUID, reasonUnknownUID},
		{subnet.ErrTooFewWeights, reasonTooFew},
		{subnet.ErrWeightTooLarge, reasonTooLarge},
		{errPanicked, reasonPanic},
	} {
		if errors.Is(err, r.rule) {
			return r.reason
		}
	}
	return reasonInvalid
}

// isSendersFault tells whether a commit failed by what its sender hid, and not
// by what has changed since.
func isSendersFault(err error) bool {
	return errors.Is(err, timelock.ErrUndecryptable) || errors.Is(err, subnet.ErrWrongBinding)
}
