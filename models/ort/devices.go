package ort

import (
	"context"
	"fmt"
	"sync/atomic"
)

// device is what runs models: the CPU, or one GPU. Its slots are shared by all sessions.
type device struct {
	slots chan struct{} // one token per run that may go on
	load  atomic.Int64  // runs that go on or wait
}

// deviceOf returns the device that a provider runs on.
func (r *Runtime) deviceOf(p Provider) *device {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := p.deviceName()
	if r.devices[name] == nil {
		r.devices[name] = &device{slots: make(chan struct{}, r.options.runsOn(p))}
	}
	return r.devices[name]
}

// runsOn returns how many runs go on at once on a provider's device.
func (o RuntimeOptions) runsOn(p Provider) int {
	if p.onGPU() {
		return o.MaxRunsPerGPU
	}
	return o.MaxConcurrentRuns
}

// Slots returns how many runs go on at once, over all devices that sessions have been loaded on.
func (r *Runtime) Slots() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, d := range r.devices {
		n += cap(d.slots)
	}
	return n
}

func (p Provider) onGPU() bool { return p.Kind == CUDA || p.Kind == TensorRT }

// deviceName is the same for providers that share a device.
func (p Provider) deviceName() string {
	if p.onGPU() {
		return fmt.Sprintf("gpu:%d", p.Device)
	}
	return fmt.Sprintf("cpu:%d", p.Device)
}

// leastBusy returns the session or that of its twins whose device is likely to have a free slot first.
func (s *Session) leastBusy() *Session {
	best := s
	for _, twin := range s.twins {
		if twin.device.busy() < best.device.busy() {
			best = twin
		}
	}
	return best
}

// busy is the load as a share of what the device runs at once.
func (d *device) busy() float64 { return float64(d.load.Load()) / float64(cap(d.slots)) }

// enter waits for a free slot, first among the model's own, which must be left.
func (s *Session) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.device.load.Add(1)
	if s.own != nil {
		select {
		case s.own <- struct{}{}:
		case <-ctx.Done():
			s.device.load.Add(-1)
			return ctx.Err()
		}
	}
	select {
	case s.device.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		s.leaveOwn()
		return ctx.Err()
	}
}

func (s *Session) leave() {
	<-s.device.slots
	s.leaveOwn()
}

func (s *Session) leaveOwn() {
	if s.own != nil {
		<-s.own
	}
	s.device.load.Add(-1)
}
