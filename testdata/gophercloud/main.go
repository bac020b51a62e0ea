// Command gophercloud logs in with a cloud of a clouds.yaml, as programs that are
// made with gophercloud do, and prints the token that it works with. With reauth it
// asks for what Terraform's provider asks for unless OS_ALLOW_REAUTH is false.
//
// usage: gophercloud CLOUD [reauth]
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
)

func main() {
	log.SetFlags(0)
	options, _, _, err := clouds.Parse(clouds.WithCloudName(os.Args[1]))
	if err != nil {
		log.Fatal(err)
	}
	options.AllowReauth = len(os.Args) > 2 && os.Getenv("OS_ALLOW_REAUTH") != "false"
	client, err := openstack.AuthenticatedClient(context.Background(), options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.Token())
}
