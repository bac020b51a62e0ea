package plugin

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// The time that a person takes to answer does not count.
func TestSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, cancel := Limit(t.Context(), 20*time.Second)
		defer cancel()
		inner, cancel := Limit(outer, 15*time.Second)
		defer cancel()
		time.Sleep(14 * time.Second)
		resume := Suspend(inner)
		time.Sleep(time.Hour)
		resume()
		time.Sleep(14 * time.Second)
		if inner.Err() != nil || outer.Err() != nil {
			t.Fatalf("%v, %v", inner.Err(), outer.Err())
		}
		time.Sleep(2 * time.Second)
		if context.Cause(inner) != context.DeadlineExceeded || outer.Err() != nil {
			t.Errorf("%v, %v", context.Cause(inner), outer.Err())
		}
		time.Sleep(5 * time.Second)
		if context.Cause(outer) != context.DeadlineExceeded {
			t.Errorf("%v", context.Cause(outer))
		}
		Suspend(t.Context())() // nothing to suspend
	})
}
