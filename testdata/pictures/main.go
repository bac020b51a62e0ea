// Pictures makes the pictures of the README: the data flow, out of a text, and two terminals,
// which it records while jeton runs in them.
//
//	go run ./testdata/pictures JETON DIRECTORY
package main

import (
	"fmt"
	"log"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/jeton-cli/jeton/testdata/embedded"
	"github.com/jeton-cli/jeton/testdata/screen"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: pictures JETON DIRECTORY")
	}
	text, err := os.ReadFile("testdata/pictures/flow.txt")
	if err != nil {
		log.Fatal(err)
	}
	pictures := map[string]string{"flow.svg": flow(string(text))}
	for name, play := range recordings {
		shown, err := record(os.Args[1], play)
		if err != nil {
			log.Fatal(name, ": ", err)
		}
		pictures[name] = terminal(shown)
	}
	for name, picture := range pictures {
		if err := os.WriteFile(filepath.Join(os.Args[2], name), []byte(picture), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// A step is what a person types, and what the terminal comes to then.
type step struct{ typed, wait string }

// recordings are what is typed in the terminals of the pictures, by the file's name. KEYSTONE
// stands for the address of a Keystone. A step without a wait is a command of the shell.
var recordings = map[string][]step{
	"terminal-init.svg": {
		{"jeton init", "Number [1]:"}, {"3", "Number [1]:"}, {"1", "https://HOST/v3:"},
		{"KEYSTONE", "User name:"}, {"alice", "[Default]:"}, {"", "(not shown):"}, {"CANARY-alice-pw", "[none]:"},
		{"RegionOne", "[openstack]:"}, {"prod", "Number [1]:"}, {"web", "Number [1]:"}, {"file", "[Y/n]"},
		{"", "Number [2]:"},
		{"1", "[Y/n]"}, {"", "[Y/n]"}, {"", "\n$"},
	},
	"terminal-status.svg": {
		{typed: "jeton init --cloud openstack --way user --set auth_url=KEYSTONE --set username=alice " +
			"--secret env:PW --name prod --set project_name=web --set project_domain_name=Default " +
			"--set region_name=RegionOne --yes >/dev/null"},
		{typed: "jeton setup aws prod >/dev/null"},
		{typed: "mkdir -p .aws; printf '[prod]\\naws_access_key_id = AKIAABCDEFGHIJKLMNOP\\n' >.aws/credentials"},
		{typed: "clear"},
		{typed: "jeton get prod -f aws >/dev/null"},
		{typed: "jeton status"},
		{typed: "jeton doctor"},
	},
}

// record plays the steps in a terminal, and returns what it shows in the end.
func record(jeton string, steps []step) (string, error) {
	k := &embedded.Keystone{}
	web, ops := k.Project("web"), k.Project("ops")
	k.User("alice", "CANARY-alice-pw", "", web, ops)
	server := httptest.NewServer(k)
	defer server.Close()
	home := filepath.Join(os.TempDir(), fmt.Sprintf("alice%08x", rand.Uint32())) // always as long
	if err := os.Mkdir(home, 0o700); err != nil {
		return "", err
	}
	defer os.RemoveAll(home)
	kubeconfig := filepath.Join(home, ".kube", "config")
	if err := os.MkdirAll(filepath.Dir(kubeconfig), 0o700); err != nil {
		return "", err
	}
	text := "apiVersion: v1\nkind: Config\nclusters:\n- {name: c, cluster: {server: \"https://k8s.example\"}}\n" +
		"contexts:\n- {name: my-cluster, context: {cluster: c, user: nobody}}\n"
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		return "", err
	}
	s, err := screen.Open(home, "PATH="+filepath.Dir(jeton)+":"+os.Getenv("PATH"), "PW=CANARY-alice-pw")
	if err != nil {
		return "", err
	}
	defer s.Close()
	for _, step := range steps {
		typed := replace(step.typed, server.URL+"/v3")
		if step.wait == "" {
			err = s.Run(typed)
		} else {
			err = s.Answer(typed, step.wait)
		}
		if err != nil {
			return "", err
		}
	}
	return s.Shown(true)
}
