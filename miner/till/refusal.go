package till

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/payment"
)

// Why a request is refused for the way it is to be paid, beside the reasons of package oip.
const (
	ReasonMalformed   = "OFFER_MALFORMED"   // INVALID_ARGUMENT
	ReasonDenied      = "NOT_YOUR_CHANNEL"  // PERMISSION_DENIED
	ReasonFull        = "TILL_FULL"         // RESOURCE_EXHAUSTED: a limit of the miner
	ReasonUnavailable = "CHAIN_UNAVAILABLE" // UNAVAILABLE: the miner does not know how the channel stands
	ReasonStore       = "STORE_FAILED"      // UNAVAILABLE: the voucher could not be kept
)

// Refusal says why a request was not let in or not answered, and what to do about it. It costs nothing.
type Refusal struct {
	Code     codes.Code
	Reason   string
	Message  string
	Metadata map[string]string
	Retry    time.Duration // when trying again may help; 0: not by itself
}

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// GRPCStatus is what gRPC answers.
func (r *Refusal) GRPCStatus() *status.Status {
	st := status.New(r.Code, r.Message)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: r.Reason, Domain: oip.ErrorDomain, Metadata: r.Metadata}}
	if r.Retry > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(r.Retry)})
	}
	if detailed, err := st.WithDetails(details...); err == nil {
		return detailed
	}
	return st
}

// PriceMetadata tells a price as the ErrorInfo of refusals has it, in nplx.
func PriceMetadata(p payment.Price) map[string]string {
	return map[string]string{
		oip.MetaPriceRequest: decimal(p.Request), "price_input_kib": decimal(p.Input),
		"price_output_kib": decimal(p.Output), "price_compute_second": decimal(p.Compute),
	}
}

// Unpaid is the refusal of a request that brings no offer where one is wanted.
func (t *Till) Unpaid() *Refusal {
	return t.refused(&Refusal{Code: codes.FailedPrecondition, Reason: oip.ReasonPaymentRequired, Metadata: PriceMetadata(t.cfg.Price),
		Message: fmt.Sprintf("this miner is paid per request (%d nplx and what is used): open a channel to its hotkey %s in subnet %d and send %s and %s (docs/protocol.md section 8)",
			t.cfg.Price.Request, t.cfg.Hotkey, t.cfg.Netuid, oip.HeaderChannel, oip.HeaderLimit)})
}

// Unsettled is the refusal of a request that may or may not have to pay, while the till cannot know.
func (t *Till) Unsettled(message string) *Refusal { return t.refused(t.unavailable(message)) }

func (t *Till) unavailable(message string) *Refusal {
	return &Refusal{Code: codes.Unavailable, Reason: ReasonUnavailable, Message: message, Retry: t.cfg.Interval}
}

// required is the refusal of a limit that what is signed on a lane does not cover.
func (t *Till) required(o Offer, l lane) *Refusal {
	needed := add(add(l.owed, l.reserved), o.Limit)
	metadata := map[string]string{oip.MetaOwed: decimal(l.owed), oip.MetaSigned: decimal(l.signed), oip.MetaNonce: decimal(l.nonce), oip.MetaNeeded: decimal(needed)}
	maps.Copy(metadata, PriceMetadata(t.cfg.Price))
	return &Refusal{Code: codes.FailedPrecondition, Reason: oip.ReasonPaymentRequired, Metadata: metadata,
		Message: fmt.Sprintf("lane %d/%d has %d nplx signed; %d owed, %d for requests in hand and this one's limit of %d need %d: send a voucher",
			o.Channel, o.Lane, l.signed, l.owed, l.reserved, o.Limit, needed)}
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// add saturates.
func add(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
}
