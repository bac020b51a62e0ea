package formats

import (
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// An awsProfile is a section of a file of AWS's tools.
type awsProfile struct {
	name     string // as their --profile has it
	header   string // as it stands there
	line     int
	settings map[string]string
	lines    map[string]int
}

// awsProfiles returns the sections that are profiles. Those of the credentials file have
// no "profile" before their names.
func awsProfiles(text []byte, credentials bool) (list []awsProfile) {
	headers := awsHeader.FindAllSubmatchIndex(text, -1)
	for i, h := range headers {
		header := string(text[h[2]:h[3]])
		words := strings.Fields(header)
		name := strings.Join(words, " ")
		if !credentials && name != "default" {
			if len(words) < 2 || words[0] != "profile" {
				continue
			}
			name = strings.Join(words[1:], " ")
		}
		end := len(text)
		if i+1 < len(headers) {
			end = headers[i+1][0]
		}
		p := awsProfile{name, header, lineOf(text, h[2]), map[string]string{}, map[string]int{}}
		n := p.line
		for line := range strings.Lines(string(text[h[1]:end])) {
			key, value, ok := strings.Cut(line, "=")
			if key = strings.TrimRight(key, " \t"); ok && key == strings.TrimLeft(key, " \t#;") {
				p.settings[key], p.lines[key] = strings.TrimSpace(value), n
			}
			n++
		}
		list = append(list, p)
	}
	return list
}

// before are the settings with which AWS's tools do not look at credential_process.
var awsBefore = []string{"role_arn", "sso_session", "sso_account_id", "sso_start_url", "web_identity_token_file"}

// DoctorAWS returns what is wrong for AWS's tools, and how many profiles run jeton.
func DoctorAWS(c *Caller) (findings []plugin.Finding, seen int) {
	const check = "aws"
	findings = c.missingFile(check, "AWS_CONFIG_FILE")
	path := awsFile(c)
	text, err := c.ReadFile(path)
	if err != nil {
		return append(findings, unreadable(check, path, err)), 0
	}
	keys := c.path("AWS_SHARED_CREDENTIALS_FILE", ".aws", "credentials")
	static, err := c.ReadFile(keys)
	if err != nil {
		return append(findings, unreadable(check, keys, err)), 0
	}
	add := func(level, profile, where, what, fix string) {
		findings = append(findings, plugin.Finding{Check: check, Level: level, Profile: profile, Where: where, What: what, Fix: fix})
	}
	profiles := awsProfiles(text, false)
	names := map[string]bool{}
	for _, p := range profiles {
		first := !names[p.name]
		names[p.name] = true
		process := p.settings["credential_process"]
		argv, expanded := splitWords(process)
		if !c.runsJeton(argv) && !strings.Contains(process, "jeton") {
			continue
		}
		seen++
		where := place(path, p.lines["credential_process"])
		redo := func(profile string) string {
			words := []string{"jeton", "setup", "aws", profile}
			if profile != p.name {
				words = append(words, "--as", p.name)
			}
			return plugin.ShellWords(words...)
		}
		name, _ := asked(argv)
		switch {
		case !first:
			add(plugin.Doubtful, name, where, "["+p.header+"] is there twice, and the tools differ in which they take", plugin.EditAt(where))
		case expanded && !c.runnable(argv):
			add(plugin.Wrong, name, where, "AWS's tools expand neither ~ nor variables in a command line", redo(name))
		case !c.runsJeton(argv):
			add(plugin.Wrong, name, where, "the program's path has a blank in it, and needs quotes around it", redo(name))
		default:
			wrong := c.checkCommand(check, where, argv, "aws", redo)
			if profile, err := c.Find(name); wrong == nil && err == nil && !givesAccessKey(profile.Issuer) {
				add(plugin.Wrong, name, where, "aws needs an access key, and plugin "+profile.Issuer.Name+" gives a "+profile.Issuer.Gives, plugin.EditAt(where))
			}
			findings = append(findings, wrong...)
		}
		for _, setting := range awsBefore {
			if p.settings[setting] != "" {
				add(plugin.Wrong, name, place(path, p.lines[setting]), setting+" is taken before credential_process, so that jeton is not asked",
					commentOut(p.header, setting, path))
			}
		}
		for _, s := range awsProfiles(static, true) {
			if s.name == p.name && s.settings["aws_access_key_id"] != "" {
				add(plugin.Wrong, name, place(keys, s.lines["aws_access_key_id"]), "keys for ["+s.name+"] lie there, and are taken before credential_process",
					commentOut(s.header, "aws_", keys))
			}
		}
	}
	if seen == 0 {
		return findings, 0
	}
	if list := c.set("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"); len(list) > 0 {
		add(plugin.Doubtful, "", list[0], "keys in the environment are taken before any profile that is not named by --profile", unset(list...))
	}
	for _, variable := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if name := c.Getenv(variable); name != "" && !names[name] && !strings.Contains(string(static), "["+name+"]") {
			add(plugin.Wrong, "", variable, "there is no profile "+plugin.Shorten(name)+" in "+path, unset(variable))
		}
	}
	return findings, seen
}

// runnable reports whether the program of a command line is there as it is written.
func (c *Caller) runnable(argv []string) bool {
	return len(argv) > 0 && !strings.HasPrefix(argv[0], "~") && !strings.Contains(argv[0], "$")
}

// commentOut returns the command line that makes comments of the settings in a section
// that begin with the prefix. (POSIX has no sed -i, but both of its kinds take this.)
func commentOut(header, prefix, path string) string {
	escape := strings.NewReplacer(`\`, `\\`, "/", `\/`, ".", `\.`, "*", `\*`, "[", `\[`, "]", `\]`, "^", `\^`, "$", `\$`)
	return plugin.ShellWords("sed", "-i.bak", `/^[[:blank:]]*\[`+escape.Replace(header)+`\]/,/^[[:blank:]]*\[/s/^`+prefix+`/#&/`, path)
}

// splitWords splits a command line as botocore and a POSIX shell do, and reports whether
// there is something in it that only the shell would replace.
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
