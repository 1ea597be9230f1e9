"""A guarded broker for each session: the real binary on free ports, with an administrator, users and certificates."""

import base64
import json
import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

SECRET = "correct horse"


class Broker:
    def __init__(self, home, *arguments):
        self.home = home
        self.arguments = arguments
        self.ports = {}
        self.child = None

    def start(self):
        log = open(self.home / "server.log", "ab")
        (self.home / "admin.password").write_text(SECRET + "\n")
        self.child = subprocess.Popen(
            [os.environ["SLUICE"], "serve", "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--amqp", "127.0.0.1:0",
             "--data-dir", str(self.home / "data"), "--set", "groups.initial_rebalance_delay_ms=0",
             "--set", "auth.failure_delay_ms=0", "--set", "auth.admin_user=admin",
             "--set", f"auth.admin_password_file={self.home / 'admin.password'}", *self.arguments],
            stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.child.stdout:
            scheme, _, address = line.strip().rpartition(" ")[2].partition("://")
            self.ports[scheme] = address
            if "is ready" in line:
                return self
        raise AssertionError((self.home / "server.log").read_text())

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        assert self.child.wait(timeout=30) == 0

    def ask(self, method, path, body=None, login=f"admin:{SECRET}", scheme="http", context=None,
            within=None):
        """Status and decoded answer of a request, perhaps within a transaction."""
        request = urllib.request.Request(f"{scheme}://{self.ports[scheme]}{path}", method=method)
        if login:
            kind = "Basic " + base64.b64encode(login.encode()).decode() if ":" in login else "Bearer " + login
            request.add_header("authorization", kind)
        if within:
            request.add_header("sluice-transaction", within)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as response:
                status, kind, text = response.status, response.headers.get_content_type(), response.read()
        except urllib.error.HTTPError as error:
            status, kind, text = error.code, error.headers.get_content_type(), error.read()
        return status, json.loads(text) if kind.endswith("json") else text.decode()

    def must(self, *arguments, **named):
        status, answer = self.ask(*arguments, **named)
        assert status < 300, answer
        return answer

    def user(self, name, password="pw", **more):
        self.must("PUT", f"/v1/users/{name}", {"password": password, **more})

    def allow(self, principal, operations, kind, name, **more):
        resource = {"type": kind, "name": name, **more}
        self.must("POST", "/v1/acls", {"rules": [
            {"principal": principal, "operations": operations, "resource": resource}]})


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("guarded")).start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def names():
    """Names that no other test uses."""
    import itertools
    numbers = itertools.count()
    return lambda stem: f"{stem}-{next(numbers)}"
