package external

import (
	"bytes"
	"log/slog"
	"strings"

	"golang.org/x/time/rate"
)

// maxLine is how much of a line is kept.
const maxLine = 2 << 10

// tailLines are kept for the error of a program that does not start.
const tailLines = 8

// output logs what a program prints, line by line: so many lines a second, each up to maxLine. It never blocks.
type output struct {
	log   *slog.Logger
	limit *rate.Limiter
	line  []byte
	held  int // lines that were too many
	tail  []string
}

func newOutput(log *slog.Logger, perSecond int) *output {
	return &output{log: log, limit: rate.NewLimiter(rate.Limit(perSecond), 5*perSecond)}
}

// Write implements io.Writer. Nothing is lost on the way but what is too much.
func (o *output) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		o.line = append(o.line, part[:min(len(part), maxLine-len(o.line))]...)
		if ended {
			o.flush()
		}
		rest = after
	}
	return len(p), nil
}

func (o *output) flush() {
	text := strings.TrimRight(strings.ToValidUTF8(string(o.line), "?"), "\r")
	o.line = o.line[:0]
	if text == "" {
		return
	}
	if o.tail = append(o.tail, text); len(o.tail) > tailLines {
		o.tail = o.tail[1:]
	}
	if !o.limit.Allow() {
		o.held++
		return
	}
	o.tellHeld()
	o.log.Info("the mechanism prints", "line", text)
}

func (o *output) tellHeld() {
	if o.held > 0 {
		o.log.Warn("the mechanism prints too much", "lines_left_out", o.held)
		o.held = 0
	}
}

// end is called when nothing more will be written. It returns the last lines.
func (o *output) end() string {
	o.flush()
	o.tellHeld()
	return strings.Join(o.tail, "\n")
}
