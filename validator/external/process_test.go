package external

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// hostileFolder is where hostile was built; empty: no test has asked for it.
var hostileFolder string

// hostile builds the program of testdata/hostile, once.
var hostile = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return "", err
	}
	hostileFolder = folder
	path := filepath.Join(folder, "hostile")
	if out, err := exec.Command("go", "build", "-o", path, "./testdata/hostile").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if path := os.Getenv("TEST_VALIDATOR_OF"); path != "" {
		validatorOf(path)
	}
	code := m.Run()
	if hostileFolder != "" {
		os.RemoveAll(hostileFolder)
	}
	os.Exit(code)
}

// started are the options of a program of that mode, and what it logs.
func started(t *testing.T, mode string) (Options, *safeBuffer) {
	t.Helper()
	path, err := hostile()
	require.NoError(t, err)
	logged := &safeBuffer{}
	return Options{StartTimeout: time.Minute, CallTimeout: time.Minute, Log: slog.New(slog.NewTextHandler(logged, nil)),
		Command: Command{Args: []string{path, mode}, MaxMemoryBytes: memory(), Grace: 10 * time.Second, Pause: 10 * time.Millisecond}}, logged
}

func memory() int64 {
	if canLimitMemory {
		return 256 << 20
	}
	return Unlimited
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func open1(t *testing.T, o Options) mechanism.Mechanism {
	t.Helper()
	m, err := New(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// answered gives every challenge of a round an answer.
func answered(r mechanism.Round) []mechanism.Answer {
	var all []mechanism.Answer
	for range r.Challenges() {
		all = append(all, mechanism.Answer{Latency: time.Millisecond,
			Outputs: []models.Tensor{{Name: "y", Datatype: models.UINT8, Shape: []int64{1, 16}, Data: make([]byte, 16)}}})
	}
	return all
}

func TestAStartedProgram(t *testing.T) {
	o, _ := started(t, "honest")
	m := open1(t, o)
	about := m.Describe()
	require.Equal(t, mechanism.Description{Name: "external", Chance: 0.25, Task: models.Task{Name: "twice", Metric: "share of right answers",
		Inputs:  []models.TensorSpec{{Name: "x", Datatype: models.UINT8, Shape: []int64{-1, 16}}},
		Outputs: []models.TensorSpec{{Name: "y", Datatype: models.UINT8, Shape: []int64{-1, 16}}}}}, about)
	for range 3 {
		round, err := m.Draw(t.Context(), 5)
		require.NoError(t, err)
		require.Len(t, round.Challenges(), 5)
		answers := answered(round)
		answers[1] = mechanism.Answer{Err: context.DeadlineExceeded}
		answers[2].Outputs[0].Data = answers[2].Outputs[0].Data[:7]
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				marks, err := round.Judge(t.Context(), answers)
				require.NoError(t, err)
				require.Equal(t, []float64{1, 0, 0, 1, 1}, scores(marks))
				require.NoError(t, marks[1].Reason)
				require.ErrorIs(t, marks[2].Reason, models.ErrLength)
			})
		}
		group.Wait()
		_, err = round.Judge(t.Context(), answers[1:])
		require.ErrorContains(t, err, "4 answers to 5 challenges")
	}
	_, err := m.Draw(t.Context(), 0)
	require.ErrorIs(t, err, ErrOptions)
}

func scores(marks []mechanism.Mark) []float64 {
	var all []float64
	for _, m := range marks {
		all = append(all, m.Score)
	}
	return all
}

func TestAProgramThatDoesNotStart(t *testing.T) {
	for mode, want := range map[string]string{"early": "exit status 3; it printed last:\nno such file: truth.csv", "silent": "answered Describe within"} {
		t.Run(mode, func(t *testing.T) {
			o, _ := started(t, mode)
			if mode == "silent" {
				o.StartTimeout = 500 * time.Millisecond
			}
			_, err := New(t.Context(), o)
			require.ErrorIs(t, err, ErrDown)
			require.ErrorContains(t, err, want)
		})
	}
	t.Run("missing", func(t *testing.T) {
		_, err := New(t.Context(), Options{Command: Command{Args: []string{filepath.Join(t.TempDir(), "none")}, MaxMemoryBytes: memory()}})
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("given up", func(t *testing.T) {
		o, _ := started(t, "silent")
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := New(ctx, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestAProgramThatFails: the call fails, no mark is given, the rounds of the program are void, and it runs again.
func TestAProgramThatFails(t *testing.T) {
	for mode, want := range map[string]error{"hang-challenge": ErrDown, "die-challenge": ErrDown, "hang-score": ErrDown, "die-score": ErrDown,
		"memory": ErrDown, "children": ErrDown} {
		t.Run(mode, func(t *testing.T) {
			if (mode == "memory" || mode == "children") && !canLimitMemory {
				t.Skip("memory is bounded on Linux only")
			}
			o, logged := started(t, mode)
			if strings.HasPrefix(mode, "hang") {
				o.CallTimeout = time.Second
			}
			m := open1(t, o)
			for range 2 {
				s := living(t, m)
				round, err := m.Draw(t.Context(), 3)
				if err == nil {
					_, err = round.Judge(t.Context(), answered(round))
				}
				require.ErrorIs(t, err, want)
				<-s.dead
				if round != nil {
					_, err = round.Judge(t.Context(), answered(round))
					require.ErrorIs(t, err, ErrExpired)
				}
			}
			require.Eventually(t, func() bool { return strings.Count(logged.String(), "the mechanism runs") >= 3 }, time.Minute, 10*time.Millisecond)
			require.Contains(t, logged.String(), "is started again")
			if mode == "children" {
				require.Contains(t, logged.String(), "256 are allowed")
			}
		})
	}
}

// living is the program that runs, when no dead one stands in its way any more.
func living(t *testing.T, m mechanism.Mechanism) (s *session) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		if s, err = m.(*external).source.session(t.Context()); err != nil {
			return false
		}
		select {
		case <-s.dead:
			return false
		default:
			return true
		}
	}, time.Minute, time.Millisecond)
	return s
}

func TestADrawWaitsForAProgramThatIsStartedAgain(t *testing.T) {
	o, _ := started(t, "honest")
	o.Command.Pause = 300 * time.Millisecond
	m := open1(t, o)
	round, err := m.Draw(t.Context(), 2)
	require.NoError(t, err)
	from := m.(*external).source.(*program)
	s, err := from.session(t.Context())
	require.NoError(t, err)
	s.abandon("the test says so")
	<-s.dead
	require.Eventually(t, func() bool { from.mu.Lock(); defer from.mu.Unlock(); return from.now != s }, time.Minute, time.Millisecond)
	_, err = m.Draw(t.Context(), 2)
	require.NoError(t, err)
	_, err = round.Judge(t.Context(), answered(round))
	require.ErrorIs(t, err, ErrExpired)
}

func TestAProgramThatBecomesAnother(t *testing.T) {
	o, _ := started(t, "fickle")
	m := open1(t, o)
	s, err := m.(*external).source.session(t.Context())
	require.NoError(t, err)
	s.abandon("the test says so")
	<-s.dead
	living(t, m)
	_, err = m.Draw(t.Context(), 3)
	require.ErrorIs(t, err, ErrFault)
	require.ErrorContains(t, err, "start the validator again")
}

func TestAProgramThatIgnoresSIGTERM(t *testing.T) {
	o, logged := started(t, "deaf")
	o.Command.Grace = 300 * time.Millisecond
	m := open1(t, o)
	s, err := m.(*external).source.session(t.Context())
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, m.Close())
	require.GreaterOrEqual(t, time.Since(began), o.Command.Grace)
	<-s.dead
	_, err = m.Draw(t.Context(), 1)
	require.ErrorIs(t, err, errClosed)
	require.NoError(t, m.Close())
	require.NotContains(t, logged.String(), "started again")
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Setenv("TMPDIR", shortDir(t))
	o, logged := started(t, "orphan")
	m := open1(t, o)
	child := regexp.MustCompile(`child (\d+)`)
	require.Eventually(t, func() bool { return child.MatchString(logged.String()) }, time.Minute, 10*time.Millisecond)
	pid := child.FindStringSubmatch(logged.String())[1]
	require.NoError(t, exec.Command("kill", "-0", pid).Run(), "the child lives")
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), "plexus-mechanism-*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	info, err := os.Stat(folders[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	require.NoError(t, m.Close())
	require.NoDirExists(t, folders[0])
	require.Eventually(t, func() bool { return !alive(pid) }, time.Minute, 10*time.Millisecond)
}

// alive reports whether a process runs; one that nobody has waited for does not.
func alive(pid string) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

func shortDir(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

func TestAPathTooLongForASocket(t *testing.T) {
	o, _ := started(t, "honest")
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	require.NoError(t, os.Mkdir(long, 0o700))
	t.Setenv("TMPDIR", long)
	_, err := New(t.Context(), o)
	require.ErrorContains(t, err, "set TMPDIR")
}

func TestTheEnvironmentHoldsNoSecrets(t *testing.T) {
	for name, value := range map[string]string{"PATH": "/bin", "HOME": "/", "LANG": "C", "LC_ALL": "C", "TZ": "UTC",
		"PLEXUS_VALIDATOR_PASSPHRASE": "secret", "AWS_SECRET_ACCESS_KEY": "secret", "ALLOWED": "1"} {
		t.Setenv(name, value)
	}
	o, _ := started(t, "environment")
	o.Command.Env = []string{"ALLOWED", "ABSENT_FROM_THE_VALIDATOR", "SET=x=y"}
	require.Equal(t, "ALLOWED HOME LANG LC_ALL PATH "+EnvListen+" "+EnvMaxMessageBytes+" SET TZ", open1(t, o).Describe().Task.Metric)
	o.Command.Env = []string{"PLEXUS_VALIDATOR_PASSPHRASE"}
	_, err := New(t.Context(), o)
	require.ErrorIs(t, err, ErrOptions)
	require.NotContains(t, err.Error(), "=secret")
}

func TestOutputIsBounded(t *testing.T) {
	o, logged := started(t, "chatty")
	m := open1(t, o)
	require.NoError(t, m.Close())
	lines := strings.Split(logged.String(), "\n")
	require.Less(t, len(lines), 5*DefaultLines+100)
	require.Contains(t, logged.String(), "lines_left_out=")
	for _, line := range lines {
		require.Less(t, len(line), maxLine+200)
	}
}

// BenchmarkJudge is what one miner's answers to ten challenges cost, by way of a process.
func BenchmarkJudge(b *testing.B) {
	path, err := hostile()
	require.NoError(b, err)
	m, err := New(b.Context(), Options{Command: Command{Args: []string{path, "honest"}, MaxMemoryBytes: memory()}})
	require.NoError(b, err)
	defer m.Close()
	round, err := m.Draw(b.Context(), 10)
	require.NoError(b, err)
	answers := answered(round)
	for b.Loop() {
		if _, err := round.Judge(b.Context(), answers); err != nil {
			b.Fatal(err)
		}
	}
}
