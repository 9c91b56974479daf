// Package nn trains small classifiers of images, letters and sound with gonum and writes them as ONNX.
//
// A network is a list of layers over one shape of image; training takes examples one batch at a time from whoever draws
// them, so no set of examples has to be kept:
//
//	net, err := nn.New(nn.Shape{Channels: 1, Height: 28, Width: 28}, seed,
//		nn.Standardize(), nn.Conv(16, 5, 2), nn.ReLU(), nn.Dense(10))
//	err = net.Train(ctx, draw, nn.Training{Examples: 20_000, Batch: 32, Rate: 0.002})
//	net.Export(builder, "image", "probabilities")
//
// A line of letters or samples is an image one pixel high. EmbedGrams makes channels of letters and Spectrogram of samples,
// both inside the ONNX graph, so that the model takes bytes or samples as they come; the layers named Along move along
// the line.
//
//	net, err := nn.New(nn.Shape{Channels: 1, Height: 1, Width: 4000}, seed,
//		nn.Standardize(), nn.Spectrogram(128, 96, 20), nn.ConvAlong(32, 5, 1), nn.ReLU(), nn.MaxOverall(), nn.Dense(8))
//	net.ExportLine(builder, models.FP32, "samples", "probabilities", "")
//
// Arithmetic is float32 in a fixed order and every random number comes from the seed, so on one machine the same calls
// give the same weights, bit for bit.
package nn
