package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jeton-cli/jeton/plugin"
	commandplugin "github.com/jeton-cli/jeton/plugin/command"
)

// TestHelperAt is jeton at the time that the variable says, in nanoseconds since 1970.
// Clients whose clock is such a one run it.
func TestHelperAt(t *testing.T) {
	at, err := strconv.ParseInt(os.Getenv("VIRTUAL_TEST_AT"), 10, 64)
	if err != nil {
		t.Skip("TestLifetimes has clients run it")
	}
	args := os.Args[len(os.Args)-4:] // get PROFILE -f FORMAT
	// Package signal starts its goroutine at the first use, which must not be in the bubble.
	started := make(chan os.Signal, 1)
	signal.Notify(started, os.Interrupt)
	signal.Stop(started)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(0, at)))
		os.Exit(int(newInvocation(plugin.Issuers{commandplugin.Issuer}, "", time.Now(), args).run()))
	})
}

// Long-lived clients live through several renewals of credentials of all lengths, on a
// clock that does not have to be waited for: botocore's, the AWS SDK's and client-go's
// own code. Nobody gets a credential that has expired, and who runs jeton for every call
// has to. docs/performance.md has the table.
func TestLifetimes(t *testing.T) {
	if os.Getenv("JETON_TEST_CLOUD") == "" {
		t.Skip("it is part of make test")
	}
	t.Parallel()
	python := withBoto3()
	if python == "" {
		skip(t, "there is no Python with boto3")
	}
	for _, name := range []string{"aws-sdk-virtual", "client-go-virtual"} {
		if client(name) == "" {
			skip(t, name+" is not installed")
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	clients := []struct {
		name, format string
		argv         []string
	}{
		{"botocore", "aws", []string{python, "-c", botocoreVirtual}},
		{"aws-sdk-go-v2", "aws", []string{client("aws-sdk-virtual"), "-test.run", "^TestVirtual$"}},
		{"client-go", "kubernetes", []string{client("client-go-virtual"), "-test.run", "^TestVirtual$"}},
	}
	lives := []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
		24 * time.Hour}
	rows := make([][]string, len(lives))
	var all sync.WaitGroup
	slots := make(chan bool, 2)
	for i, life := range lives {
		rows[i] = make([]string, len(clients))
		for j, c := range clients {
			slots <- true
			all.Go(func() {
				defer func() { <-slots }()
				rows[i][j] = lifetime(t, self, c.name, c.format, c.argv, life)
			})
		}
	}
	all.Wait()
	var table strings.Builder
	for i := range lives {
		fmt.Fprintf(&table, "| %s | %s |\n", []string{"30 s", "60 s", "5 min", "15 min", "1 h", "24 h"}[i],
			strings.Join(rows[i], " | "))
	}
	const head = "<!-- lifetimes: checked by lifetimes_test.go -->\n"
	_, rest, _ := strings.Cut(readDocuments(t)["docs/performance.md"].Text, head)
	got, _, _ := strings.Cut(rest, "\n\n")
	if lines := strings.SplitAfterN(got+"\n", "\n", 3); len(lines) < 3 || lines[2] != table.String() {
		t.Errorf("the table of docs/performance.md should be\n%s", table.String())
	}
}

// lifetime has a client work for three lives, and returns what it did in a few words.
func lifetime(t *testing.T, self, name, format string, argv []string, life time.Duration) string {
	dir := t.TempDir()
	u := &user{home: dir}
	expires := fmt.Sprintf("e=$((VIRTUAL_TEST_AT / 1000000000 + %d)); d=$(date -u -d @$e +%%FT%%TZ)",
		int(life.Seconds()))
	document := `{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "secret", "SessionToken": "x", "Expiration": "%s"}`
	if format == "kubernetes" {
		document = `{"kind": "ExecCredential", "status": {"token": "%s", "expirationTimestamp": "%s"}}`
	}
	for file, text := range map[string]string{
		"issuer": fmt.Sprintf("#!/bin/sh\necho >>%s/requests\n%s\nprintf '%s' $e $d\n", dir, expires, document),
		"helper": fmt.Sprintf("#!/bin/sh\necho >>%s/runs\nexec %s -test.run '^TestHelperAt$' -- \"$@\"\n", dir, self),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil {
			t.Error(err)
			return ""
		}
	}
	u.configure(t, &world{}, fmt.Sprintf("  p: {plugin: command, argv: [%s/issuer]}\n", dir))
	interval := min(max(life/60, time.Second), time.Minute)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "HELPER=" + dir + "/helper",
		"GORACE=atexit_sleep_ms=0",
		fmt.Sprint("SECONDS_LIFE=", int((3 * life).Seconds())), fmt.Sprint("SECONDS_STEP=", int(interval.Seconds()))}
	out, err := cmd.CombinedOutput()
	var did struct{ Calls, Dead int }
	_, line, _ := strings.Cut("\n"+string(out), "\n{")
	if e := json.NewDecoder(strings.NewReader("{" + line)).Decode(&did); err != nil || e != nil {
		t.Errorf("%s: %v, %v: %s", name, err, e, out)
		return ""
	}
	count := func(file string) int {
		b, _ := os.ReadFile(filepath.Join(dir, file))
		return len(b)
	}
	runs, requests := count("runs"), count("requests")
	if did.Dead > 0 || did.Calls < 90 {
		t.Errorf("%s with lives of %s: %d of %d calls with a credential that has expired", name, life, did.Dead,
			did.Calls)
	}
	// Each life is used for two thirds at least.
	if requests < 3 || requests > 6 {
		t.Errorf("%s with lives of %s: %d requests", name, life, requests)
	}
	// botocore asks again at each call if less than 15 minutes are left.
	if often := name == "botocore" && life <= 15*time.Minute; runs > 2*requests+2 && !often {
		t.Errorf("%s with lives of %s: %d runs for %d requests", name, life, runs, requests)
	}
	return fmt.Sprintf("%d / %d / %d", did.Calls, runs, requests)
}

// botocoreVirtual is a process that makes calls with boto3's credentials, on a clock of
// its own.
const botocoreVirtual = `
import datetime, json, os
import botocore.credentials as credentials, botocore.session
credentials.VIRTUAL = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
def now():
    return VIRTUAL
credentials._local_now.__code__ = now.__code__
with open(os.environ["HOME"] + "/aws", "w") as f:
    f.write("[default]\ncredential_process = " + os.environ["HELPER"] + " get p -f aws\n")
os.environ.update(AWS_CONFIG_FILE=os.environ["HOME"] + "/aws", AWS_EC2_METADATA_DISABLED="true")
start = credentials.VIRTUAL
def advance(seconds):
    credentials.VIRTUAL += datetime.timedelta(seconds=seconds)
    os.environ["VIRTUAL_TEST_AT"] = str(int(credentials.VIRTUAL.timestamp()) * 10**9)
advance(0)
session = botocore.session.Session()
calls = dead = 0
while (credentials.VIRTUAL - start).total_seconds() < int(os.environ["SECONDS_LIFE"]):
    key = session.get_credentials().get_frozen_credentials().access_key
    calls += 1
    dead += int(key) <= credentials.VIRTUAL.timestamp()
    advance(int(os.environ["SECONDS_STEP"]))
print(json.dumps({"calls": calls, "dead": dead}))
`
