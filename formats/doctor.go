package formats

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// What doctor checks for each caller is in that caller's file. This file holds what they
// share: the check of a command line that runs jeton.

// runsJeton reports whether a command line runs jeton, wherever the program is.
func (c *Caller) runsJeton(argv []string) bool {
	if len(argv) == 0 {
		return false
	}
	name := strings.TrimSuffix(filepath.Base(argv[0]), ".exe")
	return name == "jeton" || len(c.Argv) > 0 && argv[0] == c.Argv[0]
}

// asked returns the profile and the format that a command line of jeton asks for.
func asked(argv []string) (profile, format string) {
	i := slices.Index(argv, "get")
	if i < 0 {
		return "", ""
	}
	for i++; i < len(argv); i++ {
		arg, value, given := argv[i], "", false
		if name, v, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "--") {
			arg, value, given = name, v, true
		}
		switch {
		case slices.Contains([]string{"-f", "--format", "--config", "--for", "--as", "--shell", "--min-ttl"}, arg):
			if !given && i+1 < len(argv) {
				i++
				value = argv[i]
			}
			if arg == "-f" || arg == "--format" {
				format = value
			}
		case strings.HasPrefix(arg, "-f"):
			format = arg[2:]
		case !strings.HasPrefix(arg, "-") && profile == "":
			profile = arg
		}
	}
	return profile, format
}

// checkCommand checks a command line with which a caller runs jeton for the format. If
// the command line names no profile, the environment does. redo returns the command line
// that sets up the caller again for a profile.
func (c *Caller) checkCommand(check, where string, argv []string, format string,
	redo func(profile string) string) []plugin.Finding {
	name, chosen := asked(argv)
	finding := func(level, what, fix string) []plugin.Finding {
		return []plugin.Finding{{Check: check, Level: level, Profile: name, Where: where, What: what, Fix: fix}}
	}
	mend := plugin.EditAt(where)
	var p *plugin.Profile
	if c.knows(argv) {
		var err error
		if p, err = c.Find(name); err != nil {
			e := plugin.AsError(err)
			if e.Meant != "" && e.Written == name {
				mend = redo(e.Meant)
			}
			return finding(plugin.Wrong, e.Text, mend)
		}
	}
	if name != "" {
		mend = redo(name)
	}
	program, err := exec.LookPath(argv[0])
	switch {
	case err != nil && filepath.IsAbs(argv[0]):
		return finding(plugin.Wrong, "there is no program "+argv[0], mend)
	case err != nil:
		return finding(plugin.Wrong, "program "+argv[0]+" is not found on the PATH", mend)
	case !filepath.IsAbs(argv[0]):
		return finding(plugin.Doubtful, "program "+argv[0]+" is found ("+program+") only with the PATH of a shell",
			mend)
	}
	if chosen == "" && p != nil {
		chosen = p.Common.Format
	}
	if chosen == "k8s" || chosen == "" && format == "kubernetes" { // kubectl names the format in the environment
		chosen = "kubernetes"
	}
	if chosen != format && (chosen != "" || p != nil) {
		return finding(plugin.Wrong, "it does not ask for -f "+format, mend)
	}
	return nil
}

// knows reports whether the profile of a command line can be looked up: there is a
// configuration, and the command line does not name another one.
func (c *Caller) knows(argv []string) bool {
	return c.Find != nil && !slices.ContainsFunc(argv,
		func(arg string) bool { return arg == "--config" || strings.HasPrefix(arg, "--config=") })
}

// unset returns the command line that unsets environment variables.
func unset(names ...string) string { return "unset " + strings.Join(names, " ") }

// set returns the names of the variables that are set.
func (c *Caller) set(names ...string) []string { return plugin.ThoseSet(c.Getenv, names...) }

// unreadable returns the finding that a caller's file cannot be read. It is only a
// warning: the caller itself has the problem first, and nobody can tell whether the file
// mentions jeton.
func unreadable(check, path string, err error) plugin.Finding {
	e := plugin.AsError(err)
	return plugin.Finding{Check: check, Level: plugin.Doubtful, Where: path, What: e.Text, Fix: plugin.EditAt(path)}
}

// missingFile returns a finding if the variable names a file that does not exist.
func (c *Caller) missingFile(check, variable string) (findings []plugin.Finding) {
	path := c.Getenv(variable)
	if path == "" {
		return nil
	}
	if text, err := c.ReadFile(plugin.ExpandHome(path)); err == nil && text == nil {
		findings = append(findings, plugin.Finding{Check: check, Level: plugin.Wrong, Where: variable,
			What: "there is no file " + path, Fix: unset(variable)})
	}
	return findings
}

func place(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }
