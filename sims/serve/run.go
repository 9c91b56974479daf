package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/report"
	"github.com/plexusnet/plexus/sims/scenario"
)

// errNotADirectory is what reading a file below a file gives.
const errNotADirectory = syscall.ENOTDIR

// Run runs what is sent, one experiment after another, until ctx ends. What runs then is saved, to be gone on with by
// another server on the same folder.
func (s *Server) Run(ctx context.Context) {
	for ctx.Err() == nil {
		j, running, done := s.next(ctx)
		if j == nil {
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
			continue
		}
		err := s.run(running, j)
		s.end(ctx, j, err, context.Cause(running))
		done()
	}
}

// next takes the experiment that waits longest.
func (s *Server) next(ctx context.Context) (*job, context.Context, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.State != Queued {
			continue
		}
		timed, stop := context.WithTimeoutCause(ctx, s.cfg.Timeout, fmt.Errorf("it took longer than %s", s.cfg.Timeout))
		running, cancel := context.WithCancelCause(timed)
		j.cancel = cancel
		s.change(j, func(e *Experiment) { e.State = Running })
		return j, running, func() { cancel(nil); stop() }
	}
	return nil, nil, nil
}

// end settles how an experiment ended. One that was stopped with the server stays as it was.
func (s *Server) end(ctx context.Context, j *job, err, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.cancel = nil
	switch {
	case errors.Is(cause, errRemoved):
		s.change(j, func(e *Experiment) { e.State, e.Error = Failed, errRemoved.Error() })
		if err := os.RemoveAll(s.path(j.ID)); err != nil {
			s.cfg.Log.Error("could not remove an experiment", "experiment", j.ID, "error", err)
		}
		return
	case err != nil && ctx.Err() != nil:
		s.change(j, func(e *Experiment) { e.State = Queued })
		return
	case err != nil:
		if cause != nil {
			err = cause
		}
		s.cfg.Log.Warn("an experiment failed", "experiment", j.ID, "error", err)
		s.change(j, func(e *Experiment) { e.State, e.Error = Failed, err.Error() })
	default:
		s.change(j, func(e *Experiment) { e.State, e.Fraction, e.Left = Finished, 1, 0 })
	}
	if err := s.keep(j); err != nil {
		s.cfg.Log.Error("could not keep how an experiment ended", "experiment", j.ID, "error", err)
	}
	s.tidy()
}

// tidy removes the oldest experiments that are over, where there are more than Config.Keep. The caller holds the lock.
func (s *Server) tidy() {
	over := 0
	for i := len(s.jobs) - 1; i >= 0; i-- {
		if !s.jobs[i].State.Over() {
			continue
		}
		if over++; over <= s.cfg.Keep {
			continue
		}
		if err := os.RemoveAll(s.path(s.jobs[i].ID)); err != nil {
			s.cfg.Log.Error("could not remove an old experiment", "experiment", s.jobs[i].ID, "error", err)
		}
		s.jobs = append(s.jobs[:i], s.jobs[i+1:]...)
	}
}

// run runs one experiment and writes its report.
func (s *Server) run(ctx context.Context, j *job) error {
	content, err := os.ReadFile(s.path(j.ID, scenarioFile))
	if err != nil {
		return err
	}
	sc, err := scenario.Parse(scenarioFile, content, s.cfg.Kinds...)
	if err != nil {
		return err
	}
	o, err := sc.Options()
	if err != nil {
		return err
	}
	dir := s.path(j.ID, resultFolder)
	_, err = os.Stat(filepath.Join(dir, experiment.ManifestFile))
	o.Resume = err == nil
	o.Dir, o.Version, o.Limits, o.Workers = dir, s.cfg.Version, s.cfg.Limits, s.cfg.Workers
	o.Progress = func(p experiment.Progress) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.change(j, func(e *Experiment) {
			e.Done, e.Total, e.Fraction, e.Left = p.Done, p.Total, p.Fraction, p.Left.Seconds()
		})
	}
	if err := experimentOf(ctx, j.Kind, sc, o); err != nil {
		return err
	}
	return report.Write(dir)
}

func experimentOf(ctx context.Context, kind experiment.Kind, sc *scenario.Scenario, o experiment.Options) error {
	if err := offers(sc, kind); err != nil {
		return err
	}
	var err error
	switch kind {
	case experiment.KindSweep:
		_, err = sc.Sweep.Run(ctx, sc.Build, o)
	case experiment.KindCompare:
		_, err = sc.Compare.Run(ctx, sc.Build, o)
	case experiment.KindSensitivity:
		_, err = sc.Sensitivity.Run(ctx, sc.Build, o)
	default:
		model, failed := sc.Model()
		if failed != nil {
			return failed
		}
		_, err = experiment.Run(ctx, model, o)
	}
	return err
}
