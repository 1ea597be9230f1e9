"""What the matrix plays in: brokers with every door and mechanism, and what each kind of client has in hand."""

import json
import ssl
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from authority import certs, client_until
from conftest import Broker
from doors import Credentials

# The user of whoever says nothing, where somebody may.
VISITOR = "visitor"


def context(authority, pki=None, name=None):
    made = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    if name:
        made.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")
    return made


class World:
    """A broker with every mechanism, one that lets nobody in without a certificate, one that lets anybody in, and two
    that offer little: between them there is none for each mechanism."""

    def __init__(self, folder):
        home = folder("matrix")
        self.pki, self.other = home / "certs", home / "other"
        certs("ca", "--dir", self.pki)
        certs("server", "localhost", "--dir", self.pki)
        certs("ca", "--dir", self.other, "--name", "Another CA")
        self.signing = rsa.generate_private_key(65537, 2048)
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.signing.public_key()))
        (home / "jwks.json").write_text(json.dumps({"keys": [{**jwk, "kid": "k", "use": "sig", "alg": "RS256"}]}))
        tls = [f"tls.cert_file={self.pki / 'server.pem'}", f"tls.key_file={self.pki / 'server.key'}",
               "http.tls_addr=127.0.0.1:0", "kafka.tls_addr=127.0.0.1:0", "amqp.tls_addr=127.0.0.1:0"]
        certificates = f"tls.client_ca_file={self.pki / 'ca.pem'}"
        tokens = [f"auth.jwks={home / 'jwks.json'}", "auth.jwt_issuer=us", "auth.jwt_leeway_s=0"]
        every = [*tls, certificates, *tokens, "amqp.mechanisms=PLAIN,AMQPLAIN,EXTERNAL"]
        self.started = []

        def start(name, settings):
            flags = [part for one in settings for part in ("--set", one)]
            broker = Broker(home if name == "matrix" else folder(name), *flags).start()
            self.started.append(broker)
            return broker
        self.broker = self.furnished(start("matrix", every))
        self.strict = start("strict", [*every, "tls.client_certificates=required"])
        self.open = self.furnished(
            start("open", [*every, f"auth.anonymous_user={VISITOR}", "amqp.mechanisms=PLAIN,ANONYMOUS"]))
        self.open.must("PUT", f"/v1/users/{VISITOR}", {"groups": ["staff"]})
        self.plain = self.furnished(start("plain", [*tls, "kafka.mechanisms=PLAIN", "amqp.mechanisms=PLAIN"]))
        self.scram = self.furnished(start("scram", [
            *tls, certificates, *tokens, "kafka.mechanisms=SCRAM-SHA-512", "amqp.mechanisms=EXTERNAL"]))

    def furnished(self, broker):
        broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
        for queue in ["jobs", "secret"]:
            broker.must("PUT", f"/v1/topics/{queue}", {"model": "queue", "queue": {}})
        for topic in ["orders", "jobs"]:
            broker.allow("group:staff", ["read", "write"], "topic", topic)
        broker.allow("group:staff", ["describe"], "vhost", "/")
        broker.must("POST", "/v1/topics/orders/messages", {"messages": [{"value": "x" * 1000}]})
        return broker

    def home_of(self, door, mechanism, kind, situation):
        """The broker where something is played."""
        if situation == "mechanism not offered":
            # Anonymous logins are offered by none but the open one; the first has no more than one kind of password.
            of_scram = door == "kafka" and mechanism.startswith("PLAIN") or door == "amqp" and "PLAIN" in mechanism
            return self.scram if of_scram else self.plain
        return self.open if kind == "nobody" else self.broker

    def stop(self):
        for broker in self.started:
            broker.stop()

    def token(self, user, life=3600, issuer="us", key=None):
        now = time.time()
        claims = {"sub": user, "groups": ["staff"], "iss": issuer, "iat": now, "exp": now + life}
        return jwt.encode(claims, key or self.signing, algorithm="RS256", headers={"kid": "k"})

    def credentials(self, broker, kind, situation, user, life):
        """What a client of that kind has in hand, for a user who is there."""
        given = Credentials(user, context=context(self.pki))
        if kind == "password":
            broker.user(user, "pw", groups=["staff"])
            given.secret = "Pw" if situation == "wrong secret" else "pw"
            given.user = "nobody" if situation == "unknown user" else user
        elif kind == "key":
            self.give_key(broker, given, situation, life)
        elif kind == "token":
            forger = rsa.generate_private_key(65537, 2048) if situation == "wrong secret" else None
            issuer = "them" if situation == "unknown user" else "us"
            given.secret = self.token(user, -10 if situation == "expired" else life or 3600, issuer, forger)
        elif kind == "certificate" and situation != "no certificate":
            if situation != "unknown user":
                broker.must("PUT", f"/v1/users/{user}", {"groups": ["staff"]})
            pki = self.other if situation == "another authority" else self.pki
            client_until(pki, user, -86400 if situation == "expired" else life or 3600)
            given.context = context(self.pki, pki, user)
        if situation == "wrong authority":
            given.context = context(self.other)
        if situation == "hostname mismatch":
            given.name = "elsewhere.example"
        return given

    def give_key(self, broker, given, situation, life):
        broker.must("PUT", f"/v1/users/{given.user}", {"groups": ["staff"]})
        made = broker.must("POST", f"/v1/users/{given.user}/keys", {"ttl_ms": int(life * 1000)} if life else {})
        given.key_id, given.secret = made["id"], made["key"]
        if situation == "wrong secret":
            given.secret = given.secret[:-4] + ("AAAA" if given.secret[-4:] != "AAAA" else "BBBB")
        elif situation == "unknown user":
            given.secret = given.secret.replace(made["id"], "A" * len(made["id"]))
            given.user = "nobody"
        elif situation == "expired":
            time.sleep(life)
