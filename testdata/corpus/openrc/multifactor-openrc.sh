#!/bin/bash
# Binero, Safespring: a password and a code.
export OS_AUTH_URL=https://auth.example.se:5000/v3
export OS_USERNAME=alice
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_NAME=prod OS_PROJECT_DOMAIN_NAME=Default
export OS_AUTH_TYPE=v3multifactor
export OS_AUTH_METHODS=v3password,v3totp
read -sp "Password: " OS_PASSWORD; export OS_PASSWORD; echo
read -p "Code: " OS_PASSCODE; export OS_PASSCODE
