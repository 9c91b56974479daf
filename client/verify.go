package client

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/receipt"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// answer checks a response, and makes the answer of it.
func (k *call) answer(resp *inference.ModelInferResponse) (*Answer, error) {
	req := k.race.req
	outputs, err := checked(resp)
	if err != nil {
		return nil, err
	}
	if err := fits(req, outputs); err != nil {
		return nil, err
	}
	a := &Answer{Miner: k.candidate.neuron, Model: resp.ModelName, Version: resp.ModelVersion, Outputs: outputs, Parameters: resp.Parameters, Elapsed: k.elapsed}
	if req.Receipt {
		if a.Receipt, err = verified(k.candidate.neuron.Endpoint, req.Inputs, resp, outputs); err != nil {
			return nil, err
		}
	}
	if req.Check != nil {
		if err := req.Check(outputs); err != nil {
			return nil, fmt.Errorf("answer refused: %w", err)
		}
	}
	size := 0
	for _, t := range outputs {
		size += len(t.Data)
	}
	k.candidate.miner.answered(k.elapsed, size, time.Now())
	return a, nil
}

// checked returns the tensors of a response that are well formed, each and all.
func checked(resp *inference.ModelInferResponse) ([]models.Tensor, error) {
	outputs, err := oip.Outputs(resp)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed: %w", ErrAnswer, err)
	}
	for i, t := range outputs {
		if err := t.Validate(models.Limits{}); err != nil {
			return nil, fmt.Errorf("%w: malformed: %w", ErrAnswer, err)
		}
		if slices.ContainsFunc(outputs[:i], func(o models.Tensor) bool { return o.Name == t.Name }) {
			return nil, fmt.Errorf("%w: two outputs named %q", ErrAnswer, t.Name)
		}
	}
	return outputs, nil
}

// fits checks the outputs against what was asked for.
func fits(req *Request, outputs []models.Tensor) error {
	for _, name := range req.Outputs {
		if !slices.ContainsFunc(outputs, func(t models.Tensor) bool { return t.Name == name }) {
			return fmt.Errorf("%w: no output named %q", ErrAnswer, name)
		}
	}
	if n := len(req.Outputs); n > 0 && len(outputs) != n {
		return fmt.Errorf("%w: %d outputs, %d were asked for", ErrAnswer, len(outputs), n)
	}
	if req.Specs == nil {
		return nil
	}
	if err := models.ValidateInputs(req.Specs, outputs, models.Limits{}); err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return fitRows(req, outputs)
}

// fitRows checks that there is a row of outputs for each row of inputs, where the outputs' first dimension is free.
func fitRows(req *Request, outputs []models.Tensor) error {
	rows := int64(-1)
	for _, t := range req.Inputs {
		if len(t.Shape) == 0 || (rows >= 0 && t.Shape[0] != rows) {
			return nil // the inputs do not agree on what a row is
		}
		rows = t.Shape[0]
	}
	for _, t := range outputs {
		at := slices.IndexFunc(req.Specs, func(s models.TensorSpec) bool { return s.Name == t.Name })
		if free := len(req.Specs[at].Shape) > 0 && req.Specs[at].Shape[0] == models.Any; free && rows >= 0 && t.Shape[0] != rows {
			return fmt.Errorf("%w: output %q has %d rows, the inputs %d", ErrAnswer, t.Name, t.Shape[0], rows)
		}
	}
	return nil
}

// withReceipt adds the wish for a receipt to a request's parameters.
func withReceipt(parameters map[string]*inference.InferParameter) map[string]*inference.InferParameter {
	out := maps.Clone(parameters)
	if out == nil {
		out = map[string]*inference.InferParameter{}
	}
	out[receipt.Parameter] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}}
	return out
}

// verified returns the receipt in a response, if the key that the miner announced on the chain signed it, over this
// request, these outputs and the model that the miner announced.
func verified(e metagraph.Endpoint, inputs []models.Tensor, resp *inference.ModelInferResponse, outputs []models.Tensor) (*Receipt, error) {
	p := resp.Parameters
	key, keyErr := base64.StdEncoding.DecodeString(p[receipt.ParameterKey].GetStringParam())
	signature, err := base64.StdEncoding.DecodeString(p[receipt.Parameter].GetStringParam())
	model, modelErr := hex.DecodeString(p[receipt.ParameterModel].GetStringParam())
	if keyErr != nil || err != nil || modelErr != nil || len(key) != ed25519.PublicKeySize || len(model) != sha256.Size {
		return nil, fmt.Errorf("%w: there is none, or it is malformed", ErrReceipt)
	}
	spki, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(key))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if hash := sha256.Sum256(spki); !bytes.Equal(hash[:], e.TLSKeyHash) {
		return nil, fmt.Errorf("%w: it is signed by another key than the miner's", ErrReceipt)
	}
	if len(e.ModelSHA256) > 0 && !bytes.Equal(model, e.ModelSHA256) {
		return nil, fmt.Errorf("%w: it is of model %x, the miner announced %x", ErrReceipt, model, e.ModelSHA256)
	}
	r := receipt.Of(e.Model, inputs, [sha256.Size]byte(model), outputs, uint64(p[receipt.ParameterHeight].GetInt64Param()))
	if !r.Verify(key, signature) {
		return nil, fmt.Errorf("%w: the signature is of another request or answer", ErrReceipt)
	}
	return &Receipt{Receipt: r, NodeKey: key, Signature: signature}, nil
}
