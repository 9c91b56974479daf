// Package dynamics simulates systems of stocks and flows: amounts that sit somewhere, and what moves them in each step.
//
//	system := dynamics.System{
//		Stocks: []dynamics.Stock{{Name: "supply", Unit: "PLX", Initial: 100}},
//		Flows: []dynamics.Flow{{Name: "minted", Unit: "PLX/step", To: "supply", Rate: func(s *dynamics.State) float64 {
//			return 0.01 * s.Stock(0)
//		}}},
//		Step: 86_400, Steps: 365,
//	}
//	model, err := dynamics.New(system) // a sims.Model
//
// In a step the rates of all flows are computed on the state that the step before left. Then the flows are applied in
// their order, and the auxiliaries are computed from what came out. A flow takes no more out of a stock than is in it and
// never runs backwards; what enters a stock has left another or came from outside. After every step the stocks are
// compared with what came in and went out: a run whose books do not balance, or in which a number is not finite, ends
// with ErrBooks.
//
// A Window is the mean of a flow over the last steps, which is what a linear release pays out of what came in.
package dynamics
