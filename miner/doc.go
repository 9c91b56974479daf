// Package miner serves ONNX models over the Open Inference Protocol v2 and keeps its place on the chain.
//
// It has two halves that do not wait for each other. A Server answers requests, however the chain fares:
//
//	server := miner.NewServer(library, miner.ServerConfig{Log: log})
//	listener, err := miner.Listen("127.0.0.1:8500", oip.Identity{}, false)
//	...
//	err = server.Serve(ctx, listener) // until ctx ends and the requests in hand are answered
//
// A Keeper sees to it that the neuron is registered and that what the chain says of its endpoint is true:
//
//	keeper := miner.Keeper{Member: member, Chain: chain, Endpoint: endpoint, Log: log}
//	err = keeper.Run(ctx)
//
// What is answered wrong costs the miner its earnings, so nothing is: a request that does not fit the model is refused
// with a reason that names the tensor, what was expected and what came.
//
//	unknown model                          NOT_FOUND
//	wrong name, shape, datatype or length  INVALID_ARGUMENT
//	too many requests, message too large   RESOURCE_EXHAUSTED
//	out of time                            DEADLINE_EXCEEDED
//	the model fails                        INTERNAL
//
// Everything that a stranger can make grow has a limit in ServerConfig: message size, requests in hand, time per
// request, connections, streams per connection.
package miner
