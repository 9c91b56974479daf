// Package receipt lets a caller prove what a miner answered: docs/protocol.md section 8.
//
// A caller asks for a receipt with the request's parameter "receipt" = true. The response then carries parameters
//
//	receipt                 signature of the miner's node key, base64
//	receipt_node_key        that key, base64; compare it with the connection's
//	receipt_height          of the chain when the miner answered, as far as it knew
//	receipt_model_sha256    of the model's file, hex
//
// from which, with the request and the response themselves, Of makes the receipt and Verify checks it:
//
//	r := receipt.Of("digits", inputs, modelHash, outputs, height)
//	if !r.Verify(nodeKey, signature) { ... }
//
// What is signed is the domain tag "plexus/receipt/v1", the three 32-byte hashes and the height as 64 bits, big-endian.
// A hash over tensors takes each part with its length before it, as 64 bits, big-endian: the model's name (of a request
// only), and for each tensor its name, datatype, number of dimensions, dimensions and raw contents.
package receipt

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"

	"github.com/plexusnet/plexus/models"
)

// The parameters that carry a receipt.
const (
	Parameter       = "receipt"
	ParameterKey    = "receipt_node_key"
	ParameterHeight = "receipt_height"
	ParameterModel  = "receipt_model_sha256"
)

const domain = "plexus/receipt/v1"

// Receipt is what a miner signs.
type Receipt struct {
	Request [32]byte // of the model's name and the inputs
	Model   [32]byte // of the model's file
	Outputs [32]byte
	Height  uint64
}

// Of returns the receipt of a request and its answer. The outputs are those of the response, in its order.
func Of(model string, inputs []models.Tensor, modelSHA256 [32]byte, outputs []models.Tensor, height uint64) Receipt {
	r := Receipt{Model: modelSHA256, Height: height}
	request := sha256.New()
	text(request, model)
	tensors(request, inputs)
	request.Sum(r.Request[:0])
	answer := sha256.New()
	tensors(answer, outputs)
	answer.Sum(r.Outputs[:0])
	return r
}

func tensors(h hash.Hash, list []models.Tensor) {
	number(h, uint64(len(list)))
	for _, t := range list {
		text(h, t.Name)
		text(h, string(t.Datatype))
		number(h, uint64(len(t.Shape)))
		for _, d := range t.Shape {
			number(h, uint64(d))
		}
		number(h, uint64(len(t.Data)))
		h.Write(t.Data)
	}
}

func text(h hash.Hash, s string) {
	number(h, uint64(len(s)))
	io.WriteString(h, s)
}

func number(h hash.Hash, n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

func (r Receipt) message() []byte {
	out := []byte(domain)
	out = append(out, r.Request[:]...)
	out = append(out, r.Model[:]...)
	out = append(out, r.Outputs[:]...)
	return binary.BigEndian.AppendUint64(out, r.Height)
}

// Sign returns the node key's signature, 64 bytes.
func (r Receipt) Sign(key ed25519.PrivateKey) []byte { return ed25519.Sign(key, r.message()) }

// Verify reports whether the holder of the node key signed r.
func (r Receipt) Verify(key ed25519.PublicKey, signature []byte) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, r.message(), signature)
}
