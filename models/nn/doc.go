// Package nn trains small image classifiers with gonum and writes them as ONNX.
//
// A network is a list of layers over one shape of image; training takes examples one batch at a time from whoever draws
// them, so no set of examples has to be kept:
//
//	net, err := nn.New(nn.Shape{Channels: 1, Height: 28, Width: 28}, seed,
//		nn.Standardize(), nn.Conv(16, 5, 2), nn.ReLU(), nn.Dense(10))
//	err = net.Train(ctx, draw, nn.Training{Examples: 20_000, Batch: 32, Rate: 0.002})
//	net.Export(builder, "image", "probabilities")
//
// Arithmetic is float32 in a fixed order and every random number comes from the seed, so on one machine the same calls
// give the same weights, bit for bit.
package nn
