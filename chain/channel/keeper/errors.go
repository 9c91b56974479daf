package keeper

import (
	"errors"
	"strings"

	errorsmod "cosmossdk.io/errors"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/payment"
)

// What this module refuses, with the code that transactions and queries carry.
// Codes are part of the interface: they are never reused.
var (
	ErrUnknownChannel = errorsmod.RegisterWithGRPCCode(ModuleName, 2, codes.NotFound, "unknown channel")
	ErrInvalidRequest = errorsmod.RegisterWithGRPCCode(ModuleName, 3, codes.InvalidArgument, "invalid request")
	ErrUnauthorized   = errorsmod.RegisterWithGRPCCode(ModuleName, 4, codes.PermissionDenied, "unauthorized")
	ErrInvalidParams  = errorsmod.RegisterWithGRPCCode(ModuleName, 5, codes.InvalidArgument, "invalid parameters")

	// Of the rules of package payment.
	ErrForged       = errorsmod.RegisterWithGRPCCode(ModuleName, 10, codes.InvalidArgument, "voucher is not signed by the channel's key")
	ErrInvalidKey   = errorsmod.RegisterWithGRPCCode(ModuleName, 11, codes.InvalidArgument, "not a usable Ed25519 public key")
	ErrReplayed     = errorsmod.RegisterWithGRPCCode(ModuleName, 12, codes.FailedPrecondition, "voucher does not go beyond what was redeemed")
	ErrOverspent    = errorsmod.RegisterWithGRPCCode(ModuleName, 13, codes.FailedPrecondition, "voucher goes beyond the deposit")
	ErrTooManyLanes = errorsmod.RegisterWithGRPCCode(ModuleName, 14, codes.ResourceExhausted, "channel has no more lanes")
	ErrClosed       = errorsmod.RegisterWithGRPCCode(ModuleName, 15, codes.FailedPrecondition, "channel has ended")
	ErrClosing      = errorsmod.RegisterWithGRPCCode(ModuleName, 16, codes.FailedPrecondition, "channel is closing")
	ErrOpen         = errorsmod.RegisterWithGRPCCode(ModuleName, 17, codes.FailedPrecondition, "channel has not ended")
	ErrInvalidTerms = errorsmod.RegisterWithGRPCCode(ModuleName, 18, codes.InvalidArgument, "invalid terms of a channel")
)

// refuse gives a refusal of the pure rules the code of this module. Other
// errors pass through unchanged.
func refuse(err error) error {
	for _, r := range []struct {
		rule error
		code *errorsmod.Error
	}{
		{payment.ErrForged, ErrForged}, // before the key that may be its reason
		{payment.ErrInvalidKey, ErrInvalidKey},
		{payment.ErrReplayed, ErrReplayed},
		{payment.ErrOverspent, ErrOverspent},
		{payment.ErrTooManyLanes, ErrTooManyLanes},
		{payment.ErrClosed, ErrClosed},
		{payment.ErrClosing, ErrClosing},
		{payment.ErrOpen, ErrOpen},
		{payment.ErrInvalidTerms, ErrInvalidTerms},
	} {
		if errors.Is(err, r.rule) {
			return r.code.Wrap(strings.TrimSuffix(err.Error(), ": "+r.rule.Error()))
		}
	}
	return err
}
