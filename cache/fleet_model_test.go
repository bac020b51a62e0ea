package cache

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A model is a server of the shared cache in memory, with its own version of each script.
// TestModel compares it with a real Redis.
type model struct {
	mu    sync.Mutex
	slots map[string]*modelSlot
	calls map[string]int // by script
	// Each of these takes a part of the protocol out.
	noFence, noWithdrawal bool
	// accepted is called with each value that is put.
	accepted func(name string, generation int64)
	// withdrawn is called with the number of a withdrawal.
	withdrawn func(number int64)
}

type modelSlot struct {
	value, lease, refusal   ending
	generation              int64
	last, put, asked, fetch int64 // of the fence
	since                   int64
	fence                   ending // only when it ends
	keys                    map[string]string
	keysEnd                 time.Time
}

// An ending is a text that is there until its end.
type ending struct {
	text string
	end  time.Time
}

func (e ending) now() string {
	if time.Now().Before(e.end) {
		return e.text
	}
	return ""
}

func until(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		panic(err)
	}
	return time.Now().Add(time.Duration(n) * time.Millisecond)
}

func newModel() *model { return &model{slots: map[string]*modelSlot{}, calls: map[string]int{}} }

// do carries out an EVAL, as [redis.do].
func (m *model) do(_ context.Context, words ...string) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if words[0] != "EVAL" || words[2] != "5" {
		return nil, redisError("ERR " + words[0])
	}
	name := strings.TrimSuffix(strings.TrimPrefix(words[3], "jeton:{"), "}")
	m.calls[words[1]]++
	s := m.slots[name]
	if s == nil {
		s = &modelSlot{keys: map[string]string{}}
		m.slots[name] = s
	}
	if s.value.now() == "" {
		s.value, s.generation = ending{}, 0
	}
	if !time.Now().Before(s.fence.end) {
		s.last, s.put, s.asked, s.fetch, s.since = 0, 0, 0, 0, 0
	}
	if !time.Now().Before(s.keysEnd) {
		s.keys = map[string]string{}
	}
	args := words[8:]
	switch words[1] {
	case scriptLook:
		return m.look(s, args), nil
	case scriptPut:
		return m.keep(name, s, args), nil
	case scriptEnd:
		if s.lease.now() != args[0] {
			return int64(0), nil
		}
		s.lease = ending{}
		if args[1] != "" {
			s.refusal = ending{args[1], until(args[2])}
		}
		return int64(1), nil
	case scriptRenew:
		if s.lease.now() != args[0] {
			return int64(0), nil
		}
		s.lease.end = until(args[1])
		return int64(1), nil
	case scriptWithdraw:
		number := s.number()
		if !m.noWithdrawal {
			s.put = number
		}
		if m.withdrawn != nil {
			m.withdrawn(number)
		}
		s.fence.end = until(args[0])
		withdrawn := []any{formatNumber(s.generation), s.value.now()}
		s.value, s.lease, s.refusal, s.generation = ending{}, ending{}, ending{}, 0
		return withdrawn, nil
	case scriptCensus:
		left := int64(-2)
		if s.value.now() != "" {
			left = time.Until(s.value.end).Milliseconds()
		}
		return append([]any{formatNumber(s.generation), s.value.now(), left, s.lease.now(), formatNumber(s.asked),
			formatNumber(s.fetch), formatNumber(s.since)}, modelTime()...), nil
	case scriptRecord:
		_, there := s.keys[args[0]]
		if args[1] == "" {
			delete(s.keys, args[0])
			if there {
				return int64(1), nil
			}
			return int64(0), nil
		}
		s.keys[args[0]] = args[1]
		if end := until(args[2]); end.After(s.keysEnd) {
			s.keysEnd = end
		}
		return int64(1), nil
	case scriptRecords:
		list := []any{}
		for _, tag := range slices.Sorted(maps.Keys(s.keys)) {
			list = append(list, tag, s.keys[tag])
		}
		return append(modelTime(), list), nil
	}
	return nil, redisError("ERR no such script")
}

func modelTime() []any {
	now := time.Now()
	return []any{formatNumber(now.Unix()), formatNumber(int64(now.Nanosecond() / 1000))}
}

func (s *modelSlot) number() int64 {
	s.last = max(s.last+1, time.Now().UnixMilli())
	return s.last
}

func (m *model) look(s *modelSlot, args []string) any {
	holder, refusal, mine := s.lease.now(), s.refusal.now(), int64(0)
	if args[5] == "1" {
		s.asked++
		if s.since == 0 {
			s.since = time.Now().Unix()
		}
	}
	if (s.generation == 0 || formatNumber(s.generation) == args[2]) && (refusal == "" || args[3] == "1") &&
		(args[4] == "1" || holder == "") {
		if args[4] != "1" {
			s.lease = ending{args[0], until(args[1])}
		}
		mine = s.number()
		s.fetch++
	}
	if args[5] == "1" || mine != 0 {
		s.fence.end = until(args[6])
	}
	return append([]any{formatNumber(mine), formatNumber(s.generation), s.value.now(), refusal, holder}, modelTime()...)
}

func (m *model) keep(name string, s *modelSlot, args []string) any {
	kept := int64(0)
	mine, _ := strconv.ParseInt(args[0], 10, 64)
	if m.noFence || mine > s.generation && mine > s.put {
		s.generation, s.value = mine, ending{args[1], until(args[2])}
		s.put, s.fence.end, s.refusal, kept = mine, until(args[4]), ending{}, 1
		if m.accepted != nil {
			m.accepted(name, mine)
		}
	}
	if s.lease.now() == args[3] {
		s.lease = ending{}
	}
	return kept
}

// The model does what a real Redis does, over random calls.
func TestModel(t *testing.T) {
	server := startRedis(t)
	config := sharedAt(server.Address)
	opened, err := config.Open(t.Context(), &plugin.Env{Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	real, model := &redis{server: opened}, newModel()
	defer real.close()
	pick := func(list ...string) string { return list[rand.N(len(list))] }
	numbers := []string{"-1", "0"}
	texts := map[string]bool{}
	for range 1000 {
		name := pick("a", "b")
		number := numbers[len(numbers)-1-rand.N(min(len(numbers), 4))]
		lease := pick("one", "two", "three")
		long := formatNumber(int64(time.Hour / time.Millisecond))
		var words []string
		switch rand.N(9) {
		case 0, 1, 2:
			words = evaluation(scriptLook, name, lease, long, number, pick("1", ""), pick("1", "", ""), pick("1", ""),
				long)
		case 3, 4:
			text := fmt.Sprint("value", rand.N(1000))
			texts[text] = true
			words = evaluation(scriptPut, name, pick(number, "7"), text, long, lease, long)
		case 5:
			words = evaluation(scriptEnd, name, lease, pick("", "refusal"), long)
		case 6:
			words = evaluation(scriptRenew, name, lease, long)
		case 7:
			if rand.N(10) == 0 {
				words = evaluation(scriptWithdraw, name, long)
			} else {
				words = evaluation(scriptCensus, name)
			}
		case 8:
			words = pickWords(evaluation(scriptRecords, name), evaluation(scriptRecord, name, pick("t", "u"),
				pick("", "record"), long))
		}
		got, err := real.do(t.Context(), words...)
		if err != nil {
			t.Fatalf("%v: %v", words[8:], err)
		}
		want, err := model.do(t.Context(), words...)
		if err != nil {
			t.Fatal(err)
		}
		if words[1] == scriptLook {
			n := reply(got.([]any)).text(0)
			model.slots[name].rename(reply(want.([]any)).text(0), n)
			if n != "0" {
				numbers = append(numbers, n)
			}
		}
		if words[1] == scriptWithdraw {
			// The number that it took is not told: take one more on both sides.
			r, _ := real.do(t.Context(), evaluation(scriptLook, name, "x", "1", "-1", "", "1", "", long)...)
			w, _ := model.do(t.Context(), evaluation(scriptLook, name, "x", "1", "-1", "", "1", "", long)...)
			model.slots[name].rename(reply(w.([]any)).text(0), reply(r.([]any)).text(0))
		}
		if g, w := comparable(words[1], got), comparable(words[1], want); !reflect.DeepEqual(g, w) {
			t.Fatalf("%v: a Redis answers %v, and the model %v", words[8:], g, w)
		}
	}
}

func pickWords(list ...[]string) []string { return list[rand.N(len(list))] }

// rename has the slot use the number of the real server for its own.
func (s *modelSlot) rename(own, theirs string) {
	if own == "0" || theirs == "0" {
		return
	}
	s.last, _ = strconv.ParseInt(theirs, 10, 64)
}

// comparable returns a reply without what differs between two runs.
func comparable(script string, answer any) any {
	list, ok := answer.([]any)
	if !ok {
		return answer
	}
	list = slices.Clone(list)
	switch script {
	case scriptLook:
		list[0], list[5], list[6] = list[0] == "0", nil, nil
	case scriptCensus:
		list[2], list[6], list[7], list[8] = list[2].(int64) > 0, nil, nil, nil
	case scriptRecords:
		records := list[2].([]any)
		pairs := map[any]any{}
		for i := 0; i < len(records); i += 2 {
			pairs[records[i]] = records[i+1]
		}
		return pairs
	}
	return list
}

// full reports whether the whole count of a test is wanted.
func full() bool { return os.Getenv("JETON_TEST_TORTURE") != "" }
