package formats

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// An awsProfile is a section in a file of AWS's tools.
type awsProfile struct {
	name     string // as in their --profile option
	header   string // as written in the file
	line     int
	settings map[string]string
	lines    map[string]int
	twice    string // a setting that is there twice, or empty
	// beneath is the line of what looks like a setting and is indented below a value, or 0.
	// It belongs to the value for botocore, and is a setting for other readers.
	beneath int
}

// awsSections returns the sections of a file.
func awsSections(text []byte) (list []awsProfile) {
	headers := awsHeader.FindAllSubmatchIndex(text, -1)
	line, at := 1, 0
	for i, h := range headers {
		line, at = line+bytes.Count(text[at:h[2]], []byte("\n")), h[2]
		header := string(text[h[2]:h[3]])
		end := len(text)
		if i+1 < len(headers) {
			end = headers[i+1][0]
		}
		p := awsProfile{name: awsName(header), header: header, line: line, settings: map[string]string{},
			lines: map[string]int{}}
		n, indent, last := line, -1, ""
		for line := range strings.Lines(string(text[h[1]:end])) {
			key, value, deep, ok := awsSetting(line, indent)
			if _, _, _, alone := awsSetting(line, -1); !ok && alone && last != "" && p.beneath == 0 {
				p.beneath = n
			}
			if ok {
				indent, last = deep, value
				if p.lines[key] > 0 {
					p.twice = key
				}
				p.settings[key], p.lines[key] = value, n
			}
			n++
		}
		list = append(list, p)
	}
	return list
}

// awsProfiles returns the sections that are profiles. In the credentials file, their
// names lack the word "profile".
func awsProfiles(text []byte, credentials bool) (list []awsProfile) {
	for _, p := range awsSections(text) {
		if !credentials && p.name != "default" {
			var ok bool
			if p.name, ok = strings.CutPrefix(p.name, "profile "); !ok {
				continue
			}
		}
		list = append(list, p)
	}
	return list
}

// awsStatic is the setting that holds the id of a static key.
const awsStatic = "aws_access_key_id"

// takenBefore returns the setting of p that makes AWS's tools ignore credential_process,
// or "". prefix begins the names of all settings that belong to it.
func (p *awsProfile) takenBefore() (setting, prefix string) {
	for _, before := range [][2]string{{"role_arn", "role_arn"}, {"sso_account_id", "sso_"}, {"sso_role_name", "sso_"},
		{"login_session", "login_session"}} {
		if p.settings[before[0]] != "" {
			return before[0], before[1]
		}
	}
	return "", ""
}

// doctorAWS returns what is wrong for AWS's tools, and how many profiles run jeton.
func doctorAWS(_ context.Context, c *Caller) (findings []plugin.Finding, seen int) {
	const check = "aws"
	findings = c.missingFile(check, "AWS_CONFIG_FILE")
	add := func(level, profile, where, what, fix string) {
		findings = append(findings, plugin.Finding{Check: check, Level: level, Profile: profile, Where: where,
			What: what, Fix: fix})
	}
	config, credentials := awsFile(c), c.path("AWS_SHARED_CREDENTIALS_FILE", ".aws", "credentials")
	static, names := map[string]awsProfile{}, map[string]bool{}
	var twice []plugin.Finding
	for _, path := range []string{credentials, config} { // in this order: keys in the first file override the second
		text, err := c.ReadFile(path)
		if err != nil {
			findings = append(findings, unreadable(check, path, err))
			continue
		}
		if err := checkMark(text, path); err != nil {
			e := plugin.AsError(err)
			add(plugin.Wrong, "", place(path, 1), e.Text, e.Fix)
		}
		headers := map[string]bool{}
		for _, p := range awsProfiles(text, path == credentials) {
			if headers[p.header] {
				where := place(path, p.line)
				twice = append(twice, plugin.Finding{Check: check, Level: plugin.Wrong, Where: where,
					What: "[" + p.header + "] is there twice, and AWS's tools refuse the whole file",
					Fix:  plugin.EditAt(where)})
			}
			headers[p.header], names[p.name] = true, true
			if path == credentials && p.settings[awsStatic] != "" {
				static[p.name] = p
			}
			argv, expanded := splitProcess(p.settings["credential_process"])
			if words := c.jetonIn(argv); words >= 0 {
				seen++
				findings = append(findings, c.doctorAWSProfile(path, p, argv, expanded, words)...)
				if s, ok := static[p.name]; ok {
					name, _ := asked(argv)
					add(plugin.Wrong, name, place(credentials, s.lines[awsStatic]),
						"static keys for ["+s.name+"] are there, and override credential_process",
						commentOut(s.header, "aws_", credentials))
				}
			}
		}
	}
	if seen == 0 {
		return findings, 0
	}
	findings = append(findings, twice...)
	if list := c.set("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"); len(list) > 0 {
		add(plugin.Doubtful, "", list[0],
			"keys in the environment are taken before any profile that is not named by --profile", unset(list...))
	}
	for _, variable := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if name := c.Getenv(variable); name != "" && !names[name] {
			add(plugin.Wrong, "", variable, "there is no profile "+plugin.Shorten(name)+" in "+config, unset(variable))
		}
	}
	return findings, seen
}

// jetonIn returns the index in argv of the word that ends in jeton's name. It is above 0
// if jeton's path contains unquoted blanks, and -1 if the command line does not run
// jeton.
func (c *Caller) jetonIn(argv []string) int {
	for i := range argv {
		if c.runsJeton(argv[i:]) {
			if i == 0 {
				return 0
			}
			_, err := exec.LookPath(argv[0])
			if err != nil && filepath.IsAbs(argv[0]) && i+1 < len(argv) && argv[i+1] == "get" {
				return i
			}
			return -1 // another program runs jeton in its own way
		}
	}
	return -1
}

// doctorAWSProfile checks one profile that runs jeton.
func (c *Caller) doctorAWSProfile(path string, p awsProfile, argv []string, expanded bool,
	words int) (findings []plugin.Finding) {
	const check = "aws"
	where := place(path, p.lines["credential_process"])
	redo := func(profile string) string {
		words := []string{"jeton", "setup", "aws", profile}
		if profile != p.name {
			words = append(words, "--as", p.name)
		}
		if profile == "" || plugin.CheckName(p.name) != nil || path != awsFile(c) {
			return plugin.EditAt(where)
		}
		return plugin.ShellWords(words...)
	}
	name, _ := asked(argv)
	add := func(level, where, what, fix string) {
		findings = append(findings, plugin.Finding{Check: check, Level: level, Profile: name, Where: where, What: what,
			Fix: fix})
	}
	switch {
	case words > 0:
		add(plugin.Wrong, where, "the program's path has a blank in it, and needs quotes around it", redo(name))
	case expanded && (strings.HasPrefix(argv[0], "~") || strings.Contains(argv[0], "$")):
		add(plugin.Wrong, where, "AWS's tools expand neither ~ nor variables in a command line", redo(name))
	default:
		findings = c.checkCommand(check, where, argv, "aws", redo)
		if findings == nil && c.knows(argv) {
			profile, err := c.Find(name)
			if err == nil {
				profile, err = c.Serving(profile, plugin.AccessKey)
				if err != nil {
					add(plugin.Wrong, where, plugin.AsError(err).Text, plugin.EditAt(where))
				}
			}
			if err == nil && !givesAccessKey(profile.Issuer) {
				i := profile.Issuer
				what := fmt.Sprintf("aws needs an access key, and plugin %s gives a %s", i.Name, i.Gives)
				add(plugin.Wrong, where, what, plugin.EditAt(where))
			}
		}
	}
	if setting, prefix := p.takenBefore(); setting != "" {
		add(plugin.Wrong, place(path, p.lines[setting]),
			setting+" is taken before credential_process, so that jeton is not asked",
			commentOut(p.header, prefix, path))
	}
	if p.settings[awsStatic] != "" && path == awsFile(c) {
		add(plugin.Wrong, place(path, p.lines[awsStatic]), awsStatic+" is there too: some of AWS's tools, such as "+
			"terraform, take those keys, and the others ask jeton", commentOut(p.header, "aws_", path))
	}
	return findings
}

// commentOut returns the command line that comments out the settings of a section that
// begin with the prefix.
func commentOut(header, prefix, path string) string {
	return plugin.Sed(`/^[[:blank:]]*\[`+plugin.SedPattern(header)+`\]/,/^[[:blank:]]*\[/s/^[[:blank:]]*`+prefix+`/#&/`, path)
}

// splitWords splits a command line as botocore and a POSIX shell do. expanded reports
// whether it contains something that only the shell would expand. It is one function
// because quotes are one state machine.
func splitWords(line string) (words []string, expanded bool) {
	var word strings.Builder
	inWord := false
	var quote byte
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\':
			word.WriteByte(c)
			expanded = expanded || quote == '"' && c == '$'
		case c == '\\' && i+1 < len(line):
			i++
			if quote == '"' && !strings.ContainsRune("\\\"$`", rune(line[i])) {
				word.WriteByte('\\')
			}
			word.WriteByte(line[i])
			inWord = true
		case c == quote && quote != 0:
			quote = 0
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			expanded = expanded || c == '$' || c == '~' && !inWord
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, expanded
}
