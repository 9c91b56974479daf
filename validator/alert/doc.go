// Package alert tells somebody: it posts JSON to a webhook, again and ever later while the webhook fails, and does not
// say the same thing again and again.
//
//	a, err := alert.New("https://hooks.example/T0/B0", alert.Options{Log: log})
//	go a.Run(ctx)
//	a.Send(alert.Alert{Kind: alert.WeightsLate, Netuid: 1, Hotkey: hotkey, Message: "…"}) // returns at once
//
// Of one kind and subnet one alert is sent per Options.Interval; the next says how many were held back. Every alert is in
// the log, too. The body is the Alert as JSON; any status of 200 to 299 counts as taken.
package alert
