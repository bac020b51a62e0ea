// Command terraform logs in as Terraform's OpenStack provider does, by that provider's
// own library, with its defaults: with a cloud of a clouds.yaml or with what is in the
// environment, and allow_reauth unless OS_ALLOW_REAUTH says otherwise. It prints the
// token that it works with.
//
// https://registry.terraform.io/providers/terraform-provider-openstack/openstack/latest/docs
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/utils/terraform/auth"
	"github.com/gophercloud/utils/terraform/mutexkv"
)

func main() {
	log.SetFlags(0)
	config := auth.Config{
		Cloud: os.Getenv("OS_CLOUD"), IdentityEndpoint: os.Getenv("OS_AUTH_URL"), Token: os.Getenv("OS_TOKEN"),
		TenantID: os.Getenv("OS_PROJECT_ID"), TenantName: os.Getenv("OS_PROJECT_NAME"),
		Region:          os.Getenv("OS_REGION_NAME"),
		ProjectDomainID: os.Getenv("OS_PROJECT_DOMAIN_ID"), Username: os.Getenv("OS_USERNAME"),
		Password: os.Getenv("OS_PASSWORD"),

		ApplicationCredentialID:     os.Getenv("OS_APPLICATION_CREDENTIAL_ID"),
		ApplicationCredentialSecret: os.Getenv("OS_APPLICATION_CREDENTIAL_SECRET"),

		AuthOpts:    &gophercloud.AuthOptions{Scope: &gophercloud.AuthScope{}},
		DelayedAuth: true, AllowReauth: os.Getenv("OS_ALLOW_REAUTH") != "false", MutexKV: mutexkv.NewMutexKV(),
	}
	if err := config.LoadAndValidate(); err != nil {
		log.Fatal(err)
	}
	if err := config.Authenticate(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.OsClient.Token())
}
