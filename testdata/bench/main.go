// Command bench measures jeton beside a Go program that says hello, in one run, in
// turns and in a new order each time, so that whatever else the machine does meets
// all alike: only the ratios mean anything.
//
// usage: bench DIRECTORY (of jeton and of the programs hello and rss below this one)
//
// Others can be measured beside them: PEERS='NAME=COMMAND LINE;…' in the environment.
package main

import (
	"bytes"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

const (
	rounds  = 300
	callers = 500
)

func main() {
	log.SetFlags(0)
	keystone := &embedded.Keystone{}
	web := keystone.Project("web")
	keystone.User("alice", "wonderland", "", web)
	front := &embedded.Front{Next: keystone}
	server := httptest.NewServer(front)
	defer server.Close()
	dir, err := os.MkdirTemp("", "jeton-bench-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	jeton, hello, rss := copied("jeton", dir), copied("hello", dir), copied("rss", dir)
	login := fmt.Sprintf("plugin: keystone, auth_url: %s, username: alice, project_id: %s", server.URL, web)
	profiles := fmt.Sprintf("profiles:\n  cloud: {%s, password: wonderland}\n  s3: {plugin: keystone-ec2, from: "+
		"cloud}\n  secret: {%s, password: {env: PASSWORD}}\n", login, login)
	small := home(filepath.Join(dir, "small"), profiles)
	var many strings.Builder
	many.WriteString(profiles)
	for n := range 10_000 {
		fmt.Fprintf(&many, "  p%d: {%s, password: wonderland}\n", n, login)
	}
	large := home(filepath.Join(dir, "large"), many.String())
	for n := range 100_000 {
		name := filepath.Join(dir, "large", ".cache", "jeton", fmt.Sprintf("%032x", n))
		if err := os.WriteFile(name, make([]byte, 600), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	environment := append([]string{"OS_AUTH_URL=" + server.URL, "OS_USERNAME=alice", "OS_PASSWORD=wonderland",
		"OS_PROJECT_ID=" + web}, home(filepath.Join(dir, "env"), "")...)
	get := []string{jeton, "get", "cloud", "-f", "kubernetes"}
	programs := []*program{
		{name: "Go program that says hello", argv: []string{hello}},
		{name: "cat of a file", argv: []string{"cat", filepath.Join(dir, "small", ".config", "jeton", "config.yaml")}},
		{name: "jeton get, warm, kubernetes", argv: get, env: small},
		{name: "the same, 10,000 profiles, 100,000 kept", argv: get, env: large},
		{name: "jeton get, warm, aws", argv: []string{jeton, "get", "s3", "-f", "aws"}, env: small},
		{name: "jeton get, warm, {env: …}", argv: []string{jeton, "get", "secret", "-f", "token"},
			env: append([]string{"PASSWORD=wonderland"}, small...)},
		{name: "jeton get, warm, identity in OS_…", argv: []string{jeton, "get", "-f", "token"}, env: environment},
		{name: "jeton get, cold", argv: []string{jeton, "get", "cloud", "--refresh"},
			env: home(filepath.Join(dir, "cold"), profiles)},
		{name: "jeton --help", argv: []string{jeton, "--help"}, env: small},
		{name: "jeton version", argv: []string{jeton, "version"}, env: small},
	}
	for _, peer := range strings.Split(os.Getenv("PEERS"), ";") {
		if name, line, ok := strings.Cut(peer, "="); ok {
			programs = append(programs, &program{name: name, argv: strings.Fields(line), env: os.Environ()})
		}
	}
	for _, p := range programs {
		p.run(false)
	}
	time.Sleep(50 * time.Millisecond) // files must be that old to be relied on
	for round := range rounds + 5 {
		for _, i := range rand.Perm(len(programs)) {
			programs[i].run(round >= 5)
		}
	}
	fmt.Println("| | median | ratio | packages | page faults | system calls | peak memory |")
	fmt.Println("|---|---|---|---|---|---|---|")
	base := programs[0].at(0.5)
	for _, p := range programs {
		var faults, memory []int
		for range 9 { // it depends on when the threads of the runtime run
			f, m := p.usage(rss)
			faults, memory = append(faults, f), append(memory, m)
		}
		slices.Sort(faults)
		slices.Sort(memory)
		fmt.Printf("| %s | %.2f ms | %.2f | %s | %d | %s | %.1f MB |\n", p.name, ms(p.at(0.5)),
			float64(p.at(0.5))/float64(base),
			p.packages(), faults[4], p.calls(), float64(memory[4])/1024)
	}
	if info, err := os.Stat(jeton); err == nil {
		fmt.Printf("\nThe binary is %.2f MB.\n", float64(info.Size())/1e6)
	}

	front.SetFault(func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(300 * time.Millisecond)
		return false
	})
	for _, kind := range []string{"cold, with an issuer that takes 300 ms", "warm"} {
		front.Forget()
		if kind != "warm" {
			os.RemoveAll(filepath.Join(dir, "small", ".cache"))
		} else {
			time.Sleep(50 * time.Millisecond)
			programs[2].run(false)
		}
		fmt.Printf("%d %s, at once: %.2f s, %d request(s)\n", callers, kind, crowd(programs[2]).Seconds(),
			front.Requests(""))
	}
	for _, p := range programs[10:] {
		fmt.Printf("%d of %s at once: %.2f s\n", callers, p.name, crowd(p).Seconds())
	}
}

// crowd runs many of p at once.
func crowd(p *program) time.Duration {
	start := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			cmd := exec.Command(p.argv[0], p.argv[1:]...)
			cmd.Env = p.env
			if err := cmd.Run(); err != nil {
				log.Print(p.name, ": ", err)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// home makes a home directory with the configuration, and returns the environment
// of who lives there.
func home(dir, config string) []string {
	for _, sub := range []string{".config", ".cache"} {
		if err := os.MkdirAll(filepath.Join(dir, sub, "jeton"), 0o700); err != nil {
			log.Fatal(err)
		}
	}
	if config != "" {
		if err := os.WriteFile(filepath.Join(dir, ".config", "jeton", "config.yaml"), []byte(config),
			0o600); err != nil {
			log.Fatal(err)
		}
	}
	return []string{"HOME=" + dir}
}

// copied returns a copy of the program, as cp makes it: what the linker has just
// written lies in memory in smaller pieces, and starts more slowly, and what is
// written at once in larger ones, and seems to take more memory.
func copied(name, dir string) string {
	to := filepath.Join(dir, name)
	if out, err := exec.Command("cp", filepath.Join(os.Args[1], name), to).CombinedOutput(); err != nil {
		log.Fatalf("cp: %v: %s", err, out)
	}
	return to
}

type program struct {
	name string
	argv []string
	env  []string
	took []time.Duration
}

func (p *program) run(count bool) {
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = p.env
	start := time.Now()
	if err := cmd.Run(); err != nil {
		log.Fatalf("%v: %v", p.argv, err)
	}
	if count {
		p.took = append(p.took, time.Since(start))
	}
}

// usage returns the page faults and the peak memory in KiB, as rss tells them.
func (p *program) usage(rss string) (faults, memory int) {
	path, err := exec.LookPath(p.argv[0])
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command(rss, append([]string{path}, p.argv[1:]...)...)
	var out bytes.Buffer
	cmd.Env, cmd.Stderr = p.env, &out
	if err := cmd.Run(); err != nil {
		log.Fatalf("rss %v: %v: %s", p.argv, err, out.String())
	}
	last := out.String()[strings.LastIndexByte(strings.TrimSpace(out.String()), '\n')+1:]
	if _, err := fmt.Sscan(last, &faults, &memory); err != nil {
		log.Fatalf("rss %v: %v: %s", p.argv, err, out.String())
	}
	return faults, memory
}

// packages returns how many Go packages are initialised, if it is a Go program.
func (p *program) packages() string {
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	var out bytes.Buffer
	cmd.Env, cmd.Stderr = append(slices.Clone(p.env), "GODEBUG=inittrace=1"), &out
	cmd.Run()
	if n := strings.Count("\n"+out.String(), "\ninit "); n > 0 {
		return strconv.Itoa(n)
	}
	return "–"
}

// calls returns how many system calls p makes, if strace is there to tell.
func (p *program) calls() string {
	cmd := exec.Command("strace", append([]string{"-f", "-qq", "-o", "/dev/stderr"}, p.argv...)...)
	var out bytes.Buffer
	cmd.Env, cmd.Stderr = append(slices.Clone(p.env), "PATH="+os.Getenv("PATH")), &out
	if cmd.Run() != nil {
		return "–"
	}
	n := 0
	for line := range strings.Lines(out.String()) {
		if !strings.Contains(line, " resumed>") && !strings.Contains(line, "+++") && strings.Contains(line, "(") {
			n++
		}
	}
	return strconv.Itoa(n)
}

func (p *program) at(quantile float64) time.Duration {
	slices.Sort(p.took)
	return p.took[int(quantile*float64(len(p.took)-1))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
