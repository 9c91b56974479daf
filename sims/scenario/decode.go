package scenario

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/plexusnet/plexus/sims/economy"
)

// ErrScenario is wrapped by every error about what a scenario says.
var ErrScenario = errors.New("bad scenario")

// Error says what is wrong in a scenario and where.
type Error struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1; 0 if it was set from outside of the file
	Path    string `json:"path,omitempty"` // dotted
	Message string `json:"message"`        // what is wrong, and what is allowed
}

// Error writes file, line, path and message.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
		if e.Line > 0 {
			fmt.Fprintf(&b, "%d:", e.Line)
		}
		b.WriteByte(' ')
	} else if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	return b.String() + e.Message
}

// Unwrap makes every Error an ErrScenario.
func (e *Error) Unwrap() error { return ErrScenario }

func fault(node *yaml.Node, path, format string, args ...any) *Error {
	e := &Error{Path: path, Message: fmt.Sprintf(format, args...)}
	if node != nil {
		e.Line = node.Line
	}
	return e
}

// inFile adds the name of the file to errors.
func inFile(file string, err error) error {
	var e *Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, inFile(file, err))
		}
		return errors.Join(all...)
	}
	e.File = file
	return e
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// child returns the value of a key of a mapping, or nil.
func child(node *yaml.Node, key string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// check reports every key that is no field of a type, wherever in the tree.
func check(node *yaml.Node, t reflect.Type, path string) error {
	t = bare(t)
	switch {
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		return checkFields(node, fieldsOf(t), path)
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		var errs []error
		for i, n := range node.Content {
			errs = append(errs, check(n, t.Elem(), join(path, strconv.Itoa(i))))
		}
		return errors.Join(errs...)
	}
	return nil // a value: whoever decodes it judges it
}

func checkFields(node *yaml.Node, fields []field, path string) error {
	var errs []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i].Value
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
		switch {
		case at < 0:
			errs = append(errs, fault(node.Content[i], join(path, key), "%s", unknown(key, fieldNames(fields))))
		case seen[key]:
			errs = append(errs, fault(node.Content[i], join(path, key), "given twice"))
		default:
			errs = append(errs, check(node.Content[i+1], fields[at].kind, join(path, key)))
		}
		seen[key] = true
	}
	return errors.Join(errs...)
}

// unknown says that there is no such field, which it may be, and which there are.
func unknown(key string, known []string) string {
	text := "no such field"
	if near := nearest(key, known); near != "" {
		text += "; did you mean " + near + "?"
	} else {
		text += ";"
	}
	return text + " There are " + strings.Join(known, ", ")
}

// nearest returns the known name that a misspelt one most likely stands for.
func nearest(key string, known []string) string {
	best, least := "", len(key)/3+2
	for _, name := range known {
		if d := distance(strings.ToLower(key), name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// decode reads a node into v, whose fields have been checked. What is left out stays as it is.
func decode(node *yaml.Node, v reflect.Value, path string) error {
	if node.Tag == "!!null" {
		return nil
	}
	if u, ok := v.Addr().Interface().(yaml.Unmarshaler); ok {
		if err := u.UnmarshalYAML(node); err != nil {
			return fault(node, path, "%v", err)
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decode(node, v.Elem(), path)
	case reflect.Struct:
		return decodeStruct(node, v, path)
	case reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			return fault(node, path, "want a list")
		}
		list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
		for i, n := range node.Content {
			if err := decode(n, list.Index(i), join(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	}
	return decodeScalar(node, v, path)
}

func decodeStruct(node *yaml.Node, v reflect.Value, path string) error {
	fields := fieldsOf(v.Type())
	if node.Kind != yaml.MappingNode {
		return fault(node, path, "want fields: %s", strings.Join(fieldNames(fields), ", "))
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i].Value
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == key })
		if at < 0 {
			return fault(node.Content[i], join(path, key), "%s", unknown(key, fieldNames(fields)))
		}
		if err := decode(node.Content[i+1], v.Field(fields[at].index), join(path, key)); err != nil {
			return err
		}
	}
	return nil
}

// decodeScalar also takes whole numbers that are written as floats, such as 1e6.
func decodeScalar(node *yaml.Node, v reflect.Value, path string) error {
	if (v.CanInt() || v.CanUint()) && node.Tag == "!!float" {
		if f, err := strconv.ParseFloat(node.Value, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			node = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatFloat(f, 'f', 0, 64), Line: node.Line}
		}
	}
	if err := node.Decode(v.Addr().Interface()); err != nil {
		return fault(node, path, "%q: want %s", node.Value, kindName(v.Type()))
	}
	return nil
}

// field is one that a file may give.
type field struct {
	name  string
	index int
	kind  reflect.Type
	of    reflect.StructField
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		if name := economy.FieldName(f); f.IsExported() && name != "-" {
			fields = append(fields, field{name, i, f.Type, f})
		}
	}
	return fields
}

func fieldNames(fields []field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// bare is a type without pointers.
func bare(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func kindName(t reflect.Type) string {
	switch t = bare(t); {
	case t == reflect.TypeFor[Span]():
		return "time span"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return "whole number"
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return "whole number, not negative"
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		return "number"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		return "list of " + kindName(t.Elem())
	case t.Kind() == reflect.Map:
		return "values by name"
	case t.Kind() == reflect.Struct:
		return "fields"
	}
	return "any value"
}
