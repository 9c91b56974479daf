// Package serve runs scenarios that are sent to it over HTTP, one after another, and keeps what comes out.
//
//	server, err := serve.New(serve.Config{Dir: "experiments", Kinds: scenario.Kinds()})
//	...
//	go server.Run(ctx) // until ctx ends; what is unfinished then is gone on with at the next start
//	err = http.Serve(listener, server)
//
// The interface:
//
//	POST   /v1/experiments?kind=run      a scenario as YAML; kind is run, sweep, compare or sensitivity;
//	                                     runs and seed override the scenario's. 202 and an Experiment
//	GET    /v1/experiments               all, the newest first
//	GET    /v1/experiments/ID            one Experiment, with its progress
//	GET    /v1/experiments/ID/events     the same as server-sent events, until it is over
//	GET    /v1/experiments/ID/report     the page of package report
//	GET    /v1/experiments/ID/files/     the files of packages experiment and report
//	DELETE /v1/experiments/ID            stop and forget it
//	GET    /                             a page to do this by hand
//
// What is wrong with a scenario is answered with 400, the line and the path; a full queue with 429. Requests that a
// browser sends on behalf of another site are refused, and so are those for a host that is not Config.Hosts.
package serve
