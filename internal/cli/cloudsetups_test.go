package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// After setup, openstacksdk logs in to the cloud that was named with jeton's token, and to
// every other cloud as before. After --remove the files are the same byte for byte. Where
// setup refuses, it says why and changes nothing.
func TestCloudSetupsAsOpenstack(t *testing.T) {
	n := generated(t, 200)
	reader := openstackReader(t)
	d := newDesk(t, "")
	script := d.write("token", `echo '{"token": "gAAAAAjeton", "expires_at": "2099-01-01T00:00:00Z", `+
		`"attributes": {"auth_url": "https://k.example/v3", "project_id": "x"}}'`)
	d.write(".config/jeton/config.yaml", "profiles:\n  p: {plugin: command, argv: [sh, "+script+"]}\n")
	m := newMaker(5)
	clouds := []string{"mine", "other"}
	type run struct {
		folder         cloudFolder
		code           int
		said, as       string
		after, removed [2]string
	}
	var runs []*run
	var before, after []string
	for i := range n {
		s := &run{folder: m.cloudFolder(), as: []string{"p", "mine"}[m.IntN(8)/7]}
		write := func(place, clouds, secure string) string {
			path := d.write(place+"/clouds.yaml", clouds)
			if secure != "" {
				d.write(place+"/secure.yaml", secure)
			}
			if s.folder.public != "" {
				d.write(place+"/clouds-public.yaml", s.folder.public)
			}
			return path
		}
		path := write(fmt.Sprint("work", i), s.folder.clouds, s.folder.secure)
		secure := filepath.Join(filepath.Dir(path), "secure.yaml")
		contents := func() [2]string {
			b, _ := os.ReadFile(secure) // which may not be there
			return [2]string{read(t, path), string(b)}
		}
		d.env = []string{"OS_CLIENT_CONFIG_FILE=" + path, "OS_CLIENT_SECURE_FILE=" + secure}
		s.code, s.said = d.run("setup", "openstack", "p", "--as", s.as, "--token")
		s.after = contents()
		if s.code == 0 {
			if code, said := d.run("setup", "openstack", "p", "--as", s.as, "--remove"); code != 0 {
				t.Errorf("%q: --remove: %s", s.folder, said)
			}
		}
		s.removed = contents()
		runs = append(runs, s)
		was := write(fmt.Sprint("before", i), s.folder.clouds, s.folder.secure)
		is := write(fmt.Sprint("after", i), s.after[0], s.after[1])
		for _, cloud := range append(clouds, "p") {
			before = append(before, cloudQuestion{Path: was, Cloud: cloud}.String())
			after = append(after, cloudQuestion{Path: is, Cloud: cloud}.String())
		}
	}
	was, is := readersOf[cloudReading](t, reader, before), readersOf[cloudReading](t, reader, after)
	refused, unreadable := 0, 0
	for i, s := range runs {
		at := i * (len(clouds) + 1)
		if s.removed != [2]string{s.folder.clouds, s.folder.secure} {
			t.Errorf("%q: after --remove: %q", s.folder, s.removed)
		}
		for j, cloud := range clouds {
			was, is := was[at+j], is[at+j]
			if was.Error != "" && is.Error != "" {
				was, is = cloudReading{}, cloudReading{} // it names another file
			}
			if cloud != s.as && !reflect.DeepEqual(was, is) {
				t.Errorf("%q: %s was set up, and %s is %+v, not %+v", s.folder, s.as, cloud, is, was)
			}
		}
		switch ours := is[at+len(clouds)]; {
		case s.code == 78:
			refused++
		case s.code != 0:
			t.Errorf("%q: %d, %s", s.folder, s.code, s.said)
		case ours.Error != "" && is[at].Error != "" && is[at+1].Error != "": // openstacksdk does not read the file
			unreadable++
		case s.as == "p" && (ours.Auth["token"] != "gAAAAAjeton" || ours.Auth["auth_url"] != "https://k.example/v3"):
			t.Errorf("%q: %s: openstacksdk reads %+v", s.after, strings.TrimSpace(s.said), ours)
		}
	}
	t.Logf("%d setups: %d of files that openstacksdk does not read, %d refused; %d constructs", n, unreadable, refused,
		len(m.used))
}
