# cloud.ca: an application credential of a region, with the S3 address beside it.
export OS_AUTH_TYPE=v3applicationcredential
export OS_AUTH_URL=https://auth-east.example.ca/v3/
export OS_APPLICATION_CREDENTIAL_ID='00112233445566778899aabbccddeeff'
export OS_APPLICATION_CREDENTIAL_SECRET='example!$#%^'
export OS_REGION_NAME=compute-qc
export OS_INTERFACE=public OS_IDENTITY_API_VERSION=3
