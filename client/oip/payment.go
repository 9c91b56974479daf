package oip

// How a call is paid, in gRPC metadata beside the protocol's own messages: docs/protocol.md section 8, payment.
const (
	// HeaderChannel is "<channel>/<lane>": what pays.
	HeaderChannel = "plexus-channel"
	// HeaderLimit is the most nplx that the call may cost.
	HeaderLimit = "plexus-limit"
	// HeaderVoucher is a payment.Voucher in binary, where there is a new one.
	HeaderVoucher = "plexus-voucher-bin"

	// TrailerCharged is the nplx that the call cost; it comes with errors, too.
	TrailerCharged = "plexus-charged"
	// TrailerOwed is the nplx that the lane owes in all, cumulative.
	TrailerOwed = "plexus-owed"
)

// The same over HTTP. The voucher is base64 there.
const (
	HTTPChannel = "Plexus-Channel"
	HTTPLimit   = "Plexus-Limit"
	HTTPVoucher = "Plexus-Voucher"
	HTTPCharged = "Plexus-Charged"
	HTTPOwed    = "Plexus-Owed"
)

// ErrorDomain is the domain of the errdetails.ErrorInfo in a refusal that has to do with payment.
const ErrorDomain = "plexus"

// Why a call is refused that has to do with payment: FAILED_PRECONDITION unless said otherwise.
const (
	ReasonPaymentRequired = "PAYMENT_REQUIRED" // nothing was signed for it, or not enough: see the Meta constants
	ReasonChannelUnknown  = "CHANNEL_UNKNOWN"  // the miner's node knows no such channel
	ReasonChannelClosing  = "CHANNEL_CLOSING"  // closed, or about to end
	ReasonVoucherRefused  = "VOUCHER_REFUSED"  // INVALID_ARGUMENT
	ReasonLimitTooLow     = "LIMIT_TOO_LOW"    // below what request and input cost already
)

// Metadata of ReasonPaymentRequired, decimal numbers.
const (
	MetaOwed         = "owed"          // nplx that the lane owes in all
	MetaSigned       = "signed"        // nplx of the lane's best voucher
	MetaNonce        = "nonce"         // of that voucher
	MetaNeeded       = "needed"        // nplx that must be signed for this call to be let in
	MetaPriceRequest = "price_request" // nplx per request
)
