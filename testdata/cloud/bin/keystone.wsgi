"""Keystone for uwsgi, with an access log that a test can count on.

uwsgi would write its line after the response is sent, so a test that reads the
log right after its request could miss it. This writes the line before the
response starts:

    METHOD PATH[?QUERY] STATUS USER-AGENT

The agent tells a test's own requests from those of up ("provision") and Swift
("swift-servers keystoneauth1/..." and a bare "python-requests/...").
"""
import os

from keystone.server.wsgi import initialize_public_application

keystone = initialize_public_application()
log = os.open(os.environ['ACCESS_LOG'], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def application(environ, start_response):
    # Before the call, as Keystone's dispatcher changes the path in environ.
    request = f'{environ["REQUEST_METHOD"]} {environ["REQUEST_URI"]}'
    agent = environ.get('HTTP_USER_AGENT', '-')

    def record(status):
        os.write(log, f'{request} {status} {agent}\n'.encode())

    def start(status, headers, exc_info=None):
        record(status[:3])
        return start_response(status, headers, exc_info)

    try:
        return keystone(environ, start)
    except Exception:
        record(500)  # uwsgi drops the connection without an answer
        raise
