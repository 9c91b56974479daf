package digits

import (
	"testing"
)

func BenchmarkNext(b *testing.B) {
	d, err := NewDrawer()
	if err != nil {
		b.Fatal(err)
	}
	g := d.Generator(FixedSeed("test", 1))
	for b.Loop() {
		g.Next()
	}
}

func BenchmarkNewDrawer(b *testing.B) {
	for b.Loop() {
		if _, err := NewDrawer(); err != nil {
			b.Fatal(err)
		}
	}
}
