// Command awsconfig prints what the AWS SDK for Go reads in configuration files. For
// each line of standard input, the names of a configuration file and of a credentials
// file in JSON, it prints one line of JSON: how each of the profiles logs in.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
)

type question struct {
	Config, Credentials string
	Profiles            []string
}

func main() {
	log.SetFlags(0)
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			log.Fatal(err)
		}
		answer := map[string]map[string]string{}
		for _, name := range q.Profiles {
			answer[name] = read(q, name)
		}
		if err := out.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
}

func read(q question, name string) map[string]string {
	c, err := config.LoadSharedConfigProfile(context.Background(), name, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles = []string{q.Config}
		o.CredentialsFiles = []string{q.Credentials}
	})
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	return map[string]string{
		"key": c.Credentials.AccessKeyID, "process": c.CredentialProcess, "region": c.Region,
		"endpoint": c.BaseEndpoint, "role": c.RoleARN, "source": c.SourceProfileName, "sso": c.SSOAccountID,
		"session": c.RoleSessionName,
	}
}
