// Package fault is what can go wrong with a request to a gateway, said once for all the protocols that it speaks: a gRPC
// code, what HTTP says for it, a reason for programs, words for people, and when to come back.
//
//	return fault.New(codes.NotFound, fault.ReasonModel, "no model %q; see /v1/models", name)
//	...
//	f := fault.Of(err) // of any error, also one that a miner answered
//	w.WriteHeader(f.HTTPStatus())
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Reasons that programs may act on. They are those of OpenAI's errors where it has one for the case.
const (
	ReasonKey         = "invalid_api_key"
	ReasonScope       = "key_not_allowed"
	ReasonModel       = "model_not_found"
	ReasonBudget      = "insufficient_quota"
	ReasonRate        = "rate_limit_exceeded"
	ReasonBusy        = "overloaded"
	ReasonLong        = "context_length_exceeded"
	ReasonUnsupported = "unsupported_parameter"
	ReasonUnable      = "model_not_capable"
	ReasonMalformed   = "invalid_request"
	ReasonTooLarge    = "request_too_large"
	ReasonMiners      = "no_miner_answered"
	ReasonWallet      = "gateway_cannot_pay"
	ReasonInternal    = "internal_error"
)

// Error is a request that failed.
type Error struct {
	Code       codes.Code
	Reason     string
	Param      string // of the request, that is at fault; empty where none is
	Message    string
	RetryAfter time.Duration // when another try may go better; 0: nothing is known of it
}

// New returns an error with a message made as by fmt.Sprintf.
func New(code codes.Code, reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Malformed returns the error of a request whose parameter is wrong.
func Malformed(param, format string, args ...any) *Error {
	return &Error{Code: codes.InvalidArgument, Reason: ReasonMalformed, Param: param, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// After returns the error with when to come back.
func (e *Error) After(wait time.Duration) *Error {
	e.RetryAfter = wait
	return e
}

// Of returns what any error says to a caller: an Error that is in it, else what its gRPC status says.
func Of(err error) *Error {
	var fault *Error
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.Is(err, context.DeadlineExceeded):
		return New(codes.DeadlineExceeded, ReasonBusy, "out of time")
	case errors.Is(err, context.Canceled):
		return New(codes.Canceled, ReasonMalformed, "the caller went away")
	}
	st, ok := status.FromError(err)
	if !ok {
		return New(codes.Internal, ReasonInternal, "%v", err)
	}
	fault = New(st.Code(), reasonOf(st.Code()), "%s", st.Message())
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			fault.RetryAfter = info.RetryDelay.AsDuration()
		}
	}
	return fault
}

func reasonOf(code codes.Code) string {
	switch code {
	case codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition:
		return ReasonMalformed
	case codes.NotFound:
		return ReasonModel
	case codes.ResourceExhausted:
		return ReasonBusy
	case codes.Unauthenticated:
		return ReasonKey
	case codes.PermissionDenied:
		return ReasonScope
	case codes.Unimplemented:
		return ReasonUnsupported
	default:
		return ReasonInternal
	}
}

// HTTPStatus is what HTTP says for the error.
func (e *Error) HTTPStatus() int {
	switch e.Code {
	case codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition:
		if e.Reason == ReasonTooLarge {
			return http.StatusRequestEntityTooLarge
		}
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.ResourceExhausted:
		if e.Reason == ReasonTooLarge {
			return http.StatusRequestEntityTooLarge
		}
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	case codes.Canceled:
		return 499 // as proxies say where the caller has gone
	default:
		return http.StatusInternalServerError
	}
}

// Details are the reason and when to come back, in gRPC's own terms.
func (e *Error) Details() []protoadapt.MessageV1 {
	info := &errdetails.ErrorInfo{Reason: e.Reason, Domain: "plexus"}
	if e.Param != "" {
		info.Metadata = map[string]string{"param": e.Param}
	}
	details := []protoadapt.MessageV1{info}
	if e.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	return details
}

// GRPCStatus makes the error one of gRPC's.
func (e *Error) GRPCStatus() *status.Status {
	st := status.New(e.Code, e.Message)
	if detailed, err := st.WithDetails(e.Details()...); err == nil {
		return detailed
	}
	return st
}

// WriteHeader sends the status and the headers that go with it.
func (e *Error) WriteHeader(w http.ResponseWriter) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int64((e.RetryAfter+time.Second-1)/time.Second)))
	}
	if e.Reason == ReasonBudget {
		w.Header().Set("X-Should-Retry", "false") // OpenAI's clients would try again at once
	}
	if e.Code == codes.Unauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="plexus"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.HTTPStatus())
}
