package payment

import "errors"

// What can be refused. Functions wrap these with the values that explain them.
var (
	ErrMalformed    = errors.New("not a voucher")
	ErrForged       = errors.New("voucher is not signed by the channel's key")
	ErrInvalidKey   = errors.New("not a usable Ed25519 public key")
	ErrWrongChannel = errors.New("voucher is of another channel")
	ErrReplayed     = errors.New("voucher does not go beyond what was redeemed")
	ErrOverspent    = errors.New("voucher goes beyond the deposit")
	ErrTooManyLanes = errors.New("channel has no more lanes")
	ErrClosed       = errors.New("channel has ended")
	ErrClosing      = errors.New("channel is closing")
	ErrOpen         = errors.New("channel has not ended")
	ErrInvalidTerms = errors.New("invalid terms of a channel")
)
