package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type initCmd struct {
	Cloud   string   `help:"The cloud: ${clouds}." placeholder:"CLOUD"`
	Way     string   `help:"How to log in there; jeton init --cloud CLOUD lists the ways." placeholder:"WAY"`
	From    string   `help:"Take over what is there: env, or the path of a file." placeholder:"env|PATH"`
	Name    string   `help:"Name of the profile." placeholder:"NAME"`
	Set     []string `help:"An answer: OPTION=VALUE. Can be repeated." placeholder:"OPTION=VALUE" sep:"none"`
	Secret  string   `help:"Where the secret goes: keyring, file, env or command, with :NAME, :PATH or :COMMAND; or ask, for a password that you type each time." placeholder:"KIND[:WHERE]"`
	Setup   []string `help:"Set up callers: aws, openstack, kubernetes=CONTEXT; or none." placeholder:"CALLER"`
	Plain   bool     `name:"plain-http" help:"Take an address with http: whoever listens on the network reads the secrets."`
	NoLogin bool     `name:"no-login" help:"Do not try the login."`
	Yes     bool     `help:"Ask nothing: take the defaults, and write."`
}

func (*initCmd) Help() string {
	return `Makes the first profile, or one more. It finds what there is (openrc files, clouds.yaml, ovh.conf, Outscale's config.json, the environment), or asks for what a cloud needs. It tries the login, keeps the secret where you want it, and has aws, kubectl and openstack ask jeton.

Nothing is written before the last question. Ctrl-C leaves nothing behind. Each answer has a flag, for scripts; a secret is read from standard input then.

Examples:
  jeton init
  jeton init --from ~/web-openrc.sh --name web --setup openstack,aws
  pass show osc | jeton init --cloud outscale --way key \
    --set access_key=ABCDEFGHIJ0123456789 --secret file --yes`
}

// A wizard is one run of init.
type wizard struct {
	*initCmd
	ctx      context.Context // with the time of the person
	i        *invocation
	t        *terminal
	ps       *profiles
	world    cache.World
	ask      *asker // nil if nobody is there
	file     *plugin.File
	drafts   []plugin.Draft
	loginNow bool                    // the person wants to log in at the end
	typed    plugin.Secret           // the password that is not kept
	kept     bool                    // the login does not work, or was not tried
	failed   error                   // what could not be taken over
	way      *plugin.Way             // nil if something is taken over
	former   map[string]plugin.Value // answers to the questions, before they are asked again
	setups   []chosenSetup
	keeper   *plugin.Keeper
}

// A chosenSetup is a caller that the user wants to be set up.
type chosenSetup struct {
	kind    *formats.Kind
	command formats.SetupCommand
	what    string
}

func (c *initCmd) Run(ctx context.Context, i *invocation, t *terminal, ps *profiles, w cache.World) error {
	defer plugin.Suspend(ctx)()
	z := &wizard{initCmd: c, ctx: ctx, i: i, t: t, ps: ps, world: w, keeper: newKeeper(t, w, false)}
	if !c.Yes {
		z.ask = newAsker(ctx, t)
	}
	if z.ask != nil {
		defer z.ask.tty.Close()
		z.keeper.Read = func(_ context.Context, question string) (plugin.Secret, error) {
			return z.ask.secret(strings.TrimSuffix(question, ": "))
		}
	}
	var err error
	if z.file, err = ps.reread(false); err != nil {
		return err
	}
	z.keeper.For(z.file.Path, w.Getenv)
	for _, step := range []func() error{z.check, z.begin, z.name, z.plainHTTP, z.try, z.place, z.callers, z.confirm,
		z.write} {
		if err := step(); err != nil {
			return errors.Join(z.failed, err)
		}
	}
	return z.failed
}

// check returns an error for flags that cannot be meant, before anything is asked.
func (z *wizard) check() error {
	if z.From != "" && (z.Cloud != "" || z.Way != "" || len(z.Set) > 0) {
		return plugin.Errorf(plugin.Usage, "--from excludes --cloud, --way and --set").
			WithHint("what is taken over has its own settings")
	}
	if z.Name != "" {
		if err := z.checkName(z.Name); err != nil {
			return err
		}
	}
	if kind, _, _ := strings.Cut(z.Secret, ":"); z.Secret != "" && z.Secret != askEachTime {
		if err := z.keeper.SetPlace(z.Secret, nil); err != nil {
			return err
		}
		if kind == "keyring" && !z.keyringWorks() {
			return plugin.Errorf(plugin.Config, "--secret keyring: there is no keyring here that answers").
				WithHint("--secret file keeps it in a file that only you can read")
		}
	}
	_, err := z.wanted("name")
	return err
}

// missing returns the error for an answer that there is neither a flag nor a person for.
func (z *wizard) missing(flag, what string) error {
	return plugin.Errorf(plugin.Usage, "%s is needed, and there is nobody to ask", what).
		WithHint("use %s", flag)
}

// begin finds out what profile it will be.
func (z *wizard) begin() error {
	ways := z.i.issuers.Ways()
	found := z.found()
	switch {
	case z.From != "":
		return z.takeOver(found)
	case z.Cloud == "" && z.ask == nil:
		return z.missing("--cloud or --from", "the cloud")
	case z.Cloud == "" && len(found) > 0:
		options := []string{}
		for _, f := range found {
			options = append(options, f.What)
		}
		n, err := z.ask.choose("What should the profile be made from?",
			append(options, "something else: answer a few questions"), 0)
		if err != nil {
			return err
		}
		if n < len(found) {
			return z.adopt(found[n])
		}
	}
	return z.chooseWay(ways)
}

// found returns what there is to take over.
func (z *wizard) found() (found []plugin.Found) {
	env := importEnv(z.world)
	for _, i := range imports(z.i.issuers) {
		if i.Find != nil {
			found = append(found, i.Find(env)...)
		}
	}
	return found
}

// takeOver takes over what --from names.
func (z *wizard) takeOver(found []plugin.Found) error {
	path, err := filepath.Abs(plugin.ExpandHome(z.From))
	if err != nil {
		return plugin.Errorf(plugin.Usage, "--from: %v", err)
	}
	for _, f := range found {
		if f.What == path || z.From == "env" && !filepath.IsAbs(f.What) {
			return z.adopt(f)
		}
	}
	imports := imports(z.i.issuers)
	for _, i := range imports {
		if i.Name == z.From && i.Find != nil { // such as env: its error says what is missing
			return z.adopt(plugin.Found{What: z.From, Importer: i.New()})
		}
	}
	if err := formats.CheckGiven(path); err != nil {
		return err
	}
	for _, i := range imports {
		if i.Open == nil {
			continue
		}
		if importer := i.Open(path); importer != nil {
			return z.adopt(plugin.Found{What: path, Importer: importer})
		}
	}
	return plugin.Errorf(plugin.Config, "--from %s: there is nothing that jeton could take over",
		plugin.Shorten(z.From)).
		WithHint("jeton import --help lists what it can")
}

// adopt makes drafts of what was found.
func (z *wizard) adopt(f plugin.Found) error {
	drafts, err := f.Importer.Drafts(importEnv(z.world))
	if len(drafts) == 0 {
		return err
	}
	z.failed = err // the rest can be taken over
	if len(drafts) > 1 {
		names := []string{}
		for _, d := range drafts {
			names = append(names, d.Name)
		}
		n := len(names)
		switch {
		case z.Name != "" && slices.Contains(names, z.Name):
			n = slices.Index(names, z.Name)
		case z.Name != "" && z.ask == nil:
			return plugin.Errorf(plugin.Usage, "--name: %s has no %s", f.What, plugin.Shorten(z.Name)).
				WithHint("there are: %s", plugin.Shorten(strings.Join(names, ", ")))
		case z.ask == nil && len(z.Setup) > 0:
			return plugin.Errorf(plugin.Usage, "--setup is for one profile, and there are %d", len(names)).
				WithHint("say which: --name %s", names[0])
		case z.ask != nil:
			if n, err = z.ask.choose(f.What+" has several:", append(names, "all of them"), 0); err != nil {
				return err
			}
		}
		if n < len(names) {
			drafts = drafts[n : n+1]
		}
	}
	z.drafts = drafts
	return nil
}

// chooseWay asks for the cloud, the way to log in there, and what that needs.
func (z *wizard) chooseWay(ways []plugin.Way) error {
	cloud, err := pick(z, "Which cloud is it?", z.Cloud, "--cloud", z.i.issuers.Clouds(),
		func(c plugin.Cloud) (string, string) { return c.Name, c.Title })
	if err != nil {
		return err
	}
	ways = slices.DeleteFunc(ways, func(w plugin.Way) bool { return w.Cloud != cloud })
	way, err := pick(z, "How do you log in there?", z.Way, "--way", ways, func(w plugin.Way) (string, string) {
		return w.Name, w.Title
	})
	if err != nil {
		return err
	}
	z.way = &way
	return z.answer()
}

// pick returns the element that a flag names, the only one, or the one that the person
// chooses. name returns an element's name and title.
func pick[T any](z *wizard, question, given, flag string, list []T, name func(T) (string, string)) (chosen T,
	err error) {
	var names, titles []string
	for _, element := range list {
		n, title := name(element)
		names, titles = append(names, n), append(titles, title)
	}
	n := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, given) })
	if n < 0 {
		n = slices.IndexFunc(titles, func(title string) bool { return strings.EqualFold(title, given) })
	}
	switch {
	case given != "" && n < 0:
		e := plugin.Errorf(plugin.Usage, "%s: there is no %s", flag, plugin.Shorten(given))
		if nearest := plugin.Nearest(given, names); nearest != "" {
			return chosen, e.WithMeant(given, nearest)
		}
		return chosen, e.WithHint("there are: %s", strings.Join(names, ", "))
	case given != "":
	case len(list) == 1:
		n = 0
	case z.ask == nil:
		return chosen, plugin.Errorf(plugin.Usage, "%s is needed, and there is nobody to ask", flag).
			WithHint("there are: %s", strings.Join(names, ", "))
	default:
		if n, err = z.ask.choose(question, titles, 0); err != nil {
			return chosen, err
		}
	}
	return list[n], nil
}

// given returns the answers of --set, by option.
func (z *wizard) given() (map[string]string, error) {
	answers := map[string]string{}
	for _, set := range z.Set {
		option, value, ok := strings.Cut(set, "=")
		switch {
		case !ok || option == "":
			return nil, plugin.Errorf(plugin.Usage, "--set takes OPTION=VALUE")
		case value == "":
			return nil, plugin.Errorf(plugin.Usage, "--set %s: there is no value", plugin.Shorten(option))
		}
		if names := z.way.Issuer.OptionNames(); !slices.Contains(names, option) {
			e := plugin.Errorf(plugin.Usage, "--set: plugin %s has no option %s", z.way.Issuer.Name,
				plugin.Shorten(option))
			if nearest := plugin.Nearest(option, names); nearest != "" {
				return nil, e.WithMeant(option, nearest)
			}
			return nil, e.WithHint("jeton help %s lists the options", z.way.Issuer.Name)
		}
		if z.way.Issuer.IsSecret(option) {
			return nil, plugin.Errorf(plugin.Usage, "--set %s: a secret does not belong on a command line", option).
				WithHint("pass it on standard input")
		}
		answers[option] = value
	}
	return answers, nil
}

// answer asks the questions of the way, and makes a draft of the answers.
func (z *wizard) answer() error {
	given, err := z.given()
	if err != nil {
		return err
	}
	answers := map[string]plugin.Value{}
	for option, text := range given {
		answers[option] = plugin.Value{Place: "--set " + option, Key: option, Text: text}
	}
	for _, q := range z.way.Ask {
		if _, ok := given[q.Option]; ok && z.former == nil {
			continue
		}
		if last := z.former[q.Option].Text; last != "" {
			q.Default = last
		}
		text, err := z.inquire(q)
		if err != nil {
			return err
		}
		if text != "" {
			answers[q.Option] = plugin.Value{Place: "the answer", Key: q.Option, Text: text}
		}
	}
	z.former = answers
	draft := z.way.Draft(z.way.Cloud.Name, answers)
	if kind, where, _ := strings.Cut(z.Secret, ":"); kind == "command" && where != "" {
		for _, q := range z.way.Ask {
			if z.way.Issuer.IsSecret(q.Option) && !q.Optional {
				secret := &plugin.DraftSecret{Command: plugin.SecretCommand(where)}
				draft.Options = append(draft.Options, plugin.DraftOption{Name: q.Option, Secret: secret})
			}
		}
	}
	z.drafts = []plugin.Draft{draft}
	return nil
}

// inquire returns the answer to one question.
func (z *wizard) inquire(q plugin.Inquiry) (string, error) {
	switch {
	case z.way.Issuer.IsSecret(q.Option):
		return z.inquireSecret(q)
	case z.ask == nil && q.Default == "" && !q.Optional:
		return "", z.missing("--set "+q.Option+"=…", q.Option)
	case z.ask == nil:
		return q.Default, nil
	case q.Choices != nil:
		n, err := z.ask.choose(q.Text+":", q.Choices, max(0, slices.Index(q.Choices, q.Default)))
		return q.Choices[n], err
	}
	for {
		text, err := z.ask.line(q.Text, q.Default, q.Optional)
		if err == nil && q.URL {
			if _, wrong := plugin.ParseURL(text, true); wrong != nil {
				z.ask.say("%s", plugin.InOneLine(wrong))
				continue
			}
		}
		return text, err
	}
}

// inquireSecret is inquire for a secret. One that a program prints is not asked for.
func (z *wizard) inquireSecret(q plugin.Inquiry) (string, error) {
	kind, where, _ := strings.Cut(z.Secret, ":")
	switch {
	case where != "" && kind == "command", q.Optional && z.ask == nil:
		return "", nil
	case where != "" && kind == "env":
		if value := z.world.Getenv(where); value != "" {
			return value, nil
		}
		return "", plugin.Errorf(plugin.Config, "environment variable %s is not set", plugin.Shorten(where))
	case z.ask == nil:
		s, err := z.t.readSecret(z.ctx, q.Text+": ")
		return s.Reveal(), err
	case q.Optional:
		if yes, err := z.ask.yes("Is there a "+q.Option+"?", false); !yes || err != nil {
			return "", err
		}
	}
	s, err := z.ask.secret(q.Text)
	return s.Reveal(), err
}

// name asks for the profile's name.
func (z *wizard) name() error {
	if len(z.drafts) > 1 {
		return nil
	}
	d := &z.drafts[0]
	for {
		name := z.Name
		switch {
		case name != "":
		case z.ask == nil:
			name = z.free(d.Name)
		default:
			var err error
			if name, err = z.ask.line("Name of the profile", z.free(d.Name), false); err != nil {
				return err
			}
		}
		err := z.checkName(name)
		if err == nil {
			d.Name = name
			return nil
		}
		if z.Name != "" || z.ask == nil {
			return err
		}
		z.ask.say("%s", plugin.InOneLine(err))
	}
}

// checkName returns an error if a new profile cannot have this name.
func (z *wizard) checkName(name string) error {
	switch err := plugin.CheckName(name); {
	case err != nil:
		return err
	case z.i.issuers.Reserved(name):
		return plugin.Errorf(plugin.Config, "the name %s is reserved for the environment", name)
	case z.file.Has(name):
		return plugin.Errorf(plugin.Config, "there is a profile %s already", name).WithHint("take another name")
	}
	return nil
}

// free returns name, or one like it that no profile has.
func (z *wizard) free(name string) string {
	for n := 2; z.file.Has(name); n++ {
		name = fmt.Sprintf("%s-%d", strings.TrimRight(name, "-0123456789"), n)
	}
	return name
}

// confirm tells what will be written, and asks for the last yes.
func (z *wizard) confirm() error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\njeton will write:\n")
	for _, d := range z.drafts {
		fmt.Fprintf(&b, "  - profile %s into %s\n", d.Name, z.file.Path)
		for _, o := range d.Options {
			if o.Secret == nil {
				continue
			}
			ref, err := z.keeper.Place(&d, o.Name, o.Secret)
			if err != nil {
				return &plugin.ProfileError{Profile: d.Name, Err: err}
			}
			fmt.Fprintf(&b, "  - its %s: %s\n", strings.ReplaceAll(o.Name, "_", " "), ref.Words())
		}
	}
	for _, s := range z.setups {
		fmt.Fprintf(&b, "  - %s\n", s.what)
	}
	if z.ownSchema() {
		fmt.Fprintf(&b, "  - %s beside it, for editors\n", schemaName)
	}
	if z.ask == nil {
		if !z.Yes {
			return plugin.Errorf(plugin.Usage, "nothing is written without a yes").WithHint("add --yes")
		}
		return nil
	}
	z.ask.tty.out.Write(lines(b.Bytes(), z.ask.look))
	yes, err := z.ask.yes("Write these changes?", true)
	switch {
	case err != nil:
		return err
	case !yes:
		return plugin.Errorf(plugin.Denied, "nothing was written")
	}
	if z.way != nil && z.way.Person {
		z.loginNow, err = z.ask.yes("Log in afterwards?", true)
	}
	return err
}

// write writes the profiles, and sets the callers up.
func (z *wizard) write() error {
	m := &merge{ps: z.ps, keeper: z.keeper}
	if z.ownSchema() {
		m.header = schemaLine
	}
	var report []byte
	err := z.limited(func(ctx context.Context) (err error) {
		report, err = m.write(ctx, cache.Open(ctx, z.world, true), z.drafts)
		return err
	})
	if report == nil {
		return err
	}
	failures := errors.Join(err, z.writeSchema())
	z.ps.read = nil // the file is another one now
	tries := []string{}
	for _, s := range z.setups {
		command := &setupCallerCmd{Caller: s.command, format: s.kind.Name}
		failures = errors.Join(failures, z.limited(func(ctx context.Context) error {
			done, try, err := command.carryOut(ctx, z.i, z.ps, z.remembering())
			report = append(report, done...)
			if try != "" {
				tries = append(tries, try)
			}
			return err
		}))
	}
	if z.loginNow {
		failures = errors.Join(failures, z.limited(func(ctx context.Context) error {
			return (&loginCmd{Profile: z.drafts[0].Name}).Run(ctx, z.i, z.t, z.ps, z.world)
		}))
	}
	if failures == nil {
		report = append(report, "\nTo try next:\n"...)
		for _, try := range append(tries, z.more()...)[:3] {
			report = fmt.Appendf(report, "  %s\n", try)
		}
	}
	return errors.Join(failures, z.t.print(lines(report, z.t.outLook())))
}

// remembering returns the world of z, in which the password that the person has typed is not
// asked for again.
func (z *wizard) remembering() cache.World {
	w := z.world
	if z.typed.IsZero() || w.People == nil {
		return w
	}
	people, typed := *w.People, z.typed
	people.Ask = func(ctx context.Context, question string) (plugin.Secret, error) {
		if typed.IsZero() { // the next question is another one, such as for a passcode
			return w.People.Ask(ctx, question)
		}
		answer := typed
		typed = plugin.Secret{}
		return answer, nil
	}
	w.People = &people
	return w
}

// limited calls do with a context of its own, which ends with the time that a command has.
func (z *wizard) limited(do func(context.Context) error) error {
	ctx, cancel := plugin.Limit(plugin.Watched(context.Background(), z.t.waiting), budget)
	defer cancel()
	return do(ctx)
}

// more returns commands to try that need no setup, at least three.
func (z *wizard) more() (list []string) {
	name := z.drafts[0].Name
	commands := [][]string{{"jeton", "inspect", name}, {"jeton", "status"}, {"jeton", "doctor"}}
	if z.way != nil && z.way.Person && !z.loginNow {
		commands = slices.Insert(commands, 0, []string{"jeton", "login", name})
	}
	for _, command := range commands {
		if *z.ps.path != "" {
			command = append(command, "--config", z.file.Path)
		}
		list = append(list, plugin.ShellWords(command...))
	}
	return list
}

// schemaName is the file with the JSON schema, beside the configuration file. schemaLine
// leads editors to it.
const (
	schemaName = "schema.json"
	schemaLine = "# yaml-language-server: $schema=" + schemaName + "\n"
)

// schemaPath is where the schema goes.
func (z *wizard) schemaPath() string { return filepath.Join(filepath.Dir(z.file.Path), schemaName) }

// ownSchema reports whether there is no schema yet, or one that jeton has written.
func (z *wizard) ownSchema() bool {
	b, err := os.ReadFile(z.schemaPath())
	return errors.Is(err, fs.ErrNotExist) || bytes.Contains(b, []byte(`"`+plugin.SchemaTitle+`"`))
}

// writeSchema writes the schema beside the configuration file.
func (z *wizard) writeSchema() error {
	if !z.ownSchema() {
		return nil
	}
	document, err := json.MarshalIndent(z.i.issuers.Schema(formats.Spellings()), "", "  ")
	if err != nil {
		return err
	}
	_, err = cache.EditFile(z.schemaPath(), func([]byte) ([]byte, error) { return append(document, '\n'), nil })
	if err != nil {
		return plugin.Errorf(plugin.Output, "%v", err)
	}
	return nil
}

// installed reports whether a caller is there.
func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
