// Command demo shows jeton at work on an embedded Keystone, in a home
// directory of its own: the documents that it prints, and the real kubectl, aws
// and openstack, as far as they are installed, that call it or read them.
//
// usage: demo PATH-OF-JETON
package main

import (
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jeton-cli/jeton/testdata/embedded"
)

func main() {
	log.SetFlags(0)
	if err := demo(os.Args[1]); err != nil {
		log.Fatal("demo: ", err)
	}
}

func demo(jeton string) error {
	keystone := &embedded.Keystone{}
	web := keystone.Project("web")
	keystone.User("alice", "wonderland", "", web)
	front := &embedded.Front{Next: keystone}
	server := httptest.NewServer(front)
	defer server.Close()
	api := httptest.NewTLSServer(embedded.Kubernetes{Keystone: server.URL + "/v3"})
	defer api.Close()

	s3 := httptest.NewServer(embedded.S3{Keystone: keystone})
	defer s3.Close()

	home, err := os.MkdirTemp("", "jeton-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	s := &session{home: home, path: filepath.Dir(jeton) + ":" + os.Getenv("PATH")}
	for name, content := range map[string]string{
		".config/jeton/config.yaml": `profiles:
  cloud:
    plugin: keystone
    auth_url: ` + server.URL + `
    username: alice
    password: {env: CLOUD_PASSWORD}
    project_name: web
    region_name: RegionOne
  s3:
    plugin: keystone-ec2
    from: cloud
    region: RegionOne
`,
		".kube/config": `apiVersion: v1
kind: Config
current-context: cloud
clusters:
- {name: cloud, cluster: {server: "` + api.URL + `", insecure-skip-tls-verify: true}}
contexts:
- {name: cloud, context: {cluster: cloud, user: cloud}}
users:
- name: cloud
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: jeton
      args: [get, cloud]
      interactiveMode: IfAvailable
`,
		".aws/config": "[profile cloud]\nregion = RegionOne\ncredential_process = jeton get s3 -f aws\n",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}

	s.run("cat ~/.config/jeton/config.yaml")
	s.run("jeton get cloud -f kubernetes")
	s.run("jeton get s3 -f aws")
	s.run("jeton get cloud -f openstack")
	s.client("kubectl", "kubectl get --raw /")
	s.client("kubectl", "kubectl auth whoami")
	s.client("aws", "aws --profile cloud --endpoint-url "+s3.URL+" s3 ls")
	s.client("openstack", "jeton get cloud -f openstack > clouds.yaml && OS_CLIENT_CONFIG_FILE=clouds.yaml openstack "+
		"--os-cloud cloud project list")
	s.run("jeton status")
	fmt.Printf("For all of that, jeton asked Keystone for %d token and %d access key.\n\n",
		front.Requests("POST /v3/auth/tokens?nocatalog"), front.Requests("POST /v3/users/"))
	s.run("jeton logout --all && jeton status")
	return s.err
}

// A session is a terminal's.
type session struct {
	home, path string
	err        error
}

// client runs the line if the program is installed.
func (s *session) client(program, line string) {
	if _, err := exec.LookPath(program); err != nil {
		fmt.Printf("(%s is not installed)\n\n", program)
		return
	}
	if program == "kubectl" && !recent() {
		fmt.Printf("(kubectl is older than 1.28, and does not know the exec plugin API of today)\n\n")
		return
	}
	s.run(line)
}

func recent() bool {
	out, _ := exec.Command("kubectl", "version", "--client").Output()
	_, minor, _ := strings.Cut(string(out), "v1.")
	n := 0
	fmt.Sscanf(minor, "%d", &n)
	return n >= 28
}

func (s *session) run(line string) {
	if s.err != nil {
		return
	}
	fmt.Println("$ " + line)
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = s.home
	cmd.Env = []string{"HOME=" + s.home, "PATH=" + s.path, "CLOUD_PASSWORD=wonderland",
		"AWS_EC2_METADATA_DISABLED=true", "TERM=dumb"}
	out, err := cmd.CombinedOutput()
	fmt.Println(strings.TrimRight(string(out), "\n") + "\n")
	if err != nil {
		s.err = fmt.Errorf("%s: %w", line, err)
	}
}
