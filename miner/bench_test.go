package miner_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/proto/inference"
)

// BenchmarkServe compares requests through a miner's server with a bare loop over the same session, one after the other
// within one run, and reports the ratio of their throughputs: of_direct.
func BenchmarkServe(b *testing.B) {
	x := models.FromFloat32s("x", []int64{1}, []float32{1})
	for _, model := range []struct {
		name  string
		file  []byte
		input models.Tensor
	}{
		{"tiny", minertest.Classifier(b, 10), image(1)},
		{"tiny/batch=32", minertest.Classifier(b, 10), image(32)},
		{"milliseconds", minertest.Slow(b, 2), x},
	} {
		b.Run(model.name, func(b *testing.B) { compare(b, model.file, model.input) })
	}
}

func compare(b *testing.B, file []byte, input models.Tensor) {
	session, err := orttest.Open(b).Load(b.Context(), file, ort.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer session.Close()
	server := minertest.Serve(b, miner.ServerConfig{}, map[string][]byte{"model": file})
	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: server.Address})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	service := inference.NewGRPCInferenceServiceClient(conn)
	inputs := []models.Tensor{input}
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			b.SetParallelism(clients)
			direct := timed(b, func() error {
				_, err := session.Run(b.Context(), inputs, nil)
				return err
			})
			served := timed(b, func() error {
				_, err := service.ModelInfer(b.Context(), oip.Request{Model: "model", Inputs: inputs}.Message())
				return err
			})
			b.ReportMetric(float64(direct)/float64(served), "of_direct")
			b.ReportMetric(float64(served.Nanoseconds())/float64(b.N), "ns/served")
		})
	}
}

// timed runs call b.N times in parallel and returns how long that took.
func timed(b *testing.B, call func() error) time.Duration {
	var failed atomic.Pointer[error]
	start := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(); err != nil {
				failed.Store(&err)
			}
		}
	})
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	return time.Since(start)
}
