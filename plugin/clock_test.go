package plugin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A life counts from the sending of the request, whatever the server's clock says; what is
// older keeps its own end, corrected by the answer's Date.
func TestClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Minute, -time.Minute, 10 * time.Minute, -10 * time.Minute,
		24 * time.Hour} {
		sent := time.Now()
		theirs := sent.Add(-ahead)
		c := ReadClock(sent, http.Header{"Date": {theirs.UTC().Format(http.TimeFormat)}})
		if (c.Ahead - ahead).Abs() > 2*time.Second {
			t.Errorf("%s: %s", ahead, c.Ahead)
		}
		from, until := c.Created(theirs, theirs.Add(time.Hour))
		if from != sent || until != sent.Add(time.Hour) {
			t.Errorf("%s: from %s until %s", ahead, from, until)
		}
		if got := c.Older(theirs.Add(time.Hour)); got.Sub(sent.Add(time.Hour)).Abs() > 2*time.Second {
			t.Errorf("%s: %s", ahead, got)
		}
		if _, until := c.Created(time.Time{}, theirs.Add(time.Hour)); until.Sub(sent.Add(time.Hour)).
			Abs() > 2*time.Second {
			t.Errorf("%s: %s", ahead, until)
		}
		var warned []string
		env := &Env{Profile: "p", Warn: func(format string, args ...any) {
			warned = append(warned, fmt.Sprintf(format, args...))
		}}
		c.Check(env, "host", time.Time{})
		Clock{Sent: sent}.Check(env, "host", theirs)
		if far := ahead.Abs() > time.Minute; far != (len(warned) == 2) ||
			far && !strings.Contains(warned[0], "this machine's clock is ") {
			t.Errorf("%s: %q", ahead, warned)
		}
	}
	// The Date of a cache on the way says nothing, nor does nonsense.
	for _, header := range []http.Header{{}, {"Date": {"soon"}},
		{"Date": {"Sun, 22 Nov 1998 08:00:20 GMT"}, "Age": {"9"}}} {
		if c := ReadClock(time.Now(), header); c.Ahead != 0 {
			t.Errorf("%v: %s", header, c.Ahead)
		}
	}
	// A token that the server had already is not taken for a new one.
	issued := time.Now()
	old := Claims{Issued: issued.Add(-50 * time.Minute), Expires: issued.Add(10 * time.Minute)}
	if got := (&TokenResponse{Issued: issued}).until(old); got != old.Expires {
		t.Errorf("%s, not %s", got, old.Expires)
	}
}
