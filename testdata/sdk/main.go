// Command sdk asks the AWS SDK for Go for the credentials of a
// credential_process, and prints what it understood.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
)

func main() {
	log.SetFlags(0)
	c, err := processcreds.NewProvider(os.Args[1]).Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"id": c.AccessKeyID, "secret": c.SecretAccessKey, "can_expire": c.CanExpire, "expires": c.Expires,
	})
}
