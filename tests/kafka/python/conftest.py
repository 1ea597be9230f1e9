"""A broker for each session: the real binary on a directory of its own and free ports."""

import itertools
import json
import os
import signal
import subprocess
import urllib.request

import pytest


class Broker:
    def __init__(self, home):
        self.home = home
        self.child = None
        self.kafka = "127.0.0.1:0"
        self.http = "127.0.0.1:0"

    def start(self):
        log = open(self.home / "server.log", "ab")
        self.child = subprocess.Popen(
            [os.environ["SLUICE"], "serve", "--amqp", "off", "--http", self.http, "--kafka", self.kafka,
             "--data-dir", str(self.home / "data"), "--set", "groups.initial_rebalance_delay_ms=0"],
            stdout=subprocess.PIPE, stderr=log, text=True,
        )
        for line in self.child.stdout:
            if "sluice listens: kafka://" in line:
                self.kafka = line.strip().split("kafka://")[1]
            if "is ready: http://" in line:
                self.http = line.strip().split("http://")[1]
                return
        raise AssertionError((self.home / "server.log").read_text())

    def kill(self):
        self.child.kill()
        self.child.wait()

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        assert self.child.wait(timeout=30) == 0

    def ask(self, method, path, body=None, content_type="application/json"):
        """A request to the HTTP door; answers the decoded JSON."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        request = urllib.request.Request(f"http://{self.http}{path}", data, method=method)
        if data is not None:
            request.add_header("content-type", content_type)
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
        return json.loads(text) if text else None


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def own_broker(tmp_path):
    """A broker that the test may kill."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


NUMBERS = itertools.count()


@pytest.fixture
def name():
    """Names that no other test uses."""
    return lambda stem: f"{stem}-{next(NUMBERS)}"
