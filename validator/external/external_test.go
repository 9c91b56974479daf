package external

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/models"
	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// bent is a mechanism that says what a test bends it to say.
type bent struct {
	mechanismv1.UnimplementedMechanismServer
	describe  func(*mechanismv1.DescribeResponse)
	challenge func(*mechanismv1.ChallengeResponse)
	score     func(*mechanismv1.ScoreResponse)
	fail      error // of Score
	asked     atomic.Int32
	request   atomic.Pointer[mechanismv1.ScoreRequest]
}

func (b *bent) Describe(context.Context, *mechanismv1.DescribeRequest) (*mechanismv1.DescribeResponse, error) {
	d := twice()
	if b.describe != nil {
		b.describe(d)
	}
	return d, nil
}

func twice() *mechanismv1.DescribeResponse {
	return &mechanismv1.DescribeResponse{Task: "twice", Metric: "share of right answers", Chance: 0.25, Distinct: true,
		Inputs: []*mechanismv1.TensorSpec{{Name: "x", Datatype: "UINT8", Shape: []int64{-1, 16}}, {Name: "scale", Datatype: "FP32"}},
		Outputs: []*mechanismv1.TensorSpec{{Name: "y", Datatype: "UINT8", Shape: []int64{-1, 16}},
			{Name: "sure", Datatype: "FP32", Shape: []int64{-1}}}}
}

func (b *bent) Challenge(_ context.Context, req *mechanismv1.ChallengeRequest) (*mechanismv1.ChallengeResponse, error) {
	resp := &mechanismv1.ChallengeResponse{Round: []byte(rand.Text())}
	for range req.Count {
		x := make([]byte, 16)
		rand.Read(x)
		resp.Challenges = append(resp.Challenges, &mechanismv1.Question{Inputs: []*mechanismv1.Tensor{
			{Name: "scale", Datatype: "FP32", Contents: make([]byte, 4)}, {Name: "x", Datatype: "UINT8", Shape: []int64{1, 16}, Contents: x}}})
	}
	if b.challenge != nil {
		b.challenge(resp)
	}
	return resp, nil
}

func (b *bent) Score(_ context.Context, req *mechanismv1.ScoreRequest) (*mechanismv1.ScoreResponse, error) {
	b.asked.Add(1)
	b.request.Store(req)
	if b.fail != nil {
		return nil, b.fail
	}
	resp := &mechanismv1.ScoreResponse{}
	for _, a := range req.Answers {
		resp.Marks = append(resp.Marks, &mechanismv1.Mark{})
		if a.Error == "" {
			resp.Marks[len(resp.Marks)-1].Score = 0.5
		}
	}
	if b.score != nil {
		b.score(resp)
	}
	return resp, nil
}

// serve returns the address of a mechanism on loopback.
func serve(t *testing.T, b *bent, options ...grpc.ServerOption) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(options...)
	mechanismv1.RegisterMechanismServer(srv, b)
	go srv.Serve(lis)
	t.Cleanup(srv.Stop)
	return lis.Addr().String()
}

// whole is an answer in the task's form, and one output more.
func whole() mechanism.Answer {
	return mechanism.Answer{Latency: 3 * time.Millisecond, Outputs: []models.Tensor{
		{Name: "hidden", Datatype: models.FP32, Data: make([]byte, 4)},
		models.FromFloat32s("sure", []int64{1}, []float32{float32(math.NaN())}),
		{Name: "y", Datatype: models.UINT8, Shape: []int64{1, 16}, Data: make([]byte, 16)}}}
}

func TestADialledProgram(t *testing.T) {
	b := &bent{}
	m := open1(t, Options{Address: serve(t, b)})
	require.Equal(t, []int64{}, m.Describe().Task.Inputs[1].Shape, "a scalar, not an open rank")
	round, err := m.Draw(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, "x", round.Challenges()[0][0].Name, "in the task's order")
	late := mechanism.Answer{Err: context.DeadlineExceeded, Latency: -1}
	marks, err := round.Judge(t.Context(), []mechanism.Answer{whole(), late})
	require.NoError(t, err)
	require.Equal(t, []mechanism.Mark{{Score: 0.5}, {}}, marks)
	asked := b.request.Load()
	require.Len(t, asked.Answers[0].Outputs, 2)
	require.Equal(t, "y", asked.Answers[0].Outputs[0].Name)
	require.Equal(t, uint64(3e6), asked.Answers[0].LatencyNs)
	require.Equal(t, "context deadline exceeded", asked.Answers[1].Error)
	require.Zero(t, asked.Answers[1].LatencyNs)

	marks, err = round.Judge(t.Context(), []mechanism.Answer{late, late})
	require.NoError(t, err)
	require.Equal(t, make([]mechanism.Mark, 2), marks)
	require.Equal(t, int32(1), b.asked.Load(), "nothing to ask about")
}

func TestNonsenseInDescribe(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(*mechanismv1.DescribeResponse)
		want string
	}{
		"no task":        {func(d *mechanismv1.DescribeResponse) { d.Task = "" }, `task ""`},
		"task's name":    {func(d *mechanismv1.DescribeResponse) { d.Task = "Zwei mal" }, "want 1 to 64"},
		"chance 1":       {func(d *mechanismv1.DescribeResponse) { d.Chance = 1 }, "chance 1"},
		"chance NaN":     {func(d *mechanismv1.DescribeResponse) { d.Chance = math.NaN() }, "chance NaN"},
		"chance below 0": {func(d *mechanismv1.DescribeResponse) { d.Chance = -0.1 }, "chance -0.1"},
		"long metric":    {func(d *mechanismv1.DescribeResponse) { d.Metric = strings.Repeat("x", 257) }, "metric of 257"},
		"no inputs":      {func(d *mechanismv1.DescribeResponse) { d.Inputs = nil }, "inputs: 0 tensors"},
		"many outputs":   {func(d *mechanismv1.DescribeResponse) { d.Outputs = make([]*mechanismv1.TensorSpec, 17) }, "outputs: 17 tensors"},
		"datatype":       {func(d *mechanismv1.DescribeResponse) { d.Inputs[0].Datatype = "FLOAT" }, `"FLOAT"`},
		"zero dimension": {func(d *mechanismv1.DescribeResponse) { d.Inputs[0].Shape[1] = 0 }, "wrong shape"},
		"rank":           {func(d *mechanismv1.DescribeResponse) { d.Inputs[0].Shape = make([]int64, 17) }, "at most 16 dimensions"},
		"huge":           {func(d *mechanismv1.DescribeResponse) { d.Outputs[0].Shape[1] = 1 << 40 }, "too large"},
		"overflow":       {func(d *mechanismv1.DescribeResponse) { d.Outputs[0].Shape = []int64{1 << 62, 1 << 62} }, "too large"},
		"nameless":       {func(d *mechanismv1.DescribeResponse) { d.Inputs[0].Name = "" }, "name of 0 bytes"},
		"twice":          {func(d *mechanismv1.DescribeResponse) { d.Inputs[1].Name = "x" }, "given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), Options{Address: serve(t, &bent{describe: c.bend})})
			require.ErrorIs(t, err, ErrFault)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestNonsenseInChallenge(t *testing.T) {
	same := make([]byte, 16)
	first := func(bend func(*mechanismv1.Tensor)) func(*mechanismv1.ChallengeResponse) {
		return func(r *mechanismv1.ChallengeResponse) { bend(r.Challenges[2].Inputs[1]) }
	}
	for name, c := range map[string]struct {
		bend func(*mechanismv1.ChallengeResponse)
		want string
	}{
		"too few":       {func(r *mechanismv1.ChallengeResponse) { r.Challenges = r.Challenges[1:] }, "2 challenges: want 3"},
		"too many":      {func(r *mechanismv1.ChallengeResponse) { r.Challenges = append(r.Challenges, r.Challenges...) }, "6 challenges: want 3"},
		"no name":       {func(r *mechanismv1.ChallengeResponse) { r.Round = nil }, "name of 0 bytes"},
		"long name":     {func(r *mechanismv1.ChallengeResponse) { r.Round = make([]byte, 4097) }, "name of 4097 bytes"},
		"input missing": {func(r *mechanismv1.ChallengeResponse) { r.Challenges[1].Inputs = r.Challenges[1].Inputs[:1] }, "challenge 1: 1 inputs"},
		"no inputs":     {func(r *mechanismv1.ChallengeResponse) { r.Challenges[1] = nil }, "challenge 1: 0 inputs"},
		"input twice":   {first(func(x *mechanismv1.Tensor) { x.Name = "scale" }), "challenge 2"},
		"datatype":      {first(func(x *mechanismv1.Tensor) { x.Datatype = "INT8" }), "wrong datatype"},
		"shape":         {first(func(x *mechanismv1.Tensor) { x.Shape[1] = 15 }), "wrong shape"},
		"negative":      {first(func(x *mechanismv1.Tensor) { x.Shape[0] = -1 }), "wrong shape"},
		"bytes":         {first(func(x *mechanismv1.Tensor) { x.Contents = x.Contents[1:] }), "wrong number of bytes"},
		"drawn twice": {func(r *mechanismv1.ChallengeResponse) {
			r.Challenges[0].Inputs[1].Contents, r.Challenges[2].Inputs[1].Contents = same, same
		}, "challenge 2 was drawn before"},
		"too large": {first(func(x *mechanismv1.Tensor) { x.Contents = make([]byte, 2<<20) }), "larger than max"},
	} {
		t.Run(name, func(t *testing.T) {
			m := open1(t, Options{Address: serve(t, &bent{challenge: c.bend}), MaxMessageBytes: 1 << 20})
			_, err := m.Draw(t.Context(), 3)
			require.ErrorIs(t, err, ErrFault)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAChallengeIsNotDrawnInTwoRounds(t *testing.T) {
	b := &bent{challenge: func(r *mechanismv1.ChallengeResponse) { r.Challenges[0].Inputs[1].Contents = make([]byte, 16) }}
	m := open1(t, Options{Address: serve(t, b)})
	_, err := m.Draw(t.Context(), 1)
	require.NoError(t, err)
	_, err = m.Draw(t.Context(), 1)
	require.ErrorContains(t, err, "drawn before")

	b = &bent{challenge: func(r *mechanismv1.ChallengeResponse) { r.Round = []byte("round") }}
	m = open1(t, Options{Address: serve(t, b)})
	_, err = m.Draw(t.Context(), 1)
	require.NoError(t, err)
	_, err = m.Draw(t.Context(), 1)
	require.ErrorContains(t, err, "name of the one before")
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	e := &external{seen: map[[32]byte]bool{}}
	sum := func(i int) [32]byte {
		return digest([]models.Tensor{{Data: []byte{byte(i), byte(i >> 8), byte(i >> 16)}}})
	}
	for i := range remembered + 10 {
		require.True(t, e.remember(sum(i)))
	}
	require.Len(t, e.seen, remembered)
	require.True(t, e.remember(sum(0)), "forgotten")
	require.False(t, e.remember(sum(remembered)), "known")
}

func TestNonsenseInScore(t *testing.T) {
	at := func(i int, bend func(*mechanismv1.Mark)) func(*mechanismv1.ScoreResponse) {
		return func(r *mechanismv1.ScoreResponse) { bend(r.Marks[i]) }
	}
	for name, c := range map[string]struct {
		bend func(*mechanismv1.ScoreResponse)
		want string
	}{
		"too few":          {func(r *mechanismv1.ScoreResponse) { r.Marks = r.Marks[1:] }, "1 marks: want 2"},
		"too many":         {func(r *mechanismv1.ScoreResponse) { r.Marks = append(r.Marks, nil) }, "3 marks: want 2"},
		"NaN":              {at(0, func(m *mechanismv1.Mark) { m.Score = math.NaN() }), "score NaN"},
		"infinite":         {at(0, func(m *mechanismv1.Mark) { m.Score = math.Inf(1) }), "score +Inf"},
		"above 1":          {at(0, func(m *mechanismv1.Mark) { m.Score = math.Nextafter(1, 2) }), "want 0 to 1"},
		"below 0":          {at(0, func(m *mechanismv1.Mark) { m.Score = -1e-9 }), "want 0 to 1"},
		"for no answer":    {at(1, func(m *mechanismv1.Mark) { m.Score = 0.1 }), "there is no answer"},
		"liar in absence":  {at(1, func(m *mechanismv1.Mark) { m.Dishonest = true }), "there is no answer"},
		"dishonest and up": {at(0, func(m *mechanismv1.Mark) { m.Dishonest = true }), "dishonest true"},
		"reason and up":    {at(0, func(m *mechanismv1.Mark) { m.Reason = "nice" }), "reason against it"},
	} {
		t.Run(name, func(t *testing.T) {
			m := open1(t, Options{Address: serve(t, &bent{score: c.bend})})
			round, err := m.Draw(t.Context(), 2)
			require.NoError(t, err)
			_, err = round.Judge(t.Context(), []mechanism.Answer{whole(), {Err: context.Canceled}})
			require.ErrorIs(t, err, ErrFault)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestMarksCarryReasons(t *testing.T) {
	b := &bent{score: func(r *mechanismv1.ScoreResponse) {
		r.Marks = []*mechanismv1.Mark{{Dishonest: true, Reason: "a table\x1b[2J\n" + strings.Repeat("ü", 400)}, nil}
	}}
	m := open1(t, Options{Address: serve(t, b)})
	round, err := m.Draw(t.Context(), 2)
	require.NoError(t, err)
	marks, err := round.Judge(t.Context(), []mechanism.Answer{whole(), whole()})
	require.NoError(t, err)
	require.True(t, marks[0].Dishonest)
	require.LessOrEqual(t, len(marks[0].Reason.Error()), maxReason)
	require.True(t, strings.HasPrefix(marks[0].Reason.Error(), "a table [2J ü"))
	require.Equal(t, mechanism.Mark{}, marks[1])
}

func TestErrorsOfScore(t *testing.T) {
	for name, c := range map[string]struct{ err, want error }{
		"unknown round": {status.Error(codes.NotFound, "no such round"), ErrExpired},
		"overloaded":    {status.Error(codes.Unavailable, "later"), ErrDown},
		"its own fault": {status.Error(codes.Internal, strings.Repeat("x", 4000)), ErrFault},
	} {
		t.Run(name, func(t *testing.T) {
			m := open1(t, Options{Address: serve(t, &bent{fail: c.err})})
			round, err := m.Draw(t.Context(), 1)
			require.NoError(t, err)
			_, err = round.Judge(t.Context(), []mechanism.Answer{whole()})
			require.ErrorIs(t, err, c.want)
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

func TestRoundsExpire(t *testing.T) {
	m := open1(t, Options{Address: serve(t, &bent{}), Expiry: time.Millisecond})
	round, err := m.Draw(t.Context(), 1)
	require.NoError(t, err)
	time.Sleep(2 * time.Millisecond)
	_, err = round.Judge(t.Context(), []mechanism.Answer{whole()})
	require.ErrorIs(t, err, ErrExpired)
}

func TestACallerThatGivesUp(t *testing.T) {
	m := open1(t, Options{Address: serve(t, &bent{})})
	round, err := m.Draw(t.Context(), 1)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = round.Judge(ctx, []mechanism.Answer{whole()})
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.Draw(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
}

// TestWhoMissesADeadline: the other end may say that a deadline has passed before this end's timer does.
func TestWhoMissesADeadline(t *testing.T) {
	early := func(context.Context) error { return status.Error(codes.DeadlineExceeded, "context deadline exceeded") }
	late := func(ctx context.Context) error { <-ctx.Done(); return status.FromContextError(ctx.Err()).Err() }
	for name, c := range map[string]struct {
		call, caller time.Duration
		do           func(context.Context) error
		want         error
		ended        bool
	}{
		"the other end says so first":  {time.Hour, 0, early, ErrDown, true},
		"this end's timer":             {time.Millisecond, 0, late, ErrDown, true},
		"before a patient caller's":    {time.Millisecond, time.Hour, late, ErrDown, true},
		"the caller's":                 {time.Hour, time.Millisecond, late, context.DeadlineExceeded, false},
		"the caller's, said elsewhere": {time.Hour, time.Minute, early, context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if c.caller > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.caller)
				defer cancel()
			}
			ended := false
			e := &external{options: Options{CallTimeout: c.call}}
			require.ErrorIs(t, e.call(ctx, &session{abandon: func(string) { ended = true }}, "Score", c.do), c.want)
			require.Equal(t, c.ended, ended)
		})
	}
}

// TestNoMinerVoidsARound: whatever one miner sends, the round is judged and the miner alone bears it.
func TestNoMinerVoidsARound(t *testing.T) {
	m := open1(t, Options{Address: serve(t, &bent{}), MaxMessageBytes: minMessageBytes})
	const n = 20
	round, err := m.Draw(t.Context(), n)
	require.NoError(t, err)
	huge := make([]mechanism.Answer, n)
	for i := range huge {
		huge[i] = whole()
		rows := int64(150) // each fits, all together would not fit a message
		huge[i].Outputs[2].Shape = []int64{rows, 16}
		huge[i].Outputs[2].Data = make([]byte, rows*16)
	}
	marks, err := round.Judge(t.Context(), huge)
	require.NoError(t, err)
	for _, mark := range marks {
		require.ErrorIs(t, mark.Reason, models.ErrTooLarge)
	}
	for i := range huge { // as much as an answer may take beside the other output
		rows := int64((share(m.Describe().Task, n, minMessageBytes) - 4) / 16)
		huge[i].Outputs[2].Shape = []int64{rows, 16}
		huge[i].Outputs[2].Data = make([]byte, rows*16)
	}
	marks, err = round.Judge(t.Context(), huge)
	require.NoError(t, err)
	require.InDelta(t, 0.5, marks[n-1].Score, 0)

	for name, bend := range map[string]func(*mechanism.Answer){
		"nothing":    func(a *mechanism.Answer) { a.Outputs = nil },
		"one less":   func(a *mechanism.Answer) { a.Outputs = a.Outputs[:2] },
		"one twice":  func(a *mechanism.Answer) { a.Outputs = append(a.Outputs, a.Outputs[2]) },
		"datatype":   func(a *mechanism.Answer) { a.Outputs[2].Datatype = models.INT8 },
		"shape":      func(a *mechanism.Answer) { a.Outputs[2].Shape = []int64{16} },
		"overflow":   func(a *mechanism.Answer) { a.Outputs[2].Shape = []int64{1 << 62, 16} },
		"few bytes":  func(a *mechanism.Answer) { a.Outputs[2].Data = nil },
		"bad string": func(a *mechanism.Answer) { *a = mechanism.Answer{Err: status.Error(codes.Internal, "\xff\xfe")} },
		"long error": func(a *mechanism.Answer) {
			*a = mechanism.Answer{Err: status.Error(codes.Internal, strings.Repeat("é", 1<<20))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			answers := make([]mechanism.Answer, n)
			for i := range answers {
				answers[i] = whole()
			}
			bend(&answers[3])
			marks, err := round.Judge(t.Context(), answers)
			require.NoError(t, err)
			require.Zero(t, marks[3].Score)
			require.Equal(t, answers[3].Err == nil, marks[3].Reason != nil)
			require.InDelta(t, 0.5, marks[4].Score, 0)
		})
	}
	_, err = m.Draw(t.Context(), 1000)
	require.ErrorContains(t, err, "do not fit a message")
}

func TestDiallingBeyondThisMachineNeedsTLS(t *testing.T) {
	hash := make([]byte, 32)
	for name, o := range map[string]Options{
		"plaintext":       {Address: "198.51.100.1:9000"},
		"neither":         {},
		"both":            {Address: "127.0.0.1:1", Command: Command{Args: []string{"true"}}},
		"short hash":      {Address: "198.51.100.1:9000", TLS: TLS{KeyHash: hash[:31]}},
		"two authorities": {Address: "198.51.100.1:9000", TLS: TLS{KeyHash: hash, CAFile: "ca.pem"}},
		"no such file":    {Address: "198.51.100.1:9000", TLS: TLS{CAFile: "no-such-file.pem"}},
		"certificate":     {Address: "127.0.0.1:1", TLS: TLS{CertFile: "cert.pem", KeyFile: "key.pem"}},
		"small messages":  {Address: "127.0.0.1:1", MaxMessageBytes: 100},
		"negative":        {Address: "127.0.0.1:1", CallTimeout: -1},
		"parallel":        {Address: "127.0.0.1:1", Parallel: -1},
		"little memory":   {Command: Command{Args: []string{"true"}, MaxMemoryBytes: 1}},
		"variable":        {Command: Command{Args: []string{"true"}, MaxMemoryBytes: Unlimited, Env: []string{"=x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), o)
			require.ErrorIs(t, err, ErrOptions)
		})
	}
	_, err := New(t.Context(), Options{Address: "198.51.100.1:9000"})
	require.ErrorIs(t, err, oip.ErrPlaintext)
}

func TestTLS(t *testing.T) {
	folder := t.TempDir()
	certPEM, keyPEM, certificate := selfSigned(t)
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	require.NoError(t, os.WriteFile(cert, certPEM, 0o600))
	require.NoError(t, os.WriteFile(key, keyPEM, 0o600))
	address := serve(t, &bent{}, grpc.Creds(credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert})))
	hash := oip.KeyHash(certificate.Leaf)
	for name, good := range map[string]TLS{
		"authority": {CAFile: cert, CertFile: cert, KeyFile: key},
		"key":       {KeyHash: hash, CertFile: cert, KeyFile: key},
	} {
		t.Run(name, func(t *testing.T) {
			m := open1(t, Options{Address: address, TLS: good})
			_, err := m.Draw(t.Context(), 3)
			require.NoError(t, err)
		})
	}
	wrong := append([]byte{hash[0] ^ 1}, hash[1:]...)
	for name, bad := range map[string]TLS{
		"another key":     {KeyHash: wrong, CertFile: cert, KeyFile: key},
		"plaintext":       {},
		"shows no cert":   {KeyHash: hash},
		"unknown to root": {CAFile: otherCA(t, folder), CertFile: cert, KeyFile: key},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), Options{Address: address, TLS: bad, StartTimeout: 500 * time.Millisecond})
			require.ErrorIs(t, err, ErrDown)
		})
	}
}

func otherCA(t *testing.T, folder string) string {
	t.Helper()
	pem, _, _ := selfSigned(t)
	path := filepath.Join(folder, "other.pem")
	require.NoError(t, os.WriteFile(path, pem, 0o600))
	return path
}
