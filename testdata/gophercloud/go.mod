module github.com/jeton-cli/jeton/testdata/gophercloud

go 1.26.0

require (
	github.com/gophercloud/gophercloud v1.3.0
	github.com/gophercloud/gophercloud/v2 v2.15.0
	github.com/gophercloud/utils v0.0.0-20231010081019-80377eca5d56
	github.com/ovh/go-ovh v1.9.0
)

require (
	github.com/golang/protobuf v1.5.3 // indirect
	github.com/hashicorp/go-uuid v1.0.3 // indirect
	github.com/mitchellh/go-homedir v1.1.0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	golang.org/x/net v0.22.0 // indirect
	golang.org/x/oauth2 v0.18.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.14.0 // indirect
	google.golang.org/appengine v1.6.7 // indirect
	google.golang.org/protobuf v1.31.0 // indirect
	gopkg.in/ini.v1 v1.67.0 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)
