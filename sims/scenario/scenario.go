package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
)

// Bounds of a file: its bytes, and its values and depth with all aliases written out.
const (
	maxFile  = 1 << 20
	maxNodes = 200_000
	maxDepth = 100
)

// Scenario is a scenario file that was read and found right. It is immutable and safe for concurrent use.
type Scenario struct {
	File string // where it came from, for errors
	Fields
	Kind string // the section of its model

	root  *yaml.Node // the mapping of the whole file
	kinds []Kind
}

// Fields are what a scenario may say besides the section of its model.
type Fields struct {
	Name        string                  `yaml:"name" doc:"what the scenario is called; the file's name if left out"`
	Description string                  `yaml:"description" doc:"the question that it asks"`
	Seed        uint64                  `yaml:"seed" doc:"master seed, from which the seeds of all runs follow; 1 if left out"`
	Runs        int                     `yaml:"runs" doc:"runs with different seeds; 1 if left out"`
	Duration    Span                    `yaml:"duration" doc:"simulated time of a run, such as 10y, 30d or 1000 blocks; the model's own if left out"`
	Record      Record                  `yaml:"record" doc:"what is kept of a run"`
	Sweep       *experiment.Sweep       `yaml:"sweep" doc:"for plexus sim sweep: the model over a grid or a sample of parameters"`
	Compare     *experiment.Comparison  `yaml:"compare" doc:"for plexus sim compare: variants against the scenario as it is"`
	Sensitivity *experiment.Sensitivity `yaml:"sensitivity" doc:"for plexus sim sensitivity: which parameters matter"`
}

// Record says what is kept of a run.
type Record struct {
	Every     Span      `yaml:"every" doc:"time between records, such as 1d or 100 blocks; the model's own if left out"`
	Columns   []string  `yaml:"columns" doc:"columns to keep, with * for any text; all if left out"`
	Quantiles []float64 `yaml:"quantiles" doc:"probabilities of the quantiles over runs; 0.05, 0.25, 0.5, 0.75, 0.95 if left out"`
}

// Load reads a file of a scenario whose model is one of the kinds.
func Load(file string, kinds ...Kind) (*Scenario, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, &Error{File: file, Message: fmt.Sprintf("%d bytes, at most %d are allowed", info.Size(), maxFile)}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, content, kinds...)
}

// Parse reads a scenario whose model is one of the kinds. The name of the file is for errors.
func Parse(file string, content []byte, kinds ...Kind) (*Scenario, error) {
	if len(content) > maxFile {
		return nil, &Error{File: file, Message: fmt.Sprintf("%d bytes, at most %d are allowed", len(content), maxFile)}
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&document); err != nil {
		return nil, &Error{File: file, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	nodes := 0
	root, err := expand(&document, 0, &nodes)
	if err != nil {
		return nil, inFile(file, err)
	}
	if root.Kind != yaml.MappingNode {
		return nil, &Error{File: file, Line: root.Line, Message: "want fields, such as name and network"}
	}
	s := &Scenario{File: file, root: root, kinds: kinds}
	if err := s.read(); err != nil {
		return nil, inFile(file, err)
	}
	return s, nil
}

// read decodes the tree.
func (s *Scenario) read() error {
	if err := checkFields(s.root, s.fields(), ""); err != nil {
		return err
	}
	s.Fields = Fields{Seed: 1, Runs: 1}
	own := reflect.ValueOf(&s.Fields).Elem()
	for _, f := range fieldsOf(own.Type()) {
		if node := child(s.root, f.name); node != nil {
			if err := decode(node, own.Field(f.index), f.name); err != nil {
				return err
			}
		}
	}
	if s.Name == "" {
		s.Name = baseName(s.File)
	}
	for _, k := range s.kinds {
		if child(s.root, k.Section) == nil {
			continue
		}
		if s.Kind != "" {
			return fault(child(s.root, k.Section), k.Section, "there is a section %s already: want one of %s", s.Kind, s.sections())
		}
		s.Kind = k.Section
	}
	if s.Kind == "" {
		return &Error{Message: "no model: want one of the sections " + s.sections()}
	}
	if s.Runs < 1 {
		return fault(child(s.root, "runs"), "runs", "%d, want 1 or more", s.Runs)
	}
	_, err := s.build()
	return err
}

// fields are all fields of a file: the scenario's own and a section per kind.
func (s *Scenario) fields() []field {
	fields := fieldsOf(reflect.TypeFor[Fields]())
	for _, k := range s.kinds {
		fields = append(fields, field{name: k.Section, kind: reflect.TypeOf(k.Config)})
	}
	return fields
}

func (s *Scenario) sections() string {
	var names []string
	for _, k := range s.kinds {
		names = append(names, k.Section)
	}
	return strings.Join(names, ", ")
}

func baseName(file string) string {
	name := file[strings.LastIndexAny(file, `/\`)+1:]
	return strings.TrimSuffix(strings.TrimSuffix(name, ".yaml"), ".yml")
}

// build makes the model of the tree.
func (s *Scenario) build() (Built, error) {
	for _, k := range s.kinds {
		if k.Section == s.Kind {
			return k.New(child(s.root, k.Section), Time{Duration: s.Duration, Every: s.Record.Every})
		}
	}
	return Built{}, fmt.Errorf("%w: no kind %q", ErrScenario, s.Kind)
}

// Model returns the model.
func (s *Scenario) Model() (sims.Model, error) { return s.Build(nil) }

// Build returns the model with some parameters changed. It is an experiment.Builder.
func (s *Scenario) Build(settings []experiment.Setting) (sims.Model, error) {
	for _, setting := range settings {
		section, _, _ := strings.Cut(setting.Path, ".")
		if section != s.Kind && section != "duration" {
			return nil, inFile(s.File, fault(nil, setting.Path, "not a parameter of the model: want a path that begins with %s, or duration", s.Kind))
		}
	}
	changed, err := s.Set(settings)
	if err != nil {
		return nil, err
	}
	built, err := changed.build()
	return built.Model, inFile(s.File, err)
}

// Options are what the scenario says of the experiment.
func (s *Scenario) Options() (experiment.Options, error) {
	built, err := s.build()
	if err != nil {
		return experiment.Options{}, inFile(s.File, err)
	}
	text, err := s.YAML()
	if err != nil {
		return experiment.Options{}, err
	}
	return experiment.Options{
		Name: s.Name, Seed: s.Seed, Runs: s.Runs, Columns: s.Record.Columns, Quantiles: s.Record.Quantiles,
		Every: built.Every, Horizon: built.Horizon, Scenario: text,
	}, nil
}

// YAML writes the scenario, with what was set and with its comments.
func (s *Scenario) YAML() ([]byte, error) {
	root := clone(s.root)
	for name, value := range map[string]any{"name": s.Name, "seed": s.Seed, "runs": s.Runs} {
		if child(root, name) != nil {
			continue
		}
		if err := put(root, name, value); err != nil {
			return nil, err
		}
	}
	// What was left out comes first, in this order.
	order := []string{"name", "description", "seed", "runs", "duration", "record"}
	sortKeys(root, order)
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := errors.Join(encoder.Encode(root), encoder.Close())
	return b.Bytes(), err
}

// Set returns the scenario with values set by dotted paths, as if the file said so.
func (s *Scenario) Set(settings []experiment.Setting) (*Scenario, error) {
	if len(settings) == 0 {
		return s, nil
	}
	changed := &Scenario{File: s.File, root: clone(s.root), kinds: s.kinds}
	for _, setting := range settings {
		if err := changed.set(setting); err != nil {
			return nil, inFile(s.File, err)
		}
	}
	if err := changed.read(); err != nil {
		return nil, inFile(s.File, err)
	}
	return changed, nil
}

// set changes the tree at a path.
func (s *Scenario) set(setting experiment.Setting) error {
	node, fields := s.root, s.fields()
	keys := strings.Split(setting.Path, ".")
	path := ""
	var list reflect.Type // set where the next key is an index
	for depth, key := range keys {
		last := depth == len(keys)-1
		path = join(path, key)
		var next reflect.Type
		if list != nil {
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(node.Content) {
				return fault(nil, path, "want an index below %d: the list has %d items", len(node.Content), len(node.Content))
			}
			if last {
				return encode(node.Content[i], setting.Value)
			}
			node, next = node.Content[i], list
		} else {
			at := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
			if at < 0 {
				return fault(nil, path, "%s", unknown(key, fieldNames(fields)))
			}
			if last {
				return put(node, key, setting.Value)
			}
			next = bare(fields[at].kind)
			if node = descend(node, key, next); node == nil {
				return fault(nil, path, "the scenario has no such list: write it out to set what is in it")
			}
		}
		var err error
		if fields, list, err = inside(next, node, path, keys[depth+1:], setting.Value); err != nil || fields == nil && list == nil {
			return err
		}
	}
	return nil
}

// inside says how to go on into a type: by fields, or by index into a list of a type. Maps end the path: what is left
// of it is their key.
func inside(t reflect.Type, node *yaml.Node, path string, rest []string, value any) (fields []field, list reflect.Type, err error) {
	t = bare(t)
	switch {
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		return fieldsOf(t), nil, nil
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		return nil, bare(t.Elem()), nil
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		return nil, nil, put(node, strings.Join(rest, "."), value)
	}
	return nil, nil, fault(nil, path, "a plain value in this scenario: set it as a whole")
}

// descend returns the node of a key, which it adds where that is no list.
func descend(node *yaml.Node, key string, t reflect.Type) *yaml.Node {
	if next := child(node, key); next != nil && next.Tag != "!!null" {
		return next
	}
	if t.Kind() == reflect.Slice {
		return nil
	}
	added := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	remove(node, key)
	node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, added)
	return added
}

func remove(node *yaml.Node, key string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			node.Content = slices.Delete(node.Content, i, i+2)
			return
		}
	}
}

// put sets a key of a mapping.
func put(node *yaml.Node, key string, value any) error {
	if have := child(node, key); have != nil {
		return encode(have, value)
	}
	added := &yaml.Node{}
	if err := encode(added, value); err != nil {
		return err
	}
	node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, added)
	return nil
}

// encode makes a node of a value. It has no line: it is not in the file.
func encode(node *yaml.Node, value any) error {
	head, foot := node.HeadComment, node.FootComment
	*node = yaml.Node{}
	if err := node.Encode(value); err != nil {
		return fmt.Errorf("%w: %w", ErrScenario, err)
	}
	node.HeadComment, node.FootComment = head, foot
	return nil
}

// expand copies a tree with what aliases stand for in their places, so that each can be set alone.
func expand(node *yaml.Node, depth int, nodes *int) (*yaml.Node, error) {
	*nodes++
	if depth > maxDepth || *nodes > maxNodes {
		return nil, fault(node, "", "more than %d values or %d levels, with aliases written out", maxNodes, maxDepth)
	}
	switch {
	case node.Kind == yaml.AliasNode:
		return expand(node.Alias, depth+1, nodes)
	case node.Kind == yaml.DocumentNode && len(node.Content) == 1:
		return expand(node.Content[0], depth+1, nodes)
	}
	copied := *node
	copied.Anchor = ""
	copied.Content = make([]*yaml.Node, len(node.Content))
	for i, n := range node.Content {
		var err error
		if copied.Content[i], err = expand(n, depth+1, nodes); err != nil {
			return nil, err
		}
	}
	return &copied, nil
}

// clone copies a tree without aliases.
func clone(node *yaml.Node) *yaml.Node {
	copied := *node
	copied.Content = make([]*yaml.Node, len(node.Content))
	for i, n := range node.Content {
		copied.Content[i] = clone(n)
	}
	return &copied
}

// sortKeys puts some keys of a mapping first, in order.
func sortKeys(node *yaml.Node, order []string) {
	first := map[string]int{}
	for i, key := range order {
		first[key] = i + 1
	}
	pairs := slices.Collect(slices.Chunk(node.Content, 2))
	slices.SortStableFunc(pairs, func(a, b []*yaml.Node) int {
		x, y := first[a[0].Value], first[b[0].Value]
		if x == 0 {
			x = len(order) + 1
		}
		if y == 0 {
			y = len(order) + 1
		}
		return x - y
	})
	node.Content = slices.Concat(pairs...)
}

// ParseSetting reads "path=value", where the value is YAML.
func ParseSetting(text string) (experiment.Setting, error) {
	path, value, found := strings.Cut(text, "=")
	if !found || path == "" {
		return experiment.Setting{}, fmt.Errorf("%w: %q: want path=value, such as network.hyperparams.tempo=100", ErrScenario, text)
	}
	s := experiment.Setting{Path: strings.TrimSpace(path)}
	if err := yaml.Unmarshal([]byte(value), &s.Value); err != nil {
		return s, fmt.Errorf("%w: %q: %s", ErrScenario, text, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return s, nil
}

var _ experiment.Builder = (*Scenario)(nil).Build
