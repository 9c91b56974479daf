package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestEveryErrorHasItsCodeAndStatus(t *testing.T) {
	busy, err := status.New(codes.ResourceExhausted, "full").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)})
	require.NoError(t, err)
	for name, test := range map[string]struct {
		err    error
		code   codes.Code
		status int
		reason string
		after  string
	}{
		"own":             {New(codes.NotFound, ReasonModel, "no %s", "x"), codes.NotFound, 404, ReasonModel, ""},
		"own, wrapped":    {fmt.Errorf("more: %w", Malformed("input", "bad")), codes.InvalidArgument, 400, ReasonMalformed, ""},
		"too large":       {New(codes.ResourceExhausted, ReasonTooLarge, "large"), codes.ResourceExhausted, 413, ReasonTooLarge, ""},
		"out of time":     {fmt.Errorf("ask: %w", context.DeadlineExceeded), codes.DeadlineExceeded, 504, ReasonBusy, ""},
		"gone":            {context.Canceled, codes.Canceled, 499, ReasonMalformed, ""},
		"unknown":         {errors.New("?"), codes.Internal, 500, ReasonInternal, ""},
		"a miner's":       {status.Error(codes.InvalidArgument, "shape"), codes.InvalidArgument, 400, ReasonMalformed, ""},
		"a miner's, busy": {fmt.Errorf("uid 3: %w", busy.Err()), codes.ResourceExhausted, 429, ReasonBusy, "2"},
		"no key":          {status.Error(codes.Unauthenticated, ""), codes.Unauthenticated, 401, ReasonKey, ""},
		"not for it":      {status.Error(codes.PermissionDenied, ""), codes.PermissionDenied, 403, ReasonScope, ""},
		"not there":       {status.Error(codes.Unimplemented, ""), codes.Unimplemented, 501, ReasonUnsupported, ""},
		"down":            {New(codes.Unavailable, ReasonMiners, "").After(time.Millisecond), codes.Unavailable, 503, ReasonMiners, "1"},
	} {
		f := Of(test.err)
		require.Equal(t, test.code, f.Code, name)
		require.Equal(t, test.reason, f.Reason, name)
		w := httptest.NewRecorder()
		f.WriteHeader(w)
		require.Equal(t, test.status, w.Code, name)
		require.Equal(t, test.after, w.Header().Get("Retry-After"), name)
		require.Equal(t, test.code, status.Code(f), name)
	}
}

// What is said over gRPC is what was meant, and read again it is the same.
func TestDetailsSurviveTheWire(t *testing.T) {
	st := Malformed("input", "too long").After(3 * time.Second).GRPCStatus()
	again := Of(st.Err())
	require.Equal(t, 3*time.Second, again.RetryAfter)
	info := st.Details()[0].(*errdetails.ErrorInfo)
	require.Equal(t, ReasonMalformed, info.Reason)
	require.Equal(t, "input", info.Metadata["param"])
}
