// Package report turns a finished experiment into one HTML page that opens offline, and into plots as files.
//
//	outcome, err := experiment.Load("result")
//	...
//	page, err := report.New(outcome, scenarioYAML)
//	err = page.WriteHTML(file)       // everything inside, no script, nothing fetched
//	err = page.WritePlots("result")  // plots/NAME.png and .svg
//
// A run shows how every column is distributed over time and at the end, with stacked areas and Lorenz curves where the
// columns' names ask for them: "stack.NAME.PART" are parts of one whole, "lorenz.NAME.N" are the shares that the
// poorest N percent hold. A sweep shows lines, heat maps or scatter plots, a comparison the effects with their intervals,
// a sensitivity analysis a tornado or the indices.
//
// The same experiment gives the same bytes.
package report
