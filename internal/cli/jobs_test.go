package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// archive returns an archive as a release has it.
var archive = sync.OnceValues(func() ([]byte, error) {
	jeton, err := build()
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(jeton)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	err = w.WriteHeader(&tar.Header{Name: "jeton", Mode: 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = w.Write(program)
	}
	err = errors.Join(err, w.Close(), z.Close())
	return packed.Bytes(), err
})

// releases serves jeton as the project's releases do, with a version 1.2.3. If wrong is set, the
// archive is not that of checksums.txt.
func releases(t *testing.T, wrong bool) string {
	packed, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	name := "jeton_1.2.3_linux_" + runtime.GOARCH + ".tar.gz"
	sums := fmt.Sprintf("%064x  jeton_1.2.3_windows_amd64.zip\n%x  %s\n", 1, sha256.Sum256(packed), name)
	if wrong {
		packed = packed[1:]
	}
	mux := http.NewServeMux()
	for _, dir := range []string{"/latest/download/", "/download/v1.2.3/"} {
		mux.HandleFunc(dir+"checksums.txt", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, sums) })
		mux.HandleFunc(dir+name, func(w http.ResponseWriter, _ *http.Request) { w.Write(packed) })
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// A job is one of a CI system, whose files and variables it has.
type job struct {
	t   *testing.T
	w   *world
	dir string
	env []string
}

func newJob(t *testing.T, wrong bool, env ...string) *job {
	inMakeTest(t)
	j := &job{t, newWorld(t), t.TempDir(), nil}
	for _, dir := range []string{"home", "temp", "build/ci"} {
		if err := os.MkdirAll(filepath.Join(j.dir, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	j.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + j.dir + "/home", "JETON_RELEASES=" +
		releases(t, wrong)}, env...)
	return j
}

// config writes the configuration of the repository.
func (j *job) config(mode os.FileMode, text string) {
	j.t.Helper()
	path := filepath.Join(j.dir, "build/ci/jeton.yaml")
	text = os.Expand(text, func(name string) string { return j.w.vars[name] })
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		j.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		j.t.Fatal(err)
	}
}

// run runs a command in the checkout, and returns its output and whether it worked.
func (j *job) run(name string, args ...string) (string, bool) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = filepath.Join(j.dir, "build"), j.env
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// file returns the lines of a file by which an action tells the runner something.
func (j *job) file(name string) []string {
	text, _ := os.ReadFile(filepath.Join(j.dir, name))
	return strings.Fields(string(text))
}

// newAction returns a job of GitHub that uses the action with these inputs, NAME=VALUE each.
func newAction(t *testing.T, wrong bool, inputs ...string) *job {
	if client("node") == "" {
		skip(t, "node is not installed")
	}
	j := newJob(t, wrong)
	for _, name := range []string{"GITHUB_PATH", "GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE"} {
		j.env = append(j.env, name+"="+filepath.Join(j.dir, name))
	}
	for _, input := range inputs {
		j.env = append(j.env, "INPUT_"+input)
	}
	j.env = append(j.env, "RUNNER_TEMP="+j.dir+"/temp", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=CANARY-github",
		"ACTIONS_ID_TOKEN_REQUEST_URL=http://"+j.w.vars["KEYSTONE_HOST"]+"/github?api-version=2")
	j.config(0o666, "profiles:\n  job: {plugin: oidc, flow: github_actions, audience: sts.example}\n"+
		"  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, user_domain_name: Default, "+
		"password: CANARY-alice-pw, project_id: $WEB}\n")
	return j
}

// half runs one of the action's programs, which action.yml names.
func (j *job) half(name string) (string, bool) {
	text, err := os.ReadFile("../../action.yml")
	if err != nil {
		j.t.Fatal(err)
	}
	var action struct{ Runs map[string]string }
	if err := yaml.Unmarshal(text, &action); err != nil {
		j.t.Fatal(err)
	}
	path, err := filepath.Abs(filepath.Join("../..", action.Runs[name]))
	if err != nil {
		j.t.Fatal(err)
	}
	return j.run("node", path)
}

// The action installs jeton for later steps, logs in as the job, hides its token, and logs out.
func TestAction(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "latest", "1.2.3", "v1.2.3"} {
		j := newAction(t, false, "VERSION="+version, "CONFIG=ci/jeton.yaml", "PROFILE=job", "LOGOUT=true")
		said, ok := j.half("main")
		if !ok {
			t.Fatal(said)
		}
		if got := j.file("GITHUB_OUTPUT"); len(got) != 1 || got[0] != "version=1.2.3" {
			t.Errorf("%q: the output is %q", version, got)
		}
		// What a later step has.
		j.env = append(j.env, j.file("GITHUB_ENV")...)
		j.env[0] = "PATH=" + j.file("GITHUB_PATH")[0] + ":" + os.Getenv("PATH")
		token, ok := j.run("sh", "-c", "jeton get -f token")
		if !ok || !strings.Contains(said, "::add-mask::"+token) {
			t.Errorf("%q: the token is %q, and this is masked:\n%s", version, token, said)
		}
		if n := j.w.front.Requests("GET /github"); n != 1 {
			t.Errorf("%q: %d requests for the job's token", version, n)
		}
		j.env = append(j.env, "STATE_"+j.file("GITHUB_STATE")[0])
		if said, ok := j.half("post"); !ok || strings.Contains(said, "::warning") {
			t.Errorf("%q: %s", version, said)
		}
		if left, err := filepath.Glob(j.dir + "/home/.cache/jeton/*/*"); err != nil || len(left) != 0 {
			t.Errorf("%q: after the job, there is %q", version, left)
		}
	}
}

// What goes wrong stops the job with a reason.
func TestActionFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wrong  bool
		inputs []string
		said   string
	}{
		{true, nil, `::error title=jeton::jeton_1\.2\.3_linux_\w+\.tar\.gz is not what checksums\.txt says`},
		{false, []string{"VERSION=9.9.9"}, `::error title=jeton::http://\S+/download/v9\.9\.9/checksums\.txt: HTTP 404`},
		{false, []string{"CONFIG=ci/jeton.yaml", "PROFILE=nobody"},
			`jeton: there is no profile "nobody" (?s:.*)::error title=jeton::jeton get has failed`},
		{false, []string{"PROFILE=x\nNODE_OPTIONS=--require=evil"}, `::error title=jeton::JETON_PROFILE has a line break`},
		{false, []string{"CONFIG=no.yaml", "PROFILE=job"}, `no\.yaml(?s:.*)::error title=jeton::jeton get has failed`},
	} {
		j := newAction(t, c.wrong, c.inputs...)
		said, ok := j.half("main")
		if ok || !regexp.MustCompile(c.said).MatchString(said) {
			t.Errorf("%v: %v: %s", c.inputs, ok, said)
		}
		if strings.Contains(said, "at file:") || strings.Contains(said, "CANARY") {
			t.Errorf("%v: %s", c.inputs, said)
		}
		if said, ok := j.half("post"); !ok || c.wrong && said != "" {
			t.Errorf("%v: the end says %q", c.inputs, said)
		}
	}
}

// The end of a job revokes and forgets what the job has obtained, unless it is told not to.
func TestActionLogsOut(t *testing.T) {
	t.Parallel()
	for input, revoked := range map[string]int{"LOGOUT=true": 1, "LOGOUT=false": 0} {
		j := newAction(t, false, "CONFIG=ci/jeton.yaml", "PROFILE=prod", input)
		if said, ok := j.half("main"); !ok {
			t.Fatal(said)
		}
		j.env = append(append(j.env, j.file("GITHUB_ENV")...), "STATE_"+j.file("GITHUB_STATE")[0])
		if said, ok := j.half("post"); !ok {
			t.Error(said)
		}
		if n := j.w.front.Requests("DELETE /v3/auth/tokens"); n != revoked {
			t.Errorf("%s: %d tokens were revoked", input, n)
		}
	}
}

// A runner carries out the workflow of the documents, with the action of this repository. (It is
// act; a step of actions/checkout means the files here to it.)
func TestActionInRunner(t *testing.T) {
	t.Parallel()
	if client("act") == "" || client("node") == "" {
		skip(t, "act and node are not installed")
	}
	j := newAction(t, false)
	page := readDocuments(t)["docs/ci.md"]
	workflow := ""
	for _, text := range page.Blocks("yaml") {
		if strings.Contains(text, "uses: jeton-cli/jeton@v1") {
			workflow = strings.NewReplacer("jeton-cli/jeton@v1", "./", "profile: deploy", "profile: prod",
				"jeton exec deploy -- aws s3 sync public s3://web", "jeton exec prod -- printenv OS_TOKEN && jeton "+
					"version").Replace(text)
		}
	}
	script := `cp -r "$TOP/action.yml" .
mkdir -p .github/workflows
cp -r "$TOP/.github/actions" .github
printf 'on: push\n%s' "$WORKFLOW" >.github/workflows/deploy.yml
git init -q
git add -A
git -c user.name=jeton -c user.email=jeton@example.com commit -qm deploy
act push -P ubuntu-latest=-self-hosted --env JETON_RELEASES="$JETON_RELEASES" --env HOME="$HOME" \
	--env ACTIONS_ID_TOKEN_REQUEST_URL="$ACTIONS_ID_TOKEN_REQUEST_URL" \
	--env ACTIONS_ID_TOKEN_REQUEST_TOKEN="$ACTIONS_ID_TOKEN_REQUEST_TOKEN"`
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	j.env = append(j.env, "TOP="+top, "WORKFLOW="+workflow)
	said, ok := j.run("sh", "-euc", script)
	for _, want := range []string{"jeton 1.2.3 is installed", "| ***", "Success - Post ./", "1 token revoked",
		"Job succeeded"} {
		if !ok || !strings.Contains(said, want) {
			t.Errorf("%v: there is no %q in\n%s", ok, want, said)
		}
	}
	if strings.Contains(said, "| gAAAA") || j.w.front.Requests("DELETE /v3/auth/tokens") != 1 {
		t.Errorf("a token is shown, or is not revoked:\n%s", said)
	}
}

// gitlab returns the lines of the template's job, with the inputs in their places.
func gitlab(t *testing.T, inputs map[string]string) (before, after string, variables map[string]string) {
	text, err := os.ReadFile("../../.gitlab/jeton.yml")
	if err != nil {
		t.Fatal(err)
	}
	header, body, ok := strings.Cut(string(text), "\n---\n")
	var spec struct {
		Spec struct {
			Inputs map[string]struct{ Default *string }
		}
	}
	if err := yaml.Unmarshal([]byte(header), &spec); err != nil || !ok {
		t.Fatal(err)
	}
	body = regexp.MustCompile(`\$\[\[ inputs\.(\w+) \]\]`).ReplaceAllStringFunc(body, func(m string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(m, "$[[ inputs."), " ]]")
		input, known := spec.Spec.Inputs[name]
		value, given := inputs[name]
		if !given && input.Default != nil {
			value = *input.Default
		}
		if !known || !given && input.Default == nil {
			t.Errorf("the template uses %s", m)
		}
		return value
	})
	var jobs map[string]struct {
		Variables    map[string]string
		BeforeScript []string `yaml:"before_script"`
		AfterScript  []string `yaml:"after_script"`
	}
	if err := yaml.Unmarshal([]byte(body), &jobs); err != nil {
		t.Fatal(err)
	}
	j := jobs[".jeton"]
	return strings.Join(j.BeforeScript, "\n"), strings.Join(j.AfterScript, "\n"), j.Variables
}

// A job that extends the template has jeton, its ID token as its identity, and a clean end, in
// the shells that images have, from a checkout that everybody can write.
func TestGitLab(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"latest", "1.2.3"} {
		inputs := map[string]string{"audience": "sts", "profile": "job", "version": version}
		before, after, variables := gitlab(t, inputs)
		for _, shell := range []string{"sh", "bash"} {
			j := newJob(t, false)
			j.env = append(j.env, "CI_PROJECT_DIR="+j.dir+"/build")
			for name, value := range variables {
				if name != "JETON_RELEASES" {
					value = os.Expand(value, func(string) string { return j.dir + "/build" })
					j.env = append(j.env, name+"="+value)
				}
			}
			j.env = append(j.env, "JETON_ID_TOKEN="+gitlabToken)
			j.config(0o666, "profiles:\n  job: {plugin: oidc, flow: token_file, subject_token: "+
				"{env: JETON_ID_TOKEN}}\n")
			said, ok := j.run(shell, "-ec", before+"\nset -e\njeton get -f token")
			if !ok || !strings.Contains(said, "\n"+gitlabToken+"\n") {
				t.Errorf("%s: %v: %s", shell, ok, said)
			}
			if said, ok := j.run(shell, "-ec", after); !ok {
				t.Errorf("%s: %s", shell, said)
			}
			if left, err := filepath.Glob(j.dir + "/home/.cache/jeton/*/*"); err != nil || len(left) != 0 {
				t.Errorf("%s: after the job, there is %q", shell, left)
			}
		}
	}
}

// The template takes neither a damaged archive, nor a release that there is not, nor a program
// for downloads that may not verify certificates.
func TestGitLabFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wrong   bool
		tools   string // on the PATH, beside those that every image has
		version string
		said    string // or nothing, if it works
	}{
		{false, "curl", "latest", ""}, {false, "wget", "latest", ""}, {true, "curl", "latest", "FAILED"},
		{true, "wget", "latest", "FAILED"}, {false, "curl", "9.9.9", "404"},
		{false, "", "latest", "neither curl nor GNU wget"},
	} {
		before, _, variables := gitlab(t, map[string]string{"audience": "sts", "version": c.version})
		j := newJob(t, c.wrong)
		bin := filepath.Join(j.dir, "bin")
		if err := os.Mkdir(bin, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, tool := range strings.Fields("sh uname sed grep mkdir chmod sha256sum tar gzip dirname " + c.tools) {
			if err := os.Symlink(client(tool), filepath.Join(bin, tool)); err != nil {
				t.Fatal(err)
			}
		}
		j.env[0] = "PATH=" + bin
		j.env = append(j.env, "CI_PROJECT_DIR="+j.dir+"/build", "JETON_VERSION="+variables["JETON_VERSION"],
			"JETON_CONFIG="+j.dir+"/build/ci/jeton.yaml", "JETON_PROGRAM="+j.dir+"/build.tmp/jeton")
		j.config(0o666, "profiles: {}\n")
		said, ok := j.run(client("sh"), "-ec", before)
		_, err := os.Stat(j.dir + "/build.tmp/jeton/jeton")
		if ok != (c.said == "") || (err == nil) != ok || !strings.Contains(said, c.said) {
			t.Errorf("%+v: %v, %v: %s", c, ok, err, said)
		}
	}
}

// gitlabToken is an ID token of a job, until 2100.
const gitlabToken = "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDAsInN1YiI6InByb2plY3RfcGF0aDp3ZWIvd2ViIn0.x"
