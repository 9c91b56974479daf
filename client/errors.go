package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plexusnet/plexus/client/metagraph"
)

var (
	// ErrNoMiners: nobody in the subnet serves, or nobody the model asked for.
	ErrNoMiners = errors.New("no miner serves")
	// ErrNoAnswer: every miner that was asked failed. The error is a *NoAnswerError.
	ErrNoAnswer = errors.New("no miner answered")
	// ErrClosed is returned by what was closed.
	ErrClosed = errors.New("closed")

	// ErrPrice: the call may cost more there than it may. Raise the price limit, or wait for other miners.
	ErrPrice = errors.New("price above the limit")
	// ErrPayment: the miner wants to be paid and there is nothing to pay with. Give the client a wallet.
	ErrPayment = errors.New("the miner wants to be paid")
	// ErrReceipt: the miner gave no receipt, or one that does not prove its answer.
	ErrReceipt = errors.New("receipt does not prove the answer")
	// ErrAnswer: the answer does not fit the request.
	ErrAnswer = errors.New("answer does not fit the request")
	// ErrDead: the miner does not say that it lives.
	ErrDead = errors.New("the miner gives no sign of life")
	// ErrRetries: others failed, and no more may be asked: too many calls fail. Options.RetryShare bounds that.
	ErrRetries = errors.New("too many calls fail, no other miner is asked")
	// ErrUnreached: there is no connection to the miner yet; it is being made.
	ErrUnreached = errors.New("not connected in time")
)

// Failure is a miner that did not answer, and why.
type Failure struct {
	Miner metagraph.Neuron
	Err   error
}

// Error reads like: uid 3 (127.0.0.1:8500): connection refused.
func (f Failure) Error() string {
	return fmt.Sprintf("uid %d (%s): %v", f.Miner.UID, f.Miner.Endpoint.Address(), f.Err)
}

// Unwrap returns the reason.
func (f Failure) Unwrap() error { return f.Err }

// NoAnswerError is that no miner answered. errors.Is finds ErrNoAnswer in it, and the reason of each failure: what to do
// is said there (ErrPrice, ErrPayment, wallet.ErrNoFunds, wallet.ErrOverBudget, wallet.ErrDispute, ...).
type NoAnswerError struct {
	Netuid uint32
	Failed []Failure // in the order in which they failed
	Cause  error     // why no others were asked; nil: there were no others, or as many as may be
}

// Error lists the failures.
func (e *NoAnswerError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v in subnet %d", ErrNoAnswer, e.Netuid)
	separator := ": "
	for _, err := range e.reasons() {
		b.WriteString(separator + err.Error())
		separator = "\n"
	}
	return b.String()
}

func (e *NoAnswerError) reasons() []error {
	var out []error
	for _, f := range e.Failed {
		out = append(out, f)
	}
	if e.Cause != nil {
		out = append(out, e.Cause)
	}
	return out
}

// Unwrap returns ErrNoAnswer and the reasons.
func (e *NoAnswerError) Unwrap() []error { return append([]error{ErrNoAnswer}, e.reasons()...) }
