package formats

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// kubeconfigs returns the files that kubectl merges. The first file wins.
//
// https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
func kubeconfigs(c *Caller) (paths []string) {
	for _, path := range filepath.SplitList(c.Getenv("KUBECONFIG")) {
		if path != "" {
			paths = append(paths, absolute(path))
		}
	}
	if paths == nil {
		paths = []string{filepath.Join(c.Home, ".kube", "config")}
	}
	return paths
}

// A kubeconfig is one of these files.
type kubeconfig struct {
	path string
	text []byte
	*plugin.Lines
}

func readKubeconfigs(c *Caller, parse func(text []byte) (*plugin.Lines, error)) ([]kubeconfig, error) {
	return readKubeconfigsAt(c, kubeconfigs(c), parse)
}

func readKubeconfigsAt(c *Caller, paths []string, parse func(text []byte) (*plugin.Lines, error)) (files []kubeconfig,
	err error) {
	for _, path := range paths {
		text, err := c.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, kubeconfig{path, text, d})
	}
	return files, nil
}

// named returns the entry called name in the list, and the file that has it, or nil.
func named(files []kubeconfig, list, name string) (*kubeconfig, *yaml.Node) {
	for i := range files {
		_, value := plugin.Get(files[i].Root, list)
		if value == nil {
			continue
		}
		for _, element := range value.Content {
			if _, n := plugin.Get(element, "name"); n != nil && n.Value == name {
				return &files[i], element
			}
		}
	}
	return nil, nil
}

// contextUser returns the user of an entry in contexts, or nil if it names none.
func contextUser(entry *yaml.Node) *yaml.Node {
	_, context := plugin.Get(entry, "context")
	_, user := plugin.Get(context, "user")
	if user == nil || user.Tag == "!!null" {
		return nil
	}
	return user
}

// userName returns the name of the user of an entry in contexts, or "".
func userName(entry *yaml.Node) string {
	user := contextUser(entry)
	switch {
	case user == nil:
		return ""
	case user.Kind == yaml.AliasNode:
		return user.Alias.Value
	}
	return user.Value
}

// alsoNaming returns the names of the contexts, other than context, whose user has this
// name. All of them would log in with what jeton makes of that user.
func alsoNaming(files []kubeconfig, user, context string) (names []string) {
	for i := range files {
		_, contexts := plugin.Get(files[i].Root, "contexts")
		for _, entry := range plugin.Entries(contexts) {
			if _, name := plugin.Get(entry, "name"); name != nil && name.Value != context && userName(entry) == user {
				names = append(names, name.Value)
			}
		}
	}
	return names
}

// checkNames returns an error if a file has two entries of one name, or entries that
// YAML puts together from elsewhere. Kubernetes clients refuse the former.
func checkNames(files []kubeconfig) error {
	for _, f := range files {
		for _, list := range []string{"contexts", "users", "clusters"} {
			lines := map[string]int{}
			_, value := plugin.Get(f.Root, list)
			if value != nil && value.Kind != yaml.SequenceNode && value.Tag != "!!null" {
				return plugin.Errorf(plugin.Config, "%s: line %d: %s is not a list", f.path, value.Line, list)
			}
			for _, entry := range plugin.Entries(value) {
				_, name := plugin.Get(entry, "name")
				if name == nil || name.Kind != yaml.ScalarNode || name.Tag != "!!str" {
					return plugin.Errorf(plugin.Config, "%s: line %d: an entry of %s has no name that is text", f.path,
						entry.Line, list)
				}
				if first := lines[name.Value]; first > 0 {
					return plugin.Errorf(plugin.Config, "%s: line %d: there are two %s called %s (line %d)", f.path,
						name.Line, list, plugin.Shorten(name.Value), first)
				}
				lines[name.Value] = name.Line
			}
		}
	}
	return nil
}

// checkKubernetes returns an error if Kubernetes can use nothing that the issuer gives.
// It is called before the issuer is asked, because that might make a key.
func checkKubernetes(i *plugin.Issuer) error {
	if i.Gives != plugin.AccessKey {
		return nil
	}
	return plugin.Errorf(plugin.Config, "Kubernetes needs a token or a client certificate, and plugin %s gives an "+
		"access key", i.Name)
}

// These begin the names of regions in a kubeconfig and a kuberc.
const (
	userPrefix    = "user "
	contextPrefix = "the user of context "
	allowPrefix   = "permission for "
)

// kubernetesSetup is the command line of jeton setup kubernetes.
type kubernetesSetup struct {
	Profile string `arg:"" help:"Profile; one that gives tokens or client certificates."`
	Context string `help:"The context that is to log in so." placeholder:"NAME" xor:"who"`
	User    string `help:"The user to make, for contexts that name it." placeholder:"NAME" xor:"who"`
}

func (*kubernetesSetup) Help() string {
	return `Edits the kubeconfig that has the context: one of $KUBECONFIG, or ~/.kube/config. If the context's user is not there, and no other context names it, it is made; else a user jeton-PROFILE is, and the context points to that.

Example:
  jeton setup kubernetes prod --context my-cluster`
}

// Fill checks the command line and copies it into c.
func (s *kubernetesSetup) Fill(c *Caller) error {
	if (s.Context == "") == (s.User == "") {
		return plugin.Errorf(plugin.Usage, "one of --context and --user is needed").
			WithHint("kubectl config get-contexts lists the contexts")
	}
	c.Name, c.As, c.Context, c.User = s.Profile, userOf(s.Profile), s.Context, s.User
	return nil
}

// userOf returns the name of the user that logs in with a profile.
func userOf(profile string) string { return "jeton-" + profile }

// Plan returns the edits of kubeconfigs.
func (*kubernetesSetup) Plan(_ context.Context, c *Caller) ([]*Edit, []string, error) {
	return setupKubernetes(c)
}

// Try returns a kubectl command to try next.
func (*kubernetesSetup) Try(c *Caller) string {
	if c.Context != "" {
		return "kubectl --context " + c.Context + " auth whoami"
	}
	return "kubectl config set-context CONTEXT --user=" + c.User
}

// setupKubernetes returns the edits that make Kubernetes clients run c.Argv for c.Context
// or c.User, and notes for the user.
func setupKubernetes(c *Caller) ([]*Edit, []string, error) {
	if c.Profile != nil {
		if err := checkKubernetes(c.Profile.Issuer); err != nil {
			return nil, nil, err
		}
	}
	files, err := readKubeconfigs(c, parseLines)
	if err == nil {
		err = checkNames(files)
	}
	if err != nil {
		return nil, nil, err
	}
	user, holder := c.User, &files[0]
	var edits []*Edit
	if c.Context != "" {
		var renamed bool
		if holder, user, renamed, err = userFor(c, files); err != nil {
			return nil, nil, err
		}
		if renamed {
			edits = append(edits, &Edit{Path: holder.path, Regions: []Region{contextRegion(c.Context, user)}})
		}
	}
	file, there := named(files, "users", user)
	if file != nil {
		if holder = file; !ours(there, c.Argv) {
			return nil, nil, plugin.Errorf(plugin.Config,
				"%s: user %s is already there (line %d), and logs in otherwise", file.path, plugin.Shorten(user),
				there.Line).
				WithHint("take another name: --user, or a context: --context")
		}
	}
	regions := []Region{head("users"), userRegion(user, c)}
	if len(edits) == 1 && edits[0].Path == holder.path {
		edits[0].Regions = append(edits[0].Regions, regions...)
	} else {
		edits = append(edits, &Edit{Path: holder.path, Regions: regions})
	}
	for _, e := range edits {
		e.Verify = func(before, after []byte) error { return sameBeside(before, after, c.Context) }
	}
	permission, err := allow(c)
	if permission != nil {
		edits = append(edits, permission)
	}
	notes := kubernetesNotes(c)
	if names := alsoNaming(files, user, ""); c.Context == "" && len(names) > 0 {
		notes = append(notes, "these contexts log in so: "+plugin.Shorten(strings.Join(names, ", ")))
	}
	return edits, notes, err
}

// userFor returns the user with which c.Context logs in, the file that has the context,
// and whether the context must be made to name that user. No other context may get the
// credential with it.
func userFor(c *Caller, files []kubeconfig) (file *kubeconfig, user string, rename bool, err error) {
	file, entry := named(files, "contexts", c.Context)
	if file == nil {
		return nil, "", false, plugin.Errorf(plugin.Config, "there is no context %s in %s", plugin.Shorten(c.Context),
			kubeconfigPaths(files)).
			WithHint("kubectl config get-contexts lists them")
	}
	if contextUser(entry) == nil {
		again := plugin.ShellWords("kubectl", "config", "set-context", c.Context, "--user="+c.As) + " && " +
			plugin.ShellWords("jeton", "setup", "kubernetes", c.Name, "--context="+c.Context)
		return nil, "", false, plugin.Errorf(plugin.Config, "context %s names no user", plugin.Shorten(c.Context)).
			WithHint("%s", again)
	}
	user = userName(entry)
	holder, there := named(files, "users", user)
	if user != "" && (holder != nil && ours(there, c.Argv) ||
		holder == nil && len(alsoNaming(files, user, c.Context)) == 0) {
		return file, user, false, nil
	}
	holder, _ = named(files, "users", c.As)
	if others := alsoNaming(files, c.As, c.Context); holder == nil && len(others) > 0 {
		return nil, "", false, plugin.Errorf(plugin.Config,
			"user %s is not there, but named by %s already, which would get the credential too", c.As,
			plugin.Shorten(strings.Join(others, ", "))).
			WithHint("%s", plugin.ShellWords("jeton", "setup", "kubernetes", c.Name, "--user="+c.As))
	}
	return file, c.As, user != c.As, nil
}

func kubeconfigPaths(files []kubeconfig) string {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.path)
	}
	return strings.Join(paths, ", ")
}

// ours reports whether an entry of users runs argv. The program may have moved since.
func ours(entry *yaml.Node, argv []string) bool {
	command, args := execOf(entry)
	return filepath.Base(command) == filepath.Base(argv[0]) && slices.Equal(args, argv[1:])
}

func execOf(entry *yaml.Node) (command string, args []string) {
	var e struct {
		User struct {
			Exec struct {
				Command string
				Args    []string
			}
		}
	}
	entry.Decode(&e)
	return e.User.Exec.Command, e.User.Exec.Args
}

// contextRegion returns the region of the user's name in a context.
func contextRegion(context, user string) Region {
	return Region{
		Name: contextPrefix + context,
		Find: findContextUser(context),
		Make: func([]byte, []byte, bool) (lead, region []byte, err error) { return nil, []byte(scalarOf(user)), nil },
	}
}

func findContextUser(context string) Finder {
	return func(text []byte) (int, int, bool, error) {
		d, err := parseLines(text)
		if err != nil {
			return 0, 0, false, err
		}
		_, entry := named([]kubeconfig{{text: text, Lines: d}}, "contexts", context)
		scalar := contextUser(entry)
		if scalar == nil || scalar.Kind != yaml.ScalarNode {
			return 0, 0, false, plugin.Errorf(plugin.Config, "there is no context %s with a user any more",
				plugin.Shorten(context))
		}
		start := d.Line(scalar.Line) + scalar.Column - 1
		end := start + len(scalar.Value)
		switch scalar.Style {
		case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
			end += 2
		}
		var same string
		if end > len(text) || yaml.Unmarshal(text[start:end], &same) != nil || same != scalar.Value {
			return 0, 0, false, plugin.Errorf(plugin.Config, "line %d: the user is not written plainly", scalar.Line)
		}
		return start, end, true, nil
	}
}

// scalarOf returns a name as YAML: plain if YAML reads it back as the same text, and
// quoted otherwise.
func scalarOf(name string) string {
	var plain any
	if yaml.Unmarshal([]byte(name), &plain) == nil && plain == any(name) && !strings.ContainsAny(name, "#:,[]{}\n") {
		return name
	}
	return yamlString(name)
}

// userRegion returns the region of a user's entry.
func userRegion(user string, c *Caller) Region {
	return Region{
		Name: userPrefix + user,
		Find: findItem("users", "name", user),
		Make: func(text, old []byte, ok bool) (lead, region []byte, err error) {
			d, err := parseLines(text)
			if err != nil {
				return nil, nil, err
			}
			if _, entry := named([]kubeconfig{{text: text, Lines: d}}, "users", user); ok {
				if command, _ := execOf(entry); command == c.Argv[0] {
					return nil, old, nil
				}
			}
			var b strings.Builder
			fmt.Fprintf(&b, "- name: %s\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n     "+
				" command: %s\n      args:\n", scalarOf(user), scalarOf(c.Argv[0]))
			for _, arg := range c.Argv[1:] {
				fmt.Fprintf(&b, "      - %s\n", scalarOf(arg))
			}
			b.WriteString("      interactiveMode: IfAvailable\n      installHint: install jeton, or run jeton setup " +
				"kubernetes again if it has moved\n")
			start, _, _, err := d.Item("users", "name", user)
			return behind(text[:start], false), plugin.Indented(b.String(), d.Indent("users"), text), err
		},
	}
}

// sameBeside returns an error if anything has changed except users and the user of the
// context, or if a user that was there has changed.
func sameBeside(before, after []byte, context string) error {
	type config struct {
		Users    []map[string]any `yaml:"users"`
		Contexts []struct {
			Name    string
			Context map[string]any
		} `yaml:"contexts"`
		Rest map[string]any `yaml:",inline"`
	}
	var b, a config
	if yaml.Unmarshal(before, &b) != nil || yaml.Unmarshal(after, &a) != nil {
		return errLayout()
	}
	for _, c := range []*config{&b, &a} {
		for i := range c.Contexts {
			if c.Contexts[i].Name == context {
				delete(c.Contexts[i].Context, "user")
			}
		}
	}
	for i := range min(len(a.Users), len(b.Users)) { // one of them may be ours, and rewritten
		if len(a.Users) > len(b.Users) && !reflect.DeepEqual(a.Users[i], b.Users[i]) {
			return errLayout()
		}
	}
	if len(a.Users) < len(b.Users) || !reflect.DeepEqual(a.Contexts, b.Contexts) || !reflect.DeepEqual(a.Rest, b.Rest) {
		return errLayout()
	}
	return nil
}

// kubernetesNotes returns notes on what else an API server needs to let the profile in.
func kubernetesNotes(c *Caller) (notes []string) {
	if c.Profile == nil {
		return nil
	}
	issuer := c.Profile.Issuer
	if issuer.Gives == plugin.KeystoneToken {
		certificates := strings.Join(c.Issuers.Giving(plugin.ClientCertificate), " and ")
		notes = append(notes, "the API server has to ask Keystone about its token: a webhook such as k8s-keystone-auth"+
			" (OVHcloud's and Outscale's managed clusters take a client certificate instead: plugins "+certificates+")")
	}
	if issuer.APIServer != "" {
		notes = append(notes, strings.ReplaceAll(issuer.APIServer, "PROFILE", c.Profile.Name))
	}
	return notes
}

// allowlist is the key in kuberc that lists the programs that kubectl may run to log in.
const allowlist = "credentialPluginAllowlist"

// allow returns the edit that puts jeton on the list of programs that kubectl may run, or
// nil if no such list is in force.
//
// https://kubernetes.io/docs/reference/kubectl/kuberc/
func allow(c *Caller) (*Edit, error) {
	path := c.path("KUBERC", ".kube", "kuberc")
	text, err := c.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := plugin.ParseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, policy := plugin.Get(root, "credentialPluginPolicy"); policy == nil || policy.Value != "Allowlist" {
		return nil, nil
	}
	program := c.Argv[0]
	return &Edit{Path: path, Verify: sameBesideAllowed, Regions: []Region{head(allowlist), {
		Name: allowPrefix + program,
		Find: findItem(allowlist, "command", program),
		Make: func(text, old []byte, ok bool) (lead, region []byte, err error) {
			d, err := parseLines(text)
			if err != nil || ok {
				return nil, old, err
			}
			start, _, _, err := d.Item(allowlist, "command", program)
			return behind(text[:start], false),
				plugin.Indented("- command: "+scalarOf(program)+"\n", d.Indent(allowlist), text), err
		},
	}}}, nil
}

// sameBesideAllowed returns an error if anything has changed except the list, or if
// something that was on the list has changed.
func sameBesideAllowed(before, after []byte) error {
	type config struct {
		Allowed []any          `yaml:"credentialPluginAllowlist"`
		Rest    map[string]any `yaml:",inline"`
	}
	var b, a config
	if yaml.Unmarshal(before, &b) != nil || yaml.Unmarshal(after, &a) != nil || !reflect.DeepEqual(a.Rest, b.Rest) ||
		len(a.Allowed) != len(b.Allowed)+1 || len(b.Allowed) > 0 &&
		!reflect.DeepEqual(a.Allowed[:len(b.Allowed)], b.Allowed) {
		return errLayout()
	}
	return nil
}

// contexts returns the names of the contexts in the kubeconfigs.
func contexts(c *Caller) (names []string) {
	files, err := readKubeconfigs(c, parseLines)
	if err != nil {
		return nil
	}
	for _, f := range files {
		_, list := plugin.Get(f.Root, "contexts")
		for _, entry := range plugin.Entries(list) {
			_, name := plugin.Get(entry, "name")
			if name != nil && strings.TrimSpace(name.Value) != "" && !slices.Contains(names, name.Value) {
				names = append(names, name.Value)
			}
		}
	}
	return names
}
