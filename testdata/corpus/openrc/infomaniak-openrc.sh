#!/usr/bin/env bash
# Infomaniak's Public Cloud.
export OS_AUTH_URL=https://api.pub1.example.cloud/identity
export OS_PROJECT_DOMAIN_NAME=default
export OS_USER_DOMAIN_NAME=default
export OS_PROJECT_NAME=PCP-ABCDEFG
export OS_USERNAME=PCU-ABCDEFG
export OS_PASSWORD=$OS_PASSWORD_INPUT
echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME as user $OS_USERNAME: "
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
export OS_REGION_NAME=dc3-a
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
