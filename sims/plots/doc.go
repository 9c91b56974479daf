// Package plots draws what simulations record: fans over time, stacked areas, heat maps and contours over two
// parameters, Lorenz curves, tornados and intervals.
//
//	figure, err := plots.Fan(plots.Labels{Title: "supply", Y: "PLX"}, seconds, bands)
//	err = figure.Write(file, plots.SVG, plots.Width, plots.Height)
//
// A figure is drawn by gonum/plot when it is written, as PNG or SVG. The same data gives the same bytes. Numbers that
// are not finite are left out of lines and drawn as gaps in maps; a figure that has nothing else to show is refused with
// ErrEmpty.
package plots
