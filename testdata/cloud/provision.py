"""What is in the test cloud: domains, projects, users, roles and credentials.

All of it is made through Keystone's API, as an operator would. Every secret
begins with CANARY, so that a test can look for one where none should be.

    domain acme    projects web and ops
      alice        member and reader of web, member of ops, no default project
      bob          member of web, which is his default project
      carol        no role anywhere
      dave         member of web, disabled
      erin         member of web; Keystone wants password and passcode of her
      frank        member of web; a password or a passcode will do
      gina         member of web; her password has expired (see up)
      henry        member of web; locked after too many wrong passwords
    domain default project system-demo
      system-demo-1  member of it. This is cloud.ca's shape: a client there
                   names no domain, and the id "default" has to be the default.
    alice's web    two application credentials, one of them unrestricted, and a
                   trust for bob. Both give the role member.
    federation     identity provider ovhcloud-emea, protocol openid: the subject
                   of the token is the user's name, and every user is in a group
                   which is member of web. alice and bob can log in at the
                   provider, with the names and passwords from above, but they
                   are users of their own in Keystone
    Swift          a service user, and object-store and s3 in the catalogue
"""
import base64
import json
import urllib.error
import urllib.request

SWIFT_PASSWORD = 'CANARY-swift-pw'
IDP, PROTOCOL = 'ovhcloud-emea', 'openid'


class Keystone:
    def __init__(self, url):
        self.url = url
        self.token = None
        # Not through the caller's proxy, if there is one.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, path, **body):
        request = urllib.request.Request(self.url + path, method=method, headers={
            'Content-Type': 'application/json', 'User-Agent': 'provision'})
        if body:
            request.data = json.dumps(body).encode()
        if self.token:
            request.add_header('X-Auth-Token', self.token)
        try:
            with self.opener.open(request) as response:
                return response.headers, json.loads(response.read() or 'null')
        except urllib.error.HTTPError as e:
            raise OSError(f'{method} {path}: {e.code} {e.read().decode()}') from None

    def create(self, path, kind, **attributes):
        """POST an object and return it."""
        return self.call('POST', path, **{kind: attributes})[1][kind]

    def login(self, name, password, domain, project):
        user = {'name': name, 'password': password, 'domain': {'id': domain}}
        headers, _ = self.call('POST', '/auth/tokens', auth={
            'identity': {'methods': ['password'], 'password': {'user': user}},
            'scope': {'project': project}})
        self.token = headers['X-Subject-Token']


def provision(cloud):
    """Fill the new cloud. What it returns belongs into cloud.json."""
    admin = Keystone(cloud['keystone'])
    admin.login('admin', cloud['admin_password'], 'default',
                {'name': 'admin', 'domain': {'id': 'default'}})
    roles = {role['name']: role['id'] for role in admin.call('GET', '/roles')[1]['roles']}
    out = {}

    def grant(role, project, who):
        admin.call('PUT', f'/projects/{project}/{who}/roles/{roles[role]}')

    def project(name, domain):
        return admin.create('/projects', 'project', name=name, domain_id=domain)['id']

    def user(name, password, domain, **more):
        return admin.create('/users', 'user', name=name, password=password, domain_id=domain, **more)['id']

    domain = out['domain'] = admin.create('/domains', 'domain', name='acme')['id']
    web = out['project_web'] = project('web', domain)
    ops = out['project_ops'] = project('ops', domain)
    # Tests show wrong passwords by the dozen.
    patient = {'ignore_lockout_failure_attempts': True}
    both = {**patient, 'multi_factor_auth_enabled': True, 'multi_factor_auth_rules': [['password', 'totp']]}
    for name, more in (('alice', {}), ('bob', {'default_project_id': web}),
                       ('carol', {}), ('dave', {'enabled': False}),
                       ('erin', {'options': both}), ('frank', {}), ('gina', {}), ('henry', {'options': {}})):
        out[f'password_{name}'] = f'CANARY-{name}-pw'
        out[f'user_{name}'] = user(name, out[f'password_{name}'], domain, **{'options': patient, **more})
    for name, role, where in (('alice', 'member', web), ('alice', 'reader', web), ('alice', 'member', ops),
                              ('bob', 'member', web), ('dave', 'member', web), ('erin', 'member', web),
                              ('frank', 'member', web), ('gina', 'member', web), ('henry', 'member', web)):
        grant(role, where, f'users/{out[f"user_{name}"]}')
    for name in 'erin', 'frank':
        out[f'totp_{name}'] = base64.b32encode(f'CANARY-{name}-totp'.encode()).decode().rstrip('=')
        admin.create('/credentials', 'credential', type='totp', blob=out[f'totp_{name}'],
                     user_id=out[f'user_{name}'], project_id=web)
    for _ in range(3):
        try:
            Keystone(cloud['keystone']).login('henry', 'wrong', domain, {'id': web})
        except OSError:
            pass

    for scope in f'/domains/{domain}', '/system':
        admin.call('PUT', f'{scope}/users/{out["user_alice"]}/roles/{roles["reader"]}')

    demo = out['project_demo'] = project('system-demo', 'default')
    out['password_demo'] = 'CANARY-demo-pw'
    out['user_demo'] = user('system-demo-1', out['password_demo'], 'default')
    grant('member', demo, f'users/{out["user_demo"]}')

    # Only the user herself may make these.
    alice = Keystone(cloud['keystone'])
    alice.login('alice', out['password_alice'], domain, {'id': web})
    for key, more in ('appcred', {'name': 'ci'}), ('appcred2', {'name': 'ci-unrestricted', 'unrestricted': True}):
        out[f'{key}_secret'] = f'CANARY-{key}-secret'
        out[f'{key}_id'] = alice.create(
            f'/users/{out["user_alice"]}/application_credentials', 'application_credential',
            secret=out[f'{key}_secret'], roles=[{'name': 'member'}], **more)['id']
    out['trust'] = alice.create(
        '/OS-TRUST/trusts', 'trust', trustor_user_id=out['user_alice'], trustee_user_id=out['user_bob'],
        project_id=web, impersonation=True, roles=[{'name': 'member'}])['id']

    group = admin.create('/groups', 'group', name='service-accounts', domain_id=domain)['id']
    grant('member', web, f'groups/{group}')
    idp = f'/OS-FEDERATION/identity_providers/{IDP}'
    # authorization_ttl (minutes) is how long Keystone remembers the groups of a
    # federated user. Without it an EC2 credential of theirs is made but opens
    # nothing, as their only role comes through the group.
    admin.call('PUT', idp, identity_provider={
        'enabled': True, 'remote_ids': [cloud['op']], 'authorization_ttl': 60})
    admin.call('PUT', '/OS-FEDERATION/mappings/service-accounts', mapping={'rules': [{
        'remote': [{'type': 'HTTP_OIDC_SUB'}, {'type': 'HTTP_OIDC_ISS', 'any_one_of': [cloud['op']]}],
        'local': [{'user': {'name': '{0}'}, 'group': {'id': group}}]}]})
    admin.call('PUT', f'{idp}/protocols/{PROTOCOL}', protocol={'mapping_id': 'service-accounts'})
    out['idp'], out['protocol'] = IDP, PROTOCOL

    # /v3/s3tokens, where Swift asks for the secret of an S3 key, wants admin or
    # the role service, which bootstrap does not make.
    roles['service'] = admin.create('/roles', 'role', name='service')['id']
    service = project('service', 'default')
    swift = user('swift', SWIFT_PASSWORD, 'default')
    for role in 'admin', 'service':
        grant(role, service, f'users/{swift}')
    store = admin.create('/services', 'service', name='swift', type='object-store')['id']
    admin.create('/endpoints', 'endpoint', service_id=store, interface='public', region_id=cloud['region'],
                 url=cloud['swift'] + '/v1/AUTH_%(project_id)s')
    s3 = admin.create('/services', 'service', name='s3', type='s3')['id']
    admin.create('/endpoints', 'endpoint', service_id=s3, interface='public', region_id=cloud['region'],
                 url=cloud['swift'])
    return out
