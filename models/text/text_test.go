package text

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/models"
)

// madeUp are the slots that have no list.
func madeUp() []string { return []string{"name", "surname", "place", "number", "amount", "time"} }

func TestEverySlotCanBeFilled(t *testing.T) {
	known := map[string]bool{"A": true, "B": true}
	for _, name := range madeUp() {
		known[name] = true
	}
	var templates []string
	for name, list := range slots() {
		known[name] = true
		templates = append(templates, list...)
	}
	for _, list := range requests() {
		templates = append(templates, list...)
	}
	for _, name := range regexp.MustCompile(`{(.*?)}`).FindAllStringSubmatch(strings.Join(append(append(templates, plain()...), mixed()...), " "), -1) {
		require.True(t, known[name[1]], "slot %q", name[1])
	}
	require.Len(t, Labels(), Classes)
}

// What stands is asked for once in every frame, and what does not at most once; so the label is true.
func TestFramesHoldTheRequestThatStands(t *testing.T) {
	for _, frame := range plain() {
		require.Equal(t, 1, strings.Count(frame, "{A}"), frame)
		require.Equal(t, 0, strings.Count(frame, "{B}"), frame)
	}
	for _, frame := range mixed() {
		require.Equal(t, 1, strings.Count(frame, "{A}"), frame)
		require.Equal(t, 1, strings.Count(frame, "{B}"), frame)
	}
}

func TestNoTwoClassesAreAskedForAlike(t *testing.T) {
	seen := map[string]bool{}
	for _, list := range requests() {
		for _, request := range list {
			require.False(t, seen[request], request)
			seen[request] = true
		}
	}
}

func TestMessagesArePlainTextThatFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewGenerator(models.FixedSeed(Name, "test", rapid.Uint64().Draw(t, "seed")))
		c := g.Next()
		require.LessOrEqual(t, len(c.Text), Length)
		require.Greater(t, len(c.Text), 15)
		for _, b := range []byte(c.Text) {
			require.True(t, b >= ' ' && b <= '~', "%q", c.Text)
		}
		require.NotContains(t, c.Text, "{")
		input, err := Tensor(c.Text)
		require.NoError(t, err)
		require.Equal(t, c.Text, strings.TrimRight(string(input.Data), "\x00"))
	})
}

// Typing errors stay few, so that a person still reads what is meant.
func TestMistypingIsBounded(t *testing.T) {
	g := NewGenerator(models.FixedSeed(Name, "test", 1))
	message := strings.Repeat("abcdefghij", 10)
	grown := 0
	for range 2000 {
		typed := g.mistype(message)
		grown += len(typed) - len(message)
		require.InDelta(t, len(message), len(typed), 25)
	}
	require.Less(t, grown/2000, 3)
	require.NotEqual(t, message, g.mistype(message)+g.mistype(message))
}

// A table of all that was ever asked is of no use: among many messages none comes twice.
func TestATableOfPastMessagesIsOfNoUse(t *testing.T) {
	const n = 100_000
	g := NewGenerator(models.FixedSeed(Name, "test", 2))
	seen := make(map[string]bool, n)
	for range n {
		seen[g.Next().Text] = true
	}
	require.Len(t, seen, n)
}

// The sender's names alone keep messages apart.
func TestSendersAreMany(t *testing.T) {
	const n = 20_000
	g := NewGenerator(models.FixedSeed(Name, "test", 3))
	seen := map[string]bool{}
	for range n {
		seen[g.expand("{name} {surname}")] = true
	}
	require.Len(t, seen, n, "a birthday among 20 000 would be likely below 2^28")
}

func TestTensorRefuses(t *testing.T) {
	_, err := Tensor()
	require.ErrorIs(t, err, ErrText)
	_, err = Tensor("fine", strings.Repeat("x", Length+1))
	require.ErrorIs(t, err, ErrText)
	require.ErrorContains(t, err, "text 1 has 129 bytes")
	both, err := Tensor("ab", "")
	require.NoError(t, err)
	require.NoError(t, both.ValidateAs(Task().Inputs[0], models.Limits{}))
}

func BenchmarkNext(b *testing.B) {
	g := NewGenerator(models.FixedSeed(Name, "test", 1))
	for b.Loop() {
		g.Next()
	}
}
