package scenario_test

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims/scenario"
)

var update = flag.Bool("update", false, "write fielddocs.json")

// TestFieldDocs keeps what is said of fields what the source says.
func TestFieldDocs(t *testing.T) {
	docs := map[string]string{}
	for _, dir := range []string{"../economy", "../../subnet"} {
		require.NoError(t, collect(dir, docs))
	}
	// A type that is another one has its fields.
	for key, doc := range docs {
		if name, found := strings.CutPrefix(key, "subnet.Hyperparams."); found {
			docs["economy.Hyperparams."+name] = doc
		}
	}
	for key := range docs {
		if strings.HasPrefix(key, "subnet.") {
			delete(docs, key)
		}
	}
	want, err := json.MarshalIndent(docs, "", "  ")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("fielddocs.json", append(want, '\n'), 0o644))
	}
	have, err := os.ReadFile("fielddocs.json")
	require.NoError(t, err)
	if string(have) != string(want)+"\n" {
		t.Fatal("fielddocs.json is not what the source says: go test ./sims/scenario -run FieldDocs -update")
	}
}

// collect reads the comments of the fields of all exported structs in a folder. A field without one shares that of the
// field right above.
func collect(dir string, docs map[string]string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				docs[file.Name.Name+"."+spec.Name.Name] = sentence(file, spec)
				fields(set, file.Name.Name+"."+spec.Name.Name, s, docs)
			}
			return true
		})
	}
	return nil
}

// sentence returns the first sentence of what is said of a type.
func sentence(file *ast.File, spec *ast.TypeSpec) string {
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && slices.Contains(g.Specs, ast.Spec(spec)) {
			text, _, _ := strings.Cut(strings.Join(strings.Fields(g.Doc.Text()), " "), ". ")
			return strings.TrimSuffix(text, ".") + "."
		}
	}
	return ""
}

func fields(set *token.FileSet, of string, s *ast.StructType, docs map[string]string) {
	last, shared := 0, ""
	for _, f := range s.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		text = strings.Join(strings.Fields(text), " ")
		if line := set.Position(f.Pos()).Line; text == "" && line == last+1 {
			text = shared
		}
		if last = set.Position(f.End()).Line; f.Doc != nil || text != shared {
			shared = ""
		}
		if f.Doc != nil {
			shared = text
		}
		for _, name := range f.Names {
			if name.IsExported() && text != "" {
				docs[of+"."+name.Name] = text
			}
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	list := scenario.Describe(scenario.Kinds()...)
	require.Greater(t, len(list), 150)
	seen := map[string]scenario.FieldDoc{}
	for _, f := range list {
		require.NotContains(t, seen, f.Path)
		seen[f.Path] = f
		require.NotEmpty(t, f.Type, f.Path)
		// Hyperparameters have their paragraphs in docs/protocol.md.
		if f.Path != "network.shocks[].stake.group" && !strings.Contains(f.Path, ".hyperparams.") {
			require.NotEmpty(t, f.Doc, f.Path)
		}
	}
	require.Equal(t, "number, or fields", seen["network.miners[].quality"].Type)
	require.Equal(t, "time span", seen["duration"].Type)
	require.Equal(t, "12", seen["network.block_seconds"].Default)
	require.Contains(t, seen, "network.hyperparams.kappa")
	require.Contains(t, seen, "sweep.parameters[].from")
}

// TestSchemaHasTheDescribedFields walks the JSON schema along every path of Describe.
func TestSchemaHasTheDescribedFields(t *testing.T) {
	content, err := json.Marshal(scenario.JSONSchema(scenario.Kinds()...))
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(content, &schema))
	for _, f := range scenario.Describe(scenario.Kinds()...) {
		at := schema
		for key := range strings.SplitSeq(f.Path, ".") {
			name, _, list := strings.Cut(key, "[]")
			if either, ok := at["anyOf"].([]any); ok {
				at = either[1].(map[string]any)
			}
			require.Equal(t, false, at["additionalProperties"], f.Path)
			next, ok := at["properties"].(map[string]any)[name].(map[string]any)
			require.True(t, ok, f.Path)
			if at = next; list {
				at = at["items"].(map[string]any)
			}
		}
	}
}

func TestExamplesAreSound(t *testing.T) {
	names := []string{}
	for _, e := range scenario.Examples() {
		names = append(names, e.Name)
		s, err := scenario.Parse(e.Name, e.Content, scenario.Kinds()...)
		require.NoError(t, err)
		require.Equal(t, e.Name, s.Name)
		require.NotEmpty(t, s.Description)
		out, err := s.YAML()
		require.NoError(t, err)
		again, err := scenario.Parse(e.Name, out, scenario.Kinds()...)
		require.NoError(t, err)
		require.Equal(t, s.Fields, again.Fields)
	}
	require.True(t, slices.IsSorted(names))
	require.GreaterOrEqual(t, len(names), 4)
}
