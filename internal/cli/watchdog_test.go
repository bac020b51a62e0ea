package cli

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// A command that goes on after its budget is ended, once, and not while a person answers.
func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		held  time.Duration // from the 19th second on
		runs  time.Duration
		ended time.Duration // 0: not at all
	}{
		"in time":            {runs: 19 * time.Second},
		"in its grace":       {runs: 21 * time.Second},
		"for ever":           {runs: time.Hour, ended: 22 * time.Second},
		"a person":           {held: 10 * time.Minute, runs: 630 * time.Second},
		"a person, then not": {held: 10 * time.Minute, runs: time.Hour, ended: 10*time.Minute + 41*time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start, ended, times := time.Now(), time.Duration(0), 0
			ctx, cancel := plugin.Limit(t.Context(), 20*time.Second)
			defer cancel()
			stop := watch(ctx, 2*time.Second, func() { ended, times = time.Since(start), times+1 })
			if c.held > 0 {
				time.Sleep(19 * time.Second)
				resume := plugin.Suspend(ctx)
				time.Sleep(c.held)
				resume()
			}
			time.Sleep(c.runs - time.Since(start))
			stop()
			synctest.Wait()
			if ended != c.ended || times > 1 {
				t.Errorf("%s: ended after %s, %d times", name, ended, times)
			}
		})
	}
	// One that has run out before a person is asked waits for him.
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := plugin.Limit(t.Context(), 20*time.Second)
		defer cancel()
		ended := false
		stop := watch(ctx, 2*time.Second, func() { ended = true })
		time.Sleep(21 * time.Second)
		resume := plugin.Suspend(ctx)
		time.Sleep(time.Minute)
		synctest.Wait()
		if ended {
			t.Error("ended while a person answers")
		}
		resume()
		time.Sleep(5 * time.Second)
		stop()
		synctest.Wait()
		if !ended {
			t.Error("not ended")
		}
	})
}
