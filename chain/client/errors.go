package chainclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

var (
	// ErrNotFound: the chain answered, and has nothing of that name.
	ErrNotFound = errors.New("not found on the chain")
	// ErrUnavailable: no answer for now. The node is down, starting, too slow,
	// or has no room in its mempool. Trying again later is right.
	ErrUnavailable = errors.New("chain unavailable")
	// ErrWrongChain: the node serves another chain than Config.ChainID.
	ErrWrongChain = errors.New("wrong chain")
)

// catchingUp is how a node that has just come back refuses transactions until
// it is at the height of the network. The engine gives it no code.
const catchingUp = "endpoint is closed while node is catching up"

// TxError is the chain's refusal of a transaction. Codespace and Code identify
// the reason; Log says it in words. Hash is empty when the transaction was
// refused before it was broadcast.
type TxError struct {
	Codespace string
	Code      uint32
	Log       string
	Hash      string
}

func (e *TxError) Error() string {
	return fmt.Sprintf("transaction refused (%s %d): %s", e.Codespace, e.Code, e.Log)
}

// Unwrap returns the rule that a payment broke, one of package payment's
// errors, or ErrNotFound of a channel that there is not; nil for all else.
func (e *TxError) Unwrap() error {
	if e.Codespace != channelSpace {
		return nil
	}
	return channelRefusal(e.Code)
}

// is reports whether the refusal has the reason of a registered SDK error.
func (e *TxError) is(reason interface {
	Codespace() string
	ABCICode() uint32
}) bool {
	return e.Codespace == reason.Codespace() && e.Code == reason.ABCICode()
}

// callError turns what a gRPC call returned into this package's errors. outer
// is the caller's context: when it ended, that is the error, and not the chain.
func callError(outer context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if outer.Err() != nil {
		return fmt.Errorf("%s: %w", what, outer.Err())
	}
	st := status.Convert(err)
	if st.Code() == codes.DeadlineExceeded && atDeadline(outer) {
		return fmt.Errorf("%s: %w", what, context.DeadlineExceeded)
	}
	switch st.Code() {
	case codes.Unavailable, codes.DeadlineExceeded:
		return fmt.Errorf("%s: %w: %s", what, ErrUnavailable, st.Message())
	case codes.NotFound:
		return fmt.Errorf("%s: %w: %s", what, ErrNotFound, st.Message())
	}
	if strings.Contains(st.Message(), catchingUp) {
		return fmt.Errorf("%s: %w: %s", what, ErrUnavailable, st.Message())
	}
	// Errors that the SDK raises itself travel as Unknown, with their number in
	// the message's fixed prefix.
	switch registered := registeredError(st.Message()); {
	case registered.is(sdkerrors.ErrInvalidHeight):
		// We only ever ask for the latest state: there is none before the
		// first block and, for a moment, while a block is committed.
		return fmt.Errorf("%s: %w: %s", what, ErrUnavailable, st.Message())
	case registered.is(sdkerrors.ErrNotFound), registered.is(sdkerrors.ErrUnknownAddress):
		return fmt.Errorf("%s: %w: %s", what, ErrNotFound, st.Message())
	}
	return fmt.Errorf("%s: %w", what, err)
}

// deadlineSlack is how much earlier than the caller's context both ends of a
// call may notice its deadline.
const deadlineSlack = 100 * time.Millisecond

// atDeadline tells whether ctx ends about now.
func atDeadline(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < deadlineSlack
}

// registeredError reads the prefix "codespace C code N: " that errors of the
// SDK carry over gRPC. Without it, the result is no error's code.
func registeredError(message string) *TxError {
	var e TxError
	if _, err := fmt.Sscanf(message, "codespace %s code %d:", &e.Codespace, &e.Code); err != nil {
		return &TxError{}
	}
	_, e.Log, _ = strings.Cut(message, ": ")
	return &e
}
