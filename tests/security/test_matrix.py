"""Every door, every mechanism, everything that can be wrong with a login, and what exactly the client is then told."""

import json
import ssl
import time
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from authority import certs, client_until
from conftest import Broker
from doors import DOORS, MECHANISMS, Credentials, Refused

REVOKED, EXPIRED = "the credentials were revoked", "the credentials have expired"
# What a client is told that is not known, by door.
NOT_KNOWN = {
    "http": "401 unauthenticated: {why} [Basic] [Bearer]",
    "websocket": "401 unauthenticated",
    "kafka": "58 {kafka}",
    "amqp": "403 ACCESS_REFUSED - Login was refused using authentication mechanism {name}. "
            "For details see the broker logfile.",
}
SAYS_NOTHING = ("this server wants to know who you are: send `Authorization` with a user and password (Basic), or an "
                "API key or token (Bearer)")
# What a client is told that says nothing, or asks for what is not there.
NOT_LOGGED_IN = {"http": f"401 unauthenticated: {SAYS_NOTHING} [Basic] [Bearer]", "websocket": "unauthenticated",
                 "kafka": "closed", "amqp": NOT_KNOWN["amqp"].format(name="EXTERNAL")}
WRONG_MECHANISM = {
    "http": "401 unauthenticated: only the schemes Basic and Bearer are known here [Basic] [Bearer]",
    "websocket": "401 unauthenticated",
    "kafka": "33 PLAIN SCRAM-SHA-256 SCRAM-SHA-512 OAUTHBEARER",
    "amqp": "closed",
}
NO_PERMISSION = {
    "http": '403 access_denied: user "{user}" may not describe the topic "secret"; a rule below /v1/acls can allow it',
    "websocket": "access_denied",
    "kafka": "29",
    "amqp": "403 ACCESS_REFUSED - read access to queue 'secret' in vhost '/' refused for user '{user}'",
}
# How a connection ends whose login does not hold any more.
ENDED = {"websocket": "closed 4401: {why}", "kafka": "closed", "amqp": "320 CONNECTION_FORCED - {why}"}

# What can happen to each kind of credential. A password does not expire; a token and a certificate are not this
# server's to take back.
SITUATIONS = {
    "password": ["right", "wrong secret", "unknown user", "no permission", "password changed", "user deleted",
                 "wrong authority", "hostname mismatch"],
    "key": ["right", "wrong secret", "unknown user", "no permission", "expired", "expired while connected",
            "key deleted", "user deleted", "wrong authority", "hostname mismatch"],
    "token": ["right", "wrong secret", "unknown user", "no permission", "expired", "expired while connected",
              "wrong authority", "hostname mismatch"],
    "certificate": ["right", "another authority", "no certificate", "no permission", "expired",
                    "expired while connected", "wrong authority", "hostname mismatch"],
}
CELLS = [(door, mechanism, kind, situation) for door, mechanisms in MECHANISMS.items()
         for mechanism, kind in mechanisms.items() for situation in SITUATIONS[kind]]
CELLS += [(door, "unknown", "password", "wrong mechanism") for door in DOORS]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A broker with every door, mechanism and kind of credential, and one that lets nobody in without a certificate."""
    home = tmp_path_factory.mktemp("matrix")
    pki, other = home / "certs", home / "other"
    certs("ca", "--dir", pki)
    certs("server", "localhost", "--dir", pki)
    certs("ca", "--dir", other, "--name", "Another CA")
    signing = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(signing.public_key()))
    (home / "jwks.json").write_text(json.dumps({"keys": [{**jwk, "kid": "k", "use": "sig", "alg": "RS256"}]}))
    settings = [f"tls.cert_file={pki / 'server.pem'}", f"tls.key_file={pki / 'server.key'}",
                f"tls.client_ca_file={pki / 'ca.pem'}", "http.tls_addr=127.0.0.1:0", "kafka.tls_addr=127.0.0.1:0",
                "amqp.tls_addr=127.0.0.1:0", "amqp.mechanisms=PLAIN,AMQPLAIN,EXTERNAL",
                f"auth.jwks={home / 'jwks.json'}", "auth.jwt_issuer=us", "auth.jwt_leeway_s=0"]
    strict = tmp_path_factory.mktemp("strict")
    flags = lambda all_of_them: [part for one in all_of_them for part in ("--set", one)]
    brokers = [Broker(home, *flags(settings)).start(),
               Broker(strict, *flags([*settings, "tls.client_certificates=required"])).start()]
    broker = brokers[0]
    for name in ["orders", "secret"]:
        broker.must("PUT", f"/v1/topics/{name}", {"model": "log", "log": {"partitions": 1}})
    broker.must("PUT", "/v1/topics/jobs", {"model": "queue", "queue": {}})
    broker.must("DELETE", "/v1/topics/secret")
    broker.must("PUT", "/v1/topics/secret", {"model": "queue", "queue": {}})
    for topic in ["orders", "jobs"]:
        broker.allow("group:staff", ["read", "write"], "topic", topic)
    broker.allow("group:staff", ["describe"], "vhost", "/")
    yield SimpleNamespace(broker=broker, strict=brokers[1], pki=pki, other=other, signing=signing)
    for one in brokers:
        one.stop()


def context(authority, pki=None, name=None):
    made = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    if name:
        made.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")
    return made


def token(world, user, life=3600, issuer="us", key=None):
    now = time.time()
    claims = {"sub": user, "groups": ["staff"], "iss": issuer, "iat": now, "exp": now + life}
    return jwt.encode(claims, key or world.signing, algorithm="RS256", headers={"kid": "k"})


def credentials(world, kind, situation, user, life):
    """What a client of that kind has in hand, for a user who is there."""
    given = Credentials(user, context=context(world.pki))
    broker = world.broker
    if kind == "password":
        broker.user(user, "pw", groups=["staff"])
        given.secret = "Pw" if situation == "wrong secret" else "pw"
        given.user = "nobody" if situation == "unknown user" else user
    elif kind == "key":
        broker.must("PUT", f"/v1/users/{user}", {"groups": ["staff"]})
        made = broker.must("POST", f"/v1/users/{user}/keys", {"ttl_ms": int(life * 1000)} if life else {})
        given.key_id, given.secret = made["id"], made["key"]
        if situation == "wrong secret":
            given.secret = given.secret[:-4] + ("AAAA" if given.secret[-4:] != "AAAA" else "BBBB")
        elif situation == "unknown user":
            given.secret = given.secret.replace(made["id"], "A" * len(made["id"]))
            given.user = "nobody"
        elif situation == "expired":
            time.sleep(life)
    elif kind == "token":
        forger = rsa.generate_private_key(65537, 2048) if situation == "wrong secret" else None
        issuer = "them" if situation == "unknown user" else "us"
        given.secret = token(world, user, -10 if situation == "expired" else life or 3600, issuer, forger)
    elif situation != "no certificate":
        broker.must("PUT", f"/v1/users/{user}", {"groups": ["staff"]})
        pki = world.other if situation == "another authority" else world.pki
        client_until(pki, user, -86400 if situation == "expired" else life or 3600)
        given.context = context(world.pki, pki, user)
    if situation == "wrong authority":
        given.context = context(world.other)
    if situation == "hostname mismatch":
        given.name = "elsewhere.example"
    return given


def play(world, door, mechanism, kind, situation, user):
    """What the client is told."""
    life = {"expired": 0.01 if kind == "key" else None, "expired while connected": 2.0}.get(situation)
    while True:
        given = credentials(world, kind, situation, user, life)
        try:
            connection = DOORS[door].login(world.broker, mechanism, given)
            break
        except Refused as refused:
            # A machine that is busy may need longer than the credentials live.
            if situation != "expired while connected" or "expired" not in str(refused) or life > 60:
                return str(refused)
            life *= 2
        except ssl.SSLError as error:
            return f"TLS {error.reason}"
    try:
        connection.work()
        if situation == "no permission":
            connection.trespass()
        elif situation == "password changed":
            world.broker.user(user, "new")
            connection.end()
        elif situation == "user deleted":
            world.broker.must("DELETE", f"/v1/users/{user}")
            connection.end()
        elif situation == "key deleted":
            world.broker.must("DELETE", f"/v1/users/{user}/keys/{given.key_id}")
            connection.end()
        elif situation == "expired while connected":
            connection.end()
    except Refused as refused:
        return str(refused)
    connection.close()
    return "works"


def expected(door, mechanism, kind, situation, user):
    name = mechanism.split(" ")[0]
    wrong = "wrong user, password or token"
    kafka = f"Authentication failed during authentication due to invalid credentials with SASL mechanism {name}"
    if situation == "right":
        return "works"
    if situation in ("wrong authority", "hostname mismatch"):
        return "TLS CERTIFICATE_VERIFY_FAILED"
    if situation == "another authority":
        return "TLS TLSV1_ALERT_UNKNOWN_CA"
    if situation == "expired" and kind == "certificate":
        return "TLS SSLV3_ALERT_CERTIFICATE_EXPIRED"
    if situation == "wrong mechanism":
        return WRONG_MECHANISM[door]
    if situation == "no certificate":
        return NOT_LOGGED_IN[door]
    if situation == "no permission":
        return NO_PERMISSION[door].format(user=user)
    if situation in ("wrong secret", "unknown user", "expired"):
        if situation == "expired":
            wrong = kafka = "the credentials have expired"
        if door == "websocket" and name == "auth":
            return "unauthenticated"
        if mechanism == "ticket":
            door = "http"
        return NOT_KNOWN[door].format(name=name, why=wrong, kafka=kafka)
    why = EXPIRED if situation == "expired while connected" else REVOKED
    if door == "http":
        # The next request says it anew: what was taken back is wrong, what ended has expired.
        return NOT_KNOWN[door].format(why=EXPIRED if why is EXPIRED else wrong)
    return ENDED[door].format(why=why)


@pytest.mark.parametrize("door,mechanism,kind,situation", CELLS, ids=lambda part: str(part).replace(" ", "_"))
def test_cell(world, names, door, mechanism, kind, situation):
    user = names("m")
    assert play(world, door, mechanism, kind, situation, user) == expected(door, mechanism, kind, situation, user)


@pytest.mark.parametrize("door", DOORS)
def test_no_client_certificate_where_one_is_required(world, door):
    mechanism = next(iter(MECHANISMS[door]))
    given = Credentials("admin", "correct horse", context(world.pki))
    with pytest.raises((ssl.SSLError, Refused)) as refused:
        DOORS[door].login(world.strict, mechanism, given)
    assert "CERTIFICATE_REQUIRED" in str(refused.value)
