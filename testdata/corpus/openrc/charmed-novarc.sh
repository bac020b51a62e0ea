#!/bin/bash
# Juju's charms: a folder of its own holds the certificate.
_OS_PARAMS=$(env | awk 'BEGIN {FS="="} /^OS_/ {print $1;}' | paste -sd ' ')
for param in $_OS_PARAMS; do
    unset $param
done
unset _OS_PARAMS
_here="$( cd "$( dirname "${BASH_SOURCE[0]}" )" && pwd )"
export OS_REGION_NAME=RegionOne
export OS_AUTH_URL=https://192.0.2.20:5000/v3
export OS_AUTH_PROTOCOL=https
export OS_CACERT=$_here/root-ca.crt
export OS_PROJECT_DOMAIN_NAME=admin_domain
export OS_USER_DOMAIN_NAME=admin_domain
export OS_PROJECT_NAME=admin
export OS_USERNAME=admin
export OS_PASSWORD=charmedPassword
export OS_IDENTITY_API_VERSION=3
