package external

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/models"
	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
)

// selfSigned is a certificate for loopback that vouches for itself.
func selfSigned(t *testing.T) (certPEM, keyPEM []byte, certificate tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mechanism"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	certificate, err = tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	return certPEM, keyPEM, certificate
}

// FuzzResponses: whatever a program sends, it is either refused or within what proto/plexus/mechanism/v1 says.
func FuzzResponses(f *testing.F) {
	question := &mechanismv1.ChallengeResponse{Round: []byte("r"), Challenges: []*mechanismv1.Question{{Inputs: []*mechanismv1.Tensor{
		{Name: "x", Datatype: "UINT8", Shape: []int64{1, 16}, Contents: make([]byte, 16)}, {Name: "scale", Datatype: "FP32", Contents: make([]byte, 4)}}}}}
	marked := &mechanismv1.ScoreResponse{Marks: []*mechanismv1.Mark{{Score: 0.5}, {Dishonest: true, Reason: "a table"}}}
	for i, m := range []proto.Message{twice(), question, marked} {
		data, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(uint8(i), data)
	}
	const most = 1 << 16
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		switch kind % 3 {
		case 0:
			var d mechanismv1.DescribeResponse
			if proto.Unmarshal(data, &d) != nil {
				return
			}
			about, err := description(&d, most)
			if err != nil {
				return
			}
			require.True(t, about.Chance >= 0 && about.Chance < 1)
			for _, spec := range append(about.Task.Inputs, about.Task.Outputs...) {
				require.True(t, spec.Datatype.Valid())
				require.NotNil(t, spec.Shape)
				require.LessOrEqual(t, least(spec), int64(most))
			}
		case 1:
			var c mechanismv1.ChallengeResponse
			if proto.Unmarshal(data, &c) != nil {
				return
			}
			about, err := description(twice(), most)
			require.NoError(t, err)
			drawn, err := challenges(c.Challenges, about.Task, len(c.Challenges), most)
			if err != nil {
				return
			}
			for _, inputs := range drawn {
				require.NoError(t, models.ValidateInputs(about.Task.Inputs, inputs, models.Limits{MaxTensorBytes: most}))
				require.Equal(t, digest(inputs), digest(inputs))
			}
		case 2:
			var s mechanismv1.ScoreResponse
			if proto.Unmarshal(data, &s) != nil {
				return
			}
			answered := make([]bool, len(s.Marks))
			for i := range answered {
				answered[i] = i%2 == 0
			}
			given, err := marks(s.Marks, answered)
			if err != nil {
				return
			}
			for i, m := range given {
				require.True(t, m.Score >= 0 && m.Score <= 1)
				require.True(t, answered[i] || m.Score == 0 && !m.Dishonest && m.Reason == nil)
				require.False(t, m.Score > 0 && (m.Dishonest || m.Reason != nil))
			}
		}
	})
}

// TestWhatIsWithinItsShareFitsAMessage: no answers of miners, whatever they hold, make a request that is too large.
func TestWhatIsWithinItsShareFitsAMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		task := models.Task{}
		for i := range rapid.IntRange(1, maxSpecs).Draw(t, "outputs") {
			shape := make([]int64, rapid.IntRange(1, models.DefaultMaxRank).Draw(t, "rank"))
			for k := range shape {
				shape[k] = models.Any
			}
			task.Outputs = append(task.Outputs, models.TensorSpec{Name: strings.Repeat("n", i+1), Datatype: models.UINT8, Shape: shape})
		}
		n, message := rapid.IntRange(1, 40).Draw(t, "answers"), rapid.IntRange(minMessageBytes, 1<<20).Draw(t, "message")
		budget := share(task, n, message)
		req := &mechanismv1.ScoreRequest{Round: make([]byte, maxRound)}
		for range n {
			answer := &mechanismv1.Answer{LatencyNs: math.MaxUint64}
			if budget < len(task.Outputs) || rapid.Bool().Draw(t, "failed") {
				answer.Error = strings.Repeat("x", maxReason)
				if budget < 0 {
					return // Draw refuses
				}
			} else {
				left := budget
				var given []models.Tensor
				for i, spec := range task.Outputs {
					size := left - (len(task.Outputs) - 1 - i)
					if i+1 < len(task.Outputs) {
						size = rapid.IntRange(1, size).Draw(t, "size")
					}
					left -= size
					shape := make([]int64, len(spec.Shape))
					for k := range shape {
						shape[k] = 1
					}
					shape[0] = int64(size)
					given = append(given, models.Tensor{Name: spec.Name, Datatype: spec.Datatype, Shape: shape, Data: make([]byte, size)})
				}
				var err error
				answer.Outputs, err = outputs(given, task, budget)
				require.NoError(t, err)
			}
			req.Answers = append(req.Answers, answer)
		}
		require.LessOrEqual(t, proto.Size(req), message)
	})
}

func TestTheDigestTellsShapesApart(t *testing.T) {
	data := make([]byte, 8)
	one := models.Tensor{Shape: []int64{2, 4}, Data: data}
	other := models.Tensor{Shape: []int64{4, 2}, Data: data}
	require.NotEqual(t, digest([]models.Tensor{one}), digest([]models.Tensor{other}))
	require.NotEqual(t, digest([]models.Tensor{{Data: data[:3]}, {Data: data[:5]}}), digest([]models.Tensor{{Data: data[:5]}, {Data: data[:3]}}))
}

func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 40).Draw(t, "most")
		got := cut(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")), most)
		require.LessOrEqual(t, len(got), most)
		require.True(t, utf8.ValidString(got))
		require.NotContains(t, got, "\x1b")
	})
}
