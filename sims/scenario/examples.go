package scenario

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed examples/*.yaml
var exampleFiles embed.FS

// Example is a scenario that comes along.
type Example struct {
	Name    string
	Content []byte
}

// Examples are the scenarios that come along, by name.
func Examples() []Example {
	entries, err := exampleFiles.ReadDir("examples")
	if err != nil {
		panic(fmt.Sprintf("scenario: %v", err)) // they are part of the program
	}
	var examples []Example
	for _, e := range entries {
		content, err := exampleFiles.ReadFile("examples/" + e.Name())
		if err != nil {
			panic(fmt.Sprintf("scenario: %v", err))
		}
		examples = append(examples, Example{Name: strings.TrimSuffix(e.Name(), ".yaml"), Content: content})
	}
	return examples
}
