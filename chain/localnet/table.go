package localnet

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/plexusnet/plexus/subnet"
)

// FormatPLX writes an amount of nplx in PLX, with three decimals, rounded down.
func FormatPLX(nplx uint64) string {
	return fmt.Sprintf("%d.%03d", nplx/subnet.PLX, nplx%subnet.PLX/(subnet.PLX/1000))
}

// Headline is one line on where the network stands.
func Headline(v *View) string {
	return fmt.Sprintf("height %d   epoch %d (%d paid miners), next at %d   issued %s PLX   burned %s   supply %s   %s",
		v.Height, v.Epoch, v.Paid, v.Next, FormatPLX(v.Minted), FormatPLX(v.Burned), FormatPLX(v.Supply), clock(v.Elapsed))
}

func clock(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// Table writes the rows of a view under a heading, amounts in PLX. It is the
// same on a terminal and in a file.
func Table(v *View) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "UID\tNAME\tHOTKEY\tACCURACY\tINCENTIVE\tDIVIDENDS\tTRUST\tEMISSION\tEARNED\tBALANCE\t")
	for _, r := range v.Rows {
		fmt.Fprintln(w, strings.Join(cells(r), "\t")+"\t")
	}
	_ = w.Flush() // a strings.Builder takes everything
	return trimLines(b.String())
}

func cells(r Row) []string {
	name := r.Name
	if name == "" {
		name = "guest"
	}
	if r.State != "" {
		name += " (" + r.State + ")"
	}
	c := []string{"-", name, short(r.Hotkey), accuracy(r), "", "", "", "", FormatPLX(r.Earned), FormatPLX(r.Balance)}
	if r.UID < 0 {
		return c
	}
	c[0] = fmt.Sprint(r.UID)
	if r.Role != RoleValidator {
		c[4] = fmt.Sprintf("%.4f", r.Incentive)
	}
	if r.Role != RoleMiner {
		c[5] = fmt.Sprintf("%.4f", r.Dividends)
	}
	c[6], c[7] = fmt.Sprintf("%.4f", r.Trust), FormatPLX(r.Emission)
	return c
}

func accuracy(r Row) string {
	if r.Accuracy < 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*r.Accuracy)
}

// short leaves enough of an address to tell it from others.
func short(address string) string {
	if len(address) <= 16 {
		return address
	}
	return address[:8] + ".." + address[len(address)-5:]
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// clip cuts lines to a terminal's width, so that none wraps; 0 is no limit.
func clip(text string, width int) string {
	if width <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if utf8.RuneCountInString(line) > width {
			lines[i] = string([]rune(line)[:width])
		}
	}
	return strings.Join(lines, "\n")
}
