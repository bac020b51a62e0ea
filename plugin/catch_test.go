package plugin

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// A panic outside of the main goroutine becomes an error that repeats nothing of its
// value.
func TestCatch(t *testing.T) {
	if err := Catch(func() error { return errHung }); !errors.Is(err, errHung) {
		t.Error(err)
	}
	for _, value := range []any{"CANARY", errors.New("CANARY"), &Error{Text: "CANARY"}} {
		err := Catch(func() error { panic(value) })
		if e := AsError(err); e.Code != Bug || strings.Contains(e.Text+e.Hint, "CANARY") {
			t.Errorf("%v", err)
		}
	}
}

// What net/http and the early connection call in goroutines of their own is caught.
func TestDialPanics(t *testing.T) {
	broken := &transport{} // without the configuration of TLS
	if _, err := broken.dialTLS(t.Context(), "tcp", "127.0.0.1:1"); err == nil || AsError(err).Code != Bug {
		t.Errorf("%v", err)
	}
	var e early
	e.begin("a:1", func(context.Context, string) (net.Conn, error) { panic("CANARY") })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if conn := e.take(ctx, "a:1"); conn != nil || ctx.Err() != nil {
		t.Errorf("%v, %v", conn, ctx.Err())
	}
	k := Keyring{Getenv: func(string) string { return "unix:path=/nowhere" }}
	if err := k.call(ctx, func() error { panic("CANARY") }); err == nil || strings.Contains(err.Error(), "CANARY") {
		t.Errorf("%v", err)
	}
}
