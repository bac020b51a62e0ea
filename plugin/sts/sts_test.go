package sts

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeton-cli/jeton/plugin"
)

// answers are the answers of three services, with and without XML namespaces.
var answers = map[string]string{
	"AWS": `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
		<SubjectFromWebIdentityToken>me</SubjectFromWebIdentityToken><Audience>a</Audience>
		<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/web/jeton</Arn><AssumedRoleId>AROA:jeton</AssumedRoleId></AssumedRoleUser>
		<Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>sEcReT</SecretAccessKey><SessionToken>tOkEn</SessionToken><Expiration>2099-08-08T20:26:12Z</Expiration></Credentials>
		<Provider>p</Provider></AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>`,
	"MinIO": `<?xml version="1.0" encoding="UTF-8"?>
		<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn></Arn><AssumeRoleId></AssumeRoleId></AssumedRoleUser>
		<Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>sEcReT</SecretAccessKey><Expiration>2099-08-08T20:26:12Z</Expiration><SessionToken>tOkEn</SessionToken></Credentials>
		<SubjectFromWebIdentityToken>me</SubjectFromWebIdentityToken></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
	"Ceph": `<GetSessionTokenResponse><GetSessionTokenResult><Credentials><AccessKeyId>ASIAX</AccessKeyId><Expiration>2099-08-08T20:26:12.000Z</Expiration>
		<SecretAccessKey>sEcReT</SecretAccessKey><SessionToken>tOkEn</SessionToken></Credentials></GetSessionTokenResult><ResponseMetadata><RequestId>tx0</RequestId></ResponseMetadata></GetSessionTokenResponse>`,
}

func TestAnswers(t *testing.T) {
	for name, text := range answers {
		var a answer
		if err := xml.Unmarshal([]byte(text), &a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s := &source{options: &Options{Region: "r"}}
		c, err := s.accept(&a, "host", plugin.Clock{Sent: time.Now()})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.AccessKey != "ASIAX" || c.SecretKey.Reveal() != "sEcReT" || c.SessionToken.Reveal() != "tOkEn" ||
			c.Expires.Format(time.RFC3339) != "2099-08-08T20:26:12Z" {
			t.Errorf("%s: %v", name, c)
		}
	}
}

// serve returns a source with a service that answers with handler, and the requests that
// the service receives.
func serve(t *testing.T, o Options, handler func(n int, w http.ResponseWriter, form map[string]string)) (*source,
	*[]map[string]string) {
	var requests []map[string]string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form := map[string]string{"Authorization": r.Header.Get("Authorization")}
		for name := range r.PostForm {
			form[name] = r.PostForm.Get(name)
		}
		if r.URL.RawQuery != "" {
			t.Errorf("the URL has the query %s", r.URL.RawQuery)
		}
		requests = append(requests, form)
		handler(len(requests), w, form)
	}))
	t.Cleanup(server.Close)
	o.Endpoint = server.URL
	env := &plugin.Env{Profile: "p", HTTP: server.Client(), Log: t.Logf}
	return &source{&o, env}, &requests
}

// Every refusal has its own exit code, and no error repeats the answer.
func TestRefusals(t *testing.T) {
	for code, want := range map[string]plugin.Code{
		"AccessDenied": plugin.Denied, "ExpiredTokenException": plugin.Denied, "InvalidIdentityToken": plugin.Denied,
		"IDPRejectedClaim":        plugin.Denied,
		"MalformedPolicyDocument": plugin.Config, "RegionDisabledException": plugin.Config,
		"IDPCommunicationError": plugin.Network, "CANARY": plugin.Unusable,
	} {
		for _, form := range []string{
			"<ErrorResponse " +
				"xmlns=\"x\"><Error><Type>Sender</Type><Code>%</Code>" +
				"<Message>CANARY-token</Message></Error></ErrorResponse>",
			"<Error><Code>%</Code><Message>CANARY-token</Message></Error>",
		} {
			s, requests := serve(t, Options{Action: webIdentity},
				func(_ int, w http.ResponseWriter, _ map[string]string) {
					w.WriteHeader(400)
					io.WriteString(w, strings.Replace(form, "%", code, 1))
				})
			_, err := s.send(t.Context(), map[string][]string{}, nil, plugin.NewSecret("CANARY-token"))
			e := plugin.AsError(err)
			tries := 1
			if code == "IDPCommunicationError" {
				tries = 2
			}
			if e.Code != want || strings.Contains(e.Text+e.Hint, "CANARY") || len(*requests) != tries {
				t.Errorf("%s: %d %v after %d requests", code, e.Code, e, len(*requests))
			}
		}
	}
}

// The request carries the options, and is sent again after IDPCommunicationError.
func TestRequest(t *testing.T) {
	o := Options{Action: webIdentity, RoleARN: "arn:aws:iam::1:role/web", RoleSessionName: "me", Duration: time.Hour,
		Policy: "{}", PolicyARNs: []string{"a", "b"}}
	s, requests := serve(t, o, func(n int, w http.ResponseWriter, _ map[string]string) {
		if n == 1 {
			w.WriteHeader(400)
			io.WriteString(w, "<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>")
			return
		}
		io.WriteString(w, answers["AWS"])
	})
	s.env.From = func(context.Context, bool) (*plugin.Credential, error) {
		return &plugin.Credential{Token: plugin.NewSecret("a.b.c")}, nil
	}
	c, err := s.Fetch(t.Context(), nil)
	if err != nil || c.AccessKey != "ASIAX" ||
		c.Attrs[plugin.AttrRoleARN] != "arn:aws:sts::123456789012:assumed-role/web/jeton" {
		t.Fatalf("%v, %v", c, err)
	}
	want := map[string]string{"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15",
		"RoleArn": "arn:aws:iam::1:role/web", "RoleSessionName": "me",
		"WebIdentityToken": "a.b.c", "DurationSeconds": "3600", "Policy": "{}", "PolicyArns.member.1.arn": "a",
		"PolicyArns.member.2.arn": "b", "Authorization": ""}
	if len(*requests) != 2 {
		t.Errorf("%d requests", len(*requests))
	}
	if diff := cmp.Diff(want, (*requests)[1]); diff != "" {
		t.Error(diff)
	}
}

// A GetSessionToken request is signed with the access key, as curl would sign it.
func TestGetSessionToken(t *testing.T) {
	s, requests := serve(t, Options{Action: sessionToken, Region: "r"},
		func(_ int, w http.ResponseWriter, _ map[string]string) { io.WriteString(w, answers["Ceph"]) })
	s.env.From = func(context.Context, bool) (*plugin.Credential, error) {
		return &plugin.Credential{AccessKey: "AK", SecretKey: plugin.NewSecret("SK")}, nil
	}
	if c, err := s.Fetch(t.Context(), nil); err != nil || c.SessionToken.Reveal() != "tOkEn" {
		t.Fatalf("%v, %v", c, err)
	}
	r := (*requests)[0]
	if r["Action"] != "GetSessionToken" || !strings.HasPrefix(r["Authorization"], "AWS4-HMAC-SHA256 Credential=AK/") ||
		!strings.Contains(r["Authorization"], "/r/sts/aws4_request, ") {
		t.Errorf("%v", r)
	}
}

// Every answer yields either a key or an error for the user.
func FuzzSTSAnswer(f *testing.F) {
	for _, text := range answers {
		f.Add([]byte(text))
	}
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Error><Code>&b;</Code></Error>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a answer
		if xml.Unmarshal(b, &a) != nil {
			return
		}
		if _, err := (&source{options: &Options{}}).
			accept(&a, "host", plugin.Clock{Sent: time.Now()}); err != nil && plugin.AsError(err).
			Code != plugin.Unusable {
			t.Error(err)
		}
		refusal("host", a.code())
	})
}
