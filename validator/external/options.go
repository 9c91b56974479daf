package external

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// What a zero Options asks for.
const (
	DefaultStartTimeout    = 30 * time.Second
	DefaultCallTimeout     = 30 * time.Second
	DefaultExpiry          = 10 * time.Minute
	DefaultMaxMessageBytes = 64 << 20
	DefaultParallel        = 4
	DefaultMaxMemoryBytes  = 1 << 30
	DefaultGrace           = 5 * time.Second
	DefaultPause           = time.Second
	DefaultLines           = 20
)

// Unlimited is a Command's MaxMemoryBytes without a bound.
const Unlimited = -1

// The least that a message and a program can do with.
const (
	minMessageBytes = 64 << 10
	minMemoryBytes  = 32 << 20
)

var (
	// ErrOptions is wrapped by what New refuses before anything is started.
	ErrOptions = errors.New("external mechanism")
	// ErrFault is wrapped where the program answered what it may not, or with an error.
	ErrFault = errors.New("the external mechanism is at fault")
	// ErrDown is wrapped where the program does not run, cannot be reached or did not answer in time.
	ErrDown = errors.New("the external mechanism does not answer")
	// ErrExpired is wrapped where a round is judged that the program does not know any more.
	ErrExpired = errors.New("the round has expired")
)

// Options say which program to ask, and what it may take. Exactly one of Command.Args and Address is given; any other
// field that is zero takes its default.
type Options struct {
	Command Command // a program to start
	Address string  // host:port, or unix:PATH, of a program that runs; one beyond this machine needs TLS
	TLS     TLS     // for Address

	StartTimeout    time.Duration // until the program answers Describe
	CallTimeout     time.Duration // for one call of Describe, Challenge or Score
	Expiry          time.Duration // after which a round is not judged any more
	MaxMessageBytes int           // of one request or response; at least 64 KiB
	Parallel        int           // calls of Score at the same time
	Log             *slog.Logger  // nil: nothing is logged
}

// Command is a program to start.
type Command struct {
	Args []string // the program and its arguments
	Dir  string   // working folder; empty: the validator's
	// Env lists what the program sees of the environment besides PATH, HOME, LANG, LC_ALL and TZ: NAME passes on a variable
	// of the validator's, NAME=value sets one. The validator's own, PLEXUS_…, are not passed on.
	Env []string
	// MaxMemoryBytes bounds the private memory of each of the program's processes, and what all of them together hold in
	// RAM. Linux only: elsewhere it must be Unlimited. At least 32 MiB; a program in Go needs 128 MiB to start.
	MaxMemoryBytes int64
	Grace          time.Duration // from SIGTERM to SIGKILL
	Pause          time.Duration // before it is started again; doubles up to 64 times that
	Lines          int           // of its output that are logged per second
}

func (o Options) withDefaults() Options {
	o.StartTimeout = or(o.StartTimeout, DefaultStartTimeout)
	o.CallTimeout = or(o.CallTimeout, DefaultCallTimeout)
	o.Expiry = or(o.Expiry, DefaultExpiry)
	o.MaxMessageBytes = or(o.MaxMessageBytes, DefaultMaxMessageBytes)
	o.Parallel = or(o.Parallel, DefaultParallel)
	o.Log = or(o.Log, slog.New(slog.DiscardHandler))
	o.Command.MaxMemoryBytes = or(o.Command.MaxMemoryBytes, DefaultMaxMemoryBytes)
	o.Command.Grace = or(o.Command.Grace, DefaultGrace)
	o.Command.Pause = or(o.Command.Pause, DefaultPause)
	o.Command.Lines = or(o.Command.Lines, DefaultLines)
	return o
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// validate is asked after withDefaults.
func (o Options) validate() error {
	if (len(o.Command.Args) > 0) == (o.Address != "") {
		return fmt.Errorf("%w: give either a command to start or the address of a program that runs", ErrOptions)
	}
	for name, d := range map[string]time.Duration{"start timeout": o.StartTimeout, "call timeout": o.CallTimeout, "expiry": o.Expiry,
		"grace": o.Command.Grace, "pause": o.Command.Pause} {
		if d < 0 {
			return fmt.Errorf("%w: %s %v: want more than 0", ErrOptions, name, d)
		}
	}
	if o.MaxMessageBytes < minMessageBytes {
		return fmt.Errorf("%w: messages of %d bytes: want %d or more", ErrOptions, o.MaxMessageBytes, minMessageBytes)
	}
	if o.Parallel < 0 || o.Command.Lines < 0 {
		return fmt.Errorf("%w: %d calls at a time and %d lines a second: want 1 or more", ErrOptions, o.Parallel, o.Command.Lines)
	}
	if len(o.Command.Args) > 0 {
		return o.Command.validate()
	}
	return nil
}

func (c Command) validate() error {
	if c.Args[0] == "" {
		return fmt.Errorf("%w: the command's program has no name", ErrOptions)
	}
	if m := c.MaxMemoryBytes; m != Unlimited && m < minMemoryBytes {
		return fmt.Errorf("%w: %d bytes of memory: want %d or more, or %d for no bound", ErrOptions, m, minMemoryBytes, Unlimited)
	}
	if c.MaxMemoryBytes != Unlimited && !canLimitMemory {
		return fmt.Errorf("%w: memory can be bounded on Linux only: set it to %d for no bound", ErrOptions, Unlimited)
	}
	for _, entry := range c.Env {
		name, _, set := strings.Cut(entry, "=")
		if name == "" || strings.ContainsRune(entry, 0) {
			return fmt.Errorf("%w: environment %q: want NAME or NAME=value", ErrOptions, entry)
		}
		if !set && strings.HasPrefix(name, "PLEXUS_") {
			return fmt.Errorf("%w: %s may hold a secret of the validator's: to set it for the program, write %s=value", ErrOptions, name, name)
		}
	}
	return nil
}

// passed are the variables that every program sees.
var passed = []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ"}

// environment is the whole of what the program sees, but for what the validator adds.
func (c Command) environment(lookup func(string) (string, bool)) []string {
	var env []string
	for _, entry := range slices.Concat(passed, c.Env) {
		if strings.Contains(entry, "=") {
			env = append(env, entry)
		} else if value, ok := lookup(entry); ok {
			env = append(env, entry+"="+value)
		}
	}
	return env
}
