package keeper

import (
	"errors"
	"strings"

	errorsmod "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/chain/timelock"
	"github.com/plexusnet/plexus/subnet"
)

// What this module refuses, with the code that transactions and queries carry.
// Codes are part of the interface: they are never reused.
var (
	ErrUnknownSubnet   = errorsmod.RegisterWithGRPCCode(ModuleName, 2, codes.NotFound, "unknown subnet")
	ErrNotRegistered   = errorsmod.RegisterWithGRPCCode(ModuleName, 3, codes.NotFound, "hotkey is not registered")
	ErrRegistered      = errorsmod.RegisterWithGRPCCode(ModuleName, 4, codes.AlreadyExists, "hotkey is already registered")
	ErrHotkeyTaken     = errorsmod.RegisterWithGRPCCode(ModuleName, 5, codes.PermissionDenied, "hotkey belongs to another coldkey")
	ErrInvalidRequest  = errorsmod.RegisterWithGRPCCode(ModuleName, 6, codes.InvalidArgument, "invalid request")
	ErrUnauthorized    = errorsmod.RegisterWithGRPCCode(ModuleName, 7, codes.PermissionDenied, "unauthorized")
	ErrNoValidator     = errorsmod.RegisterWithGRPCCode(ModuleName, 8, codes.NotFound, "no such staking validator")
	ErrSubnetLimit     = errorsmod.RegisterWithGRPCCode(ModuleName, 9, codes.ResourceExhausted, "no more subnets")
	ErrStakeTooLow     = errorsmod.RegisterWithGRPCCode(ModuleName, 10, codes.FailedPrecondition, "stake below the threshold")
	ErrWrongVersion    = errorsmod.RegisterWithGRPCCode(ModuleName, 11, codes.FailedPrecondition, "wrong weights version")
	ErrRateLimited     = errorsmod.RegisterWithGRPCCode(ModuleName, 12, codes.ResourceExhausted, "too early")
	ErrNoPermit        = errorsmod.RegisterWithGRPCCode(ModuleName, 13, codes.PermissionDenied, "no validator permit")
	ErrInvalidWeights  = errorsmod.RegisterWithGRPCCode(ModuleName, 14, codes.InvalidArgument, "invalid weights")
	ErrUnknownUID      = errorsmod.RegisterWithGRPCCode(ModuleName, 15, codes.InvalidArgument, "unknown uid")
	ErrTooFewWeights   = errorsmod.RegisterWithGRPCCode(ModuleName, 16, codes.InvalidArgument, "too few weights")
	ErrWeightTooLarge  = errorsmod.RegisterWithGRPCCode(ModuleName, 17, codes.InvalidArgument, "weight above the maximum")
	ErrSubnetFull      = errorsmod.RegisterWithGRPCCode(ModuleName, 18, codes.ResourceExhausted, "subnet is full")
	ErrPriceTooHigh    = errorsmod.RegisterWithGRPCCode(ModuleName, 19, codes.FailedPrecondition, "price above the maximum")
	ErrInvalidEndpoint = errorsmod.RegisterWithGRPCCode(ModuleName, 20, codes.InvalidArgument, "invalid endpoint")
	ErrInvalidParams   = errorsmod.RegisterWithGRPCCode(ModuleName, 21, codes.InvalidArgument, "invalid parameters")
	ErrGoverned        = errorsmod.RegisterWithGRPCCode(ModuleName, 30, codes.PermissionDenied, "only governance may change this")
	ErrFrozen          = errorsmod.RegisterWithGRPCCode(ModuleName, 31, codes.FailedPrecondition, "frozen before the epoch")
	ErrNoIdentity      = errorsmod.RegisterWithGRPCCode(ModuleName, 33, codes.NotFound, "no identity")
	ErrInvalidIdentity = errorsmod.RegisterWithGRPCCode(ModuleName, 32, codes.InvalidArgument, "invalid identity")
	ErrUnprovenHotkey  = errorsmod.RegisterWithGRPCCode(ModuleName, 34, codes.PermissionDenied, "hotkey is not proven")

	// Of commit-reveal.
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

// refuse gives a refusal of the pure rules the code of this module. Other
// errors pass through unchanged.
func refuse(err error) error {
	for _, r := range []struct {
		rule error
		code *errorsmod.Error
	}{
		{subnet.ErrStakeTooLow, ErrStakeTooLow},
		{subnet.ErrWrongVersion, ErrWrongVersion},
		{subnet.ErrRateLimited, ErrRateLimited},
		{subnet.ErrNoPermit, ErrNoPermit},
		{subnet.ErrInvalidWeights, ErrInvalidWeights},
		{subnet.ErrUnknownUID, ErrUnknownUID},
		{subnet.ErrTooFewWeights, ErrTooFewWeights},
		{subnet.ErrWeightTooLarge, ErrWeightTooLarge},
		{subnet.ErrSubnetFull, ErrSubnetFull},
		{subnet.ErrPriceTooHigh, ErrPriceTooHigh},
		{subnet.ErrInvalidEndpoint, ErrInvalidEndpoint},
		{subnet.ErrInvalidParams, ErrInvalidParams},
		{subnet.ErrGoverned, ErrGoverned},
		{subnet.ErrFrozen, ErrFrozen},
		{subnet.ErrUnknownNetuid, ErrUnknownSubnet},
		{subnet.ErrInvalidIdentity, ErrInvalidIdentity},
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
			return r.code.Wrap(strings.TrimSuffix(err.Error(), ": "+r.rule.Error()))
		}
	}
	return err
}
