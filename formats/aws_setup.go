package formats

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jeton-cli/jeton/plugin"
)

// awsFile returns the file where AWS's tools look for profiles.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html
func awsFile(c *Caller) string { return c.path("AWS_CONFIG_FILE", ".aws", "config") }

// awsPrefix begins the region names of sections.
const awsPrefix = "section "

// awsSetup is the command line of jeton setup aws.
type awsSetup struct {
	Profile string `arg:"" help:"Profile; one that gives access keys."`
	As      string `help:"Name of the AWS profile, such as default, instead of the profile's own." placeholder:"NAME"`
}

func (*awsSetup) Help() string {
	return `Edits ~/.aws/config, or $AWS_CONFIG_FILE.

Examples:
  jeton setup aws s3                   then: aws --profile s3 s3 ls
  jeton setup aws s3 --as default      then: aws s3 ls`
}

// Fill copies the command line into c.
func (s *awsSetup) Fill(c *Caller) error {
	c.Name = s.Profile
	if c.As = s.As; c.As == "" {
		c.As, _, _ = strings.Cut(c.Name, ":") // an implied profile is called PROFILE:s3
	}
	return nil
}

// Plan returns the edit of the configuration of AWS's tools.
func (*awsSetup) Plan(ctx context.Context, c *Caller) ([]*Edit, []string, error) {
	var region, endpoint string
	if s3, ok := c.Profile.Options.(plugin.ObjectStore); ok {
		region, endpoint = s3.ObjectStore()
	}
	if endpoint == "" && c.Store != nil {
		var err error
		if region, endpoint, err = c.Store(ctx); err != nil {
			return nil, nil, &plugin.ProfileError{Profile: c.Profile.Name, Err: err}
		}
	}
	e, notes, err := setupAWS(c, region, endpoint)
	return []*Edit{e}, notes, err
}

// Try returns an aws command to try next.
func (*awsSetup) Try(c *Caller) string {
	if c.As == "default" {
		return "aws s3 ls"
	}
	return "aws --profile " + c.As + " s3 ls"
}

// setupAWS returns the edit that makes AWS's tools run c.Argv for the profile c.As, and
// notes for the user. region and endpoint, which can be empty, are those of the object store.
func setupAWS(c *Caller, region, endpoint string) (*Edit, []string, error) {
	if c.Profile != nil && !givesAccessKey(c.Profile.Issuer) {
		return nil, nil, plugin.Errorf(plugin.Config, "aws needs an access key, and plugin %s gives a %s",
			c.Profile.Issuer.Name, c.Profile.Issuer.Gives).
			WithHint("make one of it: a profile with plugin: %s, and from: %s",
				alternatives(c.Issuers.Makers(plugin.AccessKey, plugin.AnyToken)), c.Profile.Name)
	}
	if plugin.CheckName(c.As) != nil {
		return nil, nil, plugin.Errorf(plugin.Usage, "--as %s cannot be the name of an AWS profile",
			plugin.Shorten(c.As))
	}
	text, err := c.ReadFile(awsFile(c))
	if err == nil {
		err = checkMark(text, awsFile(c))
	}
	if err == nil {
		err = checkSections(text, awsFile(c), c.As)
	}
	if err != nil {
		return nil, nil, err
	}
	name := "profile " + c.As
	if c.As == "default" {
		// The section may also be called [profile default]. If it is, it keeps that name.
		if _, _, ok := awsSection(text, name); !ok {
			name = c.As
		}
	}
	settings, err := c.awsSettings(region, endpoint)
	if err != nil {
		return nil, nil, err
	}
	notes, err := c.awsBeside(text, name)
	if err != nil {
		return nil, nil, err
	}
	e := &Edit{Path: awsFile(c), Verify: sameBesideSection(name, settings), Regions: []Region{{
		Name: awsPrefix + "[" + name + "]",
		Of:   kept,
		Find: findSection(name),
		Make: func(text, old []byte, ok bool) (lead, region []byte, err error) {
			if !ok {
				lead, old = behind(text, true), []byte("["+name+"]"+plugin.LineEnd(text))
			}
			return lead, withSettings(old, settings, plugin.LineEnd(text)), nil
		},
	}}}
	return e, append(notes, awsNotes(c, endpoint)...), nil
}

// checkMark returns an error for a file of AWS's tools that begins with a byte order mark.
// These tools refuse the file, or miss its first section.
func checkMark(text []byte, path string) error {
	if !bytes.HasPrefix(text, []byte("\ufeff")) {
		return nil
	}
	e := plugin.Errorf(plugin.Config, "%s: line 1 begins with a byte order mark, which AWS's tools do not read", path)
	e.Fix = plugin.Sed(`1s/^\xEF\xBB\xBF//`, path)
	e.Hint = e.Fix
	return e
}

// checkSections returns an error for a file that some of AWS's tools refuse, because a
// section or a setting is there twice, or in which they do not all find the profile as.
func checkSections(text []byte, path, as string) error {
	headers := map[string]int{}
	for _, p := range awsSections(text) {
		if first := headers[p.header]; first > 0 {
			return plugin.Errorf(plugin.Config, "%s: line %d: [%s] is there twice (line %d), and some of AWS's tools "+
				"refuse the whole file", path, p.line, plugin.Shorten(p.header), first)
		}
		headers[p.header] = p.line
		if p.twice != "" {
			return plugin.Errorf(plugin.Config, "%s: line %d: %s is there twice in [%s], and some of AWS's tools "+
				"refuse the whole file", path, p.lines[p.twice], plugin.Shorten(p.twice), plugin.Shorten(p.header))
		}
		if name, _ := strings.CutPrefix(p.name, "profile "); name != as {
			continue
		}
		if p.header != p.name {
			return plugin.Errorf(plugin.Config, "%s: line %d: %s is not the same profile for all of AWS's tools: "+
				"write [%s]", path, p.line, plugin.Shorten(strconv.Quote("["+p.header+"]")), p.name)
		}
		if p.beneath > 0 {
			return plugin.Errorf(plugin.Config, "%s: line %d: AWS's tools do not read this line alike, since it is "+
				"indented", path, p.beneath)
		}
	}
	return nil
}

// awsSettings returns the settings that the section of c.Profile gets.
func (c *Caller) awsSettings(region, endpoint string) ([][2]string, error) {
	settings := [][2]string{{"credential_process", quoteProcess(c.Argv)}}
	if c.Profile != nil {
		settings = append(settings, [2]string{"region", region}, [2]string{"endpoint_url", endpoint})
	}
	for _, s := range settings {
		if name, value := s[0], s[1]; !awsValue(value) {
			return nil, plugin.Errorf(plugin.Config, "%s %s cannot be written into a file of AWS's tools, which would "+
				"read something else", name, plugin.Shorten(strconv.Quote(value)))
		}
	}
	return settings, nil
}

// awsValue reports whether all of AWS's tools read a value as it is written: on one line,
// without blanks around it, and without what begins a comment for some of them.
func awsValue(value string) bool {
	if strings.ContainsFunc(value, unicode.IsControl) || !utf8.ValidString(value) || strings.TrimSpace(value) != value {
		return false
	}
	for _, comment := range []string{" #", " ;"} {
		if strings.Contains(value, comment) {
			return false
		}
	}
	return value == "" || value[0] != '#' && value[0] != ';'
}

// awsBeside returns notes on what the section has already, or an error if AWS's tools
// would not ask jeton because of it.
func (c *Caller) awsBeside(text []byte, name string) (notes []string, err error) {
	for _, p := range awsSections(text) {
		if p.name != name {
			continue
		}
		if setting, prefix := p.takenBefore(); setting != "" {
			return nil, plugin.Errorf(plugin.Config, "%s: line %d: [%s] has %s, which AWS's tools take before jeton",
				awsFile(c), p.lines[setting], name, setting).
				WithHint("%s", commentOut(p.header, prefix, awsFile(c)))
		}
		if p.settings[awsStatic] != "" {
			notes = append(notes, fmt.Sprintf("%s: line %d: [%s] has %s: some of AWS's tools, such as terraform, "+
				"take those keys, and the others ask jeton: take them out",
				awsFile(c), p.lines[awsStatic], name, awsStatic))
		}
	}
	return notes, nil
}

// sameBesideSection returns a check that nothing has changed except these settings of the
// section.
func sameBesideSection(name string, settings [][2]string) func(before, after []byte) error {
	rest := func(text []byte) (list []map[string]string) {
		ours := map[string]string{"": name}
		for _, p := range awsSections(text) {
			if p.name != name {
				list = append(list, map[string]string{"": p.header})
				maps.Copy(list[len(list)-1], p.settings)
				continue
			}
			for key, value := range p.settings {
				if !slices.ContainsFunc(settings, func(s [2]string) bool { return s[0] == key }) {
					ours[key] = value
				}
			}
		}
		return append(list, ours)
	}
	return func(before, after []byte) error {
		if !reflect.DeepEqual(rest(before), rest(after)) {
			return errLayout()
		}
		for _, p := range awsSections(after) {
			for _, s := range settings {
				if p.name == name && s[1] != "" && p.settings[s[0]] != s[1] {
					return errLayout()
				}
			}
		}
		return nil
	}
}

func givesAccessKey(i *plugin.Issuer) bool {
	return i.Gives&plugin.AccessKey != 0
}

func findSection(name string) Finder {
	return func(text []byte) (int, int, bool, error) {
		start, end, ok := awsSection(text, name)
		return start, end, ok, nil
	}
}

// awsHeader matches the line that begins a section.
var awsHeader = regexp.MustCompile(`(?m)^[ \t]*\[([^\]\n]*)\].*$`)

// awsSection returns the offsets of the section, without empty lines and comments at its
// end. If there is no such section, it returns where a new one goes.
func awsSection(text []byte, name string) (start, end int, ok bool) {
	headers := awsHeader.FindAllSubmatchIndex(text, -1)
	for i, h := range headers {
		if awsName(string(text[h[2]:h[3]])) != name {
			continue
		}
		end = len(text)
		if i+1 < len(headers) {
			end = headers[i+1][0]
		}
		for end > h[1] {
			last := bytes.LastIndexByte(text[:end-1], '\n') + 1
			line := bytes.TrimSpace(text[last:end])
			if last <= h[0] || len(line) > 0 && line[0] != '#' && line[0] != ';' {
				break
			}
			end = last
		}
		return h[0], end, true
	}
	return len(text), len(text), false
}

// awsName returns the name of a section as AWS's tools understand it.
func awsName(header string) string {
	words, _ := splitWords(header)
	return strings.Join(words, " ")
}

// awsSetting splits a line of a section as AWS's tools do. indent is the indentation of
// the section's settings in characters, or -1 if there was no setting yet. A line with
// more indentation belongs to the setting before it. deep is the line's own indentation.
func awsSetting(line string, indent int) (key, value string, deep int, ok bool) {
	text := strings.TrimLeft(line, " \t")
	deep = len(line) - len(text)
	i := strings.IndexAny(text, "=:")
	if i <= 0 || text[0] == '#' || text[0] == ';' || indent >= 0 && deep > indent {
		return "", "", deep, false
	}
	return strings.ToLower(strings.TrimSpace(text[:i])), strings.TrimSpace(text[i+1:]), deep, true
}

// withSettings returns the section with the settings. Each one replaces the former one or
// goes below the header. A setting without a value is left as it is.
func withSettings(section []byte, settings [][2]string, end string) []byte {
	var lines []string
	for line := range strings.Lines(string(section)) {
		lines = append(lines, line)
	}
	if n := len(lines); !strings.HasSuffix(lines[n-1], "\n") {
		lines[n-1] += end
	}
	blanks, indent := "", -1
	for _, line := range lines[1:] {
		text := strings.TrimLeft(line, " \t")
		if first := strings.TrimSpace(text); first != "" && first[0] != '#' && first[0] != ';' {
			indent = len(line) - len(text)
			blanks = line[:indent]
			break
		}
	}
	for i := len(settings) - 1; i >= 0; i-- {
		name, value := settings[i][0], settings[i][1]
		if value == "" {
			continue
		}
		wanted, found := blanks+name+" = "+value+end, false
		for n := 1; n < len(lines); n++ {
			key, old, _, ok := awsSetting(lines[n], indent)
			if !ok || key != name {
				continue
			}
			more := n + 1 // the line after the whole setting, which may have empty lines and comments in it
			for next := more; next < len(lines); next++ {
				_, _, deep, _ := awsSetting(lines[next], indent)
				first := strings.TrimSpace(lines[next])
				if first == "" || first[0] == '#' || first[0] == ';' {
					continue
				}
				if deep <= indent {
					break
				}
				more = next + 1
			}
			if found = true; old != value || more > n+1 {
				lines = append(append(lines[:n:n], wanted), lines[more:]...)
			}
		}
		if !found {
			lines = append(lines[:1:1], append([]string{wanted}, lines[1:]...)...)
		}
	}
	return []byte(strings.Join(lines, ""))
}

// awsNotes returns notes on what AWS's tools would find before what setup has written.
func awsNotes(c *Caller, endpoint string) (notes []string) {
	path := c.path("AWS_SHARED_CREDENTIALS_FILE", ".aws", "credentials")
	if text, err := c.ReadFile(path); err == nil {
		for _, p := range awsProfiles(text, true) {
			if p.name == c.As && p.settings[awsStatic] != "" {
				notes = append(notes, path+" has keys for ["+c.As+"], which AWS's tools take first: take them out")
			}
		}
	}
	if c.Profile != nil && c.Profile.Issuer.Mints { // so the keys are not Amazon's
		if _, ok := c.Profile.Options.(plugin.ObjectStore); ok && endpoint == "" {
			notes = append(notes, "the profile names no endpoint, so that aws asks Amazon unless it is told "+
				"otherwise: --endpoint-url URL")
		}
	}
	for _, variable := range []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if value := c.Getenv(variable); value != "" && value != c.As {
			notes = append(notes, variable+" is set, and goes before this profile")
		}
	}
	return notes
}
