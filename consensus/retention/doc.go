// Package retention maps what Yuma consensus guarantees: how much honest utility does an honest majority need so
// that a cabal cannot take more of the emission than its share of stake?
//
// The model: N neurons, an honest group with a share S_H of stake, validators and servers, and a cabal with the rest.
// Honest validators give a share W_H of their weight to honest servers, cabal validators a share W_C to their own.
// Within each group of servers weights are noisy. One epoch of Yuma2 from empty bonds gives E = xi D + (1-xi) I, and
// E_H is the honest part of it. The contour E_H = S_H over the grid of W_H and W_C is the retention line; its
// right-most point is the honest utility that suffices against the worst cabal.
//
//	m, err := retention.Compute(ctx, retention.Setting{HonestStake: 0.6, Sigma: 0.4, Kappa: 0.5, Penalty: 1, Xi: 0.5, Seed: 1}, retention.Options{})
//	fmt.Println(m.Needed()) // about 0.73
//
// Every cell is an epoch of package consensus, so the map shows what the chain really does.
package retention
