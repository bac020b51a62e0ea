#!/usr/bin/env bash
# What the dashboard gives for an application credential.
export OS_AUTH_TYPE=v3applicationcredential
export OS_AUTH_URL=https://keystone.example.org:5000/v3
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME="RegionOne"
export OS_INTERFACE=public
export OS_APPLICATION_CREDENTIAL_ID=0123456789abcdef0123456789abcdef
export OS_APPLICATION_CREDENTIAL_SECRET="not-a-secret-at-all"
