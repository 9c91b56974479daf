package till

import (
	"crypto/ed25519"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/payment"
)

// Caller is who asks, as its connection has proved. The zero value is nobody in particular, and may spend nothing.
type Caller struct {
	Account string            // address
	NodeKey ed25519.PublicKey // 32 bytes
}

// Offer is what a request brings to be paid with.
type Offer struct {
	Channel uint64
	Lane    uint32
	Limit   uint64           // nplx
	Voucher *payment.Voucher // nil: nothing new
}

// ParseOffer reads an offer; voucher is empty where there is none. The error is a *Refusal.
func ParseOffer(channel, limit string, voucher []byte) (Offer, error) {
	var o Offer
	id, lane, ok := strings.Cut(channel, "/")
	c, errChannel := strconv.ParseUint(id, 10, 64)
	l, errLane := strconv.ParseUint(lane, 10, 32)
	if !ok || errChannel != nil || errLane != nil {
		return o, malformed("%s is %.64q, want <channel>/<lane>", oip.HeaderChannel, channel)
	}
	most, err := strconv.ParseUint(limit, 10, 64)
	if err != nil {
		return o, malformed("%s is %.64q, want the most nplx that the request may cost", oip.HeaderLimit, limit)
	}
	o.Channel, o.Lane, o.Limit = c, uint32(l), most
	if len(voucher) > 0 {
		o.Voucher = &payment.Voucher{}
		if err := o.Voucher.UnmarshalBinary(voucher); err != nil {
			return Offer{}, BadVoucher(err)
		}
	}
	return o, nil
}

// BadVoucher is the refusal of a voucher that cannot be read.
func BadVoucher(err error) *Refusal {
	return &Refusal{Code: codes.InvalidArgument, Reason: oip.ReasonVoucherRefused, Message: "voucher refused: " + err.Error()}
}

func malformed(format string, args ...any) *Refusal {
	return &Refusal{Code: codes.InvalidArgument, Reason: ReasonMalformed, Message: fmt.Sprintf(format, args...)}
}
