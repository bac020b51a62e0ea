package cli

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A spinner says at a terminal what a command waits for, when that takes more than a
// moment. Its zero value is ready.
type spinner struct {
	mu      sync.Mutex
	waits   []*wait // the last one is shown
	paused  int
	shown   bool
	running bool
}

// A wait is for something outside of this process.
type wait struct {
	what  string
	since time.Time
}

const (
	spinAfter = time.Second
	spinEvery = 100 * time.Millisecond
)

// waiting is for [plugin.Watched].
func (t *terminal) waiting(what string) (over func()) {
	look := t.errLook()
	if look.width == 0 || *t.verbose {
		return func() {}
	}
	s := &t.spinner
	w := &wait{what, time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits = append(s.waits, w)
	if !s.running {
		s.running = true
		go plugin.Catch(func() error { s.run(t.err, look); return nil })
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waits = slices.DeleteFunc(s.waits, func(other *wait) bool { return other == w })
		if len(s.waits) == 0 {
			s.clear(t.err)
		}
	}
}

// run shows the last wait as long as there is one.
func (s *spinner) run(w io.Writer, l look) {
	frames := []string{"-", "\\", "|", "/"}
	if l.unicode {
		frames = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	}
	for frame := 0; ; frame++ {
		time.Sleep(spinEvery)
		s.mu.Lock()
		if len(s.waits) == 0 {
			s.running = false
			s.mu.Unlock()
			return
		}
		last := s.waits[len(s.waits)-1]
		if took := time.Since(last.since); took >= spinAfter && s.paused == 0 {
			line := []rune(fmt.Sprintf("%s Waiting for %s (%d s). Ctrl-C stops.", frames[frame%len(frames)],
				plugin.Printable(last.what), int(took.Seconds())))
			io.WriteString(w, "\r\x1b[K"+string(line[:min(len(line), l.width-1)]))
			s.shown = true
		}
		s.mu.Unlock()
	}
}

// clear removes the line. The caller holds the lock.
func (s *spinner) clear(w io.Writer) {
	if s.shown {
		io.WriteString(w, "\r\x1b[K")
		s.shown = false
	}
}

// quiet removes the spinner's line, before something else is written.
func (t *terminal) quiet() {
	t.spinner.mu.Lock()
	defer t.spinner.mu.Unlock()
	t.spinner.clear(t.err)
}

// pause keeps the spinner quiet until resume is called.
func (t *terminal) pause() (resume func()) {
	t.spinner.mu.Lock()
	defer t.spinner.mu.Unlock()
	t.spinner.paused++
	t.spinner.clear(t.err)
	return func() {
		t.spinner.mu.Lock()
		defer t.spinner.mu.Unlock()
		t.spinner.paused--
	}
}
