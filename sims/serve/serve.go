package serve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/report"
	"github.com/plexusnet/plexus/sims/scenario"
)

// Defaults of Config.
const (
	DefaultMaxBody = 1 << 20
	DefaultQueue   = 16
	DefaultKeep    = 200
	DefaultTimeout = 2 * time.Hour
)

// Config says what a server may take.
type Config struct {
	Dir     string          // where experiments are kept; made if it is not there
	Kinds   []scenario.Kind // sections that scenarios may have
	Version string          // of the program, for manifests
	Hosts   []string        // names that the server answers to, without ports; any if empty
	Limits  experiment.Limits
	Workers int           // goroutines of an experiment, 0 for one per processor
	MaxBody int64         // bytes of a scenario; DefaultMaxBody
	Queue   int           // experiments that may wait; DefaultQueue
	Keep    int           // experiments that are over and kept; the oldest go. DefaultKeep
	Timeout time.Duration // of one experiment; DefaultTimeout
	Log     *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	if c.Keep == 0 {
		c.Keep = DefaultKeep
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// State is how far an experiment is.
type State string

// The states.
const (
	Queued   State = "queued"
	Running  State = "running"
	Finished State = "finished"
	Failed   State = "failed"
)

// Over tells whether nothing more will happen.
func (s State) Over() bool { return s == Finished || s == Failed }

// Experiment is one that was sent.
type Experiment struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"` // of the scenario
	Kind     experiment.Kind `json:"kind"`
	State    State           `json:"state"`
	Sent     time.Time       `json:"sent"`
	Done     int             `json:"done"`     // runs
	Total    int             `json:"total"`    // runs
	Fraction float64         `json:"fraction"` // of all work, 0 to 1
	Left     float64         `json:"left"`     // seconds, estimated; 0 while unknown
	Error    string          `json:"error,omitempty"`
}

// job is an experiment with what it takes to run it.
type job struct {
	Experiment
	cancel  context.CancelCauseFunc // while it runs
	changed chan struct{}           // closed and replaced with every change
}

// Server runs experiments and answers for them. It is safe for concurrent use.
type Server struct {
	cfg  Config
	mux  http.Handler
	wake chan struct{}

	mu   sync.Mutex
	jobs []*job // by the time they were sent
}

var errRemoved = errors.New("removed")

const (
	jobFile      = "experiment.json"
	scenarioFile = "scenario.yaml"
	resultFolder = "result"
)

// New reads what an earlier server left in Config.Dir. Run goes on with what is unfinished.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg.withDefaults(), wake: make(chan struct{}, 1)}
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		content, err := os.ReadFile(s.path(entry.Name(), jobFile))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNotADirectory) {
			continue
		}
		if err != nil {
			return nil, err
		}
		j := &job{changed: make(chan struct{})}
		if err := json.Unmarshal(content, &j.Experiment); err != nil || j.ID != entry.Name() {
			s.cfg.Log.Warn("ignored an experiment that cannot be read", "folder", entry.Name(), "error", err)
			continue
		}
		if !j.State.Over() {
			j.State = Queued
		}
		s.jobs = append(s.jobs, j)
	}
	slices.SortFunc(s.jobs, func(a, b *job) int { return a.Sent.Compare(b.Sent) })
	s.mux = s.routes()
	return s, nil
}

func (s *Server) path(parts ...string) string {
	return filepath.Join(append([]string{s.cfg.Dir}, parts...)...)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if host := hostOf(r); len(s.cfg.Hosts) > 0 && !slices.Contains(s.cfg.Hosts, host) {
		refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("this server does not answer to %q", host))
		return
	}
	s.mux.ServeHTTP(w, r)
}

func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.Trim(host, "[]")
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/experiments", s.send)
	mux.HandleFunc("GET /v1/experiments", s.list)
	mux.HandleFunc("GET /v1/experiments/{id}", s.show)
	mux.HandleFunc("DELETE /v1/experiments/{id}", s.remove)
	mux.HandleFunc("GET /v1/experiments/{id}/events", s.events)
	mux.HandleFunc("GET /v1/experiments/{id}/report", s.report)
	mux.HandleFunc("GET /v1/experiments/{id}/files/{file...}", s.files)
	mux.HandleFunc("GET /{$}", front)
	return http.NewCrossOriginProtection().Handler(mux)
}

// refusal is the body of every error.
type refusal struct {
	Error string `json:"error"`
	Line  int    `json:"line,omitempty"`
	Path  string `json:"path,omitempty"`
}

func refuse(w http.ResponseWriter, status int, reason string) {
	answer(w, status, refusal{Error: reason})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that is gone needs no answer.
	_ = json.NewEncoder(w).Encode(body)
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a scenario may have %d bytes: %v", s.cfg.MaxBody, err))
		return
	}
	sc, kind, err := s.read(content, r.URL.Query().Get("kind"), r.URL.Query().Get("runs"), r.URL.Query().Get("seed"))
	if err != nil {
		body := refusal{Error: err.Error()}
		if where := (*scenario.Error)(nil); errors.As(err, &where) {
			body.Line, body.Path = where.Line, where.Path
		}
		answer(w, http.StatusBadRequest, body)
		return
	}
	resolved, err := sc.YAML()
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e, err := s.enqueue(sc.Name, kind, resolved)
	switch {
	case errors.Is(err, errFull):
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusTooManyRequests, err.Error())
	case err != nil:
		s.cfg.Log.Error("could not keep an experiment", "error", err)
		refuse(w, http.StatusInternalServerError, "the experiment could not be kept; the log says why")
	default:
		w.Header().Set("Location", "/v1/experiments/"+e.ID)
		answer(w, http.StatusAccepted, e)
	}
}

// read checks a scenario to the point where only running it can fail.
func (s *Server) read(content []byte, kind, runs, seed string) (*scenario.Scenario, experiment.Kind, error) {
	sc, err := scenario.Parse("scenario.yaml", content, s.cfg.Kinds...)
	if err != nil {
		return nil, "", err
	}
	var set []experiment.Setting
	for _, override := range []struct{ path, text string }{{"runs", runs}, {"seed", seed}} {
		if override.text == "" {
			continue
		}
		n, err := strconv.ParseInt(override.text, 10, 64)
		if err != nil || n < 0 {
			return nil, "", fmt.Errorf("%s=%q: give a whole number", override.path, override.text)
		}
		set = append(set, experiment.Setting{Path: override.path, Value: n})
	}
	if sc, err = sc.Set(set); err != nil {
		return nil, "", err
	}
	k := experiment.Kind(kind)
	if kind == "" {
		k = experiment.KindRun
	}
	if err := offers(sc, k); err != nil {
		return nil, "", err
	}
	if _, err := sc.Model(); err != nil {
		return nil, "", err
	}
	return sc, k, nil
}

// offers refuses an experiment that the scenario has no section for.
func offers(sc *scenario.Scenario, kind experiment.Kind) error {
	has := false
	switch kind {
	case experiment.KindRun:
		has = true
	case experiment.KindSweep:
		has = sc.Sweep != nil
	case experiment.KindCompare:
		has = sc.Compare != nil
	case experiment.KindSensitivity:
		has = sc.Sensitivity != nil
	default:
		return fmt.Errorf("kind=%q: give run, sweep, compare or sensitivity", kind)
	}
	if !has {
		return fmt.Errorf("the scenario has no section %s, which says what to vary", kind)
	}
	return nil
}

var errFull = errors.New("as many experiments wait as may; try again later")

func (s *Server) enqueue(name string, kind experiment.Kind, content []byte) (Experiment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := 0
	for _, j := range s.jobs {
		if j.State == Queued {
			waiting++
		}
	}
	if waiting >= s.cfg.Queue {
		return Experiment{}, errFull
	}
	j := &job{changed: make(chan struct{}), Experiment: Experiment{ID: newID(), Name: name, Kind: kind, State: Queued, Sent: time.Now().UTC()}}
	if err := os.Mkdir(s.path(j.ID), 0o700); err != nil {
		return Experiment{}, err
	}
	if err := os.WriteFile(s.path(j.ID, scenarioFile), content, 0o600); err != nil {
		return Experiment{}, err
	}
	if err := s.keep(j); err != nil {
		return Experiment{}, err
	}
	s.jobs = append(s.jobs, j)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return j.Experiment, nil
}

func newID() string {
	id := make([]byte, 8)
	rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// keep writes what is known of an experiment, whole or not at all.
func (s *Server) keep(j *job) error {
	content, err := json.MarshalIndent(j.Experiment, "", "  ")
	if err != nil {
		return err
	}
	path := s.path(j.ID, jobFile)
	if err := os.WriteFile(path+".part", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// find answers for an experiment that is not there.
func (s *Server) find(w http.ResponseWriter, r *http.Request) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if j.ID == r.PathValue("id") {
			return j
		}
	}
	refuse(w, http.StatusNotFound, "there is no such experiment")
	return nil
}

// now returns an experiment as it is, and what is closed when that changes.
func (s *Server) now(j *job) (Experiment, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.Experiment, j.changed
}

func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	all := make([]Experiment, 0, len(s.jobs))
	for _, j := range s.jobs {
		all = append(all, j.Experiment)
	}
	s.mu.Unlock()
	slices.Reverse(all)
	answer(w, http.StatusOK, all)
}

func (s *Server) show(w http.ResponseWriter, r *http.Request) {
	if j := s.find(w, r); j != nil {
		e, _ := s.now(j)
		answer(w, http.StatusOK, e)
	}
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	j := s.find(w, r)
	if j == nil {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	for {
		e, changed := s.now(j)
		content, err := json.Marshal(e)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", content); err != nil || control.Flush() != nil || e.State.Over() {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	j := s.find(w, r)
	if j == nil {
		return
	}
	if e, _ := s.now(j); e.State != Finished {
		refuse(w, http.StatusConflict, fmt.Sprintf("the experiment is %s; its report comes when it is finished", e.State))
		return
	}
	// The page holds no script; what names it holds stays text even if they were none.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	http.ServeFile(w, r, s.path(j.ID, resultFolder, report.File))
}

func (s *Server) files(w http.ResponseWriter, r *http.Request) {
	j := s.find(w, r)
	if j == nil {
		return
	}
	root, err := os.OpenRoot(s.path(j.ID, resultFolder))
	if err != nil {
		refuse(w, http.StatusNotFound, "the experiment has no files yet")
		return
	}
	defer root.Close()
	w.Header().Set("Content-Security-Policy", "sandbox")
	http.StripPrefix("/v1/experiments/"+j.ID+"/files", http.FileServerFS(root.FS())).ServeHTTP(w, r)
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	j := s.find(w, r)
	if j == nil {
		return
	}
	if err := s.forget(j); err != nil {
		s.cfg.Log.Error("could not remove an experiment", "experiment", j.ID, "error", err)
		refuse(w, http.StatusInternalServerError, "the experiment could not be removed; the log says why")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// forget stops an experiment and removes it. One that runs removes its files itself, once it has stopped.
func (s *Server) forget(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs = slices.DeleteFunc(s.jobs, func(other *job) bool { return other == j })
	if j.cancel != nil {
		j.cancel(errRemoved)
		return os.Remove(s.path(j.ID, jobFile))
	}
	s.change(j, func(e *Experiment) { e.State, e.Error = Failed, errRemoved.Error() })
	return os.RemoveAll(s.path(j.ID))
}

// change changes an experiment and tells who waits for that. The caller holds the lock.
func (s *Server) change(j *job, f func(*Experiment)) {
	f(&j.Experiment)
	close(j.changed)
	j.changed = make(chan struct{})
}
