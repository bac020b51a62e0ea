# Written by hand: the password from a password store, the project by name.
export OS_AUTH_URL=https://keystone.example.org/v3 OS_IDENTITY_API_VERSION=3
export OS_USERNAME=$USER OS_USER_DOMAIN_NAME=corp
export OS_PROJECT_NAME='team "red"' OS_PROJECT_DOMAIN_NAME=corp
export OS_PASSWORD="$(pass show openstack/example)"
