package cache

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// An explorer runs the real code of several hosts against the model of the server, in every
// order of their steps: a step is a call of the server, or a request to the issuer. Between
// steps it can also let time pass, which pauses whoever is in the middle of a step, and stop
// a host for good. The clock is that of a bubble of synctest.
type explorer struct {
	*model
	hosts    int
	renew    bool // they start with a value that is to be renewed
	withdraw bool // one more host logs the fleet out
	crashes  int  // how many hosts may be stopped
	pauses   []time.Duration
	maxPause int

	mu       sync.Mutex
	pending  []*step
	dead     map[int]bool
	running  int
	withdrew int64 // the number of the withdrawal
	paused   bool
	crashed  bool
	trace    []string
	faults   []string
	issued   int
	newest   int64

	choices []int // to take, and how many there are at each point
	options []int
	at      int
}

// A step waits for its turn.
type step struct {
	host int
	what string
	run  chan bool // whether the host lives
}

// turn waits until the explorer runs this step. It ends the goroutine of a host that is
// stopped.
func (x *explorer) turn(host int, what string) {
	if host < 0 {
		return // nobody else is there yet
	}
	s := &step{host, what, make(chan bool)}
	x.mu.Lock()
	dead := x.dead[host]
	if !dead {
		x.pending = append(x.pending, s)
	}
	x.mu.Unlock()
	if dead || !<-s.run {
		runtime.Goexit()
	}
}

// fault notes that a property does not hold.
func (x *explorer) fault(format string, args ...any) {
	x.faults = append(x.faults, fmt.Sprintf(format, args...))
}

// choose returns one of n choices, as the schedule says.
func (x *explorer) choose(n int) int {
	if x.at == len(x.choices) {
		x.choices, x.options = append(x.choices, 0), append(x.options, n)
	}
	c := x.choices[x.at]
	x.at++
	return c
}

// next makes the schedule the next one, and reports whether there is one.
func (x *explorer) next() bool {
	for i := len(x.choices) - 1; i >= 0; i-- {
		if x.choices[i]+1 < x.options[i] {
			x.choices = append(slices.Clone(x.choices[:i]), x.choices[i]+1)
			x.options = slices.Clone(x.options[:i+1])
			return true
		}
	}
	return false
}

var scriptNames = map[string]string{scriptLook: "looks", scriptPut: "puts", scriptEnd: "ends its lease",
	scriptRenew: "renews its lease", scriptWithdraw: "withdraws", scriptCensus: "counts"}

// host runs one host until it has a credential.
func (x *explorer) host(i int, key plugin.SecretRef) {
	config := sharedAt("127.0.0.1:1")
	config.Key = key
	h := newHost(&Memory{}, config, fmt.Sprint(i))
	f := h.fleet()
	f.send = func(ctx context.Context, words ...string) (any, error) {
		x.turn(i, scriptNames[words[1]])
		answer, err := x.model.do(ctx, words...)
		if ctx.Err() != nil { // the server got it, and the answer comes too late
			return nil, ctx.Err()
		}
		return answer, err
	}
	o := &exploredOptions{x: x, host: i}
	p := &plugin.Profile{Name: "p", Issuer: officeIssuer, Options: o}
	defer func() {
		x.mu.Lock()
		x.running--
		x.mu.Unlock()
	}()
	x.turn(i, "starts")
	if i == x.hosts { // the one that logs out
		h.withdraw(context.Background(), p)
		return
	}
	c, err := h.FetchAlone(context.Background(), p, Need{MinTTL: time.Minute})
	if err != nil {
		x.fault("host %d has no credential: %v", i, err)
	} else if !c.Expires.After(time.Now()) {
		x.fault("host %d has one that has expired", i)
	}
}

// exploredOptions are those of a profile whose requests are steps.
type exploredOptions struct {
	x    *explorer
	host int
}

func (*exploredOptions) Complete(*plugin.Common) error { return nil }
func (o *exploredOptions) Source(*plugin.Env) plugin.Source {
	return sourceFunc(func(context.Context, *plugin.Credential) (*plugin.Credential, error) {
		now := time.Now()
		o.x.turn(o.host, "asks the issuer")
		o.x.issued++
		c := &plugin.Credential{Token: plugin.NewSecret(fmt.Sprint("token-", o.x.issued)), Issued: now,
			Expires: now.Add(time.Hour)}
		o.x.turn(o.host, "has the answer")
		return c, nil
	})
}

// run runs the hosts by one schedule.
func (x *explorer) run(t *testing.T) {
	noFence, noWithdrawal := x.model.noFence, x.model.noWithdrawal
	x.model = newModel()
	x.model.noFence, x.model.noWithdrawal = noFence, noWithdrawal
	x.model.withdrawn = func(number int64) { x.withdrew = number }
	x.pending, x.dead, x.trace, x.faults, x.at = nil, map[int]bool{}, nil, nil, 0
	x.issued, x.newest, x.withdrew, x.paused, x.crashed = 0, 0, 0, false, false
	x.model.accepted = func(_ string, generation int64) {
		if generation < x.newest {
			x.fault("a value replaces one that is newer")
		}
		if generation < x.withdrew {
			x.fault("what was withdrawn is there again")
		}
		x.newest = max(x.newest, generation)
	}
	synctest.Test(t, func(t *testing.T) {
		key := newSharedKey()
		if x.renew {
			x.host(-1, key)
			x.issued = 0
			time.Sleep(time.Hour - time.Minute + time.Second) // from now on it is to be renewed
		}
		x.running = x.hosts
		if x.withdraw {
			x.running++
		}
		for i := range x.running {
			go x.host(i, key)
		}
		crashes, pauses := x.crashes, x.maxPause
		for {
			synctest.Wait()
			x.mu.Lock()
			running, pending := x.running, slices.Clone(x.pending)
			x.mu.Unlock()
			if running == 0 && len(pending) == 0 {
				break
			}
			if len(pending) == 0 {
				time.Sleep(followPause) // all wait for something
				continue
			}
			slices.SortStableFunc(pending, func(a, b *step) int {
				return strings.Compare(fmt.Sprint(a.host, a.what), fmt.Sprint(b.host, b.what))
			})
			n := len(pending)
			if crashes > 0 {
				n += len(pending)
			}
			if pauses > 0 {
				n += len(x.pauses)
			}
			switch c := x.choose(n); {
			case c < len(pending):
				x.release(pending[c], true)
			case crashes > 0 && c < 2*len(pending):
				crashes--
				x.stop(pending[c-len(pending)].host)
			default:
				pauses--
				x.paused = true
				d := x.pauses[n-1-c]
				x.trace = append(x.trace, fmt.Sprint(d, " pass"))
				time.Sleep(d)
			}
		}
	})
	if !x.paused && !x.crashed && !x.withdraw && x.issued != 1 {
		x.fault("%d requests", x.issued)
	}
}

// release lets a step go on.
func (x *explorer) release(s *step, live bool) {
	x.mu.Lock()
	x.pending = slices.DeleteFunc(x.pending, func(p *step) bool { return p == s })
	x.mu.Unlock()
	if live {
		x.trace = append(x.trace, fmt.Sprintf("host %d %s", s.host, s.what))
	}
	s.run <- live
}

// stop stops a host for good.
func (x *explorer) stop(host int) {
	x.trace = append(x.trace, fmt.Sprintf("host %d is killed", host))
	x.crashed = true
	x.mu.Lock()
	x.dead[host] = true
	pending := slices.Clone(x.pending)
	x.mu.Unlock()
	for _, s := range pending {
		if s.host == host {
			x.release(s, false)
		}
	}
}

// explore runs all schedules until one violates a property, at most limit, and returns how
// many it ran.
func (x *explorer) explore(t *testing.T, limit int) (runs int, violation string) {
	for {
		x.run(t)
		runs++
		if len(x.faults) > 0 {
			return runs, strings.Join(x.faults, "; ") + ":\n\t" + strings.Join(x.trace, "\n\t")
		}
		if !x.next() || runs == limit {
			return runs, ""
		}
	}
}

// In no order of the steps of several hosts, with pauses and with hosts that die, does a
// host stay without a credential, or an older value replace a newer one. Without the fence
// that happens, and is found.
func TestExplore(t *testing.T) {
	for name, test := range map[string]struct {
		x     *explorer
		fault string
	}{
		"two hosts":         {&explorer{hosts: 2, crashes: 1, maxPause: 1}, ""},
		"three hosts":       {&explorer{hosts: 3}, ""},
		"long pauses":       {&explorer{hosts: 2, maxPause: 2}, ""},
		"a renewal":         {&explorer{hosts: 2, renew: true, crashes: 1, maxPause: 1}, ""},
		"a logout":          {&explorer{hosts: 1, withdraw: true, crashes: 1, maxPause: 1}, ""},
		"without the fence": {&explorer{hosts: 2, maxPause: 1, model: &model{noFence: true}}, "replaces"},
		"without the withdrawal": {&explorer{hosts: 1, withdraw: true, model: &model{noWithdrawal: true}},
			"there again"},
	} {
		t.Run(name, func(t *testing.T) {
			x := test.x
			x.pauses = []time.Duration{leaseTime + time.Second, followLimit}
			if x.model == nil {
				x.model = &model{}
			}
			limit := 500
			switch {
			case full():
				limit = 1 << 40
			case os.Getenv("JETON_TEST_CLOUD") != "": // in make test
				limit = 2000
			}
			runs, violation := x.explore(t, limit)
			t.Logf("%d schedules", runs)
			if (violation == "") != (test.fault == "") || !strings.Contains(violation, test.fault) {
				t.Errorf("%q, and %q was expected", violation, test.fault)
			}
			if violation != "" {
				t.Log(violation)
			}
		})
	}
}
