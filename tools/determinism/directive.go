package main

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

const prefix = "//determinism:"

// directive is a comment that lets a rule rest on some lines.
type directive struct {
	pos      token.Pos
	rule     string
	from, to int // lines
	used     bool
}

func (d *directive) covers(rule string, line int) bool {
	return d.rule == rule && line >= d.from && line <= d.to
}

// directivesOf reads the directives of a file, and reports those that are not
// well formed.
func directivesOf(pass *analysis.Pass, file *ast.File) []*directive {
	var all []*directive
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if text, ok := strings.CutPrefix(comment.Text, prefix); ok {
				if d := parse(pass, file, comment, text); d != nil {
					all = append(all, d)
				}
			}
		}
	}
	return all
}

func parse(pass *analysis.Pass, file *ast.File, comment *ast.Comment, text string) *directive {
	text, _, _ = strings.Cut(text, " // ") // a remark on the directive is no reason
	kind, rest, _ := strings.Cut(text, " ")
	switch kind {
	case "display":
		f := documented(file, comment)
		if f == nil {
			pass.Reportf(comment.Pos(), "%sdisplay belongs to the comment of a function", prefix)
			return nil
		}
		if strings.TrimSpace(rest) == "" {
			pass.Reportf(comment.Pos(), "%sdisplay needs a reason", prefix)
			return nil
		}
		return &directive{
			pos: comment.Pos(), rule: floats,
			from: pass.Fset.Position(f.Pos()).Line, to: pass.Fset.Position(f.End()).Line,
		}
	case "allow":
		rule, reason, _ := strings.Cut(rest, " ")
		if !slices.Contains([]string{mapRange, floats, goroutine, selects, clock, random, machine}, rule) {
			pass.Reportf(comment.Pos(), "%sallow: there is no rule %q", prefix, rule)
			return nil
		}
		if strings.TrimSpace(reason) == "" {
			pass.Reportf(comment.Pos(), "%sallow %s needs a reason", prefix, rule)
			return nil
		}
		line := pass.Fset.Position(comment.Pos()).Line
		return &directive{pos: comment.Pos(), rule: rule, from: line, to: line + 1}
	}
	pass.Reportf(comment.Pos(), "unknown directive %s%s", prefix, kind)
	return nil
}

// documented returns the function whose comment the directive is part of.
func documented(file *ast.File, comment *ast.Comment) *ast.FuncDecl {
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Doc != nil && slices.Contains(f.Doc.List, comment) {
			return f
		}
	}
	return nil
}

// unused reports directives that allow nothing: what they excused is gone.
func (c *checker) unused() {
	for _, d := range c.directives {
		if !d.used {
			c.pass.Reportf(d.pos, "nothing here breaks rule %s: remove the directive", d.rule)
		}
	}
}
