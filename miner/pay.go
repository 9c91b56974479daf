package miner

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"

	grpcmetadata "google.golang.org/grpc/metadata"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/proto/inference"
)

// sells reports whether requests can be paid here.
func (d *doorkeeper) sells() bool {
	return d.till != nil && (d.policy.Payment == PaymentAccept || d.policy.Payment == PaymentRequire)
}

// free reports whether a caller never pays.
func (d *doorkeeper) free(who caller) bool {
	return who.shown.Address != "" && d.directory.Permit(who.shown.Address)
}

// toll decides about an inference request before it is read. unpaid tells one that goes after those that are paid.
func (d *doorkeeper) toll(ctx context.Context, offers bool) (unpaid bool, err error) {
	if !d.sells() || offers {
		return false, nil
	}
	who := callerOf(ctx)
	switch {
	case d.free(who):
		return false, nil
	case d.policy.Payment == PaymentAccept:
		return true, nil
	case who.shown.Address != "" && d.directory.load() == nil:
		return true, d.till.Unsettled("this miner is paid per request, and has not seen yet who is a validator of its subnet; try again in a moment")
	default:
		return true, d.till.Unpaid()
	}
}

// tender is what a request brings to pay with, as it came. A request that brings none has nil.
type tender struct {
	channel, limit string
	voucher        []byte
	err            error // why it cannot be read
}

// tenderOf reads a request's metadata.
func tenderOf(ctx context.Context) *tender {
	channel := grpcmetadata.ValueFromIncomingContext(ctx, oip.HeaderChannel)
	if len(channel) == 0 {
		return nil
	}
	t := &tender{channel: channel[0]}
	if limit := grpcmetadata.ValueFromIncomingContext(ctx, oip.HeaderLimit); len(limit) > 0 {
		t.limit = limit[0]
	}
	if voucher := grpcmetadata.ValueFromIncomingContext(ctx, oip.HeaderVoucher); len(voucher) > 0 {
		t.voucher = []byte(voucher[0])
	}
	return t
}

// tenderOfREST reads a request's headers.
func tenderOfREST(h http.Header) *tender {
	if h.Get(oip.HTTPChannel) == "" {
		return nil
	}
	return (&tender{channel: h.Get(oip.HTTPChannel), limit: h.Get(oip.HTTPLimit)}).with(h.Get(oip.HTTPVoucher))
}

// with returns the tender with a voucher in base64; empty: with none.
func (t *tender) with(voucher string) *tender {
	next := tender{channel: t.channel, limit: t.limit}
	if voucher != "" {
		next.voucher, next.err = base64.StdEncoding.Strict().DecodeString(voucher)
	}
	return &next
}

func (t *tender) offer() (till.Offer, error) {
	if t.err != nil {
		return till.Offer{}, till.BadVoucher(t.err)
	}
	return till.ParseOffer(t.channel, t.limit, t.voucher)
}

// bill is what a request is told of its payment.
type bill struct {
	till.Bill
	paid bool // it came with a tender
	owes bool // Owed is known, and the caller may know it
}

// metadata returns the trailers.
func (b bill) metadata() grpcmetadata.MD {
	if !b.paid {
		return nil
	}
	md := grpcmetadata.MD{oip.TrailerCharged: {strconv.FormatUint(b.Charged, 10)}}
	if b.owes {
		md[oip.TrailerOwed] = []string{strconv.FormatUint(b.Owed, 10)}
	}
	return md
}

// header writes the headers of REST.
func (b bill) header(h http.Header) {
	if !b.paid {
		return
	}
	h.Set(oip.HTTPCharged, strconv.FormatUint(b.Charged, 10))
	if b.owes {
		h.Set(oip.HTTPOwed, strconv.FormatUint(b.Owed, 10))
	}
}

// parameters writes the bill into the answer to a request of a stream, which has no trailer of its own.
func (b bill) parameters(resp *inference.ModelInferResponse) {
	if !b.paid {
		return
	}
	if resp.Parameters == nil {
		resp.Parameters = map[string]*inference.InferParameter{}
	}
	number := func(n uint64) *inference.InferParameter {
		return &inference.InferParameter{ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: n}}
	}
	resp.Parameters[ParameterCharged] = number(b.Charged)
	if b.owes {
		resp.Parameters[ParameterOwed] = number(b.Owed)
	}
}

// Parameters of the requests of a stream and of their answers: what metadata and trailers are to single requests. The
// channel and the limit, of each request, are in the metadata of the stream.
const (
	ParameterVoucher = "plexus_voucher" // string: a voucher in base64
	ParameterCharged = "plexus_charged" // integer: nplx
	ParameterOwed    = "plexus_owed"    // integer: nplx
)

// sell takes in what a request brings to pay with, and lets it in if that covers it. Requests that bring nothing have
// passed the toll.
func (s *Server) sell(ctx context.Context, o *order, t *tender) (bill, error) {
	if !s.door.sells() {
		return bill{}, nil
	}
	who := callerOf(ctx)
	if t == nil {
		o.unpaid = !s.door.free(who)
		return bill{}, nil
	}
	b := bill{paid: true}
	offer, err := t.offer()
	if err != nil {
		return b, err
	}
	payer := till.Caller{Account: who.shown.Address, NodeKey: who.shown.NodeKey}
	if o.sale, err = s.cfg.Till.Admit(ctx, payer, offer); err != nil {
		b.Owed, b.owes = s.cfg.Till.Owed(payer, offer)
		return b, statusError(err)
	}
	b.owes = true
	return b, nil
}

// settle charges an order that ended with err, and returns the error that it ends with now.
func (s *Server) settle(ctx context.Context, o *order, b bill, err error) (bill, error) {
	if o.sale == nil {
		return b, err
	}
	outcome := till.Failed
	switch {
	case o.began && s.callerLeft(ctx):
		outcome = till.Cancelled
	case err == nil:
		outcome = till.Answered
	}
	settled, failed := o.sale.Settle(ctx, outcome, payment.Usage{Output: o.output, Compute: o.compute})
	b.Bill = settled
	if err == nil && failed != nil {
		err = statusError(failed)
	}
	return b, err
}

// errTimeUp is the cause with which requests end that take the miner too long.
var errTimeUp = errors.New("the miner's time for a request has passed")

// callerLeft reports whether a request ended because its caller gave up, or wanted it sooner than the miner promises.
func (s *Server) callerLeft(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeUp) && !s.draining.Load()
}
