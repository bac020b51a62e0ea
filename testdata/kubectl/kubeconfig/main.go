// Command kubeconfig prints what client-go reads in kubeconfigs. For each line of
// standard input, which is a list of files as $KUBECONFIG has it, it prints one line of
// JSON: the error, or how each context logs in, and where.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// A reading is what client-go reads in a list of files.
type reading struct {
	Error    string             `json:"error,omitempty"`
	Current  string             `json:"current,omitempty"`
	Contexts map[string]context `json:"contexts,omitempty"`
}

type context struct {
	Cluster  *api.Cluster  `json:"cluster"`
	User     *api.AuthInfo `json:"user"`
	UserName string        `json:"userName"`
	Rest     api.Context   `json:"rest"`
}

func main() {
	log.SetFlags(0)
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := out.Encode(read(filepath.SplitList(lines.Text()))); err != nil {
			log.Fatal(err)
		}
	}
}

func read(files []string) (r reading) {
	config, err := (&clientcmd.ClientConfigLoadingRules{Precedence: files}).Load()
	if err != nil {
		return reading{Error: err.Error()}
	}
	r = reading{Current: config.CurrentContext, Contexts: map[string]context{}}
	for name, c := range config.Contexts {
		at := context{Cluster: config.Clusters[c.Cluster], User: config.AuthInfos[c.AuthInfo], UserName: c.AuthInfo,
			Rest: *c}
		at.Rest.AuthInfo = ""
		at.Rest.LocationOfOrigin = ""
		if at.User != nil {
			at.User.LocationOfOrigin = ""
		}
		if at.Cluster != nil {
			at.Cluster.LocationOfOrigin = ""
		}
		r.Contexts[name] = at
	}
	return r
}
