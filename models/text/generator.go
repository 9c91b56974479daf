package text

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/plexusnet/plexus/models"
)

// plainShare is the share of messages with no request beside the one that stands.
const plainShare = 0.4

// maxTypos is the largest share of letters that a message has wrong. Each message draws its own, from 0.
const maxTypos = 0.08

// Generator writes one challenge after the other. It is not safe for concurrent use; make one per goroutine.
type Generator struct {
	random   *rand.Rand
	requests [Classes][]string
	plain    []string
	mixed    []string
	slots    map[string][]string
}

// NewGenerator returns a generator that starts from seed.
func NewGenerator(seed models.Seed) *Generator {
	return &Generator{random: rand.New(rand.NewChaCha8(seed)), requests: requests(), plain: plain(), mixed: mixed(), slots: slots()}
}

// Next writes a challenge. A message that turns out too long is written anew, of the same class.
func (g *Generator) Next() Challenge {
	label := g.random.IntN(Classes)
	other := (label + 1 + g.random.IntN(Classes-1)) % Classes
	for {
		template := g.template(label, other)
		if typed := g.mistype(g.shout(g.expand(template))); len(typed) <= Length {
			return Challenge{Text: typed, Label: label}
		}
	}
}

// template is a message with open slots: a request, mostly another that does not stand, and who sends it. The sender's
// two names alone make it next to impossible that a message comes twice.
func (g *Generator) template(label, other int) string {
	frames := g.mixed
	if g.random.Float64() < plainShare {
		frames = g.plain
	}
	requests := strings.NewReplacer("{A}", g.pick(g.requests[label]), "{B}", g.pick(g.requests[other]))
	message := requests.Replace(g.pick(frames))
	if g.random.IntN(2) == 0 {
		return "{name} {surname}: " + message
	}
	return message + " - {name} {surname}"
}

func (g *Generator) pick(list []string) string { return list[g.random.IntN(len(list))] }

// expand fills the slots of a template, and those of what it puts there.
func (g *Generator) expand(template string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		slot, after, _ := strings.Cut(rest, "}")
		out.WriteString(g.fill(slot))
		template = after
	}
}

func (g *Generator) fill(slot string) string {
	switch slot {
	case "name":
		return g.name(2)
	case "surname":
		return g.name(3)
	case "place":
		return g.name(2) + g.pick([]string{"ton", "burg", "ville", "ford", "", " bay", "stad"})
	case "number":
		return fmt.Sprint(2 + g.random.IntN(98))
	case "amount":
		return fmt.Sprint(1+g.random.IntN(999)) + g.pick([]string{"", " euros", " dollars", ".50", " plx"})
	case "time":
		return fmt.Sprintf("%d:%02d", g.random.IntN(24), g.random.IntN(60))
	default:
		return g.expand(g.pick(g.slots[slot]))
	}
}

// name makes a name up, of so many syllables.
func (g *Generator) name(syllables int) string {
	const consonants, vowels, ends = "bcdfghjklmnprstvwz", "aeiouy", "lmnrst"
	var name []byte
	for range syllables {
		name = append(name, consonants[g.random.IntN(len(consonants))], vowels[g.random.IntN(len(vowels))])
		if g.random.IntN(3) == 0 {
			name = append(name, ends[g.random.IntN(len(ends))])
		}
	}
	return string(name)
}

// shout writes some messages in capitals, and some with a capital and a full stop.
func (g *Generator) shout(message string) string {
	switch g.random.IntN(8) {
	case 0:
		return strings.ToUpper(message)
	case 1, 2:
		return strings.ToUpper(message[:1]) + message[1:] + "."
	default:
		return message
	}
}

// mistype gets letters wrong: left out, doubled, swapped with the next, replaced, or with one too many after them.
func (g *Generator) mistype(message string) string {
	const letters = "abcdefghijklmnopqrstuvwxyz "
	rate := maxTypos * g.random.Float64()
	out := make([]byte, 0, len(message)+8)
	for i := 0; i < len(message); i++ {
		if g.random.Float64() >= rate {
			out = append(out, message[i])
			continue
		}
		switch letter := letters[g.random.IntN(len(letters))]; g.random.IntN(5) {
		case 0: // left out
		case 1:
			out = append(out, message[i], message[i])
		case 2:
			if i+1 < len(message) {
				out = append(out, message[i+1])
			}
			out = append(out, message[i])
			i++
		case 3:
			out = append(out, letter)
		default:
			out = append(out, message[i], letter)
		}
	}
	return string(out)
}
