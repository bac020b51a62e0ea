package formats

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// An execUser is the part of a kubeconfig's user that doctor checks.
type execUser struct {
	User struct {
		Exec struct {
			Command         string
			Args            []string
			APIVersion      string `yaml:"apiVersion"`
			InteractiveMode string `yaml:"interactiveMode"`
			Env             []struct{ Name, Value string }
			// ProvideClusterInfo asks for the cluster in KUBERNETES_EXEC_INFO.
			ProvideClusterInfo bool `yaml:"provideClusterInfo"`
		}
		Others map[string]any `yaml:",inline"`
	}
}

// doctorKubernetes returns what is wrong for Kubernetes clients, and how many users of
// contexts run jeton.
func doctorKubernetes(_ context.Context, c *Caller) (findings []plugin.Finding, seen int) {
	files, findings := c.checkKubeconfigs()
	looked := map[string]bool{}
	for i := range files {
		_, contexts := plugin.Get(files[i].Root, "contexts")
		for _, entry := range plugin.Entries(contexts) {
			u, found := c.contextsUser(files, &files[i], entry)
			findings = append(findings, found...)
			if u == nil || looked[u.name] {
				continue
			}
			looked[u.name] = true
			seen++
			if u.unlike {
				findings = append(findings, plugin.Finding{
					Check: "kubernetes", Level: plugin.Wrong, Profile: u.profile, Where: u.where,
					Fix:  plugin.EditAt(u.where),
					What: "something in it is not of the kind that kubectl takes (args is a list of strings, say)",
				})
				continue
			}
			findings = append(findings, c.doctorUser(u)...)
		}
	}
	return findings, seen
}

// checkKubeconfigs reads the kubeconfigs and returns what is wrong with the files
// themselves.
func (c *Caller) checkKubeconfigs() (files []kubeconfig, findings []plugin.Finding) {
	var there []string
	for _, path := range kubeconfigs(c) {
		text, err := c.ReadFile(path)
		if err != nil {
			findings = append(findings, unreadable("kubernetes", path, err))
			continue
		}
		root, err := plugin.ParseYAML(text)
		if err != nil {
			findings = append(findings, unreadable("kubernetes", path, err))
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
		findings = append(findings, plugin.Finding{
			Check: "kubernetes", Level: plugin.Doubtful, Where: "KUBECONFIG", What: "it names files that are not there",
			Fix: fix,
		})
	}
	return files, findings
}

// A jetonUser is a user in a kubeconfig that runs jeton.
type jetonUser struct {
	execUser
	file          *kubeconfig // the file that has it
	name, context string
	where         string // its file and line
	argv          []string
	profile       string // the profile that it asks for
	unlike        bool   // kubectl does not accept it
}

// contextsUser returns the user of a context if that user runs jeton, and what is wrong
// with the context. entry is the context's entry in file.
func (c *Caller) contextsUser(files []kubeconfig, file *kubeconfig, entry *yaml.Node) (u *jetonUser,
	findings []plugin.Finding) {
	_, name := plugin.Get(entry, "name")
	user := contextUser(entry)
	if name == nil || user == nil {
		return nil, nil
	}
	holder, definition := named(files, "users", user.Value)
	if holder == nil {
		return nil, nil
	}
	u = &jetonUser{file: holder, name: user.Value, context: name.Value, where: place(holder.path, definition.Line)}
	u.unlike = definition.Decode(&u.execUser) != nil // what can be decoded is kept
	u.argv = append([]string{u.User.Exec.Command}, u.User.Exec.Args...)
	if !c.runsJeton(u.argv) {
		return nil, nil
	}
	u.profile, _ = asked(u.argv)
	_, context := plugin.Get(entry, "context")
	if _, cluster := plugin.Get(context, "cluster"); cluster != nil {
		if f, _ := named(files, "clusters", cluster.Value); f == nil {
			where := place(file.path, cluster.Line)
			findings = append(findings, plugin.Finding{
				Check: "kubernetes", Level: plugin.Wrong, Profile: u.profile, Where: where, Fix: plugin.EditAt(where),
				What: "context " + name.Value + " is of a cluster that is not there: " + cluster.Value,
			})
		}
	}
	return u, findings
}

// doctorUser checks one user.
func (c *Caller) doctorUser(u *jetonUser) (findings []plugin.Finding) {
	e := u.User.Exec
	if strings.Contains(u.argv[0], "/") && !filepath.IsAbs(u.argv[0]) { // relative to the file, for kubectl
		u.argv[0] = filepath.Join(filepath.Dir(u.file.path), u.argv[0])
	}
	redo := func(profile string) string { return c.redoUser(u, profile) }
	whose := c.as(u)
	findings = whose.checkCommand("kubernetes", u.where, u.argv, "kubernetes", redo)
	add := func(level, what, fix string) {
		findings = append(findings, plugin.Finding{
			Check: "kubernetes", Level: level, Profile: u.profile, Where: u.where, What: what, Fix: fix,
		})
	}
	if whose.knows(u.argv) {
		if p, err := whose.Find(u.profile); err == nil {
			if err := checkKubernetes(p.Issuer); err != nil {
				add(plugin.Wrong, plugin.AsError(err).Text, plugin.EditAt(u.where))
			}
		}
	}
	set := func(flags ...string) string {
		return plugin.ShellWords(append([]string{"kubectl", "config", "set-credentials", u.name}, flags...)...)
	}
	mode := e.InteractiveMode
	if mode == "" {
		mode = "IfAvailable"
	}
	now := set("--exec-api-version="+apiVersions[0], "--exec-interactive-mode="+mode)
	switch {
	case !slices.Contains(apiVersions, e.APIVersion):
		add(plugin.Wrong, "jeton does not speak apiVersion "+plugin.Shorten(e.APIVersion)+", nor does any kubectl of "+
			"today", now)
	case e.APIVersion == apiVersions[0] && e.InteractiveMode == "":
		add(plugin.Wrong, "interactiveMode is missing, without which kubectl refuses the user", now)
	case e.InteractiveMode == "Always":
		add(plugin.Doubtful, "interactiveMode is Always: where there is no terminal, jeton is not asked",
			set("--exec-interactive-mode=IfAvailable"))
	}
	for _, other := range []string{"token", "tokenFile", "client-certificate", "client-certificate-data", "username",
		"auth-provider"} {
		if value := u.User.Others[other]; value != nil && value != "" {
			add(plugin.Wrong, other+" is there too, and used instead of asking jeton",
				plugin.ShellWords("kubectl", "config", "unset", "users."+u.name+"."+other))
		}
	}
	return append(findings, c.doctorKuberc(u.profile, u.argv[0], redo(u.profile))...)
}

// as returns c as the user's program sees it. The user can give its program other
// variables.
func (c *Caller) as(u *jetonUser) *Caller {
	whose := *c
	for _, v := range u.User.Exec.Env {
		if v.Name == "JETON_PROFILE" && c.Find != nil {
			whose.Find = func(name string) (*plugin.Profile, error) {
				if name == "" {
					name = v.Value
				}
				return c.Find(name)
			}
		}
		family, _, _ := strings.Cut(v.Name, "_")
		if v.Name != "JETON_PROFILE" && slices.Contains([]string{"JETON", "XDG", "HOME", "OS", "OVH", "OSC", "AWS"},
			family) {
			whose.Find = nil // another configuration, or another identity
		}
	}
	return &whose
}

// redoUser returns the command line that makes the user ask for a profile.
func (c *Caller) redoUser(u *jetonUser, profile string) string {
	if profile == "" { // the environment names the profile
		return plugin.EditAt(u.where)
	}
	_, users := plugin.Get(u.file.Root, "users")
	lines := !plugin.Flow(u.file.Root) && !plugin.Flow(users)
	if lines && (u.name != userOf(profile) || slices.Equal(u.argv[1:], []string{"get", profile, "-f", "kubernetes"})) {
		return plugin.ShellWords("jeton", "setup", "kubernetes", profile, "--context="+u.context)
	}
	return plugin.ShellWords("kubectl", "config", "set-credentials", u.name, "--exec-command="+c.Argv[0],
		"--exec-api-version="+apiVersions[0], "--exec-interactive-mode=IfAvailable",
		"--exec-arg=get", "--exec-arg="+profile, "--exec-arg=-f", "--exec-arg=kubernetes")
}

// doctorKuberc checks whether kubectl may run the program.
func (c *Caller) doctorKuberc(profile, program, redo string) (findings []plugin.Finding) {
	path := c.path("KUBERC", ".kube", "kuberc")
	text, err := c.ReadFile(path)
	if err != nil {
		return nil // kubectl goes on without it
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
		findings = append(findings, plugin.Finding{Check: "kubernetes", Level: plugin.Wrong, Profile: profile,
			Where: where,
			What:  "credentialPluginPolicy is DenyAll: kubectl runs no program to log in", Fix: plugin.EditAt(where)})
	case "Allowlist":
		_, list := plugin.Get(root, allowlist)
		if !slices.ContainsFunc(plugin.Entries(list), func(entry *yaml.Node) bool {
			_, command := plugin.Get(entry, "command")
			if command == nil { // before Kubernetes 1.36 it is called name
				_, command = plugin.Get(entry, "name")
			}
			return command != nil && same(command.Value, program)
		}) {
			findings = append(findings, plugin.Finding{Check: "kubernetes", Level: plugin.Wrong, Profile: profile,
				Where: where,
				What:  program + " is not on the list of what kubectl may run to log in", Fix: redo})
		}
	}
	return findings
}

// same reports whether kubectl finds the same program under both names.
func same(a, b string) bool {
	a, err := exec.LookPath(a)
	if err != nil {
		return false
	}
	b, err = exec.LookPath(b)
	return err == nil && a == b
}
