package cli

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

// plainHTTP has the person decide whether secrets may be sent in clear, where that is needed.
func (z *wizard) plainHTTP() error {
	for n, d := range z.drafts {
		needed := z.file.NeedsPlainHTTP(d)
		if needed == nil {
			continue
		}
		yes := z.Plain
		if !yes && z.ask != nil {
			z.ask.say("The URL of %s begins with http: whoever listens on the network reads the secrets.", d.Name)
			var err error
			if yes, err = z.ask.yes("Do you trust this network?", false); err != nil {
				return err
			}
		}
		if !yes {
			return &plugin.ProfileError{Profile: d.Name, Err: errPlainHTTP(needed)}
		}
		z.drafts[n] = d.WithPlainHTTP()
	}
	return nil
}

// try tries the logins of the profiles, which are not written yet.
func (z *wizard) try() error {
	for n := range z.drafts {
		if err := z.tryOne(n); err != nil {
			return err
		}
	}
	return nil
}

// tryOne tries one login, again and again if the person wants to.
func (z *wizard) tryOne(n int) error {
	for {
		if !z.NoLogin {
			if err := z.askSecrets(&z.drafts[n]); err != nil {
				return err
			}
		}
		err := z.login(&z.drafts[n])
		if err == nil || z.ask == nil || errors.Is(err, errEnd) {
			return err
		}
		z.t.fail(err)
		again, err := z.afterFailure(n, plugin.AsError(err).Code == plugin.Network)
		if !again || err != nil {
			return err
		}
	}
}

// afterFailure asks what to do after a login that has failed. down says that the server could
// not be reached.
func (z *wizard) afterFailure(n int, down bool) (again bool, err error) {
	repeat := "enter the answers again"
	if z.way == nil && down {
		repeat = "try again"
	}
	next := []string{repeat, "leave"}
	if _, err := z.file.Trial(z.drafts[n]); err == nil {
		next = append(next, "keep it as it is")
	}
	choice, err := z.ask.choose("The login does not work. What now?", next, 0)
	switch {
	case err != nil:
		return false, err
	case choice == 2:
		z.kept = true
		return false, nil
	case choice == 1:
		return false, plugin.Errorf(plugin.Denied, "nothing was written")
	case z.way == nil && down:
		return true, nil
	case z.way == nil: // what is taken over stays, but for its secrets
		for _, o := range z.drafts[n].Options {
			if o.Secret != nil && o.Secret.Command == nil {
				o.Secret.Value, o.Secret.Asked = plugin.Secret{}, true
			}
		}
		return true, nil
	}
	name := z.drafts[n].Name
	if err := z.answer(); err != nil {
		return false, err
	}
	z.drafts[n].Name = name
	return true, z.plainHTTP()
}

// askSecrets asks for the secrets of d that its source asks for.
func (z *wizard) askSecrets(d *plugin.Draft) (err error) {
	for _, o := range d.Options {
		s := o.Secret
		if s == nil || !s.Value.IsZero() || s.Command != nil || s.Momentary {
			continue
		}
		question := strings.ReplaceAll(o.Name, "_", " ") + " for " + d.Name
		if z.ask != nil {
			s.Value, err = z.ask.secret(question)
		} else {
			s.Value, err = z.t.readSecret(z.ctx, question+": ")
		}
		s.Asked = false
		if err != nil {
			return err
		}
	}
	return nil
}

// login logs in with d, and keeps nothing. It has the person pick what the way leaves open.
func (z *wizard) login(d *plugin.Draft) error {
	trial, picks := *d, z.way != nil && z.way.Pick != nil && !z.picked(d)
	if picks {
		trial = d.With(z.way.Pick.Without)
	}
	p, err := z.file.Trial(trial)
	if err != nil {
		return &plugin.ProfileError{Profile: d.Name, Err: err}
	}
	if z.NoLogin || z.way != nil && z.way.Person {
		z.kept = true
		return nil
	}
	tables, who, err := z.look(p)
	if err != nil {
		return about(p, err)
	}
	if who != "" {
		z.tell("Logged in as %s.", who)
	} else {
		z.tell("The login works.")
	}
	if !picks {
		return nil
	}
	return z.pickScope(d, tables)
}

// tell tells the person how things go.
func (z *wizard) tell(format string, args ...any) {
	if z.ask != nil {
		z.ask.praise(format, args...)
	}
}

// picked reports whether d says already what is to be picked.
func (z *wizard) picked(d *plugin.Draft) bool {
	pick := z.way.Pick
	return slices.ContainsFunc(d.Options, func(o plugin.DraftOption) bool {
		return o.Name == pick.Option || slices.Contains(pick.Instead, o.Name)
	})
}

// look logs in with p and returns what the issuer tells about it, and whose login it is. It
// makes no key.
func (z *wizard) look(p *plugin.Profile) (tables []plugin.Table, who string, err error) {
	err = z.limited(func(ctx context.Context) error {
		s := cache.Open(ctx, z.world, false)
		credential := func() (*plugin.Credential, error) {
			c, err := s.Fetch(ctx, p, cache.Need{})
			if err == nil {
				who = profileReport{Identity: c.Attrs}.identity()
			}
			return c, err
		}
		if inspector, ok := s.Source(p, cache.Need{}).(plugin.Inspector); ok {
			tables, err = inspector.Inspect(ctx, credential)
			return err
		}
		if !cache.Mints(p) {
			_, err = credential()
		}
		return err
	})
	return tables, who, err
}

// pickScope has the person pick one of the rows of a table, such as a project.
func (z *wizard) pickScope(d *plugin.Draft, tables []plugin.Table) error {
	pick := z.way.Pick
	var titles, ids []string
	for _, t := range tables {
		if t.Name != pick.Table {
			continue
		}
		column := max(0, slices.Index(t.Columns, "id"))
		for _, row := range t.Rows {
			ids = append(ids, row[column])
			titles = append(titles, strings.Join(row[:min(2, len(row))], "  "))
		}
	}
	n := 0
	switch {
	case len(ids) == 0:
		z.tell("There is none of the %s to choose from: the profile has no scope.", pick.Table)
		return nil
	case len(ids) == 1:
		z.tell("Its only one of the %s is taken: %s.", pick.Table, titles[0])
	case z.ask == nil:
		return plugin.Errorf(plugin.Usage, "%s is needed: there are %d %s", pick.Option, len(ids), pick.Table).
			WithHint("use --set %s=…: %s", pick.Option, plugin.Shorten(strings.Join(titles, ", ")))
	default:
		var err error
		if n, err = z.ask.choose(pick.Text+"?", titles, 0); err != nil {
			return err
		}
	}
	*d = d.With(map[string]string{pick.Option: ids[n]})
	return nil
}

// askEachTime is the place of a secret that is not kept.
const askEachTime = "ask"

// place asks where the secrets go.
func (z *wizard) place() error {
	secrets, typed, printed := 0, 0, 0
	for _, s := range z.secrets() {
		secrets++
		if s.Person {
			typed++
		}
		if s.Command != nil {
			printed++
		}
	}
	if secrets > 0 && z.Secret == "" && z.ask != nil {
		if err := z.choosePlace(secrets, typed, printed); err != nil {
			return err
		}
	}
	if z.Secret != askEachTime {
		return z.keeper.SetPlace(z.Secret, z.drafts)
	}
	if typed < secrets {
		return plugin.Errorf(plugin.Usage, "--secret ask is for a password, and there is another secret").
			WithHint("--secret keyring and --secret file keep it")
	}
	for _, s := range z.secrets() {
		z.typed = s.Value
		s.Value, s.Asked = plugin.Secret{}, true
	}
	return z.keeper.SetPlace("", z.drafts)
}

// secrets returns the secrets of the drafts that are worth keeping.
func (z *wizard) secrets() (list []*plugin.DraftSecret) {
	for _, d := range z.drafts {
		for _, o := range d.Options {
			if o.Secret != nil && !o.Secret.Momentary {
				list = append(list, o.Secret)
			}
		}
	}
	return list
}

// choosePlace asks where the secrets go. typed of them can be typed each time, and programs
// print so many of them now.
func (z *wizard) choosePlace(secrets, typed, printed int) error {
	var choices, titles []string
	add := func(place, title string) { choices, titles = append(choices, place), append(titles, title) }
	if printed == secrets {
		add("command", "the program that prints it now")
	}
	if z.keyringWorks() {
		add("keyring", "keyring: the system keyring")
	}
	add("file", "file: a file that only you can read")
	if typed == secrets {
		add(askEachTime, "ask: nowhere; jeton asks you at each login")
	}
	add("env", "env: an environment variable that you set")
	if secrets == 1 {
		add("command:", "command: a program that prints it, such as pass show NAME")
	}
	n, err := z.ask.choose("Where should the secret be kept?", titles, 0)
	if err != nil {
		return err
	}
	if z.Secret = choices[n]; z.Secret == "command:" {
		line, err := z.ask.line("The program and its arguments", "", false)
		if err != nil {
			return err
		}
		z.Secret += line
		if err := z.tryProgram(line); err != nil {
			z.t.fail(err)
			return z.choosePlace(secrets, typed, printed)
		}
	}
	return nil
}

// tryProgram logs in with what a program prints.
func (z *wizard) tryProgram(line string) error {
	if z.kept || len(z.drafts) > 1 {
		return nil
	}
	d := z.drafts[0]
	d.Options = slices.Clone(d.Options)
	for i, o := range d.Options {
		if o.Secret != nil {
			printed := *o.Secret
			printed.Value, printed.Command = plugin.Secret{}, plugin.SecretCommand(line)
			d.Options[i].Secret = &printed
		}
	}
	return z.login(&d)
}

// keyringWorks reports whether there is a keyring that answers.
func (z *wizard) keyringWorks() bool {
	_, err := plugin.Keyring{Getenv: z.world.Getenv}.Get(z.ctx, "jeton")
	return err == nil || errors.Is(err, plugin.ErrNoSecret)
}

// callers asks which callers are to be set up.
func (z *wizard) callers() error {
	d := z.drafts[0]
	wanted, err := z.wanted(d.Name)
	if err != nil || len(z.drafts) > 1 {
		return err
	}
	p, err := z.file.Trial(d)
	if err != nil {
		return err
	}
	for _, s := range wanted {
		if !s.kind.Setup.Fits(z.i.issuers, p.Issuer.Gives) {
			return plugin.Errorf(plugin.Config, "--setup: %s cannot use what plugin %s gives", s.kind.Name,
				p.Issuer.Name)
		}
	}
	z.setups = wanted
	if z.ask == nil || len(z.Setup) > 0 {
		return nil
	}
	for _, k := range formats.Kinds {
		if k.Setup == nil || !k.Setup.Fits(z.i.issuers, p.Issuer.Gives) || !installed(k.Setup.Program) ||
			z.kept && k.Setup.Choices == nil || k.Setup.Usual && *z.ps.path != "" { // it would log in, or fail
			continue
		}
		is, choice, err := z.offer(k)
		if err != nil {
			return err
		}
		if is {
			z.setups = append(z.setups, z.setupOf(k, d.Name, choice))
		}
	}
	return nil
}

// setupOf returns the setup of a caller for a profile, or for one of the caller's choices.
func (z *wizard) setupOf(k *formats.Kind, profile, choice string) chosenSetup {
	if k.Setup.Entry != nil {
		choice = k.Setup.Entry(z.caller(), profile)
		return chosenSetup{k, k.Setup.Make(profile, choice), "for " + k.Setup.Program + ": " + choice + " in " +
			k.Setup.Writes}
	}
	what := "for " + k.Setup.Program + ": " + k.Setup.Writes
	if choice != "" {
		what += ", context " + choice
	}
	return chosenSetup{k, k.Setup.Make(profile, choice), what}
}

// wanted returns the setups that --setup names, for a profile.
func (z *wizard) wanted(profile string) (list []chosenSetup, err error) {
	var names []string
	kinds := map[string]*formats.Kind{}
	for _, k := range formats.Kinds {
		if k.Setup != nil {
			names, kinds[k.Name] = append(names, k.Name), k
		}
	}
	for _, word := range z.Setup {
		name, choice, _ := strings.Cut(word, "=")
		k := kinds[name]
		switch {
		case name == "none":
			continue
		case k == nil:
			return nil, plugin.Errorf(plugin.Usage, "--setup: there is no %s", plugin.Shorten(name)).
				WithHint("there are: %s, none", strings.Join(names, ", "))
		case k.Setup.Choices == nil && choice != "":
			return nil, plugin.Errorf(plugin.Usage, "--setup: %s takes no value", name)
		case k.Setup.Choices != nil && choice == "":
			return nil, plugin.Errorf(plugin.Usage, "--setup: %s needs a context", name).
				WithHint("write --setup %s=CONTEXT", name)
		}
		if k.Setup.Choices != nil && !slices.Contains(k.Setup.Choices(z.caller()), choice) {
			return nil, plugin.Errorf(plugin.Config, "--setup: there is no context %s", plugin.Shorten(choice)).
				WithHint("%s config get-contexts lists them", k.Setup.Program)
		}
		list = append(list, z.setupOf(k, profile, choice))
	}
	return list, nil
}

// caller returns what callers' files need to be read.
func (z *wizard) caller() *formats.Caller {
	home, _ := os.UserHomeDir() // without one there are no files
	return &formats.Caller{Getenv: z.world.Getenv, Home: home, ReadFile: formats.ReadFile}
}

// offer asks whether a caller is to be set up, and for which of its choices.
func (z *wizard) offer(k *formats.Kind) (is bool, choice string, err error) {
	if k.Setup.Choices == nil {
		is, err = z.ask.yes("Use jeton for "+k.Setup.Program+"?", true)
		return is, "", err
	}
	choices := k.Setup.Choices(z.caller())
	if len(choices) == 0 {
		return false, "", nil
	}
	n, err := z.ask.choose("Which "+k.Setup.Program+" context should use jeton?",
		append(slices.Clone(choices), "none"), len(choices))
	if err != nil || n == len(choices) {
		return false, "", err
	}
	return true, choices[n], nil
}
