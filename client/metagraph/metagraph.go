// Package metagraph is what programs beside the chain need to know of a subnet, in plain types: who its neurons are,
// where they answer and how they stand. It imports neither the chain's software nor a wire format, so that miner,
// validator and client compile and test without either; client/onchain fills it from a node.
//
// Amounts are nplx. Heights and periods are blocks. A u16 is a share: value / 65535.
package metagraph

import (
	"bytes"
	"errors"
	"net"
	"strconv"
)

var (
	// ErrNotFound: the chain answered, and has no such subnet or neuron.
	ErrNotFound = errors.New("not found on the chain")
	// ErrUnavailable: the chain gives no answer for now; trying again later is right.
	ErrUnavailable = errors.New("chain unavailable")
)

// Endpoint is where and what a neuron serves. Port 0 means that it serves nothing.
type Endpoint struct {
	Host        string
	Port        uint16
	Protocol    string // "oip-v2-grpc"
	TLSKeyHash  []byte // SHA-256 of the server's public key (SPKI); empty: plaintext
	Model       string // the model to ask for
	ModelSHA256 []byte // 32 bytes: of the model's file
	Price       uint64 // nplx per request

	// What a request costs beside Price. A KiB is 1024 bytes of raw tensor contents.
	InputPrice   uint64 // nplx per KiB of input
	OutputPrice  uint64 // nplx per KiB of output
	ComputePrice uint64 // nplx per second of compute
}

// Serves reports whether there is anything to call.
func (e Endpoint) Serves() bool { return e.Port != 0 }

// Address is host:port.
func (e Endpoint) Address() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// Equal reports whether both say the same.
func (e Endpoint) Equal(o Endpoint) bool {
	return e.Host == o.Host && e.Port == o.Port && e.Protocol == o.Protocol && e.Model == o.Model &&
		e.Price == o.Price && e.InputPrice == o.InputPrice && e.OutputPrice == o.OutputPrice && e.ComputePrice == o.ComputePrice &&
		bytes.Equal(e.TLSKeyHash, o.TLSKeyHash) && bytes.Equal(e.ModelSHA256, o.ModelSHA256)
}

// Neuron is one uid of a subnet.
type Neuron struct {
	UID        uint16
	Hotkey     string
	Coldkey    string
	Endpoint   Endpoint
	Registered uint64 // height
	Stake      uint64 // nplx now
	Incentive  uint16
	Dividends  uint16
	Trust      uint16 // of a miner
	Vtrust     uint16 // of a validator
	Emission   uint64 // nplx in the last epoch
	Permit     bool
}

// Metagraph is a subnet at one height. Neurons are in order of uid.
type Metagraph struct {
	Netuid    uint32
	Height    uint64
	LastEpoch uint64
	NextEpoch uint64
	Neurons   []Neuron
}

// Hotkey returns the neuron of that hotkey, if there is one.
func (m *Metagraph) Hotkey(hotkey string) (Neuron, bool) {
	for _, n := range m.Neurons {
		if n.Hotkey == hotkey {
			return n, true
		}
	}
	return Neuron{}, false
}

// Standing is how one neuron stands, and what it may do now.
type Standing struct {
	UID                uint16
	Coldkey            string
	Registered         uint64 // height
	Endpoint           Endpoint
	Stake              uint64 // nplx
	Permit             bool
	Updated            uint64 // height of its last weights, set or committed; 0 if there are none
	BlocksUntilWeights uint64 // 0: may set weights now
	BlocksUntilServe   uint64 // 0: may announce an endpoint now
	Emission           uint64 // nplx in the last epoch
}

// Rules are the rules of a subnet that concern its neurons.
type Rules struct {
	Name              string
	OwnerHotkey       string // the owner's own neuron, if it has one
	RegistrationPrice uint64 // nplx
	Tempo             uint64 // blocks between epochs
	WeightsVersion    uint64
	MinAllowedWeights uint32
	MaxWeight         uint16 // of the normalised row
	NextEpoch         uint64 // height
	Epochs            uint64 // that the subnet has run: the present epoch's number
	CommitReveal      string // how weights are hidden: RevealOff, RevealTimelock or RevealHash
}

// How a subnet takes weights: docs/commit-reveal.md.
const (
	RevealOff      = "off"      // plain
	RevealTimelock = "timelock" // encrypted to a round of the network's beacon
	RevealHash     = "hash"     // behind a hash, opened by their author
)

// Sealed is a row behind a hash. Whoever loses the record cannot open the commit any more.
type Sealed struct {
	Epoch  uint64 // that it is committed in
	Record []byte // the row and its salt, encoded
}

// Commit is a hidden row on the chain, or one that was settled not long ago.
type Commit struct {
	Epoch  uint64 // in which it was committed
	Due    uint64 // epoch in which it may be opened
	Hash   []byte // of the hash scheme; nil for a timelocked one
	State  CommitState
	Reason string // why it came to nothing
}

// CommitState is what became of a commit.
type CommitState string

// What can become of a commit.
const (
	CommitHidden   CommitState = "hidden"   // waits for its round or its opening
	CommitRevealed CommitState = "revealed" // its weights are in force
	CommitFailed   CommitState = "failed"   // could not be opened, or broke a rule
	CommitExpired  CommitState = "expired"  // was not opened in time
)

// Weight is a validator's opinion of one uid. Only the ratios within a row count.
type Weight struct {
	UID   uint16
	Value uint16
}
