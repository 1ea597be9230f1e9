"""A real browser, over HTTPS: the console and the API's page, sockets with tickets, and pages of other origins."""

import base64
import hashlib
import json
import os
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authority import certs
from conftest import Broker

PASSWORD = "pass word"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("browser")
    certs("ca", "--dir", home)
    certs("server", "localhost", "--dir", home)
    broker = Broker(home, *[part for setting in [
        f"tls.cert_file={home / 'server.pem'}", f"tls.key_file={home / 'server.key'}", "http.tls_addr=127.0.0.1:0",
    ] for part in ("--set", setting)]).start()
    broker.user("kate", PASSWORD)
    broker.must("PUT", "/v1/topics/jobs", {"model": "queue", "queue": {}})
    broker.allow("user:kate", ["all"], "topic", "jobs")
    broker.allow("user:kate", ["describe"], "vhost", "/")
    yield broker
    broker.stop()


def browse(served, step):
    certificate = x509.load_pem_x509_certificate((served.home / "server.pem").read_bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    url = f"https://localhost:{served.ports['https'].split(':')[1]}"
    command = ["node", f"{os.environ['CLIENTS']}/node/browser.mjs", step, shutil.which("chromium"),
               base64.b64encode(hashlib.sha256(key).digest()).decode(), url, "kate", PASSWORD]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_pages_keep_to_their_own_policy(served):
    seen = browse(served, "pages")
    assert seen["violations"] == []
    # The browser asks first without the password, is refused, and asks its user.
    assert [error for error in seen["errors"] if "401" not in error] == []
    assert seen["ran"] is False and seen["noticed"], "a script inside the page is not run"


def test_a_ticket_opens_one_socket(served):
    seen = browse(served, "socket")
    assert seen == {"first": "from a browser", "second": "refused", "made_up": "refused", "violations": []}


def test_pages_of_other_origins_can_do_nothing(served):
    seen = browse(served, "elsewhere")
    assert seen["socket"] == "refused"
    assert seen["form"] == [403, "origin_not_allowed"]
    assert (seen["silent"], seen["json"], seen["removal"], seen["reading"]) == (
        "opaque", "kept from it", "kept from it", "kept from it")
    assert "POST 403" in seen["told"] and "POST 200" not in seen["told"]
    assert (seen["own_socket"], seen["own_post"]) == ("from a browser", 200), "the same from the server's own page"
    left = [message.get("value") for message in served.must("GET", "/v1/topics/jobs/messages")["messages"]]
    assert left.count("own") == 1 and set(left) == {"own", "from a browser"}, left
