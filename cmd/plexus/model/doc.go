// Package modelcmd is `plexus model`: train the project's own models, measure models, look at the challenges.
package modelcmd
