"""Logins of Kafka clients that last a short time (KIP-368): Apache Kafka's client renews them on its connection and goes on;
who does not is cut."""

import contextlib
import http.server
import json
import os
import subprocess
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from conftest import Broker
from kafka_login import Closed, KafkaLogin

HERE = os.path.dirname(__file__)
RENEWALS = 3
# For how many seconds a login lasts. A machine that is busy may be too late for a renewal of the first.
LIVES = [3, 10, 30]


@contextlib.contextmanager
def issuer(life):
    """An authorization server (RFC 6749) with tokens that last so long: its keys, where it is asked, and for how many it was."""
    key = rsa.generate_private_key(65537, 2048)
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": "k", "use": "sig", "alg": "RS256"}
    given = []

    class Tokens(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            now = time.time()
            claims = {"sub": "kate", "iat": now, "exp": now + life}
            given.append(jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k"}))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": given[-1], "token_type": "Bearer"}).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield {"keys": [jwk]}, f"http://localhost:{server.server_port}/token", given
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def broker_of(home, *settings):
    home.mkdir()
    broker = Broker(home, *[part for one in settings for part in ("--set", one)]).start()
    broker.user("kate")
    broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
    broker.allow("user:kate", ["read", "write"], "topic", "orders")
    try:
        yield broker
    finally:
        broker.stop()


def by_password(broker, mechanism):
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    return {"bootstrap.servers": broker.ports["kafka"], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism,
            "sasl.jaas.config": f'org.apache.kafka.common.security.{module} required username="kate" password="pw";'}


def by_token(broker, url):
    module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLogin"
    return {"bootstrap.servers": broker.ports["kafka"], "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url": url,
            "sasl.login.callback.handler.class": f"{module}CallbackHandler",
            "sasl.jaas.config": f'{module}Module required clientId="kate" clientSecret="secret";'}


def java(settings, *arguments):
    """What the client's own metrics say."""
    url = settings.get("sasl.oauthbearer.token.endpoint.url", "")
    told = subprocess.run(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={url}",
         "-cp", f"{os.environ['CLIENTS']}/kafka-tools/*", f"{HERE}/java/Renewing.java", "orders", *arguments],
        input="\n".join(f"{key}={value}" for key, value in settings.items()), capture_output=True, text=True, timeout=170)
    assert told.returncode == 0, told.stdout + told.stderr
    return {name: int(count) for name, count in (part.split("=") for part in told.stdout.split())}


def logins(broker, result):
    line = f'sluice_logins_total{{result="{result}"}} '
    [count] = [one for one in broker.must("GET", "/metrics").splitlines() if one.startswith(line)]
    return int(count.split()[-1])


def renewed(broker, settings):
    """Whether the client went on with the connection that it had, as both sides tell."""
    before = logins(broker, "succeeded"), logins(broker, "failed")
    told = java(settings, "busy", str(RENEWALS))
    assert told["failed"] == 0 and logins(broker, "failed") == before[1]
    assert told["renewals"] >= RENEWALS and told["sent"] > 0
    # A new connection of who came too late would have logged in once more, and not renewed anything.
    assert logins(broker, "succeeded") - before[0] >= 1 + told["renewals"]
    return told["opened"] == 0


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_producer_renews_its_password_as_often_as_the_broker_asks(tmp_path, mechanism):
    for life in LIVES:
        with broker_of(tmp_path / str(life), f"kafka.max_session_ms={life * 1000}") as broker:
            if renewed(broker, by_password(broker, mechanism)):
                return
    raise AssertionError("the connection does not outlive its login")


@pytest.mark.parametrize("session", [0, 1])
def test_a_producer_renews_its_token_before_it_ends(tmp_path, session):
    """With tokens that end, and with tokens that last longer than the broker lets a login last."""
    for life in LIVES:
        with issuer(life * (1 + session)) as (keys, url, given):
            (tmp_path / "jwks.json").write_text(json.dumps(keys))
            settings = [f"auth.jwks={tmp_path / 'jwks.json'}", "auth.jwt_leeway_s=0",
                        f"kafka.max_session_ms={session * life * 1000}"]
            with broker_of(tmp_path / str(life), *settings) as broker:
                went_on = renewed(broker, by_token(broker, url))
                if went_on and not session:
                    assert len(given) > RENEWALS, "each renewal is with a token of its own"
                if went_on:
                    return
    raise AssertionError("the connection does not outlive its token")


def test_a_producer_that_has_nothing_to_send_is_cut_and_comes_back(tmp_path):
    with broker_of(tmp_path / "idle", "kafka.max_session_ms=2000") as broker:
        told = java(by_password(broker, "SCRAM-SHA-256"), "idle")
    assert told["left"] == 0 and told["opened"] >= 1 and told["failed"] == 0


def test_a_client_that_does_not_renew_is_cut_however_busy_it_is(tmp_path):
    with broker_of(tmp_path / "busy", "kafka.max_session_ms=2000") as broker:
        client = KafkaLogin(broker.ports["kafka"])
        _, lifetime = client.plain("kate", "pw")
        began = time.monotonic()
        told = []
        with pytest.raises(Closed):
            while True:
                told.append(client.topic_error("orders"))
        # It may end in the midst of a request.
        assert set(told[:-1]) == {0} and told[-1] in (0, 58)
        assert time.monotonic() - began > lifetime / 1000 - 0.5
