package ovhcloud

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// What IAM, OVHcloud's service of policies, has to do with a profile.
//
// https://help.ovhcloud.com/csm/en-customer-iam-policies-api?id=kb_article_view&sysparm_article=KB0056808

// details are what the API says about who calls it.
type details struct {
	Account    string   `json:"account"`
	Method     string   `json:"method"`
	Identities []string `json:"identities"`
	Roles      []string `json:"roles"`
}

func (a *api) details(ctx context.Context) (*details, error) {
	d := &details{}
	return d, a.call(ctx, http.MethodGet, "/auth/details", d)
}

// iamActions returns the actions in a list of the API.
func iamActions(text string) (actions []string) {
	for _, action := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		if strings.Count(action, ":") == 2 && plugin.Word(action, ":/_-.") {
			actions = append(actions, action)
		}
	}
	return actions
}

// A policy is a document of IAM.
type policy struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Identities  []string   `json:"identities"`
	Resources   []resource `json:"resources"`
	Permissions struct {
		Allow []action `json:"allow"`
	} `json:"permissions"`
}

type (
	resource struct {
		URN string `json:"urn"`
	}
	action struct {
		Action string `json:"action"`
	}
)

// policies returns those of the account's policies that are for one of the identities. An
// identity that may not see them is none the worse.
func (a *api) policies(ctx context.Context, identities []string) plugin.Table {
	table := plugin.Table{Name: "policies", Columns: []string{"name", "actions", "resources"}}
	v2 := *a
	base, ok := strings.CutSuffix(a.base, "/1.0")
	if !ok {
		base = strings.TrimSuffix(a.base, "/v1")
	}
	v2.base = base + "/v2"
	var all []policy
	if err := v2.call(ctx, http.MethodGet, "/iam/policy", &all); err != nil {
		table.Rows = [][]string{{"not shown", plugin.AsError(err).Text}}
		return table
	}
	for _, p := range all {
		if !slices.ContainsFunc(p.Identities, func(i string) bool { return slices.Contains(identities, i) }) {
			continue
		}
		var actions, resources []string
		for _, a := range p.Permissions.Allow {
			actions = append(actions, a.Action)
		}
		for _, r := range p.Resources {
			resources = append(resources, r.URN)
		}
		table.Rows = append(table.Rows, []string{p.Name, strings.Join(actions, ", "), strings.Join(resources, ", ")})
	}
	return table
}

// Policy returns the policy for what Inspect asks.
func (s *source) Policy(ctx context.Context, credential func() (*plugin.Credential, error)) ([]byte, error) {
	c, err := credential()
	if err != nil {
		return nil, err
	}
	a := s.api(c)
	return a.policy(ctx, "", a.call(ctx, http.MethodGet, "/cloud/project", nil))
}

// Policy returns the policy for the profile's keys.
func (s *s3) Policy(ctx context.Context, credential func() (*plugin.Credential, error)) ([]byte, error) {
	return policyFor(ctx, s.env, s.options.ServiceName, credential)
}

// Policy returns the policy for the cluster's certificate.
func (s *kube) Policy(ctx context.Context, credential func() (*plugin.Credential, error)) ([]byte, error) {
	return policyFor(ctx, s.env, s.options.ServiceName, credential)
}

// policyFor returns the policy for a credential in a project.
func policyFor(ctx context.Context, env *plugin.Env, project string,
	credential func() (*plugin.Credential, error)) (document []byte, err error) {
	_, refused := credential()
	err = withAPI(ctx, env, func(a *api) error {
		document, err = a.policy(ctx, project, refused)
		return err
	})
	return document, err
}

// policy returns the policy for the actions that were refused: one identity, one resource,
// and no action more.
func (a *api) policy(ctx context.Context, project string, refused error) ([]byte, error) {
	var e *plugin.Error
	if !errors.As(refused, &e) || len(e.Actions) == 0 {
		return nil, refused
	}
	who, err := a.details(ctx)
	if err != nil {
		return nil, err
	}
	if len(who.Identities) == 0 {
		return nil, plugin.Errorf(plugin.Unusable, "OVHcloud does not say whose token it is")
	}
	// urn:v1:eu:identity:credential:xx1111-ovh/oauth2-0f0f
	parts := strings.Split(who.Identities[0], ":")
	if len(parts) < 4 || parts[0] != "urn" {
		return nil, plugin.Errorf(plugin.Unusable, "OVHcloud names the identity in a way that jeton does not know")
	}
	urn := strings.Join(parts[:3], ":") + ":resource:"
	switch kind, _, _ := strings.Cut(e.Actions[0], ":"); {
	case kind == "account":
		urn += "account:" + who.Account
	case project == "":
		return nil, plugin.Errorf(plugin.Config, "%s is of a Public Cloud project, and this profile names none",
			e.Actions[0]).
			WithHint("ask with a profile that does, by service_name: one of plugin ovhcloud-s3 or ovhcloud-kube")
	default:
		urn += "publicCloudProject:" + project
	}
	p := policy{Name: "jeton-" + a.profile, Description: "what profile " + a.profile + " of jeton was refused",
		Identities: who.Identities[:1], Resources: []resource{{urn}}}
	for _, name := range e.Actions {
		p.Permissions.Allow = append(p.Permissions.Allow, action{name})
	}
	document, err := json.MarshalIndent(p, "", "  ")
	return append(document, '\n'), err
}
