package keeper

import (
	"errors"

	errorsmod "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/chain/timelock"
	"github.com/plexusnet/plexus/subnet"
)

// What commit-reveal refuses.
var (
	ErrCommitReveal  = errorsmod.RegisterWithGRPCCode(ModuleName, 40, codes.FailedPrecondition, "weights come in another way to this subnet")
	ErrWrongEpoch    = errorsmod.RegisterWithGRPCCode(ModuleName, 41, codes.Aborted, "commit is for another epoch")
	ErrCommitted     = errorsmod.RegisterWithGRPCCode(ModuleName, 42, codes.AlreadyExists, "already committed in this epoch")
	ErrNoBeacon      = errorsmod.RegisterWithGRPCCode(ModuleName, 43, codes.FailedPrecondition, "the network has no beacon")
	ErrWrongRound    = errorsmod.RegisterWithGRPCCode(ModuleName, 44, codes.InvalidArgument, "wrong round")
	ErrInvalidCommit = errorsmod.RegisterWithGRPCCode(ModuleName, 45, codes.InvalidArgument, "invalid commit")
	ErrUnknownCommit = errorsmod.RegisterWithGRPCCode(ModuleName, 46, codes.NotFound, "no such hidden commit")
	ErrNotDue        = errorsmod.RegisterWithGRPCCode(ModuleName, 47, codes.FailedPrecondition, "too early to open")
	ErrExpired       = errorsmod.RegisterWithGRPCCode(ModuleName, 48, codes.FailedPrecondition, "not opened within its period")
	ErrWrongOpening  = errorsmod.RegisterWithGRPCCode(ModuleName, 49, codes.InvalidArgument, "opening does not match the commit")
	ErrSuperseded    = errorsmod.RegisterWithGRPCCode(ModuleName, 50, codes.FailedPrecondition, "newer weights are in force")
	ErrChangedHands  = errorsmod.RegisterWithGRPCCode(ModuleName, 51, codes.FailedPrecondition, "uid changed hands since the commit")
	ErrUselessPulse  = errorsmod.RegisterWithGRPCCode(ModuleName, 52, codes.FailedPrecondition, "no commit waits for this round")
	ErrInvalidPulse  = errorsmod.RegisterWithGRPCCode(ModuleName, 53, codes.InvalidArgument, "signature is not the beacon's")
)

// refuseCommit is refuse for the rules of commit-reveal, and all others.
func refuseCommit(err error) error {
	for _, r := range []struct {
		rule error
		code *errorsmod.Error
	}{
		{subnet.ErrCommitReveal, ErrCommitReveal},
		{subnet.ErrWrongEpoch, ErrWrongEpoch},
		{subnet.ErrCommitted, ErrCommitted},
		{subnet.ErrNotDue, ErrNotDue},
		{subnet.ErrExpired, ErrExpired},
		{subnet.ErrWrongBinding, ErrWrongOpening},
		{subnet.ErrSuperseded, ErrSuperseded},
		{subnet.ErrChangedHands, ErrChangedHands},
		{timelock.ErrInvalidPulse, ErrInvalidPulse},
	} {
		if errors.Is(err, r.rule) {
			return r.code.Wrap(err.Error())
		}
	}
	return refuse(err)
}

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
