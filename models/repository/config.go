package repository

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

const (
	configFile     = "config.pbtxt"
	maxConfigBytes = 1 << 20
	maxBatch       = 1 << 16
	maxQueueDelay  = time.Minute
	maxInstances   = 1024
)

// ErrConfig is wrapped by what is wrong with a config.pbtxt.
var ErrConfig = errors.New("wrong " + configFile)

// Config is what a model's config.pbtxt says, in Triton's terms. A nil Config is that of a model without one.
type Config struct {
	Message *inference.ModelConfig
	// Ignored lists the fields that are Triton's and that make no difference here, in the order of the file.
	Ignored []string

	saysMaxBatch bool // max_batch_size is there, be it 0
}

// ignoredFields may stand in a configuration: what they ask for changes no answer. A field stands for what is in it.
var ignoredFields = []string{
	"optimization", "metric_tags", "parameters", "model_warmup", "model_transaction_policy", "response_cache", "model_metrics",
	"cc_model_filenames", "runtime",
	"input.format", "input.is_shape_tensor", "input.is_non_linear_format_io", "input.optional",
	"output.label_filename", "output.is_shape_tensor", "output.is_non_linear_format_io",
	"instance_group.rate_limiter", "instance_group.profile", "instance_group.host_policy", "instance_group.secondary_devices",
	"dynamic_batching.preserve_ordering", "dynamic_batching.priority_levels", "dynamic_batching.default_priority_level",
	"dynamic_batching.default_queue_policy", "dynamic_batching.priority_queue_policy",
}

// refusedFields say what a model without them would answer otherwise.
var refusedFields = map[string]string{
	"ensemble_scheduling":      "ensembles are not served; serve their models one by one",
	"sequence_batching":        "requests of a sequence are not kept together; keep the state in the model's inputs and outputs",
	"input.reshape":            "inputs are taken in the model's own shape; leave it out and send them so",
	"output.reshape":           "outputs are given in the model's own shape; leave it out",
	"input.allow_ragged_batch": "rows of a batch must have one shape; leave it out",
	"batch_input":              "batches make no inputs of their own; leave it out",
	"batch_output":             "batches take no outputs apart; leave it out",
	"model_operations":         "operators of one's own are not loaded",
	"model_repository_agents":  "nothing is run on a model before it is loaded",
	"instance_group.passive":   "an instance that is not used makes no sense here; leave it out",
}

// ParseConfig reads a config.pbtxt. The error wraps ErrConfig and names the field.
func ParseConfig(text []byte) (*Config, error) {
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrConfig, len(text), maxConfigBytes)
	}
	c := &Config{Message: &inference.ModelConfig{}}
	if err := (prototext.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, c.Message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, path := range fieldPaths(string(text)) {
		if err := c.note(path); err != nil {
			return nil, err
		}
	}
	return c, c.check()
}

// note sorts a field of the file into those that are read, ignored, refused and unknown.
func (c *Config) note(path string) error {
	c.saysMaxBatch = c.saysMaxBatch || path == "max_batch_size"
	if isRead(path) {
		return nil
	}
	for parent := path; parent != ""; parent = parent[:max(0, strings.LastIndexByte(parent, '.'))] {
		if reason, ok := refusedFields[parent]; ok {
			return fmt.Errorf("%w: %s: %s", ErrConfig, parent, reason)
		}
		if slices.Contains(ignoredFields, parent) {
			if !slices.Contains(c.Ignored, parent) {
				c.Ignored = append(c.Ignored, parent)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: there is no field %s; see Triton's model_config.proto", ErrConfig, path)
}

// isRead reports whether the message has a field of that path.
func isRead(path string) bool {
	desc := (&inference.ModelConfig{}).ProtoReflect().Descriptor()
	for _, name := range strings.Split(path, ".") {
		if desc == nil {
			return false
		}
		field := desc.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			return false
		}
		desc = field.Message()
	}
	return true
}

// fieldPaths returns the name of every field of a text in protobuf's text format, with the names of the fields around it.
// The text must be one that prototext reads.
func fieldPaths(text string) []string {
	var paths []string
	names := []string{""} // of the latest field at each depth
	for at := 0; at < len(text); {
		switch c := text[at]; {
		case c == '#':
			at += lineLength(text[at:])
		case c == '"' || c == '\'':
			at += quotedLength(text[at:])
		case c == '{' || c == '<':
			names = append(names, "")
			at++
		case (c == '}' || c == '>') && len(names) > 1:
			names = names[:len(names)-1]
			at++
		case isWord(c):
			end := at
			for end < len(text) && isWord(text[end]) {
				end++
			}
			if rest := skipBlanks(text[end:]); rest != "" && strings.IndexByte(":{<[", rest[0]) >= 0 {
				names[len(names)-1] = text[at:end]
				paths = append(paths, strings.Join(names, "."))
			}
			at = end
		default:
			at++
		}
	}
	return paths
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c == '-' || c == '+' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func lineLength(text string) int {
	if end := strings.IndexByte(text, '\n'); end >= 0 {
		return end + 1
	}
	return len(text)
}

func quotedLength(text string) int {
	for at := 1; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case text[0]:
			return at + 1
		}
	}
	return len(text)
}

// skipBlanks returns what follows blanks and comments.
func skipBlanks(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n\v\f")
		if !strings.HasPrefix(text, "#") {
			return text
		}
		text = text[lineLength(text):]
	}
}

// check finds what the file says against itself.
func (c *Config) check() error {
	m := c.Message
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	if m.Backend != "" && m.Backend != "onnxruntime" {
		return wrong("backend: %q: only onnxruntime is served", m.Backend)
	}
	if !slices.Contains([]string{"", "onnxruntime_onnx", "onnx_onnxv1"}, m.Platform) {
		return wrong("platform: %q: only onnxruntime_onnx is served", m.Platform)
	}
	if m.MaxBatchSize < 0 || m.MaxBatchSize > maxBatch {
		return wrong("max_batch_size: %d: want 0 to %d", m.MaxBatchSize, maxBatch)
	}
	if name := m.DefaultModelFilename; name != "" && (filepath.Base(name) != name || filepath.Ext(name) != ".onnx") {
		return wrong("default_model_filename: %q: want the name of an .onnx file, without a folder", name)
	}
	if b := m.GetDynamicBatching(); b != nil {
		if c.saysMaxBatch && m.MaxBatchSize == 0 {
			return wrong("dynamic_batching: max_batch_size is 0, so there are no batches; set it, or leave it out")
		}
		for _, size := range b.PreferredBatchSize {
			if size < 1 || m.MaxBatchSize > 0 && size > m.MaxBatchSize || size > maxBatch {
				return wrong("dynamic_batching.preferred_batch_size: %d: want 1 to max_batch_size", size)
			}
		}
		if b.MaxQueueDelayMicroseconds > uint64(maxQueueDelay.Microseconds()) {
			return wrong("dynamic_batching.max_queue_delay_microseconds: %d: want at most %d", b.MaxQueueDelayMicroseconds, maxQueueDelay.Microseconds())
		}
	}
	for _, g := range m.InstanceGroup {
		switch {
		case g.Kind == inference.ModelInstanceGroup_KIND_MODEL:
			return wrong("instance_group.kind: KIND_MODEL: ONNX models run on KIND_CPU, KIND_GPU or KIND_AUTO")
		case g.Count < 0 || g.Count > maxInstances:
			return wrong("instance_group.count: %d: want 1 to %d", g.Count, maxInstances)
		case len(g.Gpus) > 0 && g.Kind == inference.ModelInstanceGroup_KIND_CPU:
			return wrong("instance_group: KIND_CPU has no gpus")
		case slices.ContainsFunc(g.Gpus, func(n int32) bool { return n < 0 || n > 255 }):
			return wrong("instance_group.gpus: %v: want numbers of GPUs, from 0", g.Gpus)
		}
	}
	return nil
}

// readConfig reads the configuration in a model's folder; nil where there is none.
func readConfig(folder, name string) (*Config, error) {
	text, err := read(filepath.Join(folder, configFile), maxConfigBytes)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, configFile), err)
	}
	if c.Message.Name != "" && c.Message.Name != name {
		return nil, fmt.Errorf("%s: %w: name: %q: the folder is called %q", filepath.Join(folder, configFile), ErrConfig, c.Message.Name, name)
	}
	return c, nil
}

// fileName is what the model's file in a version's folder is called.
func (c *Config) fileName() string {
	if c == nil || c.Message.DefaultModelFilename == "" {
		return modelFile
	}
	return c.Message.DefaultModelFilename
}

// served returns those of the versions, lowest first, that the policy names; all where there is none.
func (c *Config) served(files []file) ([]file, error) {
	if c == nil {
		return files, nil
	}
	switch policy := c.Message.GetVersionPolicy().GetPolicyChoice().(type) {
	case *inference.ModelVersionPolicy_Latest_:
		n := max(1, int(policy.Latest.NumVersions))
		return files[max(0, len(files)-n):], nil
	case *inference.ModelVersionPolicy_Specific_:
		have := make([]string, len(files))
		for i, f := range files {
			have[i] = strconv.FormatInt(f.version, 10)
		}
		var chosen []file
		for _, v := range slices.Sorted(slices.Values(policy.Specific.Versions)) {
			at := slices.IndexFunc(files, func(f file) bool { return f.version == v })
			if at < 0 {
				return nil, fmt.Errorf("%w: version_policy.specific: %d: there are %s", ErrConfig, v, strings.Join(have, ", "))
			}
			chosen = append(chosen, files[at])
		}
		if len(chosen) == 0 {
			return nil, fmt.Errorf("%w: version_policy.specific names no version; there are %s", ErrConfig, strings.Join(have, ", "))
		}
		return slices.Compact(chosen), nil
	default:
		return files, nil
	}
}

// fits compares what the file says of inputs and outputs with the model's own.
func (c *Config) fits(inputs, outputs []models.TensorSpec) error {
	if c == nil {
		return nil
	}
	if n := c.Message.MaxBatchSize; n > 0 {
		for _, s := range slices.Concat(inputs, outputs) {
			if len(s.Shape) == 0 || s.Shape[0] != models.Any {
				return fmt.Errorf("%w: max_batch_size: %d, but the first dimension of %s is not free; set it to 0", ErrConfig, n, s)
			}
		}
	}
	listed := map[string]bool{}
	for _, in := range c.Message.Input {
		listed[in.Name] = true
		if err := c.fit("input", in.Name, in.DataType, in.Dims, inputs); err != nil {
			return err
		}
	}
	for _, s := range inputs {
		if len(c.Message.Input) > 0 && !listed[s.Name] {
			return fmt.Errorf("%w: input: the model also takes %s; list all inputs or none", ErrConfig, s)
		}
	}
	for _, out := range c.Message.Output {
		if err := c.fit("output", out.Name, out.DataType, out.Dims, outputs); err != nil {
			return err
		}
	}
	return nil
}

// fit compares one input or output. Where the model leaves a dimension free, the file may give a size.
func (c *Config) fit(what, name string, datatype inference.DataType, dims []int64, specs []models.TensorSpec) error {
	at := slices.IndexFunc(specs, func(s models.TensorSpec) bool { return s.Name == name })
	if at < 0 {
		return fmt.Errorf("%w: %s: the model has no %s %q; it has %v", ErrConfig, what, what, name, specs)
	}
	spec := specs[at]
	if datatype != inference.DataType_TYPE_INVALID && datatype != DataType(spec.Datatype) {
		return fmt.Errorf("%w: %s %q: data_type: %s, but the model has %s", ErrConfig, what, name, datatype, spec)
	}
	if spec.Shape == nil || dims == nil {
		return nil
	}
	if c.Message.MaxBatchSize > 0 {
		dims = append([]int64{models.Any}, dims...)
	}
	same := len(dims) == len(spec.Shape)
	for i := 0; same && i < len(dims); i++ {
		same = spec.Shape[i] == models.Any && dims[i] >= models.Any || dims[i] == spec.Shape[i]
	}
	if !same && !(len(spec.Shape) == 0 && slices.Equal(dims, []int64{1})) { // Triton writes a scalar as [1]
		return fmt.Errorf("%w: %s %q: dims: %v (with the batch), but the model has %s", ErrConfig, what, name, dims, spec)
	}
	return nil
}

// DataType returns Triton's name for a datatype.
func DataType(d models.Datatype) inference.DataType {
	if d == models.BYTES {
		return inference.DataType_TYPE_STRING
	}
	return inference.DataType(inference.DataType_value["TYPE_"+string(d)])
}

// Batch is what a configuration says of batches.
type Batch struct {
	MaxRows int           // of one request, and of requests that run together; 0: not said
	Fixed   int           // rows that requests are put together up to, whether or not it was measured to help; 0: measure
	Never   bool          // requests do not run together
	Delay   time.Duration // that a request may wait for others to fill a batch
}

// Batch returns what the file says of batches.
func (c *Config) Batch() Batch {
	if c == nil {
		return Batch{}
	}
	b := Batch{MaxRows: int(c.Message.MaxBatchSize), Never: c.saysMaxBatch && c.Message.MaxBatchSize == 0}
	dynamic := c.Message.GetDynamicBatching()
	if dynamic == nil {
		return b
	}
	b.Delay = time.Duration(dynamic.MaxQueueDelayMicroseconds) * time.Microsecond
	b.Fixed = b.MaxRows
	if len(dynamic.PreferredBatchSize) > 0 {
		b.Fixed = int(slices.Max(dynamic.PreferredBatchSize))
	}
	return b
}
