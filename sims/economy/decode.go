package economy

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// ErrConfig is wrapped by every error about what a configuration says; the
// message begins with the path of the field.
var ErrConfig = errors.New("economy: bad configuration")

// UnmarshalYAML reads a configuration strictly: what is left out has its
// default, and a field that does not exist is an error that names its path.
func (c *Config) UnmarshalYAML(node *yaml.Node) error {
	*c = Default()
	if err := decode(without(node, "subnets"), reflect.ValueOf(c).Elem(), ""); err != nil {
		return err
	}
	subnets := child(node, "subnets")
	if subnets == nil {
		for i := range c.Subnets {
			c.Subnets[i].Hyperparams = c.Hyperparams
		}
		return nil
	}
	if subnets.Kind != yaml.SequenceNode {
		return fault("subnets", subnets, "want a list")
	}
	c.Subnets = make([]SubnetGroup, len(subnets.Content))
	for i, n := range subnets.Content {
		c.Subnets[i] = DefaultSubnet()
		c.Subnets[i].Hyperparams = c.Hyperparams
		if err := decode(n, reflect.ValueOf(&c.Subnets[i]).Elem(), fmt.Sprintf("subnets.%d", i)); err != nil {
			return err
		}
	}
	return nil
}

// MarshalYAML writes the hyperparameters by their names on the chain.
func (h Hyperparams) MarshalYAML() (any, error) {
	node := yaml.Node{Kind: yaml.MappingNode}
	v := reflect.ValueOf(h)
	for i := range v.NumField() {
		var value yaml.Node
		if err := value.Encode(v.Field(i).Interface()); err != nil {
			return nil, err
		}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: FieldName(v.Type().Field(i))}, &value)
	}
	return &node, nil
}

// defaults gives new elements of lists their defaults before they are read.
func defaults(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *ValidatorGroup:
		*p = DefaultValidators()
	case *MinerGroup:
		*p = DefaultMiners()
	case *DelegatorGroup:
		*p = DefaultDelegators()
	case *CallerGroup:
		*p = DefaultCallers()
	}
}

// decode reads a node into v, which holds the defaults.
func decode(node *yaml.Node, v reflect.Value, path string) error {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	if node.Tag == "!!null" {
		return nil // a key without a value leaves the default
	}
	if d, ok := v.Addr().Interface().(*Dist); ok {
		return d.decode(node, path)
	}
	switch v.Kind() {
	case reflect.Struct:
		return decodeStruct(node, v, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(node, v.Elem(), path)
	case reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			return fault(path, node, "want a list")
		}
		v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
		for i, n := range node.Content {
			defaults(v.Index(i))
			if err := decode(n, v.Index(i), join(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	}
	return decodeScalar(node, v, path)
}

func decodeStruct(node *yaml.Node, v reflect.Value, path string) error {
	if node.Kind != yaml.MappingNode {
		return fault(path, node, "want fields, such as %s", strings.Join(fieldNames(v.Type()), ", "))
	}
	seen := map[string]bool{}
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i].Value
		field, ok := fieldByName(v, key)
		if !ok {
			return fault(join(path, key), node.Content[i], "no such field: there are %s", strings.Join(fieldNames(v.Type()), ", "))
		}
		if seen[key] {
			return fault(join(path, key), node.Content[i], "given twice")
		}
		seen[key] = true
		if err := decode(node.Content[i+1], field, join(path, key)); err != nil {
			return err
		}
	}
	return nil
}

// decodeScalar also takes integers in the form of floats, such as 1e9, which
// YAML does not.
func decodeScalar(node *yaml.Node, v reflect.Value, path string) error {
	if (v.CanInt() || v.CanUint()) && node.Kind == yaml.ScalarNode && node.Tag == "!!float" {
		f, err := strconv.ParseFloat(node.Value, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
			return fault(path, node, "%q is no %s", node.Value, kindName(v))
		}
		node = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatFloat(f, 'f', 0, 64), Line: node.Line}
	}
	if err := node.Decode(v.Addr().Interface()); err != nil {
		return fault(path, node, "%q is no %s", node.Value, kindName(v))
	}
	return nil
}

func kindName(v reflect.Value) string {
	switch {
	case v.CanUint():
		return fmt.Sprintf("whole number of %d bits that is not negative", v.Type().Bits())
	case v.CanInt():
		return "whole number"
	case v.CanFloat():
		return "number"
	}
	return v.Kind().String()
}

func fault(path string, node *yaml.Node, format string, args ...any) error {
	if path == "" {
		path = "the network"
	}
	return fmt.Errorf("%w: %s (line %d): %s", ErrConfig, path, node.Line, fmt.Sprintf(format, args...))
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// FieldName is the name of a field in YAML: its tag, or its name in snake case.
func FieldName(f reflect.StructField) string {
	if tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); tag != "" {
		return tag
	}
	var b strings.Builder
	lower := false
	for _, r := range f.Name {
		if unicode.IsUpper(r) && lower {
			b.WriteByte('_')
		}
		lower = !unicode.IsUpper(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = FieldName(t.Field(i))
	}
	return names
}

func fieldByName(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if FieldName(v.Type().Field(i)) == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// child returns the value of a key of a mapping, nil where there is none.
func child(node *yaml.Node, key string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// without returns a mapping less a key.
func without(node *yaml.Node, key string) *yaml.Node {
	for i := 0; node.Kind == yaml.MappingNode && i < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			less := *node
			less.Content = slices.Concat(node.Content[:i], node.Content[i+2:])
			return &less
		}
	}
	return node
}

// Set gives the field at a dotted path, such as "miners.0.quality.mean", a
// value as YAML would. A path into hyperparams changes those of all subnets.
func (c *Config) Set(path string, value any) error {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	if err := setPath(reflect.ValueOf(c).Elem(), path, &node); err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(path, "hyperparams."); ok {
		for i := range c.Subnets {
			if err := c.Set(fmt.Sprintf("subnets.%d.hyperparams.%s", i, rest), value); err != nil {
				return err
			}
		}
	}
	return nil
}

// live are the sections whose values may change while a run goes on.
var live = []string{"protocol", "hyperparams", "subnets", "validators", "miners", "delegators", "callers", "price"}

// setLive is Set for what may change during a run.
func (c *Config) setLive(path string, value any) error {
	section, rest, _ := strings.Cut(path, ".")
	fixed := []string{"name", "party", "count", "subnets", "start", "absent", "copies", "balance", "unbonding_blocks"}
	last := path[strings.LastIndex(path, ".")+1:]
	if !slices.Contains(live, section) || rest == "" || slices.Contains(fixed, last) || path == "price.start" {
		return fmt.Errorf("%w: %s cannot change during a run", ErrConfig, path)
	}
	return c.Set(path, value)
}

func setPath(v reflect.Value, path string, node *yaml.Node) error {
	at := ""
	for key := range strings.SplitSeq(path, ".") {
		at = join(at, key)
		switch v.Kind() {
		case reflect.Struct:
			field, ok := fieldByName(v, key)
			if !ok {
				return fmt.Errorf("%w: %s: no such field: there are %s", ErrConfig, at, strings.Join(fieldNames(v.Type()), ", "))
			}
			v = field
		case reflect.Slice:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= v.Len() {
				return fmt.Errorf("%w: %s: want an index below %d", ErrConfig, at, v.Len())
			}
			v = v.Index(i)
		default:
			return fmt.Errorf("%w: %s: %s has no fields", ErrConfig, path, at)
		}
	}
	return decode(node, v, path)
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// checks gathers what is out of range.
type checks struct{ errs []error }

func (v *checks) failf(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%w: %s: %s", ErrConfig, path, fmt.Sprintf(format, args...)))
}

func (v *checks) within(path string, x, low, high float64) {
	if !(x >= low && x <= high) {
		v.failf(path, "%v, want %v to %v", x, low, high)
	}
}

func (v *checks) above(path string, x, low, high float64) {
	if !(x > low && x <= high) {
		v.failf(path, "%v, want above %v, at most %v", x, low, high)
	}
}

func (v *checks) oneOf(path, value string, known ...string) {
	if !slices.Contains(known, value) {
		v.failf(path, "%q, want one of %s", value, strings.Join(known, ", "))
	}
}

func (v *checks) indexes(path string, indexes []int, n int) {
	for k, i := range indexes {
		if i < 0 || i >= n {
			v.failf(fmt.Sprintf("%s.%d", path, k), "%d, there are subnets 0 to %d", i, n-1)
		}
	}
}

func (v *checks) distinct(names []string) {
	sorted := slices.Sorted(slices.Values(names))
	for i, name := range sorted {
		if i > 0 && sorted[i-1] == name {
			v.failf("name", "%q is the name of two groups", name)
		}
	}
}

func (v *checks) dist(path string, d Dist, low, high float64) {
	if err := d.validate(low, high); err != nil {
		v.failf(path, "%v", err)
	}
}

func (v *checks) wrap(path string, err error) {
	if err != nil {
		v.errs = append(v.errs, fmt.Errorf("%w: %s: %w", ErrConfig, path, err))
	}
}

func (v *checks) err() error { return errors.Join(v.errs...) }
