package formats

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// An execUser is what doctor wants to know of a kubeconfig's user.
type execUser struct {
	User struct {
		Exec struct {
			Command         string
			Args            []string
			APIVersion      string `yaml:"apiVersion"`
			InteractiveMode string `yaml:"interactiveMode"`
			Env             []struct{ Name, Value string }
		}
		Others map[string]any `yaml:",inline"`
	}
}

// doctorKubernetes returns what is wrong for Kubernetes' clients, and how many users of
// contexts run jeton.
func doctorKubernetes(c *Caller) (findings []plugin.Finding, seen int) {
	const check = "kubernetes"
	add := func(level, profile, where, what, fix string) {
		findings = append(findings, plugin.Finding{Check: check, Level: level, Profile: profile, Where: where, What: what, Fix: fix})
	}
	var files []kubeconfig
	var there []string
	for _, path := range kubeconfigs(c) {
		text, err := c.ReadFile(path)
		if err != nil {
			findings = append(findings, unreadable(check, path, err))
			continue
		}
		root, err := plugin.ParseYAML(text)
		if err != nil {
			findings = append(findings, unreadable(check, path, err))
			continue
		}
		if text != nil {
			there = append(there, path)
		}
		files = append(files, kubeconfig{path, text, &plugin.Lines{Root: root}})
	}
	if list := c.Getenv("KUBECONFIG"); list != "" && len(there) < len(files) {
		fix := unset("KUBECONFIG")
		if len(there) > 0 {
			fix = "export " + plugin.ShellWords("KUBECONFIG="+strings.Join(there, string(filepath.ListSeparator)))
		}
		add(plugin.Doubtful, "", "KUBECONFIG", "it names files that are not there", fix)
	}
	looked := map[string]bool{}
	for i := range files {
		_, contexts := plugin.Get(files[i].Root, "contexts")
		for _, entry := range plugin.Entries(contexts) {
			_, name := plugin.Get(entry, "name")
			user := contextUser(entry)
			if name == nil || user == nil {
				continue
			}
			file, definition := named(files, "users", user.Value)
			if file == nil {
				continue
			}
			var u execUser
			wrong := definition.Decode(&u) // of what it can, it makes something
			argv := append([]string{u.User.Exec.Command}, u.User.Exec.Args...)
			if !c.runsJeton(argv) {
				continue
			}
			profile, _ := asked(argv)
			_, context := plugin.Get(entry, "context")
			if _, cluster := plugin.Get(context, "cluster"); cluster != nil {
				if f, _ := named(files, "clusters", cluster.Value); f == nil {
					where := place(files[i].path, cluster.Line)
					add(plugin.Wrong, profile, where, "context "+name.Value+" is of a cluster that is not there: "+cluster.Value, plugin.EditAt(where))
				}
			}
			if looked[user.Value] {
				continue
			}
			looked[user.Value] = true
			seen++
			where := place(file.path, definition.Line)
			if wrong != nil {
				add(plugin.Wrong, profile, where, "something in it is not of the kind that kubectl takes (args is a list of strings, say)", plugin.EditAt(where))
				continue
			}
			findings = append(findings, c.doctorUser(file, user.Value, name.Value, where, u, argv)...)
		}
	}
	return findings, seen
}

// doctorUser looks at one user, of that context, who runs jeton.
func (c *Caller) doctorUser(file *kubeconfig, name, context, where string, u execUser, argv []string) (findings []plugin.Finding) {
	const check = "kubernetes"
	e := u.User.Exec
	if strings.Contains(argv[0], "/") && !filepath.IsAbs(argv[0]) { // which kubectl takes from the file on
		argv[0] = filepath.Join(filepath.Dir(file.path), argv[0])
	}
	_, users := plugin.Get(file.Root, "users")
	redo := func(profile string) string {
		if profile == "" { // it is the environment's
			return plugin.EditAt(where)
		}
		lines := (file.Root.Style|users.Style)&yaml.FlowStyle == 0
		if lines && (name != userOf(profile) || slices.Equal(argv[1:], []string{"get", profile, "-f", "kubernetes"})) {
			return plugin.ShellWords("jeton", "setup", "kubernetes", profile, "--context="+context)
		}
		return plugin.ShellWords("kubectl", "config", "set-credentials", name, "--exec-command="+c.Argv[0], "--exec-api-version="+apiVersions[0],
			"--exec-interactive-mode=IfAvailable", "--exec-arg=get", "--exec-arg="+profile, "--exec-arg=-f", "--exec-arg=kubernetes")
	}
	whose := *c
	for _, v := range e.Env {
		if v.Name == "JETON_PROFILE" && c.Find != nil {
			whose.Find = func(name string) (*plugin.Profile, error) {
				if name == "" {
					name = v.Value
				}
				return c.Find(name)
			}
		}
		family, _, _ := strings.Cut(v.Name, "_")
		if v.Name != "JETON_PROFILE" && slices.Contains([]string{"JETON", "XDG", "HOME", "OS", "OVH", "OSC", "AWS"}, family) {
			whose.Find = nil // another configuration, or an identity of its own
		}
	}
	findings = whose.checkCommand(check, where, argv, "kubernetes", redo)
	profile, _ := asked(argv)
	add := func(level, what, fix string) {
		findings = append(findings, plugin.Finding{Check: check, Level: level, Profile: profile, Where: where, What: what, Fix: fix})
	}
	if whose.knows(argv) {
		if p, err := whose.Find(profile); err == nil {
			if err := checkKubernetes(p.Issuer); err != nil {
				add(plugin.Wrong, plugin.AsError(err).Text, plugin.EditAt(where))
			}
		}
	}
	mode := e.InteractiveMode
	if mode == "" {
		mode = "IfAvailable"
	}
	set := plugin.ShellWords("kubectl", "config", "set-credentials", name, "--exec-api-version="+apiVersions[0], "--exec-interactive-mode="+mode)
	switch {
	case !slices.Contains(apiVersions, e.APIVersion):
		add(plugin.Wrong, "jeton does not speak apiVersion "+plugin.Shorten(e.APIVersion)+", nor does any kubectl of today", set)
	case e.APIVersion == apiVersions[0] && e.InteractiveMode == "":
		add(plugin.Wrong, "interactiveMode is missing, without which kubectl refuses the user", set)
	case e.InteractiveMode == "Always":
		add(plugin.Doubtful, "interactiveMode is Always: where there is no terminal, jeton is not asked",
			plugin.ShellWords("kubectl", "config", "set-credentials", name, "--exec-interactive-mode=IfAvailable"))
	}
	for _, other := range []string{"token", "tokenFile", "client-certificate", "client-certificate-data", "username", "auth-provider"} {
		if value := u.User.Others[other]; value != nil && value != "" {
			add(plugin.Wrong, other+" is there too, and used instead of asking jeton", plugin.ShellWords("kubectl", "config", "unset", "users."+name+"."+other))
		}
	}
	return append(findings, c.doctorKuberc(profile, argv[0], redo(profile))...)
}

// doctorKuberc looks whether kubectl may run the program.
func (c *Caller) doctorKuberc(profile, program, redo string) (findings []plugin.Finding) {
	path := c.path("KUBERC", ".kube", "kuberc")
	text, err := c.ReadFile(path)
	if err != nil {
		return nil // kubectl goes on without
	}
	root, err := plugin.ParseYAML(text)
	if err != nil {
		return []plugin.Finding{unreadable("kubernetes", path, err)}
	}
	_, policy := plugin.Get(root, "credentialPluginPolicy")
	if policy == nil {
		return nil
	}
	where := place(path, policy.Line)
	switch policy.Value {
	case "DenyAll":
		findings = append(findings, plugin.Finding{Check: "kubernetes", Level: plugin.Wrong, Profile: profile, Where: where,
			What: "credentialPluginPolicy is DenyAll: kubectl runs no program to log in", Fix: plugin.EditAt(where)})
	case "Allowlist":
		_, list := plugin.Get(root, allowlist)
		if !slices.ContainsFunc(plugin.Entries(list), func(entry *yaml.Node) bool {
			_, command := plugin.Get(entry, "command")
			if command == nil { // as it is called since Kubernetes 1.36
				_, command = plugin.Get(entry, "name")
			}
			return command != nil && same(command.Value, program)
		}) {
			findings = append(findings, plugin.Finding{Check: "kubernetes", Level: plugin.Wrong, Profile: profile, Where: where,
				What: program + " is not on the list of what kubectl may run to log in", Fix: redo})
		}
	}
	return findings
}

// same reports whether kubectl takes both for one program.
func same(a, b string) bool {
	a, err := exec.LookPath(a)
	if err != nil {
		return false
	}
	b, err = exec.LookPath(b)
	return err == nil && a == b
}
