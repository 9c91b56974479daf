package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// BenchmarkOverhead asks one real miner the same thing directly, through the gateway by gRPC, and through it by REST with
// raw tensors, in turn, so that whatever else the machine does falls on all alike. p50 and p99 are of each way; overhead is
// what the gateway's way takes more at the same quantile. Keys are checked and the ledger is written.
func BenchmarkOverhead(b *testing.B) {
	for _, rows := range []int{1, 64} {
		b.Run(fmt.Sprintf("%dKiB", rows), func(b *testing.B) { benchmarkOverhead(b, rows) })
	}
}

func benchmarkOverhead(b *testing.B, rows int) {
	w := start(b, map[string][]byte{"dense": minertest.Dense(b, 1)}, nil)
	in := models.FromFloat32s("x", []int64{int64(rows), minertest.DenseWidth}, ramp(rows*minertest.DenseWidth))
	message := oip.Request{Model: "dense", Inputs: []models.Tensor{in}}.Message()
	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: w.miners["dense"].Address})
	require.NoError(b, err)
	defer conn.Close()
	head := fmt.Sprintf(`{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","datatype":"FP32","shape":[%d,256],"parameters":{"binary_data_size":%d}}]}`, rows, len(in.Data))
	body := append([]byte(head), in.Data...)
	rest := func() error {
		req, err := http.NewRequestWithContext(b.Context(), "POST", w.url+"/v2/models/dense/infer", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+w.secret)
		req.Header.Set(oip.HeaderLength, strconv.Itoa(len(head)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			return fmt.Errorf("status %d: %w", resp.StatusCode, err)
		}
		return nil
	}
	infer := func(service inference.GRPCInferenceServiceClient) func() error {
		return func() error { _, err := service.ModelInfer(b.Context(), message); return err }
	}
	ways := []struct {
		name string
		call func() error
		took []time.Duration
	}{{"direct", infer(inference.NewGRPCInferenceServiceClient(conn)), nil}, {"grpc", infer(w.dial(b, w.secret)), nil}, {"rest", rest, nil}}
	for range 50 { // connections, caches
		for _, way := range ways {
			require.NoError(b, way.call())
		}
	}
	for b.Loop() {
		for i := range ways {
			start := time.Now()
			if err := ways[i].call(); err != nil {
				b.Fatal(err)
			}
			ways[i].took = append(ways[i].took, time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op") // of all three together: it says nothing
	for i := range ways {
		slices.Sort(ways[i].took)
		for _, q := range []int{50, 99} {
			at := len(ways[i].took) * q / 100
			b.ReportMetric(float64(ways[i].took[at].Microseconds()), fmt.Sprintf("%s-p%d-us", ways[i].name, q))
			if i > 0 {
				b.ReportMetric(float64((ways[i].took[at] - ways[0].took[at]).Microseconds()), fmt.Sprintf("%s-overhead-p%d-us", ways[i].name, q))
			}
		}
	}
}
