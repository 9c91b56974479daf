package external

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// Name is the mechanism's.
const Name = "external"

// remembered is how many challenges are kept in mind, to see that none comes twice.
const remembered = 1 << 16

// source is where a program is found.
type source interface {
	// session returns the program that runs, and waits for it until ctx ends.
	session(ctx context.Context) (*session, error)
	close() error
}

// external is the mechanism. It implements mechanism.Mechanism.
type external struct {
	options Options
	source  source
	slots   chan struct{} // taken by each call of Score
	about   mechanism.Description
	said    *mechanismv1.DescribeResponse

	seen   map[[32]byte]bool // challenges drawn before
	recent [][32]byte        // the same, a ring
	at     int               // of the oldest in recent
	last   []byte            // name of the round drawn last
	once   sync.Once
}

// New starts or dials the program and returns once it has said what it is, or with an error that wraps ErrOptions, ErrDown
// or ErrFault. Until the caller closes the mechanism, a program that was started is kept running; ctx counts for New alone.
func New(ctx context.Context, o Options) (mechanism.Mechanism, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	from, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	e := &external{options: o, source: from, slots: make(chan struct{}, o.Parallel), seen: map[[32]byte]bool{}}
	if err := e.introduce(ctx); err != nil {
		return nil, errors.Join(err, from.close())
	}
	return e, nil
}

func open(ctx context.Context, o Options) (source, error) {
	if o.Address == "" {
		return launch(ctx, o)
	}
	conn, err := dial(o)
	if err != nil {
		return nil, err
	}
	return dialled{conn, &session{client: mechanismv1.NewMechanismClient(conn), abandon: func(string) {}}}, nil
}

// dialled is a program that somebody else keeps running.
type dialled struct {
	conn *grpc.ClientConn
	one  *session
}

func (d dialled) session(context.Context) (*session, error) { return d.one, nil }
func (d dialled) close() error                              { return d.conn.Close() }

// introduce asks the program for the first time.
func (e *external) introduce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.options.StartTimeout)
	defer cancel()
	s, err := e.source.session(ctx)
	if err != nil {
		return err
	}
	e.said, err = s.client.Describe(ctx, &mechanismv1.DescribeRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return fault("Describe", err)
	}
	if e.about, err = description(e.said, e.options.MaxMessageBytes); err != nil {
		return fmt.Errorf("%w: Describe: %w", ErrFault, err)
	}
	return nil
}

// Describe implements mechanism.Mechanism.
func (e *external) Describe() mechanism.Description { return e.about }

// Draw implements mechanism.Mechanism. It waits for a program that is being started, for as long as a call may take.
func (e *external) Draw(ctx context.Context, n int) (mechanism.Round, error) {
	if n < 1 || n > math.MaxUint16 {
		return nil, fmt.Errorf("%w: %d challenges: want 1 to %d", ErrOptions, n, math.MaxUint16)
	}
	budget := share(e.about.Task, n, e.options.MaxMessageBytes)
	if need := leastOf(e.about.Task.Outputs); need > int64(budget) {
		return nil, fmt.Errorf("%w: %d answers of %d bytes do not fit a message of %d: allow larger ones or draw fewer challenges",
			ErrOptions, n, need, e.options.MaxMessageBytes)
	}
	waiting, cancel := context.WithTimeout(ctx, e.options.CallTimeout)
	defer cancel()
	s, err := e.source.session(waiting)
	if err != nil {
		return nil, err
	}
	if err := e.same(ctx, s); err != nil {
		return nil, err
	}
	r := &round{external: e, session: s, budget: budget, expires: time.Now().Add(e.options.Expiry)}
	var resp *mechanismv1.ChallengeResponse
	if err := e.call(ctx, s, "Challenge", func(ctx context.Context) (err error) {
		resp, err = s.client.Challenge(ctx, &mechanismv1.ChallengeRequest{Count: uint32(n), ExpiresMs: uint64(e.options.Expiry.Milliseconds())})
		return err
	}); err != nil {
		return nil, err
	}
	if err := e.accept(r, resp, n); err != nil {
		return nil, fmt.Errorf("%w: Challenge: %w", ErrFault, err)
	}
	return r, nil
}

func leastOf(specs []models.TensorSpec) int64 {
	total := int64(0)
	for _, spec := range specs {
		total += min(least(spec), math.MaxInt32) // 16 at most: no overflow
	}
	return total
}

// same asks whether the program is still the one that it was: one that was started or replaced since may be another.
func (e *external) same(ctx context.Context, s *session) error {
	return e.call(ctx, s, "Describe", func(ctx context.Context) error {
		said, err := s.client.Describe(ctx, &mechanismv1.DescribeRequest{})
		if err == nil && !proto.Equal(said, e.said) {
			return errors.New("it describes itself otherwise than when the validator started: start the validator again")
		}
		return err
	})
}

// accept checks a round.
func (e *external) accept(r *round, resp *mechanismv1.ChallengeResponse, n int) error {
	if size := len(resp.GetRound()); size == 0 || size > maxRound {
		return fmt.Errorf("round name of %d bytes: want 1 to %d", size, maxRound)
	}
	var err error
	if r.inputs, err = challenges(resp.GetChallenges(), e.about.Task, n, e.options.MaxMessageBytes); err != nil {
		return err
	}
	if bytes.Equal(resp.GetRound(), e.last) {
		return errors.New("the round has the name of the one before")
	}
	for i, inputs := range r.inputs {
		if !e.remember(digest(inputs)) {
			return fmt.Errorf("challenge %d was drawn before: want at least 64 bits of fresh randomness in each", i)
		}
	}
	r.name, e.last = resp.GetRound(), resp.GetRound()
	return nil
}

// remember reports whether a challenge is new.
func (e *external) remember(sum [32]byte) bool {
	if e.seen[sum] {
		return false
	}
	e.seen[sum] = true
	if len(e.recent) < remembered {
		e.recent = append(e.recent, sum)
		return true
	}
	delete(e.seen, e.recent[e.at])
	e.recent[e.at], e.at = sum, (e.at+1)%remembered
	return true
}

// Close implements mechanism.Mechanism. A program that was started has ended when it returns.
func (e *external) Close() error {
	var err error
	e.once.Do(func() { err = e.source.close() })
	return err
}

// call makes one call within its deadline. A program that misses it is ended, unless the caller gave up first.
func (e *external) call(ctx context.Context, s *session, name string, do func(context.Context) error) error {
	callers, impatient := ctx.Deadline()
	deadline := time.Now().Add(e.options.CallTimeout)
	within, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := do(within)
	// The other end keeps the deadline, too, and its word may come a moment before this end's timer.
	late := status.Code(err) == codes.DeadlineExceeded || !time.Now().Before(deadline)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", name, ctx.Err())
	case late && impatient && callers.Before(deadline):
		return fmt.Errorf("%s: %w", name, context.DeadlineExceeded)
	case late:
		why := fmt.Sprintf("no answer to %s within %v", name, e.options.CallTimeout)
		s.abandon(why)
		return fmt.Errorf("%w: %s", ErrDown, why)
	default:
		return fault(name, err)
	}
}

// fault says whose the error of a call is.
func fault(name string, err error) error {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return fmt.Errorf("%w: %s: %w", ErrDown, name, brief(err))
	case codes.NotFound:
		return fmt.Errorf("%w: %s: %w", ErrExpired, name, brief(err))
	default:
		return fmt.Errorf("%w: %s: %w", ErrFault, name, brief(err))
	}
}

// brief is an error whose text, which the program may have written, is not longer than a line.
func brief(err error) error {
	if s, ok := status.FromError(err); ok {
		return fmt.Errorf("%s: %s", s.Code(), cut(s.Message(), maxReason))
	}
	return err
}

// round is one set of challenges. It is immutable, and so safe for concurrent use.
type round struct {
	external *external
	session  *session // that drew it: another knows nothing of it
	name     []byte
	inputs   [][]models.Tensor
	budget   int // bytes of one answer's outputs
	expires  time.Time
}

// Challenges implements mechanism.Round.
func (r *round) Challenges() [][]models.Tensor { return r.inputs }

// Judge implements mechanism.Round. A miner that answered nothing scores 0 without the program being asked.
func (r *round) Judge(ctx context.Context, answers []mechanism.Answer) ([]mechanism.Mark, error) {
	if len(answers) != len(r.inputs) {
		return nil, fmt.Errorf("%d answers to %d challenges", len(answers), len(r.inputs))
	}
	wire, answered, unfit := r.sheet(answers)
	var out []mechanism.Mark
	if wire == nil {
		out = make([]mechanism.Mark, len(answers))
	} else {
		resp, err := r.score(ctx, wire)
		if err != nil {
			return nil, err
		}
		if out, err = marks(resp.GetMarks(), answered); err != nil {
			return nil, fmt.Errorf("%w: Score: %w", ErrFault, err)
		}
	}
	for i, err := range unfit {
		if err != nil {
			out[i] = mechanism.Mark{Reason: err}
		}
	}
	return out, nil
}

// sheet is what the program is told of a miner's answers, which of them there are, and why others, which did come, are none.
// It is nil where there are none at all.
func (r *round) sheet(answers []mechanism.Answer) (wire []*mechanismv1.Answer, answered []bool, unfit []error) {
	wire = make([]*mechanismv1.Answer, len(answers))
	answered, unfit = make([]bool, len(answers)), make([]error, len(answers))
	some := false
	for i, a := range answers {
		wire[i] = &mechanismv1.Answer{LatencyNs: uint64(max(a.Latency, 0))}
		err := a.Err
		if err == nil {
			wire[i].Outputs, err = outputs(a.Outputs, r.external.about.Task, r.budget)
			unfit[i] = err
		}
		if err != nil {
			wire[i].Error = or(cut(err.Error(), maxReason), "no answer")
			continue
		}
		answered[i], some = true, true
	}
	if !some {
		return nil, answered, unfit
	}
	return wire, answered, unfit
}

func (r *round) score(ctx context.Context, answers []*mechanismv1.Answer) (*mechanismv1.ScoreResponse, error) {
	select {
	case r.external.slots <- struct{}{}:
		defer func() { <-r.external.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if time.Now().After(r.expires) {
		return nil, fmt.Errorf("%w: it was drawn more than %v ago", ErrExpired, r.external.options.Expiry)
	}
	select {
	case <-r.session.dead:
		return nil, fmt.Errorf("%w: the mechanism has ended since it was drawn", ErrExpired)
	default:
	}
	var resp *mechanismv1.ScoreResponse
	err := r.external.call(ctx, r.session, "Score", func(ctx context.Context) (err error) {
		resp, err = r.session.client.Score(ctx, &mechanismv1.ScoreRequest{Round: r.name, Answers: answers})
		return err
	})
	return resp, err
}
