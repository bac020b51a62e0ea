package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/formats"
	"github.com/jeton-cli/jeton/plugin"
)

type statusCmd struct {
	Profile string `arg:"" optional:"" help:"Only this profile."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (s *statusCmd) Help() string {
	return `Shows for each profile whose credential is cached, when it expires, when jeton will renew it, and the last error. Then it shows credentials that no profile uses any more, and the access keys and application credentials that jeton has made. It sends no request.

Exits with 1 if a profile cannot be used.`
}

// A report is what status prints.
type report struct {
	Config   string          `json:"config"`
	Cache    string          `json:"cache,omitempty"`
	Profiles []profileReport `json:"profiles"`
	Unused   []profileReport `json:"unused,omitempty"` // cached, but of no current profile
	Minted   []cache.Account `json:"minted,omitempty"`
	// Fleet is what this host knows of the shared cache.
	Fleet  *cache.FleetState `json:"shared_cache,omitempty"`
	Errors []string          `json:"errors,omitempty"` // what could not be checked
}

func (r *report) add(err error) {
	if err != nil {
		r.Errors = append(r.Errors, plugin.InOneLine(err))
	}
}

type profileReport struct {
	Profile   string            `json:"profile"`
	Plugin    string            `json:"plugin,omitempty"`
	Error     string            `json:"error,omitempty"` // why the profile cannot be used
	Kept      bool              `json:"kept"`
	AccessKey string            `json:"access_key,omitempty"`
	Identity  map[string]string `json:"attributes,omitempty"`
	FetchedAt time.Time         `json:"fetched_at,omitzero"`
	ExpiresAt time.Time         `json:"expires_at,omitzero"`
	RenewAt   time.Time         `json:"renew_at,omitzero"`
	LastError string            `json:"last_error,omitempty"`
	FailedAt  time.Time         `json:"failed_at,omitzero"`
	RetryAt   time.Time         `json:"retry_at,omitzero"`
	Shared    bool              `json:"shared,omitempty"` // other hosts have it too
}

func (s *statusCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	r := report{Profiles: []profileReport{}}
	f, err := ps.file()
	if err != nil {
		r.add(err)
		return r.print(t, s.JSON)
	}
	session := cache.Open(ctx, w, true)
	kept, err := session.List(ctx)
	r.Config = f.Path
	r.add(err)
	if filer, ok := session.Store.(cache.Filer); ok {
		r.Cache = filer.Path()
	}
	names := f.Names()
	if p, _, err := w.Issuers.FromEnvironment("env", w.Getenv); p != nil || err != nil {
		names = append(names, "env")
	}
	if s.Profile != "" {
		names = []string{s.Profile}
	}
	used := map[string]bool{}
	for _, name := range names {
		p, err := f.Profile(name)
		if err != nil {
			r.Profiles = append(r.Profiles, profileReport{Profile: name, Error: inShort(err, f.Path, name)})
			continue
		}
		r.Profiles = append(r.Profiles, reportOn(session, p, kept, used))
		for _, name := range f.Standing(name) {
			if p, err := f.Profile(name); err == nil {
				if row := reportOn(session, p, kept, used); row.Kept || row.LastError != "" {
					r.Profiles = append(r.Profiles, row)
				}
			}
		}
	}
	if s.Profile == "" {
		for _, k := range kept {
			if !used[k.Name] && k.Credential != nil {
				var row profileReport
				row.Profile = k.Profile
				row.describe(k, cache.Policy{})
				r.Unused = append(r.Unused, row)
			}
		}
	}
	r.Fleet = session.FleetState(ctx)
	r.Minted, err = cache.Accounts(ctx, session.State)
	r.add(err)
	return r.print(t, s.JSON)
}

// print prints r. It returns exit status 1 if r has an error.
func (r *report) print(t *terminal, asJSON bool) error {
	document, err := r.encode(asJSON, t.outLook())
	if err != nil {
		return err
	}
	if err := t.print(document); err != nil {
		return err
	}
	if len(r.Errors) > 0 || slices.ContainsFunc(r.Profiles, profileReport.bad) {
		return exitStatus(1)
	}
	return nil
}

// inShort returns the first of the errors in err, about the profile called name in the file
// at path, and how many there are besides.
func inShort(err error, path, name string) string {
	list := plugin.Each(err)
	e := plugin.AsError(list[0])
	text := e.Text
	if e.Fix == "" && e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, path+": "), "profile "+name+": ")
	if more := len(list) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more (jeton doctor)", more)
	}
	return text
}

// reportOn reports on p's cache entry, and marks the entry as used.
func reportOn(s *cache.Session, p *plugin.Profile, kept []cache.Item, used map[string]bool) profileReport {
	row := profileReport{Profile: p.Name, Plugin: p.Issuer.Name}
	key, err := s.Key(p)
	if err == nil {
		err = checkFormat(p)
	}
	if err != nil {
		row.Error = inShort(err, p.Config, p.Name)
		return row
	}
	for _, name := range key.Below[:p.Levels()] {
		used[name] = true
	}
	i := slices.IndexFunc(kept, func(k cache.Item) bool { return k.Name == key.Name })
	if i < 0 {
		return row
	}
	used[key.Name] = true
	n := cache.Need{MinTTL: time.Minute}
	if f, err := formats.New(p.Common.Format, formats.Options{}); err == nil {
		n.MinTTL = formats.MinTTL(f)
	}
	row.describe(kept[i], s.Policy(p, n))
	return row
}

// describe fills in the facts about a cache entry.
func (row *profileReport) describe(k cache.Item, policy cache.Policy) {
	if f := k.Failure; f != nil {
		row.LastError, row.FailedAt, row.RetryAt = f.Text, f.At.UTC(), f.Until.UTC()
	}
	c := k.Credential
	if c == nil || cache.Expired(c.Expires, time.Now()) {
		return
	}
	row.Kept, row.AccessKey, row.Identity = true, c.AccessKey, c.Attrs
	row.Shared = k.Generation != 0
	row.FetchedAt, row.ExpiresAt = k.Created.UTC(), c.Expires.UTC()
	row.RenewAt = policy.Schedule(c, k.Created).RenewedAt().UTC()
}

// bad reports whether the profile cannot be used.
func (row profileReport) bad() bool {
	return row.Error != "" || row.LastError != "" && !row.Kept
}

func (r *report) encode(asJSON bool, l look) ([]byte, error) {
	var b bytes.Buffer
	if asJSON {
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		err := e.Encode(r)
		return b.Bytes(), err
	}
	if len(r.Profiles) == 0 && len(r.Errors) == 0 {
		b.WriteString(l.fit("no profiles in "+r.Config+" (jeton init makes one)") + "\n")
	}
	table(&b, l, "", r.Profiles)
	for _, row := range r.Profiles {
		if fields := row.Identity[plugin.AttrFields]; fields != "" {
			fmt.Fprintf(&b, "\nFIELDS OF %s\n%s\n", row.Profile, fields)
		}
	}
	table(&b, l, "\nCACHED, BUT NO PROFILE USES IT (jeton logout --all removes it)\n", r.Unused)
	if f := r.Fleet; f != nil {
		fmt.Fprintf(&b, "\nSHARED CACHE\n%s: %s\n", f.Address, fleetState(f))
	}
	r.writeKeys(&b, l)
	for _, e := range r.Errors {
		b.WriteString(l.paint(red, l.fit("error: "+e)) + "\n")
	}
	return b.Bytes(), nil
}

// writeKeys writes the keys that jeton has made.
func (r *report) writeKeys(b *bytes.Buffer, l look) {
	now := time.Now()
	for i, account := range r.Minted {
		if i == 0 {
			b.WriteString("\nKEYS MADE BY JETON\n")
		}
		for _, m := range account.Keys {
			state := "in use by " + m.Profile
			if m.Config != r.Config {
				state += " of " + m.Config
			}
			switch {
			case m.Expired(now):
				state = "expired, to be deleted"
			case m.Unwanted:
				state = "replaced, to be deleted"
				if m.DeleteAfter.After(now) {
					state += " after " + m.DeleteAfter.UTC().Format(time.RFC3339)
				}
			}
			line := fmt.Sprintf("%s  made %s ago", m.ID, age(now.Sub(m.Created)))
			if !m.Expires.IsZero() && !m.Expired(now) {
				line += ", expires in " + age(m.Expires.Sub(now))
			}
			if m.Scope != "" {
				line += ", project " + m.Scope
			}
			b.WriteString(l.fit(line+" at "+account.Issuer+": "+state) + "\n")
		}
		for _, id := range account.Strays {
			b.WriteString(l.fit(id+"  at "+account.Issuer+": appeared while jeton was interrupted, with others; "+
				"delete it by hand if it is not yours") + "\n")
		}
		for _, i := range account.Intents {
			b.WriteString(l.fit("at "+account.Issuer+": jeton was interrupted while it made a key for "+i.Key.Profile+
				"; the next one settles it") + "\n")
		}
	}
}

// fleetState says in words how it stands with the shared cache.
func fleetState(f *cache.FleetState) string {
	switch {
	case f.Trouble == "":
		return "no failure is known"
	case f.Until.IsZero():
		return "not used: " + plugin.Printable(f.Trouble)
	}
	return fmt.Sprintf("left alone for %s more: %s", age(time.Until(f.Until)), plugin.Shorten(f.Trouble))
}

// table writes the title and the rows, or nothing without rows.
func table(b *bytes.Buffer, l look, title string, rows []profileReport) {
	if len(rows) == 0 {
		return
	}
	b.WriteString(title)
	g := &grid{columns: []string{"PROFILE", "PLUGIN", "VALID FOR", "RENEWED IN", "IDENTITY"}}
	for _, row := range rows {
		row.write(g, l)
	}
	g.write(b, l)
}

func (row profileReport) write(g *grid, l look) {
	valid, renewed, identity := cell{text: "-"}, "-", "-"
	if row.Kept {
		identity = row.identity()
		if l.width > 0 {
			identity = row.shortly().identity()
		}
		if row.Shared {
			identity += ", shared"
		}
		valid, renewed = row.life(l), "never"
		if !row.RenewAt.IsZero() {
			renewed = age(time.Until(row.RenewAt))
		}
	}
	trouble := row.Error
	if row.LastError != "" {
		trouble = "last error, " + age(time.Since(row.FailedAt)) + " ago: " + row.LastError
	}
	g.add(trouble, cell{row.Profile, bold}, cell{text: row.Plugin}, valid, cell{text: renewed}, cell{text: identity})
}

// barWidth is how many characters stand for the whole life of a credential.
const barWidth = 10

// life shows how much of the credential's life is left, at a terminal as a bar too.
func (row profileReport) life(l look) cell {
	if row.ExpiresAt.IsZero() {
		return cell{"no end", green}
	}
	left, whole := time.Until(row.ExpiresAt), row.ExpiresAt.Sub(row.FetchedAt)
	text, color := age(left), green
	share := min(max(float64(left)/float64(max(whole, 1)), 0), 1)
	switch {
	case share < 0.1:
		color = red
	case share < 1./3:
		color = yellow
	}
	if l.width == 0 {
		return cell{text, color}
	}
	full, empty := "#", "."
	if l.unicode {
		full, empty = "█", "░"
	}
	n := int(math.Ceil(share * barWidth))
	return cell{strings.Repeat(full, n) + strings.Repeat(empty, barWidth-n) + " " + text, color}
}

// idWidth is how much of an id is shown where room is scarce.
const idWidth = 8

// shortly returns row with only the beginning of long ids.
func (row profileReport) shortly() profileReport {
	if r := []rune(row.AccessKey); len(r) > 2*idWidth {
		row.AccessKey = string(r[:idWidth]) + "…"
	}
	return row
}

// identity says in a few words whose credential it is.
func (row profileReport) identity() string {
	first := func(names ...string) string {
		for _, name := range names {
			if v := row.Identity[name]; v != "" {
				return v
			}
		}
		return ""
	}
	who := first(plugin.AttrUserName, plugin.AttrUserID, plugin.AttrRoleARN, plugin.AttrSubject, plugin.AttrClientID)
	if project := first(plugin.AttrProjectName, plugin.AttrProjectID); project != "" {
		who += " in " + project
	} else if domain := first(plugin.AttrDomainName, plugin.AttrDomainID); domain != "" {
		who += " in domain " + domain
	} else if first(plugin.AttrSystemScope) != "" {
		who += " in the whole cloud"
	}
	if cluster := first(plugin.AttrClusterID); cluster != "" {
		who += " cluster " + cluster
	}
	if id := first(plugin.AttrApplicationCredentialID); row.AccessKey == "" && id != "" {
		who += " (" + id + ")"
	} else if row.AccessKey != "" {
		who += " (" + row.AccessKey + ")"
	}
	return who
}

// age formats d in its two largest units.
func age(d time.Duration) string {
	switch {
	case d <= 0:
		return "now"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
