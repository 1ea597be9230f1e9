"""Signed tokens on every door: right, expired, of another issuer or audience, forged, and ended while connected."""

import contextlib
import http.server
import json
import ssl
import threading
import time

import jwt
import pika
import pytest
import websocket
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authority import certs
from conftest import Broker

ISSUER, AUDIENCE = "https://issuer.example", "sluice"


def public(key, kid, algorithm):
    made = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}[algorithm]
    return {**json.loads(made.to_jwk(key.public_key())), "kid": kid, "use": "sig", "alg": algorithm}


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    home = tmp_path_factory.mktemp("tokens")
    keys = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1())}
    jwks = home / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public(key, name, name) for name, key in keys.items()]}))
    broker = Broker(home, *[part for setting in [
        f"auth.jwks={jwks}", f"auth.jwt_issuer={ISSUER}", f"auth.jwt_audience={AUDIENCE}", "auth.jwt_leeway_s=0",
    ] for part in ("--set", setting)])
    broker.keys = keys
    broker.start()
    broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
    broker.must("PUT", "/v1/topics/jobs", {"model": "queue", "queue": {}})
    broker.allow("group:writers", ["read", "write"], "topic", "*")
    broker.allow("group:writers", ["describe"], "vhost", "/")
    yield broker
    broker.stop()


@contextlib.contextmanager
def served(text, pki=None):
    """An issuer's key set at an address, inside TLS where there are certificates."""
    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    if pki:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki / "server.pem", pki / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{'https' if pki else 'http'}://localhost:{server.server_port}/keys"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("vouched", ["this machine", "its CA", "another CA", "public CAs"])
def test_keys_at_an_address(tmp_path, vouched):
    folders = [tmp_path / name for name in ["its", "another"]]
    for folder in folders:
        certs("ca", "--dir", folder)
        certs("server", "localhost", "--dir", folder)
    key = ec.generate_private_key(ec.SECP256R1())
    settings = {"its CA": [f"auth.jwks_ca={folders[0] / 'ca.pem'}"], "another CA": [f"auth.jwks_ca={folders[1] / 'ca.pem'}"]}
    keys = json.dumps({"keys": [public(key, "ES256", "ES256")]})
    with served(keys, None if vouched == "this machine" else folders[0]) as address:
        flags = [part for one in [f"auth.jwks={address}", *settings.get(vouched, [])] for part in ("--set", one)]
        broker = Broker(tmp_path, *flags).start()
        try:
            broker.keys = {"ES256": key}
            status, answer = broker.ask("GET", "/v1/me", login=token(broker, "ES256"))
        finally:
            broker.stop()
    if vouched in ["this machine", "its CA"]:
        assert status == 200 and answer["user"] == "tina"
    else:
        assert status == 503 and answer["code"] == "login_unavailable"
        assert answer["detail"] == "the keys of the issuer of tokens cannot be read; the server's log says why"


def token(broker, algorithm="RS256", key=None, life=3600, **claims):
    now = time.time()
    claims = {"sub": "tina", "groups": ["writers"], "iss": ISSUER, "aud": [AUDIENCE], "iat": now, "exp": now + life,
              **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key or broker.keys[algorithm], algorithm=algorithm, headers={"kid": algorithm})


def wrong(broker):
    forger = rsa.generate_private_key(65537, 2048)
    good = token(broker)
    return {
        "expired": token(broker, life=-10),
        "no end": token(broker, exp=None),
        "another issuer": token(broker, iss="https://evil.example"),
        "another audience": token(broker, aud=["other"]),
        "no user": token(broker, sub=None),
        "not yet": token(broker, nbf=time.time() + 3600),
        "forged": token(broker, key=forger),
        "unsigned": jwt.encode({"sub": "tina"}, None, algorithm="none"),
        "signed with the public key": jwt.encode({"sub": "tina", "exp": time.time() + 60, "iss": ISSUER,
                                                  "aud": AUDIENCE}, "x" * 64, algorithm="HS256", headers={"kid": "RS256"}),
        "cut": good[:-4],
    }


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_http(issued, algorithm):
    good = token(issued, algorithm)
    me = issued.must("GET", "/v1/me", login=good)
    assert me["user"] == "tina" and me["expires_at"] > time.time() * 1000
    issued.must("POST", "/v1/topics/orders/messages", {"messages": [{"value": 1}]}, login=good)
    status, _ = issued.ask("GET", "/v1/users", login=good)
    assert status == 403


def test_http_refuses_wrong_tokens(issued):
    for why, bad in wrong(issued).items():
        status, problem = issued.ask("GET", "/v1/me", login=bad)
        assert (status, problem["code"]) == (401, "unauthenticated"), why


def test_clocks_may_differ_and_new_keys_are_found(tmp_path):
    jwks, old, new = tmp_path / "jwks.json", *(rsa.generate_private_key(65537, 2048) for _ in range(2))
    keys = [public(old, "old", "RS256")]
    jwks.write_text(json.dumps({"keys": keys}))
    broker = Broker(tmp_path, "--set", f"auth.jwks={jwks}", "--set", "auth.jwt_leeway_s=600").start()

    def asked(key, kid, **times):
        made = jwt.encode({"sub": "tina", **times}, key, algorithm="RS256", headers={"kid": kid})
        return broker.ask("GET", "/v1/me", login=made)[0]
    now = time.time()
    assert asked(old, "old", exp=now - 500) == 200
    assert asked(old, "old", exp=now - 700) == 401
    assert asked(old, "old", exp=now + 900, nbf=now + 500) == 200
    assert asked(old, "old", exp=now + 900, nbf=now + 700) == 401
    assert asked(new, "old", exp=now + 900) == 401, "another key of the same name"
    # An issuer that has begun to sign with another key.
    jwks.write_text(json.dumps({"keys": [*keys, public(new, "new", "RS256")]}))
    until = time.monotonic() + 60
    while asked(new, "new", exp=now + 900) != 200:
        assert time.monotonic() < until, "the new key is not found"
        time.sleep(0.2)
    assert asked(old, "old", exp=now + 900) == 200
    broker.stop()


def kafka(broker, give):
    errors = []
    return {"bootstrap.servers": broker.ports["kafka"], "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER", "oauth_cb": lambda _: (give(), time.time() + 300),
            "error_cb": errors.append, "log_level": 0}, errors


def test_oauthbearer(issued):
    conf, _ = kafka(issued, lambda: token(issued))
    producer, outcome = Producer({**conf, "message.timeout.ms": 10000}), []
    producer.produce("orders", b"x", on_delivery=lambda error, _: outcome.append(error))
    producer.poll(0)
    producer.flush(20)
    assert outcome == [None]


@pytest.mark.parametrize("why", ["expired", "forged", "another audience"])
def test_oauthbearer_refuses_wrong_tokens(issued, why):
    conf, errors = kafka(issued, lambda: wrong(issued)[why])
    client = AdminClient(conf)
    client.poll(0)
    with pytest.raises(KafkaException):
        client.list_topics(timeout=5)
    assert "_AUTHENTICATION" in {error.name() for error in errors}


def parameters(broker, password, user=""):
    host, port = broker.ports["amqp"].split(":")
    return pika.ConnectionParameters(host, int(port), "/", pika.PlainCredentials(user, password))


def test_amqp_takes_a_token_for_a_password_and_ends_with_it(issued):
    for user in ["", "tina"]:
        connection = pika.BlockingConnection(parameters(issued, token(issued), user))
        connection.channel().basic_get("jobs")
        connection.close()
    for user, bad in [("", wrong(issued)["expired"]), ("admin", token(issued))]:
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(parameters(issued, bad, user))
    connection = pika.BlockingConnection(parameters(issued, token(issued, life=3)))
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        while True:
            connection.process_data_events(0.1)
    assert closed.value.reply_code == 320 and "expired" in closed.value.reply_text


def test_amqp_renews_a_token(issued):
    connection = pika.BlockingConnection(parameters(issued, token(issued, life=5)))
    connection.update_secret(token(issued), "renewed")
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        connection.process_data_events(0.2)
    connection.channel().basic_get("jobs")
    connection.close()


def test_a_socket_ends_with_its_token(issued):
    url = f"ws://{issued.ports['http']}/v1/ws"
    login = f"Authorization: Bearer {token(issued, life=3)}"
    client = websocket.create_connection(url, subprotocols=["sluice.v1.json"], header=[login], timeout=30)
    client.send(json.dumps({"id": 1, "type": "ping"}))
    assert json.loads(client.recv())["type"] == "ok"
    code = None
    while code is None:
        kind, data = client.recv_data(control_frame=True)
        if kind == websocket.ABNF.OPCODE_CLOSE:
            code = int.from_bytes(data[:2], "big")
    assert code == 4401
