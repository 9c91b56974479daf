// Package sims says what can be simulated and what a simulation records.
//
// A Model is a question made computable: a network with its agents, another network's issuance, a set of stocks and
// flows. One run of it turns a seed into records, rows of numbers in time. Everything else is done to models from
// outside: package random gives a run its numbers, package experiment runs a model many times and asks what varies,
// package scenario reads models from YAML files.
//
//	type coin struct{}
//
//	func (coin) Columns() []sims.Column {
//		return []sims.Column{{Name: "heads", Unit: "1", Doc: "heads thrown so far"}}
//	}
//
//	func (coin) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
//		throws, heads := random.New(seed).Stream("coin"), 0.0
//		for step := range uint64(100) {
//			heads += float64(throws.Uint64() & 1)
//			if err := rec.Record(step, float64(step), []float64{heads}); err != nil {
//				return err
//			}
//		}
//		return ctx.Err()
//	}
//
// A model draws no number that does not come from its seed and reads no clock, so that equal seeds give equal records
// on however many goroutines.
package sims
