// Package experiment runs a model many times and says what varies and why.
//
//	result, err := experiment.Run(ctx, model, experiment.Options{Seed: 1, Runs: 1000, Dir: "out"})
//	fan, err := result.Fan("price") // mean, deviation and quantiles at every recorded step
//
// There are four experiments. Run repeats one model with many seeds. Compare runs variants of it with equal seeds, so
// that luck cancels out and the effect remains. Sweep runs it over a grid or a sample of parameters. Sensitivity asks
// which parameters matter: one at a time, by Morris' elementary effects or by Sobol's shares of variance.
//
// # What comes out does not depend on how
//
// The seed of run i follows from the master seed and i alone (RunSeed). Runs are computed in batches on any number of
// goroutines and merged in the order of their numbers, and the sizes of batches and sketches follow from the options
// and the first batch, never from Workers or from time. So equal options give equal results, and equal files byte for
// byte. A run that is interrupted, even by SIGKILL, is gone on with by Options.Resume and ends in the same bytes.
//
// # Quantiles in bounded memory
//
// Each recorded number has a sketch: the values themselves while they fit, a merging t-digest (Dunning and Ertl,
// "Computing extremely accurate quantiles using t-digests", 2019) once they do not. All sketches together take what
// Limits.Memory leaves. Summary.Sketch says which it was. Mean, deviation (Welford's update), least and greatest value
// are exact up to rounding in either case.
//
// # Files
//
// With Options.Dir set, an experiment leaves there:
//
//	scenario.yaml  the scenario as it was resolved (Options.Scenario)
//	manifest.json  Manifest: what was run, with which seed and version
//	quantiles.csv  step,seconds,column,runs,mean,sd,min,q0.05,...,max for each recorded step and column
//	runs.csv       run,seed,steps, then COLUMN.end and COLUMN.mean of each run
//	summary.json   Summary: the distribution over runs of each column's end and mean
//	records.csv    run,step,seconds and all columns of all runs, or records.jsonl, if Options.Records asks
//	sweep.csv      one line per point, column and statistic, with the parameters in front
//	effects.csv    one line per variant, column and statistic: the effect with its intervals
//	indices.csv    one line per column, statistic, parameter and index of sensitivity
//
// Compare leaves one such folder per variant as well. None of the files holds a clock time. While the experiment is
// unfinished, there is a file named "unfinished" beside them.
package experiment
