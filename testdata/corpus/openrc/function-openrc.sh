# A function for each project, and one of them called.
base() {
  export OS_AUTH_URL=https://keystone.example.org/v3
  export OS_USERNAME=alice OS_USER_DOMAIN_NAME=Default OS_PASSWORD=x
}
web() {
  base
  export OS_PROJECT_NAME=web OS_PROJECT_DOMAIN_NAME=Default
}
web
