package ledger

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// Entry is one call of one miner. A request that was tried at several miners has an entry for each that it cost or may
// have cost something, and one at least.
type Entry struct {
	Seq       uint64    `json:"seq"`  // of the request, counting from 1
	Time      time.Time `json:"time"` // when it was settled, UTC
	Key       string    `json:"key"`
	KeyID     string    `json:"key_id"`
	Model     string    `json:"model"` // as it was asked for
	Netuid    uint32    `json:"netuid"`
	UID       uint16    `json:"uid"`
	Hotkey    string    `json:"hotkey"` // empty: no miner was reached
	Channel   uint64    `json:"channel"`
	Lane      uint32    `json:"lane"`
	Charged   uint64    `json:"charged_nplx"`
	Uncertain uint64    `json:"uncertain_nplx"` // more that it may have cost, where nobody knows
	Latency   int64     `json:"latency_us"`     // of the whole request
	Status    string    `json:"status"`         // gRPC's name of the code; UNKNOWN_OUTCOME after a crash
	BytesIn   int64     `json:"bytes_in"`       // raw tensor contents
	BytesOut  int64     `json:"bytes_out"`
}

// StatusUnknown is the status of a call that was in hand when the gateway was killed.
const StatusUnknown = "UNKNOWN_OUTCOME"

// Filter chooses entries. The zero value chooses all.
type Filter struct {
	Key   string    // name or id
	Since time.Time // at this time or later
	Until time.Time // before this time
}

// Chooses reports whether e is among those asked for.
func (f Filter) Chooses(e Entry) bool {
	return (f.Key == "" || f.Key == e.Key || f.Key == e.KeyID) &&
		(f.Since.IsZero() || !e.Time.Before(f.Since)) && (f.Until.IsZero() || e.Time.Before(f.Until))
}

// WriteCSV writes the chosen entries of the ledger in a folder as CSV (RFC 4180), with a line of names first.
func WriteCSV(w io.Writer, folder string, f Filter) error {
	out := csv.NewWriter(w)
	names := []string{"seq", "time", "key", "key_id", "model", "netuid", "uid", "hotkey", "channel", "lane", "charged_nplx", "uncertain_nplx",
		"latency_us", "status", "bytes_in", "bytes_out"}
	if err := out.Write(names); err != nil {
		return err
	}
	whole := func(n uint64) string { return strconv.FormatUint(n, 10) }
	err := Each(folder, f, func(e Entry) error {
		return out.Write([]string{whole(e.Seq), e.Time.Format(time.RFC3339Nano), e.Key, e.KeyID, plain(e.Model), whole(uint64(e.Netuid)), whole(uint64(e.UID)),
			e.Hotkey, whole(e.Channel), whole(uint64(e.Lane)), whole(e.Charged), whole(e.Uncertain), strconv.FormatInt(e.Latency, 10), e.Status,
			strconv.FormatInt(e.BytesIn, 10), strconv.FormatInt(e.BytesOut, 10)})
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// plain keeps a spreadsheet from taking a name that a caller chose for a formula.
func plain(text string) string {
	if text != "" && (text[0] == '=' || text[0] == '+' || text[0] == '-' || text[0] == '@') {
		return "'" + text
	}
	return text
}

// WriteJSON writes the chosen entries as one JSON array, an entry a line.
func WriteJSON(w io.Writer, folder string, f Filter) error {
	before := "[\n"
	err := Each(folder, f, func(e Entry) error {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, before); err != nil {
			return err
		}
		before = ",\n"
		_, err = w.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	if before == "[\n" {
		_, err = io.WriteString(w, "[]\n")
		return err
	}
	_, err = io.WriteString(w, "\n]\n")
	return err
}
