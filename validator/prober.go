package validator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// prober asks miners. Its limits are all positive.
type prober struct {
	askers   []*client.Pool // connections in the validator's own name, and in each of its shoppers'
	deadline time.Duration  // for all of a miner's challenges together
	miners   int            // asked at once
	inFlight int            // challenges that one miner has in hand at once
	limit    int            // bytes of the largest answer
	memory   *memory        // for answers that are not judged yet
	round    mechanism.Round
	sample   sample
}

// run asks all of probes and returns the results in their order. It fails when the mechanism does: then nothing is learnt
// about anybody. What fails with a miner is a result.
func (p *prober) run(ctx context.Context, probes []probe) ([]Result, error) {
	results := make([]Result, len(probes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.miners)
	for i, probe := range probes {
		group.Go(func() (err error) {
			results[i], err = p.ask(ctx, probe)
			return err
		})
	}
	return results, group.Wait()
}

var (
	errNotServing = errors.New("announces no endpoint of this protocol")
	errNotAsked   = errors.New("not asked")
	errMalformed  = errors.New("malformed answer")
)

// ask puts a miner's questions to it, within its deadline, and has the answers judged.
func (p *prober) ask(ctx context.Context, probe probe) (Result, error) {
	sheets := newSheets(len(p.askers), len(p.round.Challenges()))
	if probe.order == nil {
		sheets.fail(0, errNotServing)
		return p.judge(ctx, probe.neuron, sheets)
	}
	free, err := p.memory.take(ctx, p.limit*len(probe.order))
	if err != nil {
		return Result{}, err
	}
	defer free()
	within, cancel := context.WithTimeout(ctx, p.deadline)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(p.inFlight)
	for _, q := range probe.order {
		service, err := p.askers[q.asker].Service(probe.neuron.Endpoint)
		if err != nil {
			sheets.answer(q, mechanism.Answer{Err: err})
			continue
		}
		group.Go(func() error {
			start := time.Now()
			outputs, err := p.infer(within, service, probe.neuron.Endpoint.Model, p.round.Challenges()[q.challenge])
			sheets.answer(q, mechanism.Answer{Outputs: outputs, Latency: time.Since(start), Err: err})
			return nil
		})
	}
	group.Wait()
	return p.judge(ctx, probe.neuron, sheets)
}

func (p *prober) infer(ctx context.Context, service inference.GRPCInferenceServiceClient, model string, inputs []models.Tensor) ([]models.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // the deadline has passed: do not even ask
	}
	resp, err := service.ModelInfer(ctx, oip.Request{Model: model, Inputs: inputs}.Message(), grpc.MaxCallRecvMsgSize(p.limit))
	if err != nil {
		return nil, err
	}
	outputs, err := oip.Outputs(resp)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return outputs, nil
}

// sheets are one miner's answers in a round: a sheet per asker, a line per challenge.
type sheets struct {
	mu    sync.Mutex
	lines [][]mechanism.Answer
}

func newSheets(askers, challenges int) *sheets {
	s := &sheets{lines: make([][]mechanism.Answer, askers)}
	for i := range s.lines {
		s.lines[i] = make([]mechanism.Answer, challenges)
		for k := range s.lines[i] {
			s.lines[i][k].Err = errNotAsked
		}
	}
	return s
}

func (s *sheets) answer(q question, a mechanism.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[q.asker][q.challenge] = a
}

// fail writes the same into every line of a sheet.
func (s *sheets) fail(asker int, err error) {
	for i := range s.lines[asker] {
		s.lines[asker][i] = mechanism.Answer{Err: err}
	}
}

// judge makes a result of a miner's answers.
func (p *prober) judge(ctx context.Context, neuron metagraph.Neuron, s *sheets) (Result, error) {
	result := Result{Neuron: neuron, Failures: map[string]int{}, Outputs: make([][]float64, len(s.lines[0])),
		Choices: make([]mechanism.Choice, len(s.lines[0]))}
	own, err := p.round.Judge(ctx, s.lines[0])
	if err != nil {
		return result, fmt.Errorf("judge the answers of uid %d: %w", neuron.UID, err)
	}
	for i, answer := range s.lines[0] {
		result.count(answer, own[i])
		if answer.Err == nil && own[i].Reason == nil {
			result.Outputs[i], result.Choices[i] = p.sample.of(answer.Outputs), own[i].Choice
		}
	}
	for _, lines := range s.lines[1:] {
		// The same questions on both sides: a metric may be one of all answers together.
		asked := sameQuestions(s.lines[0], lines)
		own, err := p.round.Judge(ctx, asked)
		if err != nil {
			return result, fmt.Errorf("judge the answers of uid %d: %w", neuron.UID, err)
		}
		marks, err := p.round.Judge(ctx, lines)
		if err != nil {
			return result, fmt.Errorf("judge what uid %d answered a shopper: %w", neuron.UID, err)
		}
		for i, answer := range lines {
			result.compare(p.sample, asked[i], own[i], answer, marks[i])
		}
	}
	return result, nil
}

// sameQuestions returns those of one's own answers whose questions others asked, too.
func sameQuestions(own, others []mechanism.Answer) []mechanism.Answer {
	asked := slices.Clone(own)
	for i, other := range others {
		if other.Err == errNotAsked {
			asked[i] = mechanism.Answer{Err: errNotAsked}
		}
	}
	return asked
}

// reasonOf is a short name for why there is no answer.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, errNotServing):
		return "not_serving"
	case errors.Is(err, errMalformed):
		return "malformed"
	case errors.Is(err, oip.ErrPlaintext):
		return "plaintext"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline_exceeded"
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return "deadline_exceeded"
	case codes.Unavailable:
		return "unavailable"
	case codes.Unauthenticated:
		return "unauthenticated"
	case codes.PermissionDenied:
		return "permission_denied"
	case codes.ResourceExhausted:
		return "resource_exhausted"
	case codes.NotFound:
		return "not_found"
	case codes.InvalidArgument:
		return "invalid_argument"
	default:
		return "other"
	}
}

// memory bounds what answers that are not judged yet may take.
type memory struct {
	total int64
	free  *semaphore.Weighted
}

func newMemory(total int64) *memory {
	return &memory{total: total, free: semaphore.NewWeighted(total)}
}

// take waits for memory; who needs more than there is waits until it is alone.
func (m *memory) take(ctx context.Context, bytes int) (free func(), err error) {
	need := min(int64(bytes), m.total)
	if err := m.free.Acquire(ctx, need); err != nil {
		return nil, err
	}
	return func() { m.free.Release(need) }, nil
}

// What a response may take beside its tensors' data: names, parameters, lengths.
const envelopeBytes = 16 << 10

// answerLimit is the size of the largest answer to one challenge, a batch of one: twice what the outputs take raw, for
// typed contents take up to ten bytes per number, and most at any rate. Where a shape is open beyond its batch, it is most.
func answerLimit(task models.Task, most int) int {
	total := int64(envelopeBytes)
	for _, spec := range task.Outputs {
		if spec.Shape == nil || spec.Datatype.Size() == 0 {
			return most
		}
		shape := append([]int64{}, spec.Shape...)
		if len(shape) > 0 && shape[0] == models.Any {
			shape[0] = 1
		}
		elements, err := models.Elements(shape)
		if err != nil || elements > int64(most) {
			return most
		}
		total += elements * max(int64(2*spec.Datatype.Size()), 10)
	}
	return int(min(total, int64(most)))
}
