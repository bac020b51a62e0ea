package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/cache"
	"github.com/jeton-cli/jeton/plugin"
)

type inspectCmd struct {
	Profile string `arg:"" optional:"" help:"Profile; see jeton get --help."`
	JSON    bool   `name:"json" help:"Print JSON."`
	Policy  bool   `help:"OVHcloud: print the IAM policy that allows what is refused today, as POST /v2/iam/policy takes it. jeton does not send it."`
}

func (i *inspectCmd) Help() string {
	return `Asks the issuer whose credential the profile has, and what else its owner can use. Keystone: roles, projects and domains. OVHcloud: account and projects. OpenID Connect: the claims of the token.`
}

func (i *inspectCmd) Run(ctx context.Context, t *terminal, ps *profiles, w cache.World) error {
	p, err := ps.named(i.Profile)
	if err != nil {
		return err
	}
	s := cache.Open(ctx, w, true)
	if i.Policy {
		return about(p, i.policy(ctx, t, p, s))
	}
	inspector, ok := s.Source(p, cache.Need{}).(plugin.Inspector)
	if !ok {
		e := plugin.Errorf(plugin.Config, "plugin %s has nothing to look into", p.Issuer.Name)
		if p.Common.From != "" {
			e.Hint = "look into the profile below it: jeton inspect " + p.Common.From
		}
		return about(p, e)
	}
	need, fetched := cache.Need{}, false
	credential := func() (*plugin.Credential, error) {
		c, err := s.Fetch(ctx, p, need)
		fetched = err == nil
		return c, err
	}
	tables, err := inspector.Inspect(ctx, credential)
	if err != nil && fetched && plugin.AsError(err).Invalid { // a kept one, which was revoked
		need.Since = time.Now()
		tables, err = inspector.Inspect(ctx, credential)
	}
	if err != nil {
		return about(p, err)
	}
	document, err := encodeTables(tables, i.JSON, t.outLook())
	if err != nil {
		return err
	}
	return t.print(document)
}

// policy prints the policy for what the issuer refuses, if it refuses anything.
func (i *inspectCmd) policy(ctx context.Context, t *terminal, p *plugin.Profile, s *cache.Session) error {
	maker, ok := s.Source(p, cache.Need{}).(plugin.PolicyMaker)
	if !ok {
		return plugin.Errorf(plugin.Config, "plugin %s has no policies", p.Issuer.Name)
	}
	// What was refused a moment ago may have been allowed since. A credential that is there
	// was not refused: it is not replaced.
	need := cache.Need{Anew: true}
	document, err := maker.Policy(ctx, func() (*plugin.Credential, error) { return s.Fetch(ctx, p, need) })
	if err != nil {
		return err
	}
	if document == nil {
		t.warn("%s: nothing is refused", p.Name)
		return nil
	}
	return t.print(document)
}

// encodeTables writes tables as text, or as a JSON object of lists.
func encodeTables(tables []plugin.Table, asJSON bool, l look) ([]byte, error) {
	var b bytes.Buffer
	if asJSON {
		doc := map[string][]map[string]string{}
		for _, t := range tables {
			doc[t.Name] = []map[string]string{}
			for _, row := range t.Rows {
				object := map[string]string{}
				for n, cell := range row {
					object[t.Columns[n]] = cell
				}
				doc[t.Name] = append(doc[t.Name], object)
			}
		}
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		err := e.Encode(doc)
		return b.Bytes(), err
	}
	for n, t := range tables {
		if n > 0 {
			b.WriteString("\n")
		}
		b.WriteString(l.paint(bold, strings.ToUpper(t.Name)) + "\n")
		g := &grid{columns: t.Columns, bare: true}
		for _, row := range t.Rows {
			var cells []cell
			for _, text := range row {
				cells = append(cells, cell{text: plugin.Shorten(text)})
			}
			g.add("", cells...)
		}
		g.write(&b, l)
		switch {
		case t.Note != "":
			b.WriteString(t.Note + "\n")
		case len(t.Rows) == 0:
			b.WriteString("none\n")
		}
	}
	return b.Bytes(), nil
}
