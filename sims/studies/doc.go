// Package studies works out the studies of docs/studies.md: it runs their scenarios, and gives the tables and the figures
// of the page.
//
//	for _, name := range studies.Names() {
//		study, err := studies.Compute(ctx, name)
//		page, err = study.Into(page) // the tables, between their marks
//		...                          // study.Figures as files beside the page
//	}
//
// A test compares what is committed with what comes out, and checks what the page says in words (Claims); `make docs` writes it anew.
package studies
