package subnet

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Identity is what an account, or the owner of a subnet, says of itself. None
// of it is verified.
type Identity struct {
	Name        string
	URL         string
	Image       string // URL of a picture
	Description string
	Contact     string
}

// Bounds of an identity in bytes of UTF-8.
const (
	maxIdentityName        = 64
	maxIdentityURL         = 256
	maxIdentityDescription = 1024
	maxIdentityContact     = 128
)

// IsEmpty tells whether an identity says nothing, which means: remove it.
func (i Identity) IsEmpty() bool { return i == Identity{} }

// Validate reports what is wrong with an identity, wrapping ErrInvalidIdentity.
// Letters of all scripts are welcome; control characters, and those that turn
// the direction of writing, are not.
func (i Identity) Validate() error {
	if i.Name == "" {
		return fmt.Errorf("name is empty: %w", ErrInvalidIdentity)
	}
	for _, f := range []struct {
		name, value string
		limit       int
		link        bool
	}{
		{"name", i.Name, maxIdentityName, false},
		{"url", i.URL, maxIdentityURL, true},
		{"image", i.Image, maxIdentityURL, true},
		{"description", i.Description, maxIdentityDescription, false},
		{"contact", i.Contact, maxIdentityContact, false},
	} {
		switch {
		case len(f.value) > f.limit:
			return fmt.Errorf("%s has %d bytes, the most is %d: %w", f.name, len(f.value), f.limit, ErrInvalidIdentity)
		case !printableText(f.value):
			return fmt.Errorf("%s must be printable UTF-8 in one line: %w", f.name, ErrInvalidIdentity)
		case f.link && f.value != "" && !webLink(f.value):
			return fmt.Errorf("%s must start with https:// or http:// and hold no spaces: %w", f.name, ErrInvalidIdentity)
		}
	}
	return nil
}

// printableText tells whether s is UTF-8 of printable characters and spaces.
func printableText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

func webLink(s string) bool {
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) && !strings.Contains(s, " ")
}
