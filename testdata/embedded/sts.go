package embedded

import (
	"fmt"
	"net/http"
	"time"
)

// STS is AWS's Security Token Service with one role, for the subjects of a
// provider.
type STS struct{ Provider *Provider }

func (s STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml")
	subject := s.Provider.Subject(r.PostFormValue("WebIdentityToken"))
	if subject == "" || r.PostFormValue("RoleArn") != "arn:aws:iam::123456789012:role/web" ||
		r.PostFormValue("Action") != "AssumeRoleWithWebIdentity" {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>`+
			`<Message>Not authorized with %s</Message></Error></ErrorResponse>`, r.PostFormValue("WebIdentityToken"))
		return
	}
	fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>`+
		`<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/web/%s</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIA%s</AccessKeyId>`+
		`<SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>`+
		`</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
		r.PostFormValue("RoleSessionName"), random()[:16], random(), random(), time.Now().Add(time.Hour).UTC().
			Format(time.RFC3339))
}
