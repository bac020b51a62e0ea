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
		if _, err := z.file.Trial(d); err == nil {
			continue
		} else if _, allowed := z.file.Trial(d.WithPlainHTTP()); allowed != nil && allowed.Error() == err.Error() {
			continue // something else is wrong, which the login tells
		}
		yes := z.Plain
		if !yes && z.ask != nil {
			z.ask.say("The address of %s begins with http: whoever listens on the network reads the secrets.", d.Name)
			var err error
			if yes, err = z.ask.yes("Is the network your own, and is that all right?", false); err != nil {
				return err
			}
		}
		if !yes {
			return about(&plugin.Profile{Name: d.Name}, plugin.Errorf(plugin.Config, "its address begins with http, "+
				"which would send secrets in clear").
				WithHint("use https; if the network is your own, add --plain-http to this command"))
		}
		z.drafts[n] = d.WithPlainHTTP()
	}
	return nil
}

// try tries the logins of the profiles, which are not written yet.
func (z *wizard) try() error {
	if z.NoLogin || z.way != nil && z.way.Person {
		return nil
	}
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
		if err := z.askSecrets(&z.drafts[n]); err != nil {
			return err
		}
		err := z.login(&z.drafts[n])
		if err == nil || z.ask == nil {
			return err
		}
		z.t.fail(err)
		next := []string{"enter the answers again", "keep it as it is", "leave"}
		choice, err := z.ask.choose("The login does not work. What now?", next, 0)
		switch {
		case err != nil:
			return err
		case choice == 1:
			return nil
		case choice == 2:
			return plugin.Errorf(plugin.Denied, "nothing was written")
		case z.way != nil:
			name := z.drafts[n].Name
			if err := z.answer(); err != nil {
				return err
			}
			z.drafts[n].Name = name
			if err := z.plainHTTP(); err != nil {
				return err
			}
		default: // what is taken over stays, but for its secrets
			for _, o := range z.drafts[n].Options {
				if o.Secret != nil && o.Secret.Command == nil {
					o.Secret.Value, o.Secret.Asked = plugin.Secret{}, true
				}
			}
		}
	}
}

// askSecrets asks for the secrets of d that its source asks for.
func (z *wizard) askSecrets(d *plugin.Draft) (err error) {
	for _, o := range d.Options {
		s := o.Secret
		if s == nil || !s.Value.IsZero() || s.Command != nil || s.Momentary {
			continue
		}
		question := strings.ReplaceAll(o.Name, "_", " ") + " of " + d.Name
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
		return err
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
	ctx, cancel := plugin.Limit(plugin.Watched(context.Background(), z.t.waiting), budget)
	defer cancel()
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
		return tables, who, err
	}
	if !cache.Mints(p) {
		_, err = credential()
	}
	return nil, who, err
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
			WithHint("say it by --set %s=…: %s", pick.Option, plugin.Shorten(strings.Join(titles, ", ")))
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
	secrets, asks, commands := 0, false, false
	for _, d := range z.drafts {
		for _, o := range d.Options {
			if o.Secret != nil && !o.Secret.Momentary {
				secrets++
				asks = asks || o.Secret.Person
				commands = commands || o.Secret.Command != nil
			}
		}
	}
	if secrets > 0 && z.Secret == "" && z.ask != nil {
		if err := z.choosePlace(asks, commands); err != nil {
			return err
		}
	}
	if z.Secret == askEachTime {
		for _, d := range z.drafts {
			for _, o := range d.Options {
				if o.Secret != nil && o.Secret.Person {
					o.Secret.Value, o.Secret.Asked = plugin.Secret{}, true
				}
			}
		}
		return z.keeper.SetPlace("", z.drafts)
	}
	return z.keeper.SetPlace(z.Secret, z.drafts)
}

func (z *wizard) choosePlace(asks, commands bool) error {
	type choice struct{ place, title string }
	var choices []choice
	if z.keyringWorks() {
		choices = append(choices, choice{"keyring", "keyring: the system keyring"})
	}
	choices = append(choices, choice{"file", "file: a file that only you can read"})
	if commands {
		choices = slices.Insert(choices, 0, choice{"command", "the program that prints it now"})
	}
	if asks {
		choices = append(choices, choice{askEachTime, "ask: nowhere; jeton asks you at each login"})
	}
	choices = append(choices, choice{"env", "env: an environment variable that you set"},
		choice{"command", "command: a program that prints it, such as pass show NAME"})
	var titles []string
	for _, c := range choices {
		titles = append(titles, c.title)
	}
	n, err := z.ask.choose("Where should the secret be kept?", titles, 0)
	if err != nil {
		return err
	}
	if z.Secret = choices[n].place; z.Secret == "command" && n == len(choices)-1 {
		line, err := z.ask.line("The program and its arguments", "", false)
		if err != nil {
			return err
		}
		z.Secret += ":" + line
	}
	return nil
}

// keyringWorks reports whether there is a keyring that answers.
func (z *wizard) keyringWorks() bool {
	_, err := plugin.Keyring{Getenv: z.world.Getenv}.Get(z.ctx, "jeton")
	return err == nil || errors.Is(err, plugin.ErrNoSecret)
}

// callers asks which callers are to be set up.
func (z *wizard) callers() error {
	wanted, err := z.wanted()
	if err != nil {
		return err
	}
	d := z.drafts[0]
	p, err := z.file.Trial(d)
	if err != nil || len(z.drafts) > 1 {
		return err
	}
	for _, k := range formats.Kinds {
		if k.Setup == nil {
			continue
		}
		choice, is := wanted[k.Name]
		fits := k.Setup.Fits(z.i.issuers, p.Issuer.Gives)
		switch {
		case is && !fits:
			return plugin.Errorf(plugin.Config, "--setup: %s cannot use what plugin %s gives", k.Name, p.Issuer.Name)
		case is:
		case len(z.Setup) > 0 || z.ask == nil || !fits || !installed(k.Setup.Program):
			continue
		default:
			if is, choice, err = z.offer(k); err != nil {
				return err
			}
		}
		if is {
			what := "for " + k.Setup.Program + ": " + k.Setup.Writes
			if choice != "" {
				what += ", context " + choice
			}
			z.setups = append(z.setups, chosenSetup{k, k.Setup.Make(d.Name, choice), what})
		}
	}
	return nil
}

// wanted returns the callers that --setup names, and what of each of them.
func (z *wizard) wanted() (map[string]string, error) {
	wanted := map[string]string{}
	for _, word := range z.Setup {
		name, choice, _ := strings.Cut(word, "=")
		if known := slices.ContainsFunc(formats.Kinds, func(k *formats.Kind) bool {
			return k.Setup != nil && k.Name == name
		}); !known && name != "none" {
			var names []string
			for _, k := range formats.Kinds {
				if k.Setup != nil {
					names = append(names, k.Name)
				}
			}
			return nil, plugin.Errorf(plugin.Usage, "--setup: there is no %s", plugin.Shorten(name)).
				WithHint("there are: %s, none", strings.Join(names, ", "))
		}
		wanted[name] = choice
	}
	return wanted, nil
}

// offer asks whether a caller is to be set up, and for which of its choices.
func (z *wizard) offer(k *formats.Kind) (is bool, choice string, err error) {
	if k.Setup.Choices == nil {
		is, err = z.ask.yes("Use jeton for "+k.Setup.Program+"?", true)
		return is, "", err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return false, "", nil
	}
	choices := k.Setup.Choices(&formats.Caller{Getenv: z.world.Getenv, Home: home, ReadFile: formats.ReadFile})
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
