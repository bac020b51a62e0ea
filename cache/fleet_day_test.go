package cache

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// The day that docs/fleet.md tells of: all hosts start in one minute, and need a token every
// ten minutes, for a day. A token lives for an hour.
const (
	dayStart  = time.Minute
	dayPeriod = 10 * time.Minute
	dayLength = 24 * time.Hour
)

// A day is what becomes of such a day.
type day struct {
	hosts        int
	requests     int // to the issuer
	peak         int // in one minute
	calls        map[string]int
	sharedByHost int // calls of the server by the busiest host
}

// spend spends the day with real code, on the clock of a bubble.
func spend(t *testing.T, hosts int, shared bool) day {
	d := day{hosts: hosts}
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		random := rand.New(rand.NewPCG(1, uint64(hosts)))
		begun := time.Now()
		var mu sync.Mutex
		minutes := map[int]int{}
		issuer := func() {
			mu.Lock()
			defer mu.Unlock()
			d.requests++
			minutes[int(time.Since(begun)/time.Minute)]++
		}
		var config *plugin.SharedCache
		if shared {
			config = sharedAt("127.0.0.1:1")
		}
		var wg sync.WaitGroup
		var most atomic.Int64
		for i := range hosts {
			first := time.Duration(random.Int64N(int64(dayStart)))
			wg.Go(func() {
				h := newHost(&Memory{}, config, fmt.Sprint(i))
				calls := int64(0)
				if shared {
					h.fleet().send = func(ctx context.Context, words ...string) (any, error) {
						calls++
						return m.do(ctx, words...)
					}
				}
				p := &plugin.Profile{Name: "p", Issuer: officeIssuer, Options: &dayOptions{issuer: issuer}}
				time.Sleep(first)
				for time.Since(begun) < dayLength {
					if _, err := h.FetchAlone(context.Background(), p, Need{MinTTL: 2 * time.Minute}); err != nil {
						t.Error(err)
						return
					}
					time.Sleep(dayPeriod)
				}
				mu.Lock()
				defer mu.Unlock()
				most.Store(max(most.Load(), calls))
			})
		}
		wg.Wait()
		for _, n := range minutes {
			d.peak = max(d.peak, n)
		}
		d.calls, d.sharedByHost = m.calls, int(most.Load())
	})
	return d
}

// dayOptions are those of a profile whose issuer takes 200 ms.
type dayOptions struct{ issuer func() }

func (*dayOptions) Complete(*plugin.Common) error { return nil }
func (o *dayOptions) Source(*plugin.Env) plugin.Source {
	return sourceFunc(func(context.Context, *plugin.Credential) (*plugin.Credential, error) {
		sent := time.Now()
		o.issuer()
		time.Sleep(200 * time.Millisecond)
		return &plugin.Credential{Token: plugin.NewSecret(fmt.Sprint("token-", rand.Int64())), Issued: sent,
			Expires: sent.Add(time.Hour)}, nil
	})
}

const (
	dayDocument = "../docs/fleet.md"
	dayPlot     = "../docs/fleet-day.svg"
)

var dayTable = regexp.MustCompile(`(?s)(<!-- day -->\n).*?(<!-- /day -->)`)

// The table in docs/fleet.md is what comes of it. make bench spends the whole day, and writes
// the table and the plot; otherwise only its first rows are checked.
func TestFleetDay(t *testing.T) {
	sizes := []int{1, 10, 100, 1000, 10_000}
	write := os.Getenv("JETON_BENCH") != ""
	if !write {
		sizes = sizes[:2]
	}
	text, err := os.ReadFile(dayDocument)
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	rows.WriteString("| Hosts | Requests a day, alone | in a minute at most | Requests a day, shared | in a minute " +
		"at most |\n|---|---|---|---|---|\n")
	var without, with []day
	for _, n := range sizes {
		a, b := spend(t, n, false), spend(t, n, true)
		without, with = append(without, a), append(with, b)
		row := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", thousands(n), thousands(a.requests), thousands(a.peak),
			thousands(b.requests), thousands(b.peak))
		rows.WriteString(row)
		if !write && !bytes.Contains(text, []byte(row)) {
			t.Errorf("%s does not have %s: make bench", dayDocument, row)
		}
	}
	if !write {
		return
	}
	last := with[len(with)-1]
	total := 0
	for _, n := range last.calls {
		total += n
	}
	fmt.Printf("\n%s\nThe server at %d hosts: %d calls a day (%d looks, %d renewals of a lease, %d puts), %d by the "+
		"busiest host.\n", rows.String(), last.hosts, total, last.calls[scriptLook], last.calls[scriptRenew],
		last.calls[scriptPut], last.sharedByHost)
	cost(t, total)
	text = dayTable.ReplaceAll(text, []byte("${1}"+rows.String()+"${2}"))
	for path, content := range map[string][]byte{dayDocument: text, dayPlot: plotOf(without, with)} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// cost prints what a real server spends on so many calls.
func cost(t *testing.T, calls int) {
	server := startRedis(t)
	config := sharedAt(server.Address)
	o := &office{life: time.Hour}
	token(t, newDirHost(t, config), o.profile("a"), Need{})
	slot, _, err := newDirHost(t, config).member(o.profile("a"), Need{}).slot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	words := evaluation(scriptLook, slot.name, strings.Repeat("x", 100), milliseconds(leaseTime), "-1", "", "", "1",
		milliseconds(fenceTime))
	c := &redis{server: slot.fleet.server}
	defer c.close()
	tell(t, server, "CONFIG", "RESETSTAT")
	const sample = 10_000
	for range sample {
		if _, err := c.do(t.Context(), words...); err != nil {
			t.Fatal(err)
		}
	}
	stats := fmt.Sprint(tell(t, server, "INFO", "commandstats"))
	var each float64
	for line := range strings.Lines(stats) {
		if i := strings.Index(line, "usec_per_call="); strings.HasPrefix(line, "cmdstat_eval:") && i > 0 {
			fmt.Sscanf(line[i:], "usec_per_call=%f", &each)
		}
	}
	var memory int64
	for _, key := range tell(t, server, "KEYS", "*").([]any) {
		n, _ := tell(t, server, "MEMORY", "USAGE", key.(string)).(int64)
		memory += n
	}
	fmt.Printf("A look takes the server %.0f µs: %.1f s of its day, %.3f %% of one processor. One profile takes %d "+
		"bytes there.\n", each, each*float64(calls)/1e6, each*float64(calls)/1e6/86400*100, memory)
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plotOf draws the requests in the busiest minute over the number of hosts, both by powers
// of ten.
func plotOf(without, with []day) []byte {
	const (
		left, top, width, height = 70, 30, 520, 260
		powers                   = 4
	)
	x := func(hosts int) float64 { return left + width*math.Log10(float64(hosts))/powers }
	y := func(n int) float64 { return top + height*(1-math.Log10(float64(max(n, 1)))/powers) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="360" font-family="sans-serif" `+
		`font-size="13" role="img" aria-label="Requests in the busiest minute, over the number of hosts">`+"\n"+
		`<rect width="640" height="360" fill="white"/>`+"\n")
	for p := range powers + 1 {
		n := int(math.Pow10(p))
		fmt.Fprintf(&b, `<line x1="%d" y1="%.0f" x2="%d" y2="%.0f" stroke="#ddd"/>`+"\n", left, y(n), left+width, y(n))
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end">%s</text>`+"\n", left-8, y(n)+4, thousands(n))
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", x(n), top+height+20, thousands(n))
	}
	fmt.Fprintf(&b, `<line x1="%d" y1="%.0f" x2="%d" y2="%.0f" stroke="#888" stroke-dasharray="5 4"/>`+"\n", left, y(60),
		left+width, y(60))
	fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end" fill="#666">60: OVHcloud allows a user no more</text>`+"\n",
		left+width, y(60)+18)
	for _, line := range []struct {
		days  []day
		color string
		name  string
		above float64
	}{{without, "#c0392b", "each host alone", -10}, {with, "#1f6fb2", "shared", -10}} {
		var points []string
		for _, d := range line.days {
			points = append(points, fmt.Sprintf("%.0f,%.0f", x(d.hosts), y(d.peak)))
			fmt.Fprintf(&b, `<circle cx="%.0f" cy="%.0f" r="4" fill="%s"/>`+"\n", x(d.hosts), y(d.peak), line.color)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n",
			strings.Join(points, " "), line.color)
		last := line.days[slices.IndexFunc(line.days, func(d day) bool { return d.hosts == 1000 })]
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" text-anchor="end" fill="%s">%s</text>`+"\n", x(last.hosts)-8,
			y(last.peak)+line.above, line.color, line.name)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">hosts</text>`+"\n", left+width/2, top+height+44)
	fmt.Fprintf(&b, `<text x="%d" y="18">Requests to the issuer in the busiest minute of a day</text>`+"\n", left)
	b.WriteString("</svg>\n")
	return b.Bytes()
}
