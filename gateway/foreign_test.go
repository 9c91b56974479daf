package gateway_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/gateway"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models/text"
	"github.com/plexusnet/plexus/proto/inference"
)

// nodeClients installs the clients that testdata/node/package-lock.json pins by their SHA-512, and returns the folder. The
// test is skipped only where there is no node.
func nodeClients(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node to run clients in JavaScript; install nodejs and npm")
	}
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "openai.mjs", "web.mjs"} {
		data, err := os.ReadFile(filepath.Join("testdata", "node", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return folder
}

// run runs a program and reads the JSON that it prints.
func run(t *testing.T, folder string, into any, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = folder
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", out, problems.String())
	require.NoError(t, json.Unmarshal(out, into), "%s", out)
}

type openaiFailure struct {
	Kind    string
	Status  int
	Code    string
	Type    string
	Param   string
	Message string
}

type openaiUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

type openaiEmbeddings struct {
	Object, Model string
	Data          []struct {
		Object    string
		Index     int
		Embedding []float32
	}
	Usage openaiUsage
}

type openaiCompletion struct {
	Object  string
	Choices []struct {
		Text    string
		Message struct{ Role, Content string }
		Finish  string `json:"finish_reason"`
	}
	Usage openaiUsage
}

// TestOpenAI: OpenAI's own library for JavaScript, unchanged.
func TestOpenAI(t *testing.T) {
	folder := nodeClients(t)
	model, err := texts()
	require.NoError(t, err)
	w := start(t, map[string][]byte{"texts": model, "writer": writer(t), "dense": minertest.Dense(t, 1)}, func(c *gateway.Config, _ *client.Options) {
		c.Text, c.MaxRows = textSettings(), 2 // so that three texts take two calls
	})
	var out struct {
		Models             []string
		Model              string
		Base64, Float, One openaiEmbeddings
		Classified         struct {
			Data []struct {
				Label  string
				Score  float32
				Scores map[string]float32
			}
			Usage openaiUsage
		}
		Moderated struct {
			Results []struct {
				Flagged    bool
				Categories map[string]bool
				Scores     map[string]float32 `json:"category_scores"`
			}
		}
		Completion, Cut, Chat openaiCompletion
		Streamed, Finish      string
		StreamUsage           openaiUsage
		Errors                map[string]*openaiFailure
	}
	run(t, folder, &out, "node", "openai.mjs", w.url, w.secret)
	require.Equal(t, []string{"dense", "subnet-1", "texts", "writer"}, out.Models)
	require.Equal(t, "texts", out.Model)

	asked := []string{"wake me at 7:30 please", "play some jazz", "transfer 20 euros to anna"}
	input, err := text.Tensor(asked...)
	require.NoError(t, err)
	answers := direct(t, w.miners["texts"], "texts", input)
	require.Equal(t, "embedding", answers[1].Name)
	embeddings, err := answers[1].Float32s()
	require.NoError(t, err)
	probabilities, err := answers[0].Float32s()
	require.NoError(t, err)
	tokens := len(asked[0]) + len(asked[1]) + len(asked[2])
	require.Len(t, out.Base64.Data, 3)
	for i := range asked {
		want := embeddings[i*12 : (i+1)*12]
		require.InDeltaSlice(t, want, out.Base64.Data[i].Embedding, 1e-5, "the rows of a batch are those of the miner")
		require.Equal(t, out.Base64.Data[i].Embedding, out.Float.Data[i].Embedding)
		require.Equal(t, i, out.Float.Data[i].Index)
		for class, label := range text.Labels() {
			require.InDelta(t, probabilities[i*text.Classes+class], out.Classified.Data[i].Scores[label], 1e-5)
		}
		require.Equal(t, out.Classified.Data[i].Score, out.Classified.Data[i].Scores[out.Classified.Data[i].Label])
	}
	require.Equal(t, openaiUsage{Prompt: tokens, Total: tokens}, out.Float.Usage)
	require.Equal(t, openaiUsage{Prompt: tokens, Total: tokens}, out.Classified.Usage)
	require.InDeltaSlice(t, out.Float.Data[1].Embedding, out.One.Data[0].Embedding, 1e-5)
	require.Equal(t, out.Moderated.Results[0].Categories["payment"], out.Moderated.Results[0].Flagged)
	require.Len(t, out.Moderated.Results[0].Scores, text.Classes)

	prompt, err := text.Tensor("once upon")
	require.NoError(t, err)
	written := strings.TrimRight(string(direct(t, w.miners["writer"], "writer", prompt)[0].Data), "\x00")
	require.NotEmpty(t, written)
	require.Equal(t, written, out.Completion.Choices[0].Text)
	require.Equal(t, openaiUsage{Prompt: 9, Completion: len(written), Total: 9 + len(written)}, out.Completion.Usage)
	require.Equal(t, written[:3], out.Cut.Choices[0].Text)
	require.Equal(t, "length", out.Cut.Choices[0].Finish)
	require.Equal(t, 3, out.Cut.Usage.Completion)
	require.Equal(t, "assistant", out.Chat.Choices[0].Message.Role)
	require.NotEmpty(t, out.Chat.Choices[0].Message.Content)
	require.Equal(t, out.Chat.Choices[0].Message.Content, out.Streamed)
	require.Equal(t, out.Chat.Choices[0].Finish, out.Finish)
	require.Equal(t, out.Chat.Usage, out.StreamUsage)

	for name, want := range map[string]openaiFailure{
		"noGeneration": {Kind: "BadRequestError", Status: 400, Code: "model_not_capable", Type: "invalid_request_error", Message: "does not generate text"},
		"noModel":      {Kind: "NotFoundError", Status: 404, Code: "model_not_found", Type: "invalid_request_error", Message: "gpt-4"},
		"noEmbedding":  {Kind: "BadRequestError", Status: 400, Code: "model_not_capable", Type: "invalid_request_error", Message: "does not embed texts"},
		"dimensions":   {Kind: "BadRequestError", Status: 400, Code: "unsupported_parameter", Type: "invalid_request_error", Param: "dimensions", Message: "which is 12"},
		"long":         {Kind: "BadRequestError", Status: 400, Code: "context_length_exceeded", Type: "invalid_request_error", Param: "input", Message: "129 bytes"},
		"tokens":       {Kind: "BadRequestError", Status: 400, Code: "invalid_request", Type: "invalid_request_error", Message: "token numbers"},
		"temperature":  {Kind: "BadRequestError", Status: 400, Code: "unsupported_parameter", Type: "invalid_request_error", Param: "temperature", Message: "temperature"},
		"noText":       {Kind: "BadRequestError", Status: 400, Code: "model_not_capable", Type: "invalid_request_error", Message: "takes no texts"},
		"key":          {Kind: "AuthenticationError", Status: 401, Code: "invalid_api_key", Type: "authentication_error", Message: "no such API key"},
	} {
		got := out.Errors[name]
		require.NotNil(t, got, name)
		require.Contains(t, got.Message, want.Message, name)
		got.Message, want.Message = "", ""
		require.Equal(t, want, *got, name)
	}
}

type webAnswer struct {
	Live   bool
	Server string
	Shape  []int64
	ID     string
	Output []float32
	Errors map[string]*struct {
		Code, Message string
		Details       int
	}
}

// TestWeb: a page's client, by gRPC-Web and by JSON, unchanged.
func TestWeb(t *testing.T) {
	folder := nodeClients(t)
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, nil)
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(inference.File_inference_open_inference_grpc_proto)}})
	require.NoError(t, err)
	descriptors := filepath.Join(folder, "descriptors.binpb")
	require.NoError(t, os.WriteFile(descriptors, set, 0o600))
	var out map[string]webAnswer
	run(t, folder, &out, "node", "web.mjs", w.url, w.secret, descriptors)
	want := direct(t, w.miners["dense"], "dense", denseInput())[0]
	values, err := want.Float32s()
	require.NoError(t, err)
	for _, protocol := range []string{"grpcWeb", "json"} {
		got := out[protocol]
		require.True(t, got.Live, protocol)
		require.Equal(t, gateway.ServerName, got.Server)
		require.Equal(t, []int64{-1, minertest.DenseWidth}, got.Shape)
		require.Equal(t, "7", got.ID)
		require.Equal(t, values, got.Output)
		require.Equal(t, "Unauthenticated", got.Errors["noKey"].Code)
		require.Equal(t, "NotFound", got.Errors["noModel"].Code)
		require.Equal(t, "InvalidArgument", got.Errors["shape"].Code)
		require.Positive(t, got.Errors["noModel"].Details)
	}
}

// TestKServe: the client that KServe's ModelMesh generates, unchanged, of a gateway that is open: it shows no key.
func TestKServe(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	program := filepath.Join(t.TempDir(), "kserve")
	inModule := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = filepath.Join("..", "miner", "testdata", "kserve"), append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0")
		return cmd.CombinedOutput()
	}
	if out, err := inModule("list", "-deps", "."); err != nil {
		t.Skipf("the client's module cannot be had: %s", out)
	}
	out, err := inModule("build", "-o", program, ".")
	require.NoError(t, err, "%s", out)
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, func(c *gateway.Config, _ *client.Options) { c.Open = gateway.OpenKey(0, 0, 0) })
	var viaGateway, viaMiner struct {
		Live, Ready, ModelReady bool
		Platform                string
		Versions                []string
		InputShape              []int64
		Typed, Raw              []float32
	}
	columns := strconv.Itoa(minertest.DenseWidth)
	run(t, "", &viaGateway, program, w.address, "dense", "x", "2", columns)
	run(t, "", &viaMiner, program, w.miners["dense"].Address, "dense", "x", "2", columns)
	require.True(t, viaGateway.Live && viaGateway.Ready && viaGateway.ModelReady)
	require.Len(t, viaGateway.Raw, 2*minertest.DenseWidth)
	require.Equal(t, viaMiner, viaGateway)
	require.Equal(t, "open", w.entries(t)[0].Key)
}

// TestGrpcurl: grpcurl, which finds the service by reflection.
func TestGrpcurl(t *testing.T) {
	folder := os.Getenv("PLEXUS_FOREIGN_CLIENTS")
	if folder == "" {
		t.Skip("PLEXUS_FOREIGN_CLIENTS is not set; scripts/foreign_clients.sh builds the clients")
	}
	path, err := exec.LookPath(filepath.Join(folder, "grpcurl"))
	require.NoError(t, err)
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, nil)
	raw := make([]byte, 0, 1024)
	for _, v := range ramp(minertest.DenseWidth) {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	req, err := json.Marshal(map[string]any{"model_name": "dense", "inputs": []any{map[string]any{"name": "x", "datatype": "FP32", "shape": []int{1, 256}}},
		"raw_input_contents": []string{base64.StdEncoding.EncodeToString(raw)}})
	require.NoError(t, err)
	out, err := exec.Command(path, "-plaintext", "-H", "authorization: Bearer "+w.secret, "-d", string(req), w.address, "inference.GRPCInferenceService/ModelInfer").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "rawOutputContents")
}
