package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

// A server takes tokens that say when they expire.
type server struct{ calls, dead int }

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls++
	expires, err := strconv.ParseInt(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), 10, 64)
	if err != nil || time.Now().Unix() >= expires {
		s.dead++
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

// TestVirtual makes calls as a client of Kubernetes does that has an exec plugin, on a
// clock that does not have to be waited for. It is a program.
func TestVirtual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seconds := func(name string) time.Duration {
			d, err := time.ParseDuration(os.Getenv(name) + "s")
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		life, step := seconds("SECONDS_LIFE"), seconds("SECONDS_STEP")
		s := &server{}
		config := &rest.Config{Host: "https://cluster.example", QPS: -1, ExecProvider: &api.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: os.Getenv("HELPER"),
			Args:            []string{"get", "p", "-f", "kubernetes"},
			InteractiveMode: api.NeverExecInteractiveMode,
		}}
		config.Wrap(func(http.RoundTripper) http.RoundTripper { return s })
		config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
		client, err := rest.UnversionedRESTClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(life); time.Now().Before(end); time.Sleep(step) {
			os.Setenv("VIRTUAL_TEST_AT", strconv.FormatInt(time.Now().UnixNano(), 10))
			if _, err := client.Get().AbsPath("/version").Do(context.Background()).Raw(); err != nil {
				t.Fatal(err)
			}
		}
		json.NewEncoder(os.Stdout).Encode(map[string]int{"calls": s.calls, "dead": s.dead})
		os.Exit(0)
	})
}
