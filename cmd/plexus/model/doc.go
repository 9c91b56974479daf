// Package modelcmd is `plexus model`: train the project's own models, measure models, look at the challenges, make models
// cheaper and see how a subnet that pins one finds that out.
package modelcmd
