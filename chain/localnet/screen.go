package localnet

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// keptNotes is how many lines of progress stay below the table of a terminal.
const keptNotes = 4

// screen writes progress and tables: over and over in the same place on a
// terminal, one after the other elsewhere.
type screen struct {
	out   io.Writer
	live  bool
	width func() int

	mu    sync.Mutex
	drawn int      // lines of the picture that is on the terminal
	notes []string // below the table, once there is one
	table string
}

func newScreen(o Options) *screen {
	return &screen{out: o.Out, live: o.Live, width: o.Width}
}

// note adds a line of progress.
func (s *screen) note(at time.Duration, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%5.1f s  %s", at.Seconds(), text)
	if !s.live || s.table == "" {
		fmt.Fprintln(s.out, line)
		return
	}
	s.notes = append(s.notes, strings.Split(line, "\n")...)
	s.notes = s.notes[max(0, len(s.notes)-keptNotes):]
	s.draw()
}

// show puts a view on the screen. Elsewhere than on a terminal, only new epochs
// are worth the lines.
func (s *screen) show(v *View, newEpoch bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live {
		s.table = Headline(v) + "\n\n" + Table(v)
		s.draw()
		return
	}
	if newEpoch {
		fmt.Fprintf(s.out, "\n%s\n%s", Headline(v), Table(v))
	}
}

// draw replaces the picture on the terminal.
func (s *screen) draw() {
	picture := s.table
	if len(s.notes) > 0 {
		picture += "\n" + strings.Join(s.notes, "\n") + "\n"
	}
	picture = clip(picture, s.width())
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", s.drawn) // up to its first line
	}
	for _, line := range strings.SplitAfter(picture, "\n") {
		b.WriteString(strings.TrimSuffix(line, "\n"))
		if strings.HasSuffix(line, "\n") {
			b.WriteString("\x1b[K\n") // erase what the line had before
		}
	}
	b.WriteString("\x1b[J") // and what the picture had below
	fmt.Fprint(s.out, b.String())
	s.drawn = strings.Count(picture, "\n")
}
