package miner

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/plexusnet/plexus/models/repository"
)

// absences are the versions of models that lie in the folder and are not served, with the reason. The zero value is
// useful.
type absences struct {
	mu      sync.Mutex
	entries map[string][]Entry // by the model's name
}

// set replaces what is said of a model by one state of those versions, of the model as a whole for none. An empty state
// takes it off the list.
func (a *absences) set(name string, state State, reason string, versions ...string) {
	var entries []Entry
	if len(versions) == 0 {
		versions = []string{""}
	}
	for _, v := range versions {
		entries = append(entries, Entry{Name: name, Version: v, State: state, Reason: reason})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if state == "" {
		delete(a.entries, name)
		return
	}
	a.put(name, entries)
}

func (a *absences) put(name string, entries []Entry) {
	if a.entries == nil {
		a.entries = map[string][]Entry{}
	}
	a.entries[name] = entries
}

// failed takes note of a version that could not be loaded; of a model of which none can be.
func (a *absences) failed(err error) {
	var failed *repository.LoadError
	if !errors.As(err, &failed) {
		return
	}
	e := Entry{Name: failed.Name, State: StateUnavailable, Reason: failed.Err.Error()}
	if failed.Version != 0 {
		e.Version = strconv.FormatInt(failed.Version, 10)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	others := slices.DeleteFunc(a.entries[e.Name], func(o Entry) bool { return o.Version == e.Version || o.Version == "" })
	a.put(e.Name, append(others, e))
}

// keep forgets models that are no longer in the folder.
func (a *absences) keep(found map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.entries, func(name string, _ []Entry) bool { _, ok := found[name]; return !ok })
}

func (a *absences) list() []Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Values(a.entries))...)
}
