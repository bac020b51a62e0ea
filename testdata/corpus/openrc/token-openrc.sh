# Jetstream and others: a token that was made elsewhere.
unset OS_USERNAME OS_PASSWORD
export OS_AUTH_TYPE=v3token
export OS_AUTH_URL="https://js2.example.org:5000/v3/"
export OS_PROJECT_ID="0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
export OS_TOKEN='gAAAAABexample'
