package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
)

// TestVirtual makes calls with the credentials of a process, on a clock that does not
// have to be waited for. It is a program, and its ids of keys say when these expire.
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
		cache := aws.NewCredentialsCache(processcreds.NewProvider(os.Getenv("HELPER") + " get p -f aws"))
		calls, dead := 0, 0
		for end := time.Now().Add(life); time.Now().Before(end); time.Sleep(step) {
			os.Setenv("VIRTUAL_TEST_AT", strconv.FormatInt(time.Now().UnixNano(), 10))
			c, err := cache.Retrieve(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			calls++
			if expires, err := strconv.ParseInt(c.AccessKeyID, 10, 64); err != nil || time.Now().Unix() >= expires {
				dead++
			}
		}
		json.NewEncoder(os.Stdout).Encode(map[string]int{"calls": calls, "dead": dead})
		os.Exit(0)
	})
}
