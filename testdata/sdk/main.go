// Command sdk asks the AWS SDK for Go for the credentials of a
// credential_process, and prints what it understood. With an address and a
// number of seconds, it also makes a signed request there every second for so
// long, and prints how many different keys it used.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
)

func main() {
	log.SetFlags(0)
	provider := processcreds.NewProvider(os.Args[1])
	if len(os.Args) == 4 {
		loop(aws.NewCredentialsCache(provider), os.Args[2], os.Args[3])
		return
	}
	c, err := provider.Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"id": c.AccessKeyID, "secret": c.SecretAccessKey, "can_expire": c.CanExpire, "expires": c.Expires,
	})
}

func loop(provider aws.CredentialsProvider, address, seconds string) {
	life, err := time.ParseDuration(seconds + "s")
	if err != nil {
		log.Fatal(err)
	}
	ids := map[string]bool{}
	requests := 0
	empty := sha256.Sum256(nil)
	sum := hex.EncodeToString(empty[:])
	for end := time.Now().Add(life); time.Now().Before(end); time.Sleep(time.Second) {
		c, err := provider.Retrieve(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		ids[c.AccessKeyID] = true
		r, err := http.NewRequest(http.MethodGet, address+"/", nil)
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("X-Amz-Content-Sha256", sum)
		if err := v4.NewSigner().SignHTTP(context.Background(), c, r, sum, "s3", "eu-west-2", time.Now()); err != nil {
			log.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			log.Fatalf("request %d, with %s: %s", requests, c.AccessKeyID, resp.Status)
		}
		requests++
	}
	fmt.Println(requests, "requests with", len(ids), "keys")
}
