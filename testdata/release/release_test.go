package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// needs skips a test that lacks a program, unless that is forbidden.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			skip(t, p+" is not installed")
		}
	}
}

func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("JETON_TEST_NOSKIP") != "" {
		t.Fatal("must not be skipped: " + why)
	}
	t.Skip(why)
}

// sh runs lines of sh with the variables, and returns what they print.
func sh(t *testing.T, lines string, env ...string) string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", lines)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v:\n%s", lines, err, out)
	}
	return string(out)
}

// copyTree copies the files of the repository, as they are now, into dir, and commits them.
const copyTree = `
mkdir -p "$DIR"
cd ../..
git ls-files -co --exclude-standard -z | xargs -0 ls -d 2>/dev/null | tar -cf - -T - | tar -xf - -C "$DIR"
cd "$DIR"
git init -q
git add -A
git -c user.name=jeton -c user.email=jeton@example.com commit -qm release`

// A snapshot is the folder of all packages, made in a folder called name from the commit that
// lines of sh bring into $DIR.
func snapshot(name, lines string, env ...string) (string, error) {
	top, err := os.MkdirTemp("", "jeton-release-")
	if err != nil {
		return "", err
	}
	made = append(made, top)
	dir := filepath.Join(top, name)
	cmd := exec.Command("sh", "-euc", lines+"\ncd \"$DIR\"\nmake release-snapshot")
	cmd.Env = append(append(os.Environ(), "DIR="+dir), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %s", err, out)
	}
	return filepath.Join(dir, ".release", "dist"), nil
}

// made are the folders to remove at the end.
var made []string

var first = sync.OnceValues(func() (string, error) { return snapshot("first", copyTree) })

// dist returns the folder of the packages.
func dist(t *testing.T) string {
	t.Helper()
	dir, err := first()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// only returns the file that matches the pattern.
func only(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist(t), pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v %v", pattern, found, err)
	}
	return found[0]
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range made {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// sums returns the hashes of what is published.
func sums(dir string) (map[string]string, error) {
	// What the releaser notes for itself has paths and times.
	private := []string{"artifacts.json", "config.yaml", "metadata.json"}
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains(private, d.Name()) {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(path, "/winget/") {
			data = plain(data)
		}
		sums[strings.TrimPrefix(path, dir)] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	return sums, err
}

// plain returns a file for winget, in which the releaser notes the day, and the processors in any
// order, without that.
func plain(data []byte) []byte {
	lines := slices.DeleteFunc(strings.Split(string(data), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "ReleaseDate: ")
	})
	slices.Sort(lines)
	return []byte(strings.Join(lines, "\n"))
}

// One commit makes the same bytes in any folder.
func TestReproducible(t *testing.T) {
	one, err := sums(dist(t))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := snapshot("folder with blanks", `git clone -q "$FROM" "$DIR"`, "FROM="+filepath.Join(dist(t), "../.."))
	if err != nil {
		t.Fatal(err)
	}
	two, err := sums(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(one) < 30 {
		t.Errorf("only %d files were made", len(one))
	}
	for name, sum := range one {
		if two[name] != sum {
			t.Errorf("%s differs", name)
		}
		delete(two, name)
	}
	for name := range two {
		t.Errorf("%s was made once only", name)
	}
	t.Logf("checksums.txt is %s in both", one["/checksums.txt"])
}

// Every archive holds the program, its pages and completions, and all licences.
func TestArchives(t *testing.T) {
	sh(t, `cd "$DIST"; sha256sum --check --strict checksums.txt`, "DIST="+dist(t))
	for _, system := range []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64",
		"windows_arm64"} {
		list, program := `tar -tzf "$F"`, "jeton"
		pattern := "jeton_*_" + system + ".tar.gz"
		if strings.HasPrefix(system, "windows") {
			list, program = `python3 -m zipfile -l "$F" | sed '1d; s/ .*//'`, "jeton.exe"
			pattern = "jeton_*_" + system + ".zip"
		}
		got := strings.Fields(sh(t, list, "F="+only(t, pattern)))
		for _, want := range []string{program, "README.md", "README.fr.md", "CHANGELOG.md", "LICENSE",
			"THIRD-PARTY-LICENSES", "man/jeton.1", "man/jeton-keystone.5", "completions/jeton.bash",
			"completions/_jeton", "completions/jeton.fish", "completions/jeton.ps1"} {
			if !slices.Contains(got, want) {
				t.Errorf("%s has no %s: %v", system, want, got)
			}
		}
	}
}

// The bill of materials lists the modules that the program itself tells of.
func TestBillOfMaterials(t *testing.T) {
	var bill struct {
		BOMFormat  string
		Components []struct{ Name, Version string }
	}
	read(t, only(t, "jeton_*_linux_amd64.cdx.json"), &bill)
	var listed []string
	for _, c := range bill.Components {
		if c.Name != "std" { // Go's library
			listed = append(listed, c.Name+" "+c.Version)
		}
	}
	var program struct {
		Dependencies []struct{ Path, Version string }
	}
	path := filepath.Join(dist(t), "jeton_linux_amd64_v1", "jeton")
	if err := json.Unmarshal([]byte(sh(t, `"$F" version --json`, "F="+path)), &program); err != nil {
		t.Fatal(err)
	}
	var built []string
	for _, d := range program.Dependencies {
		built = append(built, d.Path+" "+d.Version)
	}
	slices.Sort(listed)
	slices.Sort(built)
	if bill.BOMFormat != "CycloneDX" || !slices.Equal(listed, built) {
		t.Errorf("%s lists %v, not %v", bill.BOMFormat, listed, built)
	}
	licences := sh(t, `tar -xzOf "$F" THIRD-PARTY-LICENSES`, "F="+only(t, "jeton_*_linux_amd64.tar.gz"))
	for _, module := range built {
		if !strings.Contains(licences, "\n"+module+"\n") {
			t.Errorf("the licence of %s is missing", module)
		}
	}
}

func read(t *testing.T, path string, document any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, document)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inOverlay runs lines of sh as root of this machine, on a copy of its files that vanishes.
func inOverlay(t *testing.T, lines string, env ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "only root may mount")
	}
	script := `mount -t tmpfs none "$TOP"
mkdir "$TOP/upper" "$TOP/work" "$TOP/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$TOP/upper,workdir=$TOP/work" "$TOP/root"
for d in dev proc sys; do mount --rbind "/$d" "$TOP/root/$d"; done
mkdir "$TOP/root/dist"
mount --bind "$DIST" "$TOP/root/dist"
exec chroot "$TOP/root" sh -euc "$LINES"`
	return sh(t, `unshare --mount sh -euc "$SCRIPT"`, append(env, "SCRIPT="+script, "LINES="+lines, "TOP="+t.TempDir(),
		"DIST="+dist(t))...)
}

// inUse is what a user of an installed package does.
const inUse = `
jeton version
test "$(command -v jeton)" = /usr/bin/jeton
man -w jeton jeton-keystone jeton-sts
man jeton | grep -q 'cloud credentials'
bash -c '. /usr/share/bash-completion/completions/jeton; complete -p jeton'
test "$(stat -c %a:%u:%g /usr/bin/jeton /usr/share/man /usr/share/man/man1/jeton.1.gz | xargs)" = \
	"755:0:0 755:0:0 644:0:0"
ls "$ZSH/_jeton" /usr/share/fish/vendor_completions.d/jeton.fish "$DOC/THIRD-PARTY-LICENSES"`

// left is empty if nothing of a removed package is left.
const left = `
test -z "$(find /usr/bin /usr/share -name '*jeton*')"`

func TestDeb(t *testing.T) {
	needs(t, "dpkg", "man")
	inOverlay(t, `dpkg -i /dist/jeton_*_amd64.deb
dpkg -s jeton | grep -q '^Status: install ok installed'
dpkg --verify jeton
ls /usr/share/doc/jeton/copyright`+inUse+`
dpkg -r jeton
test -z "$(dpkg-query -L jeton 2>/dev/null)"`+left, "ZSH=/usr/share/zsh/vendor-completions", "DOC=/usr/share/doc/jeton")
}

func TestRPM(t *testing.T) {
	needs(t, "rpm", "man")
	inOverlay(t, `rpm --initdb
rpm -K --nosignature /dist/jeton-*.x86_64.rpm
rpm -i --nodeps /dist/jeton-*.x86_64.rpm
rpm -V --nodeps jeton
test "$(rpm -q --qf '%{LICENSE} %{ARCH}' jeton)" = 'Apache-2.0 x86_64'`+inUse+`
rpm -e jeton`+left, "ZSH=/usr/share/zsh/site-functions", "DOC=/usr/share/doc/jeton")
}

// Debian has no apk: the package is read with tar, as its format allows.
func TestAPK(t *testing.T) {
	list := sh(t, `tar -tzf "$F" 2>/dev/null; tar -xzOf "$F" .PKGINFO 2>/dev/null`, "F="+only(t, "jeton_*_x86_64.apk"))
	for _, want := range []string{".PKGINFO", "usr/bin/jeton", "usr/share/man/man1/jeton.1.gz",
		"usr/share/zsh/site-functions/_jeton", "pkgname = jeton", "arch = x86_64", "license = Apache-2.0"} {
		if !slices.Contains(strings.Split(list, "\n"), want) {
			t.Errorf("there is no %s in\n%s", want, list)
		}
	}
}

// Arch's own tool makes a package of PKGBUILD and the archive, and finds the hashes right.
func TestPKGBUILD(t *testing.T) {
	needs(t, "makepkg", "pacman", "bsdtar", "man")
	inOverlay(t, `cd "$(mktemp -d)"
cp /dist/aur/jeton-bin.pkgbuild PKGBUILD
version=$(sed -n 's/^pkgver=//p' PKGBUILD)
cp /dist/jeton_*_linux_amd64.tar.gz "jeton-bin_${version}_x86_64.tar.gz"
chown -R 65534:65534 .
setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$PWD" PKGEXT=.pkg.tar.gz CARCH=x86_64 makepkg --nodeps
mkdir -p /var/lib/pacman
pacman -U --nodeps --nodeps --noconfirm jeton-bin-*.pkg.tar.gz`+inUse+`
pacman -R --noconfirm jeton-bin`+left, "ZSH=/usr/share/zsh/site-functions", "DOC=/usr/share/licenses/jeton-bin")
}

// What the other package managers read names archives that are there, with their hashes.
func TestManifests(t *testing.T) {
	needs(t, "ruby", "nix-hash", "nix-instantiate")
	manifests := map[string]int{ // archives in each
		"homebrew/Casks/jeton.rb": 4, "scoop/jeton.json": 2, "nix/pkgs/jeton/default.nix": 4,
		"winget/manifests/*/*/*/*/*.installer.yaml": 2,
	}
	sums := map[string]string{}
	for line := range strings.Lines(sh(t, `cat "$DIST/checksums.txt"`, "DIST="+dist(t))) {
		sum, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[file] = sum
	}
	for name, archives := range manifests {
		b, err := os.ReadFile(only(t, name))
		if err != nil {
			t.Fatal(err)
		}
		version := regexp.MustCompile(`version "(.*)"`).FindStringSubmatch(string(b)) // of Homebrew
		text := string(b)
		if version != nil {
			text = strings.ReplaceAll(text, "#{version}", version[1])
		}
		addresses := regexp.MustCompile(`https://[^"'\s]*(\.tar\.gz|\.zip)`).FindAllString(text, -1)
		if len(addresses) != archives {
			t.Errorf("%s: %v", name, addresses)
		}
		for _, address := range addresses {
			sum := sums[filepath.Base(address)]
			if strings.HasSuffix(name, ".nix") && sum != "" {
				sum = strings.TrimSpace(sh(t, `nix-hash --type sha256 --to-base32 "$SUM"`, "SUM="+sum))
			}
			if sum == "" || !strings.Contains(text, sum) ||
				!strings.HasPrefix(address, "https://github.com/jeton-cli/jeton/releases/download/v") {
				t.Errorf("%s: %s has not the hash %q", name, address, sum)
			}
		}
	}
	for line := range strings.Lines(sh(t, `tar -tzf "$F" | grep '^man/.'`, "F="+only(t, "jeton_*_linux_amd64.tar.gz"))) {
		sh(t, `grep "manpage \"$PAGE\"" "$DIST/homebrew/Casks/jeton.rb"`, "PAGE="+strings.TrimSpace(line), "DIST="+dist(t))
	}
	sh(t, `ruby -c "$DIST/homebrew/Casks/jeton.rb"
python3 -m json.tool "$DIST/scoop/jeton.json"
nix-instantiate --parse "$DIST/nix/pkgs/jeton/default.nix"`, "DIST="+dist(t), "NIX_STATE_DIR="+t.TempDir(),
		"NIX_STORE_DIR="+t.TempDir())
}

// A tag is the version of the program.
func TestTag(t *testing.T) {
	got := sh(t, copyTree+`
git tag v1.2.3
GOFLAGS=-buildvcs=true make build >/dev/null
./jeton version`, "DIR="+t.TempDir())
	if !strings.HasPrefix(got, "jeton v1.2.3 ") {
		t.Errorf("it is %s", got)
	}
}

// The sizes that the documents name are those of the programs, in megabytes.
func TestSizes(t *testing.T) {
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sh(t, `cd ../..
CGO_ENABLED=0 go build -trimpath -o "$DIR/debug" .
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$DIR/stripped" .
make build OUT="$DIR/made"`, "DIR="+dir)
	for name, text := range map[string]string{"stripped": "Its size is %.1f MB", "debug": "or %.1f MB with debug",
		"made": "produces %.1f MB"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(text, float64(info.Size())/1e6)
		if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), want) {
			t.Errorf("docs/install.md does not say %q", want)
		}
	}
}

// The programs in the archives pass the scripts of the command line.
func TestScriptsOfArchive(t *testing.T) { scripts(t, "amd64", "^TestScripts$") }

// The program for arm64 passes them too, and those with a keyring, on an emulated processor.
func TestScriptsOnArm64(t *testing.T) {
	needs(t, "qemu-aarch64")
	emulate(t)
	// The warm path calls the kernel by itself, and starts few packages.
	t.Log(sh(t, `tar -xzf "$F" -C "$DIR" jeton
(cd ../.. && GOARCH=arm64 CGO_ENABLED=0 go test -count=1 ./cache/hit)
mkdir -p -m 700 "$DIR/.config/jeton"
(umask 077 && cat >"$DIR/.config/jeton/config.yaml") <<'END'
profiles:
  p: {plugin: command, argv: [sh, -c, 'echo "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}"']}
END
for n in 1 2 3 4; do
	HOME="$DIR" GODEBUG=inittrace=1 "$DIR/jeton" get p -f aws 2>"$DIR/trace"
	sleep 0.1 # until the files are old enough for the warm path
done
test "$(grep -c '^init ' "$DIR/trace")" -le 12 || { cat "$DIR/trace" && exit 1; }`,
		"F="+only(t, "jeton_*_linux_arm64.tar.gz"), "DIR="+t.TempDir()))
	scripts(t, "arm64", "^TestScripts(Keyring)?$", "JETON_TEST_EMULATED=1")
}

// scripts runs tests of the command line with the program in an archive.
func scripts(t *testing.T, arch, run string, env ...string) {
	t.Helper()
	dir := t.TempDir()
	t.Log(sh(t, `tar -xzf "$F" -C "$DIR"
"$DIR/jeton" version
cd ../..
go test -count=1 -timeout 30m -run "$RUN" ./internal/cli`, append(env, "F="+only(t, "jeton_*_linux_"+arch+".tar.gz"),
		"DIR="+dir, "RUN="+run, "JETON_TEST_BINARY="+filepath.Join(dir, "jeton"))...))
}

// emulate makes the kernel start programs for arm64 with the emulator, as the package
// qemu-user-static does where there is systemd.
func emulate(t *testing.T) {
	t.Helper()
	const dir = "/proc/sys/fs/binfmt_misc"
	if files, err := filepath.Glob(dir + "/*aarch64"); err != nil || len(files) > 0 {
		return // it does already
	}
	if os.Getuid() != 0 {
		skip(t, "only root may tell the kernel of the emulator")
	}
	sh(t, `test -e "$DIR/register" || mount -t binfmt_misc none "$DIR"
# The start of an ELF file for arm64, and the bits of it that count.
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":jeton-aarch64:M::$magic:$mask:$(command -v qemu-aarch64):F" >"$DIR/register"`, "DIR="+dir)
	t.Cleanup(func() { os.WriteFile(dir+"/jeton-aarch64", []byte("-1"), 0o200) })
}
