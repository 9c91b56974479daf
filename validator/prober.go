package validator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// Result is what came of one neuron's part of a round. Asked = Right + Wrong + Malformed + Failed.
type Result struct {
	Neuron    metagraph.Neuron
	Asked     int
	Right     int
	Wrong     int
	Malformed int           // answered, but not in the task's terms: wrong shape, not a number, not a probability
	Failed    int           // not answered, or too late
	Reason    error         // the first that was neither right nor wrong
	Latency   time.Duration // mean over what was answered
}

// prober asks miners. Its limits are all positive.
type prober struct {
	pool       *client.Pool
	deadline   time.Duration // for all of a miner's challenges together
	miners     int           // asked at once
	inFlight   int           // challenges that one miner has in hand at once
	challenges []Challenge
}

// run asks all of probes and returns the results in their order. It never fails: what fails is a result.
func (p *prober) run(ctx context.Context, probes []probe) []Result {
	results := make([]Result, len(probes))
	var group errgroup.Group
	group.SetLimit(p.miners)
	for i, probe := range probes {
		group.Go(func() error {
			results[i] = p.ask(ctx, probe)
			return nil
		})
	}
	group.Wait()
	return results
}

var errNotServing = errors.New("announces no endpoint of this protocol")

// ask puts all challenges to one miner, within its deadline.
func (p *prober) ask(ctx context.Context, probe probe) Result {
	t := tally{result: Result{Neuron: probe.neuron}}
	service, err := p.service(probe)
	if err != nil {
		t.result.Asked, t.result.Failed, t.result.Reason = len(p.challenges), len(p.challenges), err
		return t.result
	}
	ctx, cancel := context.WithTimeout(ctx, p.deadline)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(p.inFlight)
	for _, at := range probe.order {
		challenge := p.challenges[at]
		group.Go(func() error {
			start := time.Now()
			outputs, err := infer(ctx, service, probe.neuron.Endpoint.Model, challenge.Inputs)
			if err != nil {
				t.failed(err)
				return nil
			}
			t.answered(time.Since(start), challenge.Judge(outputs))
			return nil
		})
	}
	group.Wait()
	return t.done()
}

func (p *prober) service(probe probe) (inference.GRPCInferenceServiceClient, error) {
	if probe.order == nil {
		return nil, errNotServing
	}
	return p.pool.Service(probe.neuron.Endpoint)
}

var errMalformed = errors.New("malformed answer")

func infer(ctx context.Context, service inference.GRPCInferenceServiceClient, model string, inputs []models.Tensor) ([]models.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // the deadline has passed: do not even ask
	}
	resp, err := service.ModelInfer(ctx, oip.Request{Model: model, Inputs: inputs}.Message())
	if err != nil {
		return nil, err
	}
	outputs, err := oip.Outputs(resp)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return outputs, nil
}

// tally adds up one miner's answers as they come.
type tally struct {
	mu      sync.Mutex
	result  Result
	elapsed time.Duration
}

func (t *tally) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Asked++
	if errors.Is(err, errMalformed) {
		t.result.Malformed++
	} else {
		t.result.Failed++
	}
	t.because(err)
}

func (t *tally) answered(took time.Duration, verdict error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Asked++
	t.elapsed += took
	switch {
	case verdict == nil:
		t.result.Right++
	case errors.Is(verdict, ErrWrong):
		t.result.Wrong++
	default:
		t.result.Malformed++
		t.because(verdict)
	}
}

func (t *tally) because(err error) {
	if t.result.Reason == nil {
		t.result.Reason = err
	}
}

func (t *tally) done() Result {
	if answered := t.result.Asked - t.result.Failed; answered > 0 {
		t.result.Latency = t.elapsed / time.Duration(answered)
	}
	return t.result
}
