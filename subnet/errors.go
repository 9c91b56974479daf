package subnet

import "errors"

// What can be refused. Callers wrap these with the values that explain them.
var (
	ErrInvalidParams   = errors.New("invalid parameters")
	ErrStakeTooLow     = errors.New("stake below the threshold")
	ErrWrongVersion    = errors.New("wrong weights version")
	ErrRateLimited     = errors.New("too early")
	ErrNoPermit        = errors.New("no validator permit")
	ErrInvalidWeights  = errors.New("invalid weights")
	ErrUnknownUID      = errors.New("uid is not registered")
	ErrTooFewWeights   = errors.New("too few weights")
	ErrWeightTooLarge  = errors.New("weight above the maximum")
	ErrSubnetFull      = errors.New("subnet is full")
	ErrPriceTooHigh    = errors.New("price above the caller's maximum")
	ErrInvalidEndpoint = errors.New("invalid endpoint")
	ErrGoverned        = errors.New("only governance may change this")
	ErrFrozen          = errors.New("frozen before the epoch")
	ErrUnknownNetuid   = errors.New("no such subnet")
	ErrInvalidIdentity = errors.New("invalid identity")
)
