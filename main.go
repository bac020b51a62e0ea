// Jeton gets cloud credentials for aws, kubectl, openstack and other tools. See README.md.
//
// The command line is in internal/cli, the issuers are below plugin.
package main

import (
	"os"

	"github.com/jeton-cli/jeton/internal/cli"
	"github.com/jeton-cli/jeton/plugin"
	"github.com/jeton-cli/jeton/plugin/cloudmc"
	"github.com/jeton-cli/jeton/plugin/command"
	"github.com/jeton-cli/jeton/plugin/keystone"
	"github.com/jeton-cli/jeton/plugin/oidc"
	"github.com/jeton-cli/jeton/plugin/outscale"
	"github.com/jeton-cli/jeton/plugin/ovhcloud"
	"github.com/jeton-cli/jeton/plugin/sts"
)

// issuers are the kinds of profile that there are.
var issuers = plugin.Issuers{
	keystone.Issuer,
	keystone.EC2,
	keystone.AppCred,
	ovhcloud.Issuer,
	ovhcloud.S3,
	ovhcloud.Kube,
	outscale.Issuer,
	outscale.Kube,
	cloudmc.Issuer,
	oidc.Issuer,
	sts.Issuer,
	command.Issuer,
}

// version is set by the linker for a build that has no module version.
var version string

func main() { os.Exit(cli.Main(issuers, version, os.Args[1:])) }
