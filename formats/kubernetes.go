package formats

import (
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

// kubernetes writes the ExecCredential of client-go.
//
// https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
type kubernetes struct {
	apiVersion string
	options    Options
}

var kubernetesKind = Kind{
	Name: "kubernetes", Aliases: []string{"k8s"}, Serves: "exec plugin of kubectl and client-go (ExecCredential)",
	New: newKubernetes, Words: []string{"kubectl", "kube", "kubeconfig", "helm", "exec-credential"},
	Import: &plugin.Import{
		Name: "kubeconfig", Help: "Take over how contexts of a kubeconfig log in.",
		Words: []string{"kubernetes", "kubectl", "k8s", "kube"},
		New:   func() plugin.Importer { return &kubernetesImport{} },
		Open: plugin.Opens(func(path string) plugin.Importer { return &kubernetesImport{Args: []string{path}} },
			".kube/config", "kubeconfig"),
	},
	Setup: &Setup{
		Help: "Have kubectl and its like ask jeton for a profile's credential.",
		New:  func() SetupCommand { return &kubernetesSetup{} },
		Make: func(profile, context string) SetupCommand {
			return &kubernetesSetup{Profile: profile, Context: context}
		},
		Program: "kubectl",
		Writes:  "the kubeconfig",
		Fits: func(_ plugin.Issuers, gives plugin.Kind) bool {
			return gives&(plugin.AnyToken|plugin.ClientCertificate) != 0
		},
		Choices: contexts,
		File:    "KUBECONFIG",
		Regions: map[string]func(string) Finder{
			contextPrefix: findContextUser,
			userPrefix:    func(user string) Finder { return findItem("users", "name", user) },
			allowPrefix:   func(program string) Finder { return findItem(allowlist, "command", program) },
		},
	},
	Doctor: &Doctor{"Kubernetes user", doctorKubernetes},
	Exec:   kubernetesExec{},
}

// execInfo is the variable in which a Kubernetes client says what it wants.
const execInfo = "KUBERNETES_EXEC_INFO"

// apiVersions are the versions that client-go speaks today, the default first.
var apiVersions = []string{"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}

// maxExecInfo is the largest KUBERNETES_EXEC_INFO in bytes: 1 MiB. It can hold a
// cluster's certificate authorities.
const maxExecInfo = 1 << 20

// newKubernetes returns a format that answers in the version that the caller asks for,
// because client-go accepts no other.
func newKubernetes(o Options) (Format, error) {
	if o.ExecInfo == "" {
		return &kubernetes{apiVersions[0], o}, nil // not every client says which
	}
	var info struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	switch {
	case len(o.ExecInfo) > maxExecInfo:
		return nil, plugin.Errorf(plugin.Usage, "KUBERNETES_EXEC_INFO is larger than 1 MiB")
	case json.Unmarshal([]byte(o.ExecInfo), &info) != nil:
		return nil, plugin.Errorf(plugin.Usage, "KUBERNETES_EXEC_INFO is not JSON").
			WithHint("it is set by kubectl; unset it when you call jeton yourself")
	case info.Kind != "ExecCredential":
		return nil, plugin.Errorf(plugin.Usage, "KUBERNETES_EXEC_INFO is of kind %q, not ExecCredential",
			plugin.Shorten(info.Kind))
	case !slices.Contains(apiVersions, info.APIVersion):
		return nil, plugin.Errorf(plugin.Usage, "the kubeconfig asks for apiVersion %q",
			plugin.Shorten(info.APIVersion)).
			WithHint("write one of these below users.user.exec: %s", strings.Join(apiVersions, ", "))
	}
	return &kubernetes{info.APIVersion, o}, nil
}

// Interactive reports whether the user may be asked a question. It returns false if the
// caller is a Kubernetes client that keeps the terminal to itself.
func Interactive(getenv func(string) string) bool {
	text := getenv(execInfo)
	var info struct {
		Spec struct {
			Interactive *bool `json:"interactive"`
		} `json:"spec"`
	}
	if len(text) > maxExecInfo || json.Unmarshal([]byte(text), &info) != nil {
		return true // none, or one that newKubernetes refuses
	}
	return info.Spec.Interactive == nil || *info.Spec.Interactive
}

// MinTTL is two minutes, because the client is told an expiry one minute early.
func (*kubernetes) MinTTL() time.Duration { return 2 * time.Minute }

func (k *kubernetes) Encode(w io.Writer, c *plugin.Credential) error {
	if c.ClientKey.IsZero() {
		if err := needToken(k.options, "kubernetes", c); err != nil {
			return err
		}
	}
	type status struct {
		ExpirationTimestamp   string `json:"expirationTimestamp,omitempty"`
		Token                 string `json:"token,omitempty"`
		ClientCertificateData string `json:"clientCertificateData,omitempty"`
		ClientKeyData         string `json:"clientKeyData,omitempty"`
	}
	return writeJSON(w, struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Status     status `json:"status"`
	}{k.apiVersion, "ExecCredential", status{rfc3339(early(c)), c.Token.Reveal(), c.ClientCertificate,
		c.ClientKey.Reveal()}})
}

// ValidUntil returns the time until which the client was told that c is valid, in
// nanoseconds since 1970. The client asks again at that time. The result is 0 if no
// client asked.
func (k *kubernetes) ValidUntil(c *plugin.Credential) int64 {
	end := early(c)
	switch {
	case k.options.ExecInfo == "":
		return 0
	case end.IsZero():
		return math.MaxInt64
	}
	return end.Truncate(time.Second).UnixNano()
}

// early returns the expiry for a client that uses a token to its very last second. It is
// a minute before the true expiry, or a sixth of the life if that is shorter.
func early(c *plugin.Credential) time.Time {
	if c.Expires.IsZero() {
		return c.Expires
	}
	return c.Expires.Add(-min(time.Minute, c.Life()/6))
}
