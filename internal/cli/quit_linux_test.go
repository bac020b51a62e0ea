package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Ctrl-\ and its like end jeton without a stack.
func TestQuit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := newUser(t, w, "")
	mark := filepath.Join(u.home, "mark")
	script := `{plugin: command, argv: [sh, -c, 'touch ` + mark + `; sleep 5; echo CANARY']}`
	u.configure(t, w, "  slow: "+script)
	for _, test := range []struct {
		args   []string
		signal syscall.Signal
		want   int
	}{
		{[]string{"get", "slow"}, syscall.SIGQUIT, 131},
		{[]string{"get", "slow", "--no-cache"}, syscall.SIGABRT, 134},
		{[]string{"exec", "slow", "--", "true"}, syscall.SIGTRAP, 133},
	} {
		os.Remove(mark)
		cmd := u.command(test.args...)
		var output bytes.Buffer
		cmd.Stdout, cmd.Stderr = &output, &output
		cmd.WaitDelay = time.Second // the program may live on
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 500; n++ {
			if _, err := os.Stat(mark); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cmd.Process.Signal(test.signal)
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != test.want || output.Len() > 0 {
			t.Errorf("%s: %s: exit code %d, not %d: %s", test.args, test.signal, got, test.want, output.String())
		}
	}
}
