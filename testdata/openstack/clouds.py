# clouds.py prints what openstacksdk reads in a clouds.yaml. For each line of standard
# input, the path of the file and the name of a cloud in JSON, it prints one line of JSON.
# Without a path, it looks where openstacksdk looks, in the folder and environment given.
import json
import os
import subprocess
import sys
import warnings

warnings.simplefilter("ignore")


def answer(q):
    from openstack.config import OpenStackConfig

    where = {}
    if q.get("Path"):
        def beside(base):
            folder = os.path.dirname(q["Path"])
            return [os.path.join(folder, base + s) for s in (".yaml", ".yml", ".json")]

        where = {
            "config_files": [q["Path"]],
            "secure_files": beside("secure"),
            "vendor_files": beside("clouds-public"),
        }
    try:
        c = OpenStackConfig(load_envvars=not q.get("Path"), **where).get_one(q["Cloud"])
        verify, cert = c.get_requests_verify_args()
        auth = {key: value for key, value in c.config["auth"].items() if value is not None}
        for key, value in auth.items():
            if not (isinstance(value, str) or isinstance(value, list) and all(isinstance(v, str) for v in value)):
                raise TypeError(f"{key} is a {type(value).__name__}")
        for key in ("auth_type", "region_name", "interface"):
            if not isinstance(c.config[key], str):
                raise TypeError(f"{key} is a {type(c.config[key]).__name__}")
        return {
            "Auth": {key: ",".join(value) if isinstance(value, list) else value for key, value in auth.items()},
            "Type": c.config["auth_type"],
            "Region": c.config["region_name"],
            "Interface": c.config["interface"],
            "Verify": str(verify),
            "Cert": str(cert),
        }
    except Exception as e:
        return {"Error": f"{type(e).__name__}: {e}"}


if len(sys.argv) > 1:
    print(json.dumps(answer(json.loads(sys.argv[1]))))
    sys.exit()
for line in sys.stdin:
    q = json.loads(line)
    if q.get("Path"):
        print(json.dumps(answer(q)), flush=True)
        continue
    env = {"PATH": os.environ["PATH"], **q["Env"]}
    subprocess.run([sys.executable, os.path.abspath(__file__), json.dumps(q)], cwd=q["Folder"], env=env, check=True)
