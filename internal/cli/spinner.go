package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
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
	if term := t.getenv("TERM"); look.width == 0 || *t.verbose || term == "" || term == "dumb" {
		return func() {}
	}
	s := &t.spin
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

// run shows the last wait as long as there is one. A signal that ends the process finds no
// line left of it.
func (s *spinner) run(w io.Writer, l look) {
	var signals []os.Signal
	if plugin.RaiseReachesOthers { // who may have something to finish; a line that stays is no harm
		signals = []os.Signal{os.Interrupt, syscall.SIGTERM}
	}
	interrupts, over := plugin.Interrupts(signals...)
	defer over()
	frames := []string{"-", "\\", "|", "/"}
	if l.unicode {
		frames = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	}
	for frame := 0; ; frame++ {
		select {
		case got := <-interrupts:
			s.mu.Lock()
			s.clear(w)
			s.paused++ // for good
			s.mu.Unlock()
			over()
			plugin.Raise(got)
			return
		case <-time.After(spinEvery):
		}
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

// over removes the line and holds the spinner until done is called, so that something else
// can be written.
func (s *spinner) over(w io.Writer) (done func()) {
	s.mu.Lock()
	s.clear(w)
	return s.mu.Unlock
}

// pause keeps the spinner quiet until resume is called.
func (t *terminal) pause() (resume func()) {
	s := &t.spin
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused++
	s.clear(t.err)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.paused--
	}
}
