// Command ovh asks OVHcloud's API whose account it is, by OVHcloud's own library and with
// what that finds in the environment, as their CLI and Terraform provider do.
package main

import (
	"fmt"
	"log"

	"github.com/ovh/go-ovh/ovh"
)

func main() {
	log.SetFlags(0)
	client, err := ovh.NewDefaultClient()
	if err != nil {
		log.Fatal(err)
	}
	var details map[string]any
	if err := client.Get("/auth/details", &details); err != nil {
		log.Fatal(err)
	}
	fmt.Println(details["account"])
}
