package formats

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// A kubernetesClient is a program that logs in with a kubeconfig. A flag, and for some an
// environment variable, names another context than the current one.
type kubernetesClient struct{ program, flag, variable string }

var kubernetesClients = []kubernetesClient{
	{program: "kubectl", flag: "--context"},
	{program: "oc", flag: "--context"},
	{program: "helm", flag: "--kube-context", variable: "HELM_KUBECONTEXT"},
	{program: "helmfile", flag: "--kube-context", variable: "HELM_KUBECONTEXT"},
	{program: "k9s", flag: "--context"},
	{program: "flux", flag: "--context"},
	{program: "stern", flag: "--context"},
	{program: "velero", flag: "--kubecontext"},
}

// clientCalled returns the client that a program is, or nil.
func clientCalled(program string) *kubernetesClient {
	if strings.HasPrefix(program, "kubectl-") { // a plugin, which takes kubectl's flags
		program = "kubectl"
	}
	for i := range kubernetesClients {
		if kubernetesClients[i].program == program {
			return &kubernetesClients[i]
		}
	}
	return nil
}

// isKubernetesClient reports whether the program logs in with a kubeconfig.
func isKubernetesClient(program string) bool { return clientCalled(program) != nil }

// kubernetesExec runs Kubernetes clients with a kubeconfig that makes them ask jeton.
type kubernetesExec struct{}

// Check returns an error for a Kubernetes client that would get an access key.
func (kubernetesExec) Check(cmd *Command, i *plugin.Issuer) error {
	if !isKubernetesClient(cmd.program()) {
		return nil
	}
	return checkKubernetes(i)
}

// Prepare returns a kubeconfig for a Kubernetes client, and for any command that gets a
// client certificate.
func (kubernetesExec) Prepare(_ context.Context, cmd *Command, c *plugin.Credential) (Handover, error) {
	if c.ClientCertificate == "" && !isKubernetesClient(cmd.program()) {
		return nil, nil
	}
	f, err := newKubernetes(Options{Issuers: cmd.Caller.Issuers, Profile: cmd.Caller.Name})
	if err == nil {
		err = f.Encode(io.Discard, c) // otherwise the client would report it in its own words
	}
	if err != nil {
		return nil, err
	}
	if cmd.Caller.Home == "" {
		return nil, plugin.Errorf(plugin.Config, "HOME is not set")
	}
	if cmd.Caller.Argv, err = cmd.Caller.ArgvFor("kubernetes"); err != nil {
		return nil, err
	}
	return func(dir string) (*Surroundings, error) {
		document, variable, err := kubeconfigFor(cmd.Caller, cmd.Argv, filepath.Join(dir, "kubeconfig"))
		// Variables with the profile's secrets stay set: the client asks jeton again with
		// them.
		return &Surroundings{Files: map[string][]byte{"kubeconfig": document}, Set: []Variable{variable}}, err
	}, nil
}

// kubeconfigFor returns a kubeconfig to go before the user's own. In it, the context that
// the command line names, or the current one, runs c.Argv to log in. The other contexts
// stay as they were, because the credential is not for their clusters. path is where the
// file will be. The variable makes the clients find it.
func kubeconfigFor(c *Caller, command []string, path string) ([]byte, Variable, error) {
	files, err := readKubeconfigs(c, func(text []byte) (*plugin.Lines, error) {
		root, err := plugin.ParseYAML(text)
		return &plugin.Lines{Root: root}, err
	})
	if err != nil {
		return nil, Variable{}, err
	}
	paths := path
	for _, f := range files {
		paths += string(filepath.ListSeparator) + f.path
	}
	if slices.ContainsFunc(command, func(arg string) bool {
		return arg == "--kubeconfig" ||
			strings.HasPrefix(arg, "--kubeconfig=")
	}) {
		return nil, Variable{}, plugin.Errorf(plugin.Config,
			"with --kubeconfig the command does not look at the kubeconfig that jeton makes for it").
			WithHint("name the file before the command: KUBECONFIG=FILE jeton exec …")
	}
	name := contextOf(command, c.Getenv)
	for _, f := range files {
		if _, current := plugin.Get(f.Root, "current-context"); name == "" && current != nil {
			name = current.Value
		}
	}
	if name == "" {
		return nil, Variable{}, plugin.Errorf(plugin.Config, "no context is the current one in %s",
			kubeconfigPaths(files)).
			WithHint("choose the cluster: kubectl config use-context NAME, or --context NAME")
	}
	var context map[string]any
	if _, entry := named(files, "contexts", name); entry != nil {
		if _, value := plugin.Get(entry, "context"); value == nil || value.Decode(&context) != nil ||
			context["cluster"] == nil {
			return nil, Variable{}, plugin.Errorf(plugin.Config, "context %s names no cluster", plugin.Shorten(name))
		}
	} else {
		return nil, Variable{}, plugin.Errorf(plugin.Config, "there is no context %s in %s", plugin.Shorten(name),
			kubeconfigPaths(files)).
			WithHint("kubectl config get-contexts lists them")
	}
	user := unusedUser(files, userOf(c.Name), name)
	context["user"] = user
	type object = map[string]any
	document, err := yaml.Marshal(object{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"contexts": []any{object{"name": name, "context": context}},
		"users": []any{object{"name": user, "user": object{"exec": object{
			"apiVersion": apiVersions[0], "command": c.Argv[0], "args": c.Argv[1:], "interactiveMode": "IfAvailable",
		}}}},
	})
	return document, Variable{"KUBECONFIG", paths}, err
}

// unusedUser returns name, or a name like it, which is no user's and which no context but
// this one names: the file that jeton makes comes before the others, so that its user
// would stand in for theirs.
func unusedUser(files []kubeconfig, name, context string) string {
	unused := name
	for i := 2; ; i++ {
		if holder, _ := named(files, "users", unused); holder == nil && len(alsoNaming(files, unused, context)) == 0 {
			return unused
		}
		unused = fmt.Sprintf("%s-%d", name, i)
	}
}

// contextOf returns the context that a command line, or else the environment, names, or "".
// The last flag counts. A program that is no client of Kubernetes may pass the flags of any
// client on to it.
func contextOf(command []string, getenv func(string) string) (context string) {
	own := clientCalled(strings.TrimSuffix(filepath.Base(command[0]), ".exe"))
	clients := kubernetesClients
	if own != nil {
		clients = []kubernetesClient{*own}
	}
	for i, arg := range command {
		if arg == "--" { // what follows runs elsewhere
			break
		}
		for _, client := range clients {
			if value, ok := strings.CutPrefix(arg, client.flag+"="); ok {
				context = value
			} else if arg == client.flag && i+1 < len(command) {
				context = command[i+1]
			}
		}
	}
	if context == "" && own != nil && own.variable != "" {
		return getenv(own.variable)
	}
	return context
}
