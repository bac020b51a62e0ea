package formats

import (
	"io"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// aws writes the document of credential_process.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
type aws struct{ options Options }

var awsKind = Kind{
	Name: "aws", Serves: "`credential_process` of the AWS tools and SDKs", New: newAWS,
	Needs: plugin.AccessKey, Words: []string{"s3", "boto", "boto3", "awscli", "credential_process", "process"},
	Import: &plugin.Import{
		Name: "aws", Help: "Take over how profiles of AWS's tools get their keys.",
		New: func() plugin.Importer { return &awsImport{} },
		Open: plugin.Opens(func(path string) plugin.Importer { return &awsImport{Args: []string{path}} },
			".aws/config", ".aws/credentials"),
	},
	Setup: &Setup{
		Help:    "Have aws, and what is made with its SDKs, ask jeton for a profile's keys.",
		New:     func() SetupCommand { return &awsSetup{} },
		Make:    func(profile, _ string) SetupCommand { return &awsSetup{Profile: profile} },
		Program: "aws",
		Writes:  "~/.aws/config",
		Fits: func(l plugin.Issuers, gives plugin.Kind) bool {
			return gives&plugin.AccessKey != 0 || l.Implied(plugin.AccessKey, gives) != nil
		},
		File: "AWS_CONFIG_FILE",
		Regions: map[string]func(string) Finder{
			awsPrefix: func(header string) Finder { return findSection(strings.Trim(header, "[]")) },
		},
	},
	Doctor: &Doctor{"AWS profile", doctorAWS},
}

func newAWS(o Options) (Format, error) { return &aws{o}, nil }

// MinTTL is 17 minutes. With less than 15 minutes left, botocore asks again for every
// signature.
func (*aws) MinTTL() time.Duration { return 17 * time.Minute }

func (f *aws) Encode(w io.Writer, c *plugin.Credential) error {
	if c.AccessKey == "" {
		e := plugin.Errorf(plugin.Config, "format aws writes an access key, and this profile gives %s", kind(c))
		if hint := f.options.Issuers.MakeOf(plugin.AccessKey, c.Kind(), f.options.Profile); hint != "" {
			return e.WithHint("%s", hint)
		}
		return e.WithHint("%s", f.options.use("access keys", plugin.AccessKey))
	}
	return writeJSON(w, struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string `json:",omitempty"`
		Expiration      string `json:",omitempty"` // without it the caller never asks again
	}{1, c.AccessKey, c.SecretKey.Reveal(), c.SessionToken.Reveal(), rfc3339(c.Expires)})
}
