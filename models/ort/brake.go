package ort

import (
	"context"
	"errors"
	"fmt"
	"time"

	ort "github.com/yalue/onnxruntime_go"
)

// patience is how long a run goes on before anybody looks whether its caller still waits. Most are over by then, and
// watching over one costs more than some of them take.
const patience = time.Millisecond

// brake stops one run at a time between two nodes of its graph, when the run's context ends.
type brake struct {
	options *ort.RunOptions
	timer   *time.Timer   // starts the watcher
	over    chan struct{} // the watcher takes this when the run is
	pulled  bool          // by the watcher, before it takes over
}

// brake returns a brake for a run under ctx, nil when that never ends. What it returns must be released.
func (r *Runtime) brake(ctx context.Context) (*brake, error) {
	if ctx.Done() == nil {
		return nil, nil
	}
	var b *brake
	select {
	case b = <-r.brakes:
	default:
		options, err := ort.NewRunOptions()
		if err != nil {
			return nil, fmt.Errorf("make the run's options: %w", err)
		}
		b = &brake{options: options, over: make(chan struct{})}
	}
	b.timer = time.AfterFunc(patience, func() { b.watch(ctx) })
	return b, nil
}

func (b *brake) watch(ctx context.Context) {
	select {
	case <-b.over:
	case <-ctx.Done():
		b.pulled = true
		_ = b.options.Terminate() // it only sets a flag
		<-b.over
	}
}

// runOptions returns what the run is to be given.
func (b *brake) runOptions() *ort.RunOptions {
	if b == nil {
		return nil
	}
	return b.options
}

// releaseBrake takes a brake back after its run. The watcher is gone then: nothing is freed that it may write to.
func (r *Runtime) releaseBrake(b *brake) {
	if b == nil {
		return
	}
	if !b.timer.Stop() {
		b.over <- struct{}{}
	}
	if !b.pulled {
		select {
		case r.brakes <- b:
			return
		default:
		}
	}
	_ = b.options.Destroy()
}

// freeBrakes frees those that wait for a run; there are no runs any more.
func (r *Runtime) freeBrakes() error {
	var errs []error
	for {
		select {
		case b := <-r.brakes:
			errs = append(errs, b.options.Destroy())
		default:
			return errors.Join(errs...)
		}
	}
}
