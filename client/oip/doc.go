// Package oip carries tensors over the Open Inference Protocol v2: it turns them into the protocol's messages and
// back, and it is the one place where connections to miners are opened and accepted.
//
// The asking side dials an endpoint and sends a request:
//
//	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: "127.0.0.1:8500"})
//	...
//	req := oip.Request{Model: "gold", Inputs: []models.Tensor{image}}.Message()
//	resp, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, req)
//	...
//	outputs, err := oip.Outputs(resp)
//
// The answering side reads the inputs, whether they came raw or typed, and writes the outputs raw:
//
//	inputs, err := oip.Inputs(req)
//	...
//	return oip.Response{Model: "gold", Version: "1", ID: req.Id, Outputs: outputs}.Message(), nil
//
// Raw contents are passed on without a copy: the tensors share memory with the message they were read from.
//
// A connection is plaintext only where both ends are this machine, unless the operator says otherwise. Anywhere else it
// is TLS 1.3, and the server is known by the SHA-256 of its public key, as it announced it on the chain: no certificate
// authority is asked.
package oip
