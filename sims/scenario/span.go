package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// SecondsPerYear is that of a year of 365.25 days.
const SecondsPerYear = 365.25 * 86400

// Span is a length of simulated time, or a number of the model's steps, which are blocks for a network.
type Span struct {
	Seconds float64
	Steps   uint64
}

// units are what a span can be given in; 0 seconds stands for steps.
var units = []struct {
	names   []string
	seconds float64
}{
	{[]string{"y", "year", "years"}, SecondsPerYear},
	{[]string{"w", "week", "weeks"}, 7 * 86400},
	{[]string{"d", "day", "days"}, 86400},
	{[]string{"h", "hour", "hours"}, 3600},
	{[]string{"min", "minute", "minutes"}, 60},
	{[]string{"s", "second", "seconds"}, 1},
	{[]string{"block", "blocks", "step", "steps"}, 0},
}

const spanForm = `want a number with a unit: y, w, d, h, min, s, or blocks (steps of a model without blocks), such as 10y or "1000 blocks"`

// ParseSpan reads a span such as "10y", "30 d", "1.5h" or "1000 blocks".
func ParseSpan(text string) (Span, error) {
	text = strings.TrimSpace(text)
	cut := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789.+_", r) })
	if cut < 0 {
		return Span{}, fmt.Errorf("%q: %s", text, spanForm)
	}
	number, err := strconv.ParseFloat(strings.ReplaceAll(text[:cut], "_", ""), 64)
	if err != nil || math.IsInf(number, 0) {
		return Span{}, fmt.Errorf("%q: %s", text, spanForm)
	}
	unit := strings.TrimSpace(text[cut:])
	for _, u := range units {
		for _, name := range u.names {
			if name != unit {
				continue
			}
			if u.seconds > 0 {
				return Span{Seconds: number * u.seconds}, nil
			}
			if number != math.Trunc(number) || number >= 1<<53 {
				return Span{}, fmt.Errorf("%q: want a whole number of %s", text, unit)
			}
			return Span{Steps: uint64(number)}, nil
		}
	}
	return Span{}, fmt.Errorf("%q: %s", text, spanForm)
}

// IsZero tells whether nothing was given.
func (s Span) IsZero() bool { return s == Span{} }

// StepsOf is the span as steps of so many seconds, rounded to the nearest.
func (s Span) StepsOf(seconds float64) uint64 {
	if s.Steps > 0 {
		return s.Steps
	}
	return uint64(math.Round(s.Seconds / seconds))
}

// String writes the span as ParseSpan reads it.
func (s Span) String() string {
	if s.Seconds == 0 {
		return fmt.Sprintf("%d blocks", s.Steps)
	}
	for _, u := range units {
		if n := s.Seconds / u.seconds; n == math.Trunc(n) && u.seconds > 0 && n < 1<<53 {
			return strconv.FormatFloat(n, 'f', 0, 64) + u.names[0]
		}
	}
	return strconv.FormatFloat(s.Seconds, 'f', -1, 64) + "s"
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Span) UnmarshalYAML(node *yaml.Node) (err error) {
	*s, err = ParseSpan(node.Value)
	return err
}

// MarshalYAML implements yaml.Marshaler.
func (s Span) MarshalYAML() (any, error) { return s.String(), nil }
