package report

import "html/template"

// pageTemplate is the whole page: styles inside, no script, nothing fetched.
var pageTemplate = template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Name}}</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.facts, .note, figcaption { color: #555; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); gap: 1.2rem; }
figure { margin: 0; border: 1px solid #ddd; border-radius: 6px; padding: .6rem; }
figure svg { width: 100%; height: auto; }
.table { overflow-x: auto; max-height: 40rem; border: 1px solid #ddd; border-radius: 6px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; width: 100%; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
th { position: sticky; top: 0; background: #f6f6f6; }
th:first-child, td:first-child { text-align: left; }
pre { background: #f6f6f6; padding: 1rem; border-radius: 6px; overflow-x: auto; font-size: 13px; }
@media print { .table { max-height: none; } details { display: none; } }
</style>
</head>
<body>
<h1>{{.Name}}</h1>
<p class="facts">{{.Kind}} · {{.Runs}} runs per model · master seed {{.Seed}} · plexus {{.Version}}</p>
{{range .Sections}}<h2>{{.Title}}</h2>
{{with .Note}}<p class="note">{{.}}</p>{{end}}
<div class="table"><table><thead><tr>{{range .Head}}<th>{{.}}</th>{{end}}</tr></thead>
<tbody>{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</tbody></table></div>
{{end}}{{if .Figures}}<h2>Figures</h2>
<div class="figures">
{{range .Figures}}<figure>{{.SVG}}<figcaption>{{.Doc}}</figcaption></figure>
{{end}}</div>
{{end}}{{if .Left}}<p class="note">{{.Left}} more figures were left out; the tables hold their numbers.</p>
{{end}}{{if .Scenario}}<h2>Scenario</h2>
<details><summary>The scenario that gives this report again, with this seed</summary><pre>{{.Scenario}}</pre></details>
{{end}}</body>
</html>
`))
