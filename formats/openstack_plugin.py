"""The auth_type "jeton" of keystoneauth.

A cloud of clouds.yaml names a profile of jeton, and jeton gives the token. Written by
"jeton setup openstack", which also removes it (--remove), or installed from a wheel.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess

from keystoneauth1 import access, exceptions, loading
from keystoneauth1.identity import base

# The program, by its absolute path: nothing that a clouds.yaml could choose. A wheel has none,
# and takes the one that is on the PATH.
JETON = None

# The SHA-256 of what "jeton setup openstack" writes into its clouds. A wheel has none.
KEY = None


def handed():
    """Return what "jeton exec" hands over: an answer that it has already, and how to ask again."""
    path = os.environ.pop('JETON_ANSWER', None)
    if not path:
        return {}
    with open(path, encoding='utf-8') as f:
        return json.load(f)


HANDED = handed()


def ask(*args):
    """Run jeton, with the environment as it was before "jeton exec", and return what it prints."""
    program = JETON or shutil.which('jeton')
    if not program or not os.path.isabs(program):
        raise exceptions.AuthPluginException('there is no jeton on the PATH')
    env = dict(os.environ)
    for name, value in HANDED.get('environment', {}).items():
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


def named(variable):
    """Tell whether the user has named a file, which is then read before all others."""
    return os.path.isfile(os.environ.get(variable, ''))


def strange_secure():
    """Tell whether openstacksdk finds a secure.yaml in the current directory."""
    config = os.environ.get('XDG_CONFIG_HOME') or os.path.expanduser('~/.config')
    return (os.path.realpath(os.curdir) != os.path.realpath(os.path.join(config, 'openstack'))
            and any(os.path.exists('secure.' + suffix) for suffix in ('yaml', 'yml', 'json')))


class Jeton(base.BaseIdentityPlugin):
    """Takes tokens from jeton, with all that Keystone said when it made them."""

    def __init__(self, auth_url, jeton_profile, jeton_key=None, **others):
        if others:
            raise exceptions.AuthPluginException(
                f'{" and ".join(sorted(others))}: a cloud with auth_type jeton has the login and the scope of its '
                'profile: take another profile')
        # The clouds.yaml may be somebody else's, of the current directory.
        if not re.fullmatch('[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}', str(jeton_profile)):
            raise exceptions.AuthPluginException(f'jeton_profile {jeton_profile!r} is no name of a profile')
        known = hashlib.sha256(str(jeton_key).encode()).hexdigest() == KEY
        if KEY and not known and not named('OS_CLIENT_CONFIG_FILE'):
            raise exceptions.AuthPluginException(
                'this cloud is not one that "jeton setup openstack" has written (if it is, run that again), and could '
                'have the token sent anywhere; if its file is yours, name it: export OS_CLIENT_CONFIG_FILE=FILE')
        if KEY and not named('OS_CLIENT_SECURE_FILE') and strange_secure():
            raise exceptions.AuthPluginException(
                'the secure.yaml of this directory would be a part of the cloud, and could have the token sent '
                'anywhere; if it is yours, name it: export OS_CLIENT_SECURE_FILE=FILE')
        # An answer after which there is no other serves to its end.
        super().__init__(auth_url=auth_url, reauthenticate='last' not in HANDED)
        self.jeton_profile = jeton_profile
        self.token_id = None

    def get_auth_ref(self, session, **kwargs):
        answer = HANDED.get('answer')
        if 'last' not in HANDED:
            HANDED.pop('answer', None)
        elif answer is None:
            raise exceptions.AuthPluginException(HANDED['last'])
        if answer is None:
            answer = json.loads(ask('get', self.jeton_profile, '-f', 'openstack-token'))
        if answer['auth_url'].rstrip('/') != self.auth_url.rstrip('/'):
            raise exceptions.AuthPluginException(
                f'the cloud is at {self.auth_url}, and profile {self.jeton_profile} of jeton is for '
                f'{answer["auth_url"]}: its token is not sent there')
        self.token_id = answer['id']
        return access.create(body=answer['body'], auth_token=answer['token'])

    def invalidate(self):
        """A service has refused the token."""
        if 'last' in HANDED:
            HANDED.pop('answer', None)
            open(HANDED['refused'], 'a').close()  # jeton exec looks for it
        elif self.token_id:
            ask('reject', self.jeton_profile, '--id', self.token_id)
        return super().invalidate()

    def get_cache_id_elements(self):
        return {'auth_url': self.auth_url, 'jeton_profile': self.jeton_profile}


class Loader(loading.BaseIdentityLoader):
    """Makes the plugin from the options of a cloud."""

    @property
    def plugin_class(self):
        return Jeton

    def get_options(self):
        return super().get_options() + [
            loading.Opt('jeton-profile', required=True, help='Profile of jeton that gives the token'),
            loading.Opt('jeton-key', secret=True, help='What "jeton setup openstack" has written into the cloud')]
