package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// The rules, by the name that directives use.
const (
	mapRange  = "maprange"
	floats    = "float"
	goroutine = "goroutine"
	selects   = "select"
	clock     = "clock"
	random    = "random"
	machine   = "machine"
)

func analyzer() *analysis.Analyzer {
	return &analysis.Analyzer{
		Name: "determinism",
		Doc:  "forbid what could make nodes disagree: map order, floats, goroutines, the clock, randomness",
		Run:  run,
	}
}

func run(pass *analysis.Pass) (any, error) {
	for _, file := range pass.Files {
		if strings.HasSuffix(pass.Fset.Position(file.FileStart).Filename, "_test.go") {
			continue
		}
		c := &checker{pass: pass, directives: directivesOf(pass, file), reported: map[finding]bool{}}
		c.imports(file)
		c.walk(file)
		c.unused()
	}
	return nil, nil
}

// finding is a rule broken on a line: one report for each is enough.
type finding struct {
	line int
	rule string
}

type checker struct {
	pass       *analysis.Pass
	directives []*directive
	reported   map[finding]bool
}

func (c *checker) report(pos token.Pos, rule, what string) {
	line := c.pass.Fset.Position(pos).Line
	for _, d := range c.directives {
		if d.covers(rule, line) {
			d.used = true
			return
		}
	}
	f := finding{line, rule}
	if c.reported[f] {
		return
	}
	c.reported[f] = true
	c.pass.Reportf(pos, "%s in a state transition: %s", rule, what)
}

// randomPackages give different numbers on every machine.
var randomPackages = []string{"math/rand", "math/rand/v2", "crypto/rand"}

func (c *checker) imports(file *ast.File) {
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil && slices.Contains(randomPackages, path) {
			c.report(spec.Pos(), random, "import of "+path)
		}
	}
}

func (c *checker) walk(file *ast.File) {
	var above []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			above = above[:len(above)-1]
			return true
		}
		c.node(n, above)
		above = append(above, n)
		return true
	})
}

func (c *checker) node(n ast.Node, above []ast.Node) {
	switch n := n.(type) {
	case *ast.RangeStmt:
		if overMap(c.pass.TypesInfo.TypeOf(n.X)) {
			c.report(n.Pos(), mapRange, "the order of a map is random: sort its keys")
		}
	case *ast.GoStmt:
		c.report(n.Pos(), goroutine, "when it finishes is random")
	case *ast.SelectStmt:
		c.report(n.Pos(), selects, "which case is ready first is random")
	case *ast.Ident:
		c.function(n, above)
	}
	if e, ok := n.(ast.Expr); ok && isFloat(c.pass.TypesInfo.TypeOf(e)) {
		c.report(e.Pos(), floats, "processors and compilers may round differently: use integers or package fixed")
	}
}

// overMap tells whether a type is a map, or a type parameter that may be one.
func overMap(t types.Type) bool {
	if t == nil {
		return false
	}
	if p, ok := types.Unalias(t).(*types.TypeParam); ok {
		return mayBeMap(p)
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

func mayBeMap(p *types.TypeParam) bool {
	constraint, ok := p.Constraint().Underlying().(*types.Interface)
	if !ok {
		return false
	}
	for embedded := range constraint.EmbeddedTypes() {
		union, ok := embedded.(*types.Union)
		if !ok {
			if overMap(embedded) {
				return true
			}
			continue
		}
		for term := range union.Terms() {
			if overMap(term.Type()) {
				return true
			}
		}
	}
	return false
}

func isFloat(t types.Type) bool {
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 && b.Info()&types.IsUntyped == 0
}

// forbidden functions by package; those of package maps and the methods give
// the order of a map away.
var forbidden = map[string]map[string]string{
	"time": {
		"Now": clock, "Since": clock, "Until": clock, "Sleep": clock, "After": clock, "AfterFunc": clock,
		"Tick": clock, "NewTimer": clock, "NewTicker": clock,
	},
	"maps":    {"Keys": mapRange, "Values": mapRange, "All": mapRange},
	"reflect": {"MapKeys": mapRange, "MapRange": mapRange, "Select": selects},
	"sync":    {"Range": mapRange},
	"runtime": {"NumCPU": machine, "GOMAXPROCS": machine, "NumGoroutine": machine},
	"os":      {"Getenv": machine, "LookupEnv": machine, "Environ": machine, "Hostname": machine, "Getpid": machine},
}

func (c *checker) function(id *ast.Ident, above []ast.Node) {
	f, ok := c.pass.TypesInfo.Uses[id].(*types.Func)
	if !ok || f.Pkg() == nil {
		return
	}
	rule, ok := forbidden[f.Pkg().Path()][f.Name()]
	if !ok || (rule == mapRange && c.sortedAtOnce(above)) {
		return
	}
	c.report(id.Pos(), rule, f.Pkg().Name()+"."+f.Name()+" differs between nodes")
}

// sortedAtOnce tells whether an iterator over a map goes straight into
// slices.Sorted or one of its kin: above ends in the selector and the call of
// the iterator, under the call that sorts.
func (c *checker) sortedAtOnce(above []ast.Node) bool {
	if len(above) < 3 {
		return false
	}
	call, ok := above[len(above)-3].(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	f, ok := c.pass.TypesInfo.Uses[selector.Sel].(*types.Func)
	return ok && f.Pkg() != nil && f.Pkg().Path() == "slices" && strings.HasPrefix(f.Name(), "Sorted")
}
