package formats

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/jeton-cli/jeton/plugin"
)

// kubernetesImport takes over how contexts of a kubeconfig log in today.
type kubernetesImport struct {
	Args []string `arg:"" optional:"" name:"file-or-context" help:"A kubeconfig, by default those that kubectl finds, and names of contexts in it; by default all that a program or an auth-provider logs in."`
}

func (*kubernetesImport) Help() string {
	return "Takes over the logins of kubelogin (kubectl oidc-login), client-keystone-auth and kubectl's former " +
		"auth-provider for OpenID Connect, and any other program that prints an ExecCredential. The kubeconfig stays " +
		"as it is: jeton setup kubernetes changes it, and says what can go then."
}

// Drafts returns a profile for each user of the contexts.
func (i *kubernetesImport) Drafts(env plugin.ImportEnv) ([]plugin.Draft, error) {
	c := &Caller{Getenv: env.Getenv, Home: env.Home, Issuers: env.Issuers, ReadFile: ReadFile}
	path, contexts := plugin.FileOrName(i.Args, func(name string) bool {
		return slices.Contains(contexts(c), name)
	}, ".yaml", ".yml", ".conf", ".kubeconfig")
	paths := kubeconfigs(c)
	if path != "" {
		paths = []string{absolute(path)}
		if err := CheckGiven(path); err != nil {
			return nil, err
		}
	}
	files, err := readKubeconfigsAt(c, paths, parseLines)
	if err == nil {
		err = checkNames(files)
	}
	if err != nil {
		return nil, err
	}
	k := &kubernetesLogins{c: c, files: files, as: env.As}
	every, skipped := k.all()
	drafts, failures := plugin.DraftsOf(kubeconfigPaths(files), env.As, contexts, every, k.draft)
	if len(contexts) == 0 && len(every) == 0 {
		return nil, plugin.Errorf(plugin.Config, "%s: no context has a login to take over%s", kubeconfigPaths(files),
			because(skipped))
	}
	if len(contexts) == 0 {
		env.Tell(skipped)
	}
	return drafts, failures
}

// because returns reasons in brackets, or "".
func because(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return " (" + plugin.Shorten(strings.Join(reasons, "; ")) + ")"
}

// kubernetesLogins are the logins of the contexts of kubeconfigs.
type kubernetesLogins struct {
	c     *Caller
	files []kubeconfig
	as    string // the name of the profile, if the user gives one
}

// A kubernetesLogin is a user of a kubeconfig, as it logs in.
type kubernetesLogin struct {
	execUser
	name        string // of the user
	file, where string // its file, and the line too
}

// all returns the contexts with a login that can be taken over, one for each user, and for
// the others why not.
func (k *kubernetesLogins) all() (contexts, skipped []string) {
	users := map[string]bool{}
	for i := range k.files {
		_, list := plugin.Get(k.files[i].Root, "contexts")
		for _, entry := range plugin.Entries(list) {
			_, name := plugin.Get(entry, "name")
			if name == nil {
				continue
			}
			_, err := k.draft(name.Value)
			switch user := userName(entry); {
			case err != nil:
				skipped = append(skipped, "context "+name.Value+" stays as it is: "+plugin.AsError(err).Text)
			case !users[user]:
				users[user] = true
				contexts = append(contexts, name.Value)
			}
		}
	}
	return contexts, skipped
}

// login returns how a context logs in.
func (k *kubernetesLogins) login(context string) (*kubernetesLogin, error) {
	_, entry := named(k.files, "contexts", context)
	if entry == nil {
		return nil, plugin.Errorf(plugin.Config, "%s: there is no context %q", kubeconfigPaths(k.files),
			plugin.Shorten(context))
	}
	file, user := named(k.files, "users", userName(entry))
	if user == nil {
		return nil, plugin.Errorf(plugin.Config, "it has no user")
	}
	l := &kubernetesLogin{name: userName(entry), file: file.path, where: place(file.path, user.Line)}
	if err := user.Decode(&l.execUser); err != nil {
		return nil, plugin.Errorf(plugin.Config, "%s: its user is not as kubectl takes it", l.where)
	}
	return l, nil
}

// draft returns the profile that logs in as the context does.
func (k *kubernetesLogins) draft(context string) (plugin.Draft, error) {
	l, err := k.login(context)
	if err != nil {
		return plugin.Draft{}, err
	}
	h := plugin.Helper{Place: l.where, Settings: l.provider(), Env: map[string]string{}}
	if l.User.Exec.Command != "" {
		h.Argv = append([]string{l.User.Exec.Command}, l.User.Exec.Args...)
	}
	for _, v := range l.User.Exec.Env {
		h.Env[v.Name] = v.Value
	}
	if len(h.Argv) > 0 && strings.ContainsRune(h.Argv[0], filepath.Separator) && !filepath.IsAbs(h.Argv[0]) {
		h.Argv[0] = filepath.Join(filepath.Dir(l.file), h.Argv[0]) // as client-go finds it
	}
	if k.c.runsJeton(h.Argv) {
		profile, _ := asked(h.Argv)
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "it asks jeton already, for profile %s", profile)
	}
	if h.Argv == nil && h.Settings == nil {
		return plugin.Draft{}, plugin.Errorf(plugin.Config, "it logs in with %s, which jeton cannot replace",
			l.static())
	}
	d, err := k.c.Issuers.Adopt(context, h)
	if err != nil {
		return d, err
	}
	switch {
	case k.as != "":
		d.Name = k.as
	case context == "default": // every command would use a profile of this name
		d.Name = "kube"
	}
	if l.User.Exec.ProvideClusterInfo {
		d.Left = append(d.Left, "provideClusterInfo")
	}
	setup := plugin.ShellWords("jeton", "setup", "kubernetes", d.Name, "--context", context)
	d.Notes = append(d.Notes, "for kubectl: "+setup)
	if others := alsoNaming(k.files, l.name, context); len(others) > 0 {
		d.Notes = append(d.Notes, "contexts with the same login: "+plugin.Shorten(strings.Join(others, ", ")))
	}
	if left := l.leftovers(h); left != "" {
		d.Notes = append(d.Notes, fmt.Sprintf("after that the %s of user %s can go (%s)", left, l.name, l.where))
	}
	return d, nil
}

// provider returns the settings of the user's auth-provider, which kubectl no longer knows,
// or nil.
func (l *kubernetesLogin) provider() map[string]string {
	var p struct {
		Name   string
		Config map[string]string
	}
	var n yaml.Node
	if n.Encode(l.User.Others["auth-provider"]) != nil || n.Decode(&p) != nil || p.Name == "" || p.Config == nil {
		return nil
	}
	p.Config["auth-provider"] = p.Name
	return p.Config
}

// staticFields are what a user has that needs no program.
var staticFields = []string{"token", "tokenFile", "client-certificate", "client-certificate-data", "client-key",
	"client-key-data", "username", "password"}

// static says what the user logs in with by itself.
func (l *kubernetesLogin) static() string {
	var list []string
	for _, name := range staticFields {
		if l.User.Others[name] != nil {
			list = append(list, name)
		}
	}
	if list == nil {
		return "nothing"
	}
	return strings.Join(list, " and ")
}

// leftovers names the secrets that the user still has when jeton logs in, or returns "".
func (l *kubernetesLogin) leftovers(h plugin.Helper) string {
	var list []string
	for _, name := range []string{"id-token", "refresh-token", "client-secret"} {
		if h.Settings[name] != "" {
			list = append(list, name)
		}
	}
	for _, name := range staticFields {
		if l.User.Others[name] != nil {
			list = append(list, name)
		}
	}
	flags, _ := h.Flags()
	for _, name := range []string{"password", "oidc-client-secret", "application-credential-secret"} {
		if flags[name] != nil {
			list = append(list, name)
		}
	}
	for _, name := range []string{"OS_PASSWORD", "OS_APPLICATION_CREDENTIAL_SECRET"} {
		if h.Env[name] != "" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
