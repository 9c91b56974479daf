// Package gateway is one endpoint for programs that know nothing of Plexus: they ask models by their names, and the
// gateway finds miners, pays them, and keeps the books.
//
//	g, err := gateway.New(network, gateway.Config{Netuids: []uint32{1}, Keys: file, Ledger: book})
//	lis, err := gateway.Listen("127.0.0.1:8600", nil, false, false)
//	...
//	err = g.Serve(ctx, lis) // until ctx ends and the requests in hand are answered
//
// On one port it speaks
//
//	Open Inference Protocol v2    gRPC, and REST below /v2, with the binary tensor extension
//	the same for browsers         gRPC-Web, and JSON over POST at the paths of gRPC
//	OpenAI's interface            below /v1, for models of text: package openai
//
// A name means a model of the operator's own (Config.Aliases), "subnet-<netuid>", or a model that miners announce.
// Tensors are passed on as they came.
//
// Who asks is known by an API key (package keys). What a request may cost at most is set aside from the key's budget
// before a miner is asked, and settled after (package ledger). Which miner is asked, and what happens when one fails, is
// package client's.
package gateway
