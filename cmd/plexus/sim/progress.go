package simcmd

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/plexusnet/plexus/sims/experiment"
)

// progress shows how far an experiment is: on a terminal in a line that is written again and again, elsewhere in a
// plain line every few seconds.
type progress struct {
	out      io.Writer
	terminal bool
	last     time.Time
	shown    bool
}

const plainEvery = 5 * time.Second

func newProgress(out io.Writer) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && isatty.IsTerminal(file.Fd()), last: time.Now()}
}

func (p *progress) report(now experiment.Progress) {
	switch {
	case p.terminal:
		fmt.Fprintf(p.out, "\r\x1b[K%s", line(now))
		p.shown = true
	case time.Since(p.last) >= plainEvery:
		p.last = time.Now()
		fmt.Fprintln(p.out, line(now))
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.out)
	}
}

func line(p experiment.Progress) string {
	text := fmt.Sprintf("%d of %d runs, %.0f %%, %s", p.Done, p.Total, 100*p.Fraction, p.Elapsed.Round(time.Second))
	if p.Left > 0 {
		text += fmt.Sprintf(", about %s left", p.Left.Round(time.Second))
	}
	return text
}
