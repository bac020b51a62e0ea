Remove-Item Env:OS_ACCESS_TOKEN -ErrorAction SilentlyContinue
Remove-Item Env:OS_ALLOW_REAUTH -ErrorAction SilentlyContinue
Remove-Item Env:OS_APPLICATION_CREDENTIAL_ID -ErrorAction SilentlyContinue
Remove-Item Env:OS_APPLICATION_CREDENTIAL_NAME -ErrorAction SilentlyContinue
Remove-Item Env:OS_APPLICATION_CREDENTIAL_SECRET -ErrorAction SilentlyContinue
Remove-Item Env:OS_AUTH_PLUGIN -ErrorAction SilentlyContinue
Remove-Item Env:OS_AUTH_TOKEN -ErrorAction SilentlyContinue
Remove-Item Env:OS_CACERT -ErrorAction SilentlyContinue
Remove-Item Env:OS_CERT -ErrorAction SilentlyContinue
Remove-Item Env:OS_CLIENT_CONFIG_FILE -ErrorAction SilentlyContinue
Remove-Item Env:OS_CLIENT_ID -ErrorAction SilentlyContinue
Remove-Item Env:OS_CLIENT_SECRET -ErrorAction SilentlyContinue
Remove-Item Env:OS_CLIENT_SECURE_FILE -ErrorAction SilentlyContinue
Remove-Item Env:OS_CLOUD -ErrorAction SilentlyContinue
Remove-Item Env:OS_DEFAULT_DOMAIN -ErrorAction SilentlyContinue
Remove-Item Env:OS_DISCOVERY_ENDPOINT -ErrorAction SilentlyContinue
Remove-Item Env:OS_DOMAIN_ID -ErrorAction SilentlyContinue
Remove-Item Env:OS_DOMAIN_NAME -ErrorAction SilentlyContinue
Remove-Item Env:OS_ENDPOINT -ErrorAction SilentlyContinue
Remove-Item Env:OS_ENDPOINT_TYPE -ErrorAction SilentlyContinue
Remove-Item Env:OS_IDENTITY_PROVIDER -ErrorAction SilentlyContinue
Remove-Item Env:OS_INTERFACE -ErrorAction SilentlyContinue
Remove-Item Env:OS_KEY -ErrorAction SilentlyContinue
Remove-Item Env:OS_PASSCODE -ErrorAction SilentlyContinue
Remove-Item Env:OS_PASSWORD -ErrorAction SilentlyContinue
Remove-Item Env:OS_PROJECT_DOMAIN_ID -ErrorAction SilentlyContinue
Remove-Item Env:OS_PROJECT_DOMAIN_NAME -ErrorAction SilentlyContinue
Remove-Item Env:OS_PROJECT_NAME -ErrorAction SilentlyContinue
Remove-Item Env:OS_PROTOCOL -ErrorAction SilentlyContinue
Remove-Item Env:OS_STORAGE_URL -ErrorAction SilentlyContinue
Remove-Item Env:OS_SYSTEM_SCOPE -ErrorAction SilentlyContinue
Remove-Item Env:OS_TENANT_ID -ErrorAction SilentlyContinue
Remove-Item Env:OS_TENANT_NAME -ErrorAction SilentlyContinue
Remove-Item Env:OS_TRUST_ID -ErrorAction SilentlyContinue
Remove-Item Env:OS_URL -ErrorAction SilentlyContinue
Remove-Item Env:OS_USERID -ErrorAction SilentlyContinue
Remove-Item Env:OS_USERNAME -ErrorAction SilentlyContinue
Remove-Item Env:OS_USER_DOMAIN_ID -ErrorAction SilentlyContinue
Remove-Item Env:OS_USER_DOMAIN_NAME -ErrorAction SilentlyContinue
Remove-Item Env:OS_USER_ID -ErrorAction SilentlyContinue
$Env:OS_AUTH_TYPE = 'v3token'
$Env:OS_AUTH_URL = 'KEYSTONE'
$Env:OS_TOKEN = 'TOKEN'
$Env:OS_PROJECT_ID = 'WEB'
$Env:OS_IDENTITY_API_VERSION = '3'
$Env:OS_REGION_NAME = 'a %PATH% ^& | "b" ‘‘c’’ $d ;e'
