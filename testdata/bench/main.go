// Command bench measures jeton beside a Go program that prints a file, in one
// run and in turns, so that whatever else the machine does meets both alike:
// only the ratios mean anything.
//
// usage: bench DIRECTORY (of jeton and of the programs cat and rss below this one)
package main

import (
	"bytes"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

const (
	rounds  = 200
	callers = 300
)

func main() {
	log.SetFlags(0)
	keystone := &embedded.Keystone{}
	web := keystone.Project("web")
	keystone.User("alice", "wonderland", "", web)
	front := &embedded.Front{Next: keystone}
	server := httptest.NewServer(front)
	defer server.Close()
	home, err := os.MkdirTemp("", "jeton-bench-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	jeton, cat, rss := copied("jeton", home), copied("cat", home), copied("rss", home)
	config := filepath.Join(home, ".config", "jeton", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		log.Fatal(err)
	}
	text := fmt.Sprintf("profiles:\n  cloud: {plugin: keystone, auth_url: %s, username: alice, password: wonderland, project_id: %s}\n", server.URL, web)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}
	env := []string{"HOME=" + home}
	get := []string{jeton, "get", "cloud", "-f", "kubernetes"}

	programs := []*program{
		{name: "Go program that prints a file", argv: []string{cat, config}},
		{name: "jeton get, warm", argv: get},
		{name: "jeton get, cold", argv: append(slices.Clone(get), "--refresh")},
		{name: "jeton version", argv: []string{jeton, "version"}},
	}
	for round := range rounds + 5 {
		for _, p := range programs {
			p.run(env, rss, round >= 5)
		}
	}
	fmt.Printf("%-32s %10s %10s %8s %12s\n", "", "median", "p90", "ratio", "peak memory")
	for _, p := range programs {
		fmt.Printf("%-32s %8.2fms %8.2fms %7.2fx %9.1f MB\n", p.name, ms(p.at(0.5)), ms(p.at(0.9)),
			float64(p.at(0.5))/float64(programs[0].at(0.5)), float64(p.memory)/1024)
	}

	for _, kind := range []string{"cold", "warm"} {
		front.Forget()
		if kind == "cold" {
			os.RemoveAll(filepath.Join(home, ".cache"))
		}
		start := time.Now()
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				cmd := exec.Command(get[0], get[1:]...)
				cmd.Env = env
				if err := cmd.Run(); err != nil {
					log.Print(err)
				}
			})
		}
		wg.Wait()
		fmt.Printf("%d %s at once: %.2f s, %d request(s)\n", callers, kind, time.Since(start).Seconds(), front.Requests(""))
	}
}

// copied returns a copy of the program: one that the linker has just written
// lies in memory in smaller pieces, and starts more slowly.
func copied(name, dir string) string {
	b, err := os.ReadFile(filepath.Join(os.Args[1], name))
	to := filepath.Join(dir, name)
	if err == nil {
		err = os.WriteFile(to, b, 0o700)
	}
	if err != nil {
		log.Fatal(err)
	}
	return to
}

type program struct {
	name   string
	argv   []string
	took   []time.Duration
	memory int // KiB
}

func (p *program) run(env []string, rss string, count bool) {
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = env
	start := time.Now()
	if err := cmd.Run(); err != nil {
		log.Fatalf("%v: %v", p.argv, err)
	}
	if count {
		p.took = append(p.took, time.Since(start))
	}
	if count && len(p.took)%20 == 0 {
		cmd := exec.Command(rss, p.argv...)
		var out bytes.Buffer
		cmd.Env, cmd.Stderr = env, &out
		kib, err := 0, cmd.Run()
		if err == nil {
			kib, err = strconv.Atoi(out.String())
		}
		if err != nil {
			log.Fatalf("rss %v: %v: %s", p.argv, err, out.String())
		}
		p.memory = max(p.memory, kib)
	}
}

func (p *program) at(quantile float64) time.Duration {
	slices.Sort(p.took)
	return p.took[int(quantile*float64(len(p.took)-1))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
