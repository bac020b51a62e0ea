# awsconfig.py prints what botocore reads in configuration files. For each line of
# standard input, the names of a configuration file and of a credentials file in JSON,
# it prints one line of JSON: the settings of each of the profiles.
import json
import os
import sys

import botocore.session

for line in sys.stdin:
    q = json.loads(line)
    os.environ["AWS_CONFIG_FILE"] = q["Config"]
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = q["Credentials"]
    answer = {}
    try:
        profiles = botocore.session.get_session().full_config["profiles"]
        for name in q["Profiles"]:
            settings = profiles.get(name, {"error": "no such profile"})
            answer[name] = {key: str(value) for key, value in settings.items()}
    except Exception as e:
        answer = {name: {"error": f"{type(e).__name__}: {e}"} for name in q["Profiles"]}
    print(json.dumps(answer))
