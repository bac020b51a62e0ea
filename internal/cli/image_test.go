package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A pod is what containers of the image share: a folder as Kubernetes' emptyDir, which
// everybody can write, a configuration, and a secret.
type pod struct {
	t   *testing.T
	w   *world
	dir string
}

func newPod(t *testing.T) *pod {
	t.Helper()
	inMakeTest(t)
	if client("podman") == "" || client("runc") == "" || os.Getuid() != 0 {
		skip(t, "there is no podman with runc, or no root to run it")
	}
	if out, err := exec.Command("make", "-C", "../..", "image").CombinedOutput(); err != nil {
		t.Fatalf("make image: %v: %s", err, out)
	}
	p := &pod{t, newWorld(t), t.TempDir()}
	p.file("config.yaml", 0o644, "profiles:\n  prod: {plugin: keystone, auth_url: $KEYSTONE, username: alice, "+
		"user_domain_name: Default, password: {file: /run/secrets/keystone}, project_name: web, "+
		"project_domain_name: Default, region_name: RegionOne}\n")
	p.file("secret", 0o644, "CANARY-alice-pw\n")
	p.file("kubeconfig", 0o644, "apiVersion: v1\nkind: Config\ncurrent-context: test\n"+
		"clusters: [{name: test, cluster: {server: \"$KUBERNETES\", insecure-skip-tls-verify: true}}]\n"+
		"contexts: [{name: test, context: {cluster: test, user: jeton}}]\n")
	empty := filepath.Join(p.dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, mode := range map[string]os.FileMode{empty: 0o777, filepath.Dir(p.dir): 0o755, p.dir: 0o755} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *pod) file(name string, mode os.FileMode, text string) {
	p.t.Helper()
	text = os.Expand(text, func(name string) string { return p.w.vars[name] })
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
}

// chown gives the configuration and the secret to a user.
func (p *pod) chown(uid int) {
	p.t.Helper()
	for _, name := range []string{"config.yaml", "secret"} {
		if err := os.Chown(filepath.Join(p.dir, name), uid, uid); err != nil {
			p.t.Fatal(err)
		}
	}
}

// run runs a container with options and then arguments of the image, and returns what it
// printed on both outputs.
func (p *pod) run(options, args string) (stdout, stderr string) {
	p.t.Helper()
	all := strings.Fields("--runtime runc run --rm --network host --ulimit nofile=1024 --ulimit nproc=1000 " +
		"--cap-drop all --security-opt no-new-privileges " +
		"-v " + p.dir + "/config.yaml:/etc/jeton/config.yaml:ro -v " + p.dir + "/secret:/run/secrets/keystone:ro " +
		"-v " + p.dir + "/kubeconfig:/kube/config:ro " + options + " localhost/jeton " + args)
	var out, said strings.Builder
	cmd := exec.Command("podman", all...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("podman %s: %v: %s", strings.Join(all, " "), err, said.String())
	}
	return out.String(), said.String()
}

// The image works without root, on a read-only root, with nothing but what a pod mounts.
func TestImage(t *testing.T) {
	p := newPod(t)
	shared := "--read-only -v " + p.dir + "/empty:/jeton"
	first, said := p.run(shared, "get prod -f token")
	if first == "" || said != "" {
		t.Errorf("get printed %q, and said %q", first, said)
	}
	if again, _ := p.run(shared, "get prod -f token"); again != first {
		t.Error("the emptyDir kept nothing")
	}
	if n := p.w.front.Requests("POST /v3/auth/tokens"); n != 1 {
		t.Errorf("%d logins for two containers", n)
	}
	// The child of exec logs in with the token of its environment.
	inside, said := p.run(shared, "exec prod -- jeton get env-os -f json")
	if !strings.Contains(inside, `"user_name": "alice"`) || said != "" {
		t.Errorf("exec printed %q, and said %q", inside, said)
	}

	// An init step writes the user of a kubeconfig, which the job's kubectl then finds.
	p.run(shared+" -e KUBECONFIG=/jeton/kubeconfig", "setup kubernetes prod --user jeton")
	who, _ := p.run(shared+" -e KUBECONFIG=/jeton/kubeconfig:/kube/config --entrypoint /kubectl -v "+client("kubectl")+
		":/kubectl:ro", "auth whoami -o jsonpath={.status.userInfo.username}")
	if who != "alice" {
		t.Errorf("kubectl is %q", who)
	}

	// Without a folder, the container's own is used; with nothing to write, a warning says so.
	if out, said := p.run("", "get prod -f token"); out == "" || said != "" {
		t.Errorf("without a folder, get printed %q, and said %q", out, said)
	}
	// Files of one's own need one's own user.
	p.chown(1000)
	mine := "--read-only --user 1000:1000 --tmpfs /jeton"
	if out, said := p.run(mine, "get prod -f token"); out == "" || said != "" {
		t.Errorf("as the user of the files, get printed %q, and said %q", out, said)
	}
	p.chown(0)
	out, said := p.run("--read-only", "get prod -f token")
	if out == "" || !strings.HasPrefix(said, "jeton: nothing is kept: /jeton/cache/jeton: read-only file system; ") {
		t.Errorf("on a read-only root, get printed %q, and said %q", out, said)
	}
}

// The image holds jeton and what it needs, and belongs to nobody.
func TestImageHolds(t *testing.T) {
	p := newPod(t)
	out, err := exec.Command("podman", "image", "inspect", "localhost/jeton", "--format",
		"{{.Config.User}} {{.Config.Entrypoint}}").CombinedOutput()
	if err != nil || string(out) != "65532:65532 [/usr/local/bin/jeton]\n" {
		t.Errorf("%v: %s", err, out)
	}
	tar := filepath.Join(p.dir, "image.tar")
	script := `id=$(podman create localhost/jeton)
podman export -o "$0" "$id"
podman rm "$id" >/dev/null
tar -tvf "$0" | awk '$1 ~ /^-/ || $6 ~ /^jeton/ {print $1, $2, $6}' | sort -k3`
	out, err = exec.Command("sh", "-euc", script, tar).CombinedOutput()
	const want = `-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt
drwxrwxrwt 65532/65532 jeton/
-rwxr-xr-x 0/0 usr/local/bin/jeton
-rw-r--r-- 0/0 usr/share/doc/jeton/LICENSE
-rw-r--r-- 0/0 usr/share/doc/jeton/THIRD-PARTY-LICENSES
`
	if err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}
