"""The auth_type "jeton" of keystoneauth.

A cloud of clouds.yaml names a profile of jeton, and jeton gives the token. Written by
"jeton setup openstack", which also removes it (--remove), or installed from a wheel.
"""
import json
import os
import shutil
import subprocess

from keystoneauth1 import access, exceptions, loading
from keystoneauth1.identity import base

# The program, by its absolute path: nothing that a clouds.yaml could choose. A wheel has none,
# and takes the one that is on the PATH.
JETON = None

# "jeton exec" hands over the answer that it has already, in a file.
HANDED = [os.environ.pop('JETON_ANSWER', None)]


def ask(*args, environment=None):
    """Run jeton, and return what it prints."""
    program = JETON or shutil.which('jeton')
    if not program or not os.path.isabs(program):
        raise exceptions.AuthPluginException('there is no jeton on the PATH')
    env = dict(os.environ)
    for name, value in (environment or {}).items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    try:
        done = subprocess.run((program, *args), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding='utf-8', check=False)
    except OSError as e:
        raise exceptions.AuthPluginException(f'jeton cannot be run: {e}') from e
    if done.returncode:
        raise exceptions.AuthPluginException(' '.join(done.stderr.split()) or f'jeton: exit {done.returncode}')
    return done.stdout


class Jeton(base.BaseIdentityPlugin):
    """Takes tokens from jeton, with all that Keystone said when it made them."""

    def __init__(self, auth_url, jeton_profile):
        super().__init__(auth_url=auth_url)
        self.jeton_profile = jeton_profile
        self.handed = {}
        self.token_id = None

    def get_auth_ref(self, session, **kwargs):
        path, HANDED[0] = HANDED[0], None
        if path:
            with open(path, encoding='utf-8') as f:
                answer = self.handed = json.load(f)
            self.reauthenticate = not answer.get('last')  # it serves to its end
        elif self.handed.get('last'):
            raise exceptions.AuthPluginException(self.handed['last'])
        else:
            answer = json.loads(self.ask('get', self.jeton_profile, '-f', 'openstack-token'))
        if answer['auth_url'].rstrip('/') != self.auth_url.rstrip('/'):
            raise exceptions.AuthPluginException(
                f'the cloud is at {self.auth_url}, and profile {self.jeton_profile} of jeton is for '
                f'{answer["auth_url"]}: its token is not sent there')
        self.token_id = answer['id']
        return access.create(body=answer['body'], auth_token=answer['token'])

    def invalidate(self):
        """A service has refused the token."""
        if self.handed.get('refused'):
            open(self.handed['refused'], 'a').close()  # jeton exec looks for it
        elif self.token_id:
            self.ask('reject', self.jeton_profile, '--id', self.token_id)
        return super().invalidate()

    def ask(self, *args):
        """Run jeton with the environment that it had before."""
        return ask(*args, environment=self.handed.get('environment'))

    def get_cache_id_elements(self):
        return {'auth_url': self.auth_url, 'jeton_profile': self.jeton_profile}


class Loader(loading.BaseIdentityLoader):
    """Makes the plugin from the options of a cloud."""

    @property
    def plugin_class(self):
        return Jeton

    def get_options(self):
        return super().get_options() + [
            loading.Opt('jeton-profile', required=True, help='Profile of jeton that gives the token')]
