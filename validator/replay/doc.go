// Package replay is the mechanism of a subnet that pins one model: miners run exactly that model, validators run it again
// and compare, and among the honest the quick ones earn.
//
//	m, err := replay.New(ctx, rt, model, replay.Options{SHA256: pinned, Cache: folder})
//	fmt.Println(m.Calibration())                  // what is tolerated and what is found out, as a table
//	round, err := m.Draw(ctx, m.Calibration().Challenges)
//	marks, err := round.Judge(ctx, answers)
//
// # What is tolerated
//
// Two honest machines differ in the last bits, so answers are compared within a tolerance, all outputs of them. New finds
// it by Calibrate: it runs the model with every number of threads, batch and level of optimisation, and with weights moved
// by a few units in the last place, which is about what another processor's order of summation does; and it runs cheaper
// versions of the model that it makes itself. For each output it takes the measure (models/compare) that tells the two
// apart best, and sets the tolerance between them:
//
//	tolerance = sqrt(honest * cheap), but not below 4 nor above 32 times honest, nor below 2^-21
//
// with honest the largest distance of any honest run and cheap the twentieth part of the mildest cheap version's
// challenges that lie lowest.
//
// # Challenges
//
// Inputs are drawn at random from families (normal, uniform, of very different sizes, sound-like, next to the edges at
// which a piecewise constant model jumps). Calibrate keeps those that tell cheap from exact best. Draw makes Oversample
// candidates for each challenge, runs the cheaper versions on all, and asks the one on which they show most; candidates
// on which honest runs come near the tolerance, or change a label, are not asked. What Calibrate cannot infer from the
// model, such as the sampling rate that it expects, the subnet's owner says in a Spec.
//
// # Decisions
//
// A decision is on one miner's answers of one round: it is refused when any of its answers is beyond the tolerance in
// any output. Calibration.Challenges is how many challenges a round needs so that every cheaper version is refused 999
// times of 1000.
package replay
