// Package presets holds the issuance of other networks as systems of stocks and flows, each with its source, its
// parameters, and the published figures that it is checked against.
//
//	model, err := presets.New("helium", map[string]float64{"years": 20, "burned": 10_000})
//	...
//	err = model.Run(ctx, seed, recorder)
//
// What a network does by rule is computed; what its users do (how much they burn, stake, or store) is a parameter with
// a default that is said to be an assumption. Years have 365 days where the source does not say otherwise.
//
// Checks lists every published figure beside the computed one. They are of three kinds, and only the first two tell
// whether a preset describes its network: against what the chain did, against another model of it, and against the
// source's own numbers, which shows no more than that the formula was read right.
package presets
