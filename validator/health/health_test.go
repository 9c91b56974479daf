package health

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	var w Window
	require.Equal(t, Miner{Failures: map[string]int{}, Scores: []Point{}, Flags: []string{}}, w.Summary())
	for i := range int64(12) {
		r := Round{At: 100 + i, Asked: 10, Answered: 10, Score: 0.5}
		for ms := range uint32(10) {
			r.Micros = append(r.Micros, 1000*(10*uint32(i-2)+ms+1))
		}
		if i == 11 {
			r = Round{At: 111, Asked: 10, Failures: map[string]int{"unavailable": 7, "deadline_exceeded": 3}}
		}
		w.Add(r, 11) // the first falls out
	}
	m := w.Summary()
	require.Equal(t, 11, m.Rounds)
	require.EqualValues(t, 101, m.From)
	require.EqualValues(t, 111, m.To)
	require.Equal(t, 110, m.Asked)
	require.Equal(t, 100, m.Answered)
	require.InDelta(t, 10./11, m.Uptime, 1e-12)
	require.Equal(t, []string{"unavailable", "deadline_exceeded"}, m.Reasons())
	require.Equal(t, Point{At: 111}, m.Scores[10])
}

func TestPercentilesAreThoseOfTheAnswers(t *testing.T) {
	var w Window
	for i := range 10 {
		var took []time.Duration
		for k := range 10 {
			took = append(took, time.Duration(10*i+k+1)*time.Millisecond) // 1 to 100 ms
		}
		w.Add(Round{Asked: 10, Answered: 10, Micros: Latencies(took)}, 100)
	}
	require.Equal(t, &Latency{P50: 50, P95: 95, P99: 99}, w.Summary().Latency)
	require.Len(t, Latencies(make([]time.Duration, 1000)), Sampled)
}

type source map[uint32]Subnet

func (s source) Netuids() []uint32 {
	var out []uint32
	for netuid := range s {
		out = append(out, netuid)
	}
	return out
}

func (s source) Subnet(netuid uint32) (Subnet, bool) { one, ok := s[netuid]; return one, ok }

func TestWhatIsPublishedIsRead(t *testing.T) {
	var w Window
	w.Add(Round{At: 5, Asked: 2, Answered: 1, Score: 0.5, Failures: map[string]int{"unavailable": 1}, Micros: []uint32{1500}}, 10)
	miner := w.Summary()
	miner.UID, miner.Hotkey, miner.Flags = 7, "plx1x", []string{"copy of uid 3"}
	want := Subnet{Netuid: 3, Hotkey: "plx1v", Height: 40, Round: 9, At: 5, Miners: []Miner{miner}}
	server := httptest.NewServer(Handler(source{3: want}))
	defer server.Close()
	c := Client{URL: server.URL + "/", HTTP: server.Client()}
	got, err := c.Miners(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, want, got)
	one, err := c.Miner(t.Context(), 3, 7)
	require.NoError(t, err)
	require.Equal(t, miner, one)

	_, err = c.Miners(t.Context(), 4)
	require.ErrorIs(t, err, ErrAPI)
	require.ErrorContains(t, err, "it has subnets [3]")
	_, err = c.Miner(t.Context(), 3, 8)
	require.ErrorContains(t, err, "never asked")
	c.MaxBytes = 20
	_, err = c.Miners(t.Context(), 3)
	require.ErrorContains(t, err, "more than 20 bytes")
	_, err = Client{URL: "nowhere"}.Miners(t.Context(), 3)
	require.ErrorContains(t, err, "want a URL")

	for path, status := range map[string]int{"/v1/subnets": 200, "/v1/subnets/x/miners": 400, "/v1/subnets/3/miners/x": 400, "/v2": 404} {
		resp, err := server.Client().Get(server.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, path)
	}
}

// What is published by others is not believed because it is JSON.
func TestAnswersThatCannotBeAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ answer, says string }{
		"another subnet":    {`{"netuid": 4}`, "asked about subnet 3, told about 4"},
		"uptime":            {`{"netuid": 3, "miners": [{"uid": 7, "uptime": 1.5}]}`, "uid 7: uptime of 1.5"},
		"skill":             {`{"netuid": 3, "miners": [{"uid": 7, "skill": -1}]}`, "skill of -1"},
		"latency":           {`{"netuid": 3, "miners": [{"uid": 7, "latency": {"p50_ms": 3, "p95_ms": 2, "p99_ms": 4}}]}`, "want them to rise"},
		"count":             {`{"netuid": 3, "miners": [{"uid": 7, "asked": -1}]}`, "a count of -1"},
		"too many failures": {`{"netuid": 3, "miners": [{"uid": 7, "failures": {"x": 9223372036854775807}}]}`, "a count of 9223372036854775807"},
		"a miner twice":     {`{"netuid": 3, "miners": [{"uid": 7}, {"uid": 7}]}`, "uid 7 after uid 7"},
		"no number":         {`{"netuid": 3, "miners": [{"uid": "seven"}]}`, "cannot unmarshal"},
		"something else":    {`<html>`, "invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.answer)) }))
			defer server.Close()
			_, err := Client{URL: server.URL}.Miners(t.Context(), 3)
			require.ErrorIs(t, err, ErrAPI)
			require.ErrorContains(t, err, c.says)
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"uid": 8}`)) }))
	defer server.Close()
	_, err := Client{URL: server.URL}.Miner(t.Context(), 3, 7)
	require.ErrorContains(t, err, "asked about uid 7, told about 8")
}
