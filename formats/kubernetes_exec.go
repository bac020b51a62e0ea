package formats

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// kubernetesClients are programs that log in with a kubeconfig.
var kubernetesClients = []string{"kubectl", "oc", "helm", "helmfile", "k9s", "flux", "stern", "velero"}

// isKubernetesClient reports whether the program logs in with a kubeconfig.
func isKubernetesClient(program string) bool {
	return slices.Contains(kubernetesClients, program) || strings.HasPrefix(program, "kubectl-")
}

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
	name := contextOf(command)
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
	user := userOf(c.Name)
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

// contextOf returns the context that a command line names, or "".
func contextOf(command []string) string {
	for i, arg := range command {
		for _, flag := range []string{"--context", "--kube-context"} {
			if value, ok := strings.CutPrefix(arg, flag+"="); ok {
				return value
			}
			if arg == flag && i+1 < len(command) {
				return command[i+1]
			}
		}
		if arg == "--" { // what follows runs elsewhere
			break
		}
	}
	return ""
}
