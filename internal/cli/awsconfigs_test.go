package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// An awsQuestion asks a reader of AWS's files how profiles log in.
type awsQuestion struct {
	Config, Credentials string
	Profiles            []string
}

func (q awsQuestion) String() string {
	b, _ := json.Marshal(q)
	return string(b)
}

// An awsReading has the settings of profiles, as a reader reads them.
type awsReading map[string]map[string]string

// awsNames are the profiles that files may have.
var awsNames = []string{"default", "work", "p", "a b", "é"}

// An awsSetup is one run of setup on an AWS configuration.
type awsSetup struct {
	as                      string
	text, after, removed    string
	code                    int
	said                    string
	was, is                 awsReading // aws-sdk-go-v2's
	wasBotocore, isBotocore awsReading
}

// After setup, the profile that was named asks jeton for both of AWS's readers, and every
// other profile logs in as before. After --remove the file is the same byte for byte. Where
// setup refuses, it says why and changes nothing.
func TestAWSConfigsAsTheSDKs(t *testing.T) {
	n := generated(t, 400)
	python, reader := withBoto3(), client("awsconfig-reader")
	if python == "" || reader == "" {
		skip(t, "there is no Python with boto3, or no awsconfig-reader")
	}
	d := newDesk(t, "profiles:\n  k: {plugin: keystone, auth_url: https://host/v3, username: a, password: {env: X}}\n"+
		"  p: {plugin: keystone-ec2, from: k, region: gra, endpoint: https://s3.example}\n")
	m := newMaker(2)
	var setups []*awsSetup
	var before, after []string
	for i := range n {
		s := &awsSetup{as: awsNames[m.IntN(3)], text: m.awsConfig()}
		credentials := d.write(fmt.Sprint("credentials", i),
			m.pick("credentials", "", "[work]\naws_access_key_id = A\n"+
				"aws_secret_access_key = B\n"))
		path := d.write(fmt.Sprint("config", i), s.text)
		d.env = []string{"AWS_CONFIG_FILE=" + path, "AWS_SHARED_CREDENTIALS_FILE=" + credentials}
		before = append(before, awsQuestion{d.write(fmt.Sprint("before", i), s.text), credentials, awsNames}.String())
		s.code, s.said = d.run("setup", "aws", "p", "--as", s.as)
		s.after = read(t, path)
		after = append(after, awsQuestion{d.write(fmt.Sprint("after", i), s.after), credentials, awsNames}.String())
		if s.code == 0 {
			if code, said := d.run("setup", "aws", "p", "--as", s.as, "--remove"); code != 0 {
				t.Errorf("%q: --remove: %s", s.text, said)
			}
			s.removed = read(t, path)
		}
		setups = append(setups, s)
	}
	script, err := filepath.Abs("../../testdata/awsconfig/awsconfig.py")
	if err != nil {
		t.Fatal(err)
	}
	was, is := readersOf[awsReading](t, []string{reader}, before), readersOf[awsReading](t, []string{reader}, after)
	wasBoto := readersOf[awsReading](t, []string{python, script}, before)
	isBoto := readersOf[awsReading](t, []string{python, script}, after)
	refused, unreadable := 0, 0
	reasons := map[string]int{}
	for i, s := range setups {
		s.was, s.is, s.wasBotocore, s.isBotocore = was[i], is[i], wasBoto[i], isBoto[i]
		broken := strings.Contains(s.wasBotocore["default"]["error"], "Error")
		switch {
		case s.code == 78:
			if refused++; s.after != s.text {
				t.Errorf("%q: refused and changed: %s", s.text, s.said)
			}
			if reasons[strings.SplitN(s.said, "\n", 2)[0]]++; broken {
				unreadable, refused = unreadable+1, refused-1
			}
		case s.code != 0:
			t.Errorf("%q: %d, %s", s.text, s.code, s.said)
		case broken:
			unreadable++
			t.Errorf("%q: set up, and botocore says %s", s.text, s.wasBotocore["default"]["error"])
		default:
			s.check(t)
		}
	}
	m.judge(t, n, unreadable, refused, "are none for botocore", reasons)
}

// read returns what a file holds.
func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s *awsSetup) check(t *testing.T) {
	for _, name := range awsNames {
		if name == s.as {
			continue
		}
		if !reflect.DeepEqual(s.was[name], s.is[name]) || !reflect.DeepEqual(s.wasBotocore[name], s.isBotocore[name]) {
			t.Errorf("%q: %s was set up, and %s is another: %v and %v, %v and %v", s.text, s.as, name, s.was[name],
				s.is[name], s.wasBotocore[name], s.isBotocore[name])
		}
	}
	ours, botos := s.is[s.as], s.isBotocore[s.as]
	command := ours["process"]
	if !strings.HasSuffix(command, "/jeton get p -f aws") || botos["credential_process"] != command {
		t.Errorf("%q: %s runs %q, and %q for botocore: %q", s.text, s.as, command, botos["credential_process"], s.after)
	}
	if ours["region"] != "gra" || botos["region"] != "gra" || ours["endpoint"] != "https://s3.example" ||
		botos["endpoint_url"] != "https://s3.example" {
		t.Errorf("%q: %s has %v, and %v", s.text, s.as, ours, botos)
	}
	if (ours["key"] != "" || ours["role"] != "" || ours["sso"] != "") && !strings.Contains(s.said, "note: ") {
		t.Errorf("%q: %s logs in with %v, and setup says nothing: %s", s.text, s.as, ours, s.said)
	}
	for key, value := range s.wasBotocore[s.as] {
		if !slices.Contains([]string{"credential_process", "region", "endpoint_url", "error"}, key) &&
			botos[key] != value {
			t.Errorf("%q: %s: %s was %q, and is %q", s.text, s.as, key, value, botos[key])
		}
	}
	if s.removed != s.text {
		t.Errorf("%q: after --remove: %q", s.text, s.removed)
	}
}

// awsConfig makes an AWS configuration.
func (m *maker) awsConfig() string {
	var b strings.Builder
	if m.chance("a comment first", 20) {
		b.WriteString(m.pick("comment", "# mine\n", "; mine\n", "  # indented\n") + "\n")
	}
	names := slices.Clone(awsNames)
	m.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:m.IntN(len(names)+1)] {
		b.WriteString(m.awsHeader(name) + "\n")
		seen := map[string]bool{}
		for range m.IntN(5) {
			line := m.awsLine()
			key := strings.ToLower(strings.FieldsFunc(line+" ",
				func(r rune) bool { return strings.ContainsRune(" =:\n", r) })[0])
			if !seen[key] || m.chance("a setting twice", 3) {
				b.WriteString(line + "\n")
			}
			seen[key] = true
		}
		b.WriteString(m.pick("between", "", "\n", "\n\n", "# of what follows\n"))
	}
	return m.ended(b.String())
}

// awsHeader makes the header of a section.
func (m *maker) awsHeader(name string) string {
	switch {
	case m.chance("another kind of section", 10):
		return m.pick("section", "[sso-session x]", "[services x]", "[plugins]", "[work]", "[preview]")
	case name == "default":
		return m.pick("default", "[default]", "[default]", "[profile default]")
	case strings.Contains(name, " "):
		return fmt.Sprintf("[profile %s%s%s]", "'", name, "'")
	}
	header := "[profile %s]"
	if m.chance("an odd header", 15) {
		header = m.pick("header", `[profile "%s"]`, "[profile  %s]", "[ profile %s ]", "[profile %s] # mine", "[profile\t%s]")
	}
	return fmt.Sprintf(header, name)
}

// awsLine makes a line of a section, or a few that belong together.
func (m *maker) awsLine() string {
	if m.chance("another login", 3) {
		return m.pick("line", "role_arn = arn:aws:iam::1:role/x", "sso_account_id = 1", "login_session = x")
	}
	return m.pick("line", "region = eu-west-1", "region=eu-west-1", "region : eu-west-1", "output = json", "# comment",
		"; comment", "s3 =\n  endpoint_url = https://x\n  addressing_style = path", "REGION = us-east-1",
		"credential_process = other get", "endpoint_url = https://old.example",
		"aws_access_key_id = AKIA\naws_secret_access_key = SECRET",
		"region = x # y", "  region = indented", "cli_pager =", "duration_seconds = 900", "region = a ; b",
		"retry_mode = standard")
}
