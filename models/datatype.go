package models

import (
	"fmt"
	"slices"
	"strings"
)

// Datatype is a tensor's element type by its Open Inference Protocol v2 name.
type Datatype string

// The datatypes of the Open Inference Protocol v2. BYTES is a string of any length per element.
const (
	BOOL   Datatype = "BOOL"
	UINT8  Datatype = "UINT8"
	UINT16 Datatype = "UINT16"
	UINT32 Datatype = "UINT32"
	UINT64 Datatype = "UINT64"
	INT8   Datatype = "INT8"
	INT16  Datatype = "INT16"
	INT32  Datatype = "INT32"
	INT64  Datatype = "INT64"
	FP16   Datatype = "FP16"
	FP32   Datatype = "FP32"
	FP64   Datatype = "FP64"
	BF16   Datatype = "BF16"
	BYTES  Datatype = "BYTES"
)

// Datatypes returns every datatype, in the order above.
func Datatypes() []Datatype {
	return []Datatype{BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64, BF16, BYTES}
}

// Size returns the bytes that one element takes: 1, 2, 4 or 8, and 0 for BYTES (its elements differ) and for a name
// that is no datatype.
func (d Datatype) Size() int {
	switch d {
	case BOOL, UINT8, INT8:
		return 1
	case UINT16, INT16, FP16, BF16:
		return 2
	case UINT32, INT32, FP32:
		return 4
	case UINT64, INT64, FP64:
		return 8
	default:
		return 0
	}
}

// Valid reports whether d is one of Datatypes.
func (d Datatype) Valid() bool { return d == BYTES || d.Size() > 0 }

// ParseDatatype returns the datatype of that exact name, or an error that lists the names.
func ParseDatatype(name string) (Datatype, error) {
	if d := Datatype(name); slices.Contains(Datatypes(), d) {
		return d, nil
	}
	names := make([]string, 0, len(Datatypes()))
	for _, d := range Datatypes() {
		names = append(names, string(d))
	}
	return "", fmt.Errorf("%w: %q is none of %s", ErrDatatype, name, strings.Join(names, " "))
}
