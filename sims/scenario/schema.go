package scenario

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// fieldDocs are what the source says of fields that have no doc tag, by "package.Type.Field", and
// of types, by "package.Type". A test writes the file
// (go test ./sims/scenario -run FieldDocs -update) and fails when it is not what the source says.
//
//go:embed fielddocs.json
var fieldDocsFile []byte

var fieldDocs = sync.OnceValue(func() map[string]string {
	docs := map[string]string{}
	if err := json.Unmarshal(fieldDocsFile, &docs); err != nil {
		panic(fmt.Sprintf("scenario: fielddocs.json: %v", err)) // a test reads it
	}
	return docs
})

// FieldDoc describes one field of a scenario file.
type FieldDoc struct {
	Path    string `json:"path"` // with [] for the items of lists: network.miners[].count
	Type    string `json:"type"`
	Default string `json:"default,omitempty"`
	Doc     string `json:"doc,omitempty"`
}

// Describe lists all fields of a file whose model is one of the kinds.
func Describe(kinds ...Kind) []FieldDoc {
	d := describer{}
	d.fields(reflect.ValueOf(Fields{Seed: 1, Runs: 1}), "")
	for _, k := range kinds {
		d.numbers = k.Numbers
		d.list = append(d.list, FieldDoc{Path: k.Section, Type: "fields", Doc: k.Doc})
		d.fields(reflect.ValueOf(k.Config), k.Section)
	}
	return d.list
}

type describer struct {
	list    []FieldDoc
	numbers []reflect.Type
}

func (d *describer) fields(v reflect.Value, path string) {
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		doc := FieldDoc{Path: join(path, f.name), Type: d.typeName(f.kind), Doc: docOf(v.Type(), f.of)}
		if value.Kind() != reflect.Struct && value.Kind() != reflect.Slice && value.Kind() != reflect.Pointer && !value.IsZero() {
			doc.Default = fmt.Sprint(value.Interface())
		}
		d.list = append(d.list, doc)
		t, below := bare(f.kind), doc.Path
		for t.Kind() == reflect.Slice {
			t, below = bare(t.Elem()), below+"[]"
		}
		if t.Kind() != reflect.Struct || t == reflect.TypeFor[Span]() {
			continue
		}
		inner := reflect.New(t).Elem()
		if value.Kind() == reflect.Struct {
			inner = value
		}
		d.fields(inner, below)
	}
}

func (d *describer) typeName(t reflect.Type) string {
	if slices.Contains(d.numbers, bare(t)) {
		return "number, or fields"
	}
	if t = bare(t); t.Kind() == reflect.Slice && slices.Contains(d.numbers, bare(t.Elem())) {
		return "list of numbers, or of fields"
	}
	return kindName(t)
}

// docOf is what is said of a field.
func docOf(t reflect.Type, f reflect.StructField) string {
	if doc := f.Tag.Get("doc"); doc != "" {
		return doc
	}
	if doc := fieldDocs()[t.String()+"."+f.Name]; doc != "" {
		return doc
	}
	inner := bare(f.Type)
	if inner.Kind() == reflect.Slice {
		inner = bare(inner.Elem())
	}
	return fieldDocs()[inner.String()]
}

// JSONSchema returns the JSON schema (draft 2020-12) of a file whose model is one of the kinds.
func JSONSchema(kinds ...Kind) map[string]any {
	schema := objectSchema(reflect.TypeFor[Fields](), nil)
	properties := schema["properties"].(map[string]any)
	var sections []any
	for _, k := range kinds {
		section := schemaOf(reflect.TypeOf(k.Config), k.Numbers)
		section["description"] = k.Doc
		properties[k.Section] = section
		sections = append(sections, map[string]any{"required": []string{k.Section}})
	}
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Scenario of plexus sim"
	schema["oneOf"] = sections
	return schema
}

func objectSchema(t reflect.Type, numbers []reflect.Type) map[string]any {
	properties := map[string]any{}
	for _, f := range fieldsOf(t) {
		property := schemaOf(f.kind, numbers)
		if doc := docOf(t, f.of); doc != "" {
			property["description"] = doc
		}
		properties[f.name] = property
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

func schemaOf(t reflect.Type, numbers []reflect.Type) map[string]any {
	switch t = bare(t); {
	case t == reflect.TypeFor[Span]():
		return map[string]any{"type": "string", "pattern": spanPattern()}
	case slices.Contains(numbers, t):
		return map[string]any{"anyOf": []any{map[string]any{"type": "number"}, objectSchema(t, numbers)}}
	case t.Kind() == reflect.Struct:
		return objectSchema(t, numbers)
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), numbers)}
	case t.Kind() == reflect.Array:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), numbers), "minItems": t.Len(), "maxItems": t.Len()}
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), numbers)}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		return map[string]any{"type": "number"}
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	return map[string]any{}
}

func spanPattern() string {
	var names []string
	for _, u := range units {
		names = append(names, u.names...)
	}
	return `^\s*[0-9._+]+\s*(` + strings.Join(names, "|") + `)\s*$`
}
