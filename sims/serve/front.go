package serve

import "net/http"

// front is the page for people: it sends a scenario and shows what becomes of it.
func front(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
	_, _ = w.Write([]byte(frontPage)) // a client that is gone needs no answer
}

const frontPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>plexus sim</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; }
textarea { width: 100%; height: 18rem; font: 13px/1.4 monospace; box-sizing: border-box; }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem; }
td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #eee; }
progress { width: 8rem; }
#refusal { color: #a00; white-space: pre-wrap; }
</style>
</head>
<body>
<h1>Simulations</h1>
<form id="send">
<textarea name="scenario" aria-label="scenario" spellcheck="false">name: helium
preset: {name: helium, params: {years: 10}}
</textarea>
<p><select name="kind" aria-label="kind"><option>run<option>sweep<option>compare<option>sensitivity</select> <button>Send</button> <span id="refusal" role="alert"></span></p>
</form>
<table><thead><tr><th>scenario</th><th>kind</th><th>state</th><th>progress</th><th></th></tr></thead><tbody id="all"></tbody></table>
<script>
const all = document.getElementById("all"), rows = new Map();
function show(e, first) {
  let row = rows.get(e.id);
  if (!row) {
    row = document.createElement("tr");
    for (let i = 0; i < 5; i++) row.append(document.createElement("td"));
    row.cells[3].append(document.createElement("progress"), document.createElement("span"));
    const remove = document.createElement("button");
    remove.textContent = "remove";
    remove.onclick = async () => { if ((await fetch("/v1/experiments/" + e.id, {method: "DELETE"})).ok) { row.remove(); rows.delete(e.id); } };
    row.cells[4].append(remove);
    rows.set(e.id, row);
    first ? all.prepend(row) : all.append(row);
    const events = new EventSource("/v1/experiments/" + e.id + "/events");
    events.onmessage = m => { const now = JSON.parse(m.data); show(now); if (now.state == "finished" || now.state == "failed") events.close(); };
  }
  row.cells[1].textContent = e.kind;
  row.cells[2].textContent = e.state + (e.error ? ": " + e.error : "");
  row.cells[3].firstChild.value = e.fraction;
  row.cells[3].lastChild.textContent = e.left > 0 && e.state == "running" ? " " + Math.ceil(e.left) + " s left" : "";
  if (e.state == "finished" && !row.cells[0].firstElementChild) {
    const link = document.createElement("a");
    link.href = "/v1/experiments/" + e.id + "/report";
    link.textContent = e.name;
    row.cells[0].replaceChildren(link);
  } else if (e.state != "finished") row.cells[0].textContent = e.name;
}
document.getElementById("send").onsubmit = async event => {
  event.preventDefault();
  const form = new FormData(event.target);
  const response = await fetch("/v1/experiments?kind=" + form.get("kind"), {method: "POST", headers: {"Content-Type": "application/yaml"}, body: form.get("scenario")});
  const body = await response.json();
  document.getElementById("refusal").textContent = response.ok ? "" : body.error;
  if (response.ok) show(body, true);
};
fetch("/v1/experiments").then(r => r.json()).then(list => list.forEach(e => show(e)));
</script>
</body>
</html>
`
