// Package supervisor runs a set of child processes as one thing: they start in
// order, each once the one before is ready, and they end together, whatever
// ends the program that runs them.
//
//	sup, err := supervisor.New(logDir, log)
//	…
//	defer sup.Stop()
//	err = sup.Start(ctx, supervisor.Process{
//		Name:  "node",
//		Args:  []string{"start", "--home", home},
//		Ready: func(ctx context.Context) error { return ping(ctx) },
//	})
//	…
//	select {
//	case death := <-sup.Deaths():
//		return death // names the process and shows the end of its log
//	case <-ctx.Done():
//	}
//
// Everything that a process prints goes to NAME.log in the log folder. A process
// that dies stays dead unless its Process says how often it is started again.
//
// Stop sends SIGTERM in reverse order of starting and SIGKILL to what has not
// ended after a grace period. Each process leads a process group of its own, so
// that Ctrl-C in a terminal reaches the supervisor alone and that its own
// children end with it. On Linux the kernel kills the children when the
// supervising process dies, even by SIGKILL, so nothing is left behind to hold
// a port.
package supervisor
