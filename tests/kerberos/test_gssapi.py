"""Kerberos in the matrix: everything that can be wrong with a ticket, and what exactly the client is told; and by whom, for
much of it is refused by the key distribution centre, or by the client's own library, and never reaches the broker."""

import http.client
import itertools
import json
import os
import ssl
import subprocess
import time

import pika
import pytest

import test_matrix as matrix
from authority import certs, client_until
from conftest import Broker
from doors import Credentials, Saying
from kafka_login import Closed, KafkaLogin, Refused
from realm import NAME, SKEW, Realm, Ticketed, begun, free_port, held
from world import context

HERE = os.path.dirname(__file__)
NUMBERS = itertools.count()
INVALID = "58 Authentication failed during authentication due to invalid credentials with SASL mechanism GSSAPI"
NO_PERMISSION = "29"
# For how many seconds a ticket is good that ends while it is used.
LIFE = 6


class World:
    """A realm, a broker that takes its tickets and passwords, one that takes passwords alone, one that lets nobody in
    without a certificate, and one with a clock that may not be wrong."""

    def __init__(self, folder):
        self.realm = Realm(folder("realm"))
        self.pki, self.other = folder("certs"), folder("other")
        certs("ca", "--dir", self.pki)
        certs("ca", "--dir", self.other, "--name", "Another CA")
        certs("server", "localhost", "--dir", self.pki)
        os.environ["KRB5_KTNAME"] = str(self.realm.service)
        self.started = []

        def start(name, *more):
            home, port = folder(name), free_port()
            # Tickets are for a name: the broker tells its clients this one.
            settings = [f"tls.cert_file={self.pki / 'server.pem'}", f"tls.key_file={self.pki / 'server.key'}",
                        f"tls.client_ca_file={self.pki / 'ca.pem'}", f"kafka.tls_addr=127.0.0.1:{port}",
                        f"kafka.tls_advertised=localhost:{port}", r"auth.kerberos_user=([^/@]+)@SLUICE\.TEST",
                        f"auth.audit_file={home / 'audit.log'}", "http.tls_addr=127.0.0.1:0", "amqp.tls_addr=127.0.0.1:0",
                        *more]
            broker = Broker(home, *[part for one in settings for part in ("--set", one)]).start()
            self.started.append(broker)
            broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
            broker.must("POST", "/v1/topics/orders/messages", {"messages": [{"value": "x" * 1000}]})
            for topic in ["jobs", "secret"]:
                broker.must("PUT", f"/v1/topics/{topic}", {"model": "queue", "queue": {}})
            broker.allow("group:staff", ["read", "write"], "topic", "orders")
            broker.allow("group:staff", ["read"], "group", "secured-", match="prefix")
            return broker
        both = "kafka.mechanisms=GSSAPI,PLAIN"
        self.broker = start("both", both)
        self.plain = start("plain", "kafka.mechanisms=PLAIN")
        self.strict = start("strict", both, "tls.client_certificates=required")
        os.environ["KRB5_CONFIG"] = str(self.realm.config("exact.conf", skew=1))
        self.exact = start("exact", both)
        os.environ["KRB5_CONFIG"] = str(self.realm.home / "krb5.conf")

    def stop(self):
        for broker in self.started:
            broker.stop()
        self.realm.stop()

    def user(self, name=None, broker=None):
        """A user and a principal of the same name; answers both, and its keytab."""
        name = name or f"k-{next(NUMBERS)}"
        (broker or self.broker).must("PUT", f"/v1/users/{name}", {"groups": ["staff"]})
        return name, self.realm.principal(name)

    def given(self, cache, **more):
        return Credentials("", cache, **{"context": context(self.pki), **more})

    def told(self, user, broker=None):
        """What the audit log says of failed logins."""
        lines = ((broker or self.broker).home / "audit.log").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [one["about"] for one in events if (one["event"], one["door"], one["user"]) == ("login_failed", "kafka", user)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp)
    yield made
    made.stop()


def refused(act):
    with pytest.raises(Refused) as told:
        act()
    return str(told.value)


@pytest.fixture
def kate(world):
    """Somebody with a ticket."""
    name, keytab = world.user()
    return name, world.given(world.realm.ticket(name, keytab))


def test_right(world, kate):
    name, given = kate
    connection = Ticketed.login(world.broker, "GSSAPI", given)
    # It may say whom it acts for, which can only be itself.
    for acts_for in [name, f"{name}@{NAME}"]:
        assert 0 < connection.renew("GSSAPI", given.secret, acts_for.encode()) <= 1000 * (3600 + SKEW)
        connection.work()
    assert refused(lambda: connection.renew("GSSAPI", given.secret, b"admin")) == INVALID
    assert world.told(f"{name}@{NAME}") == ["wrong user, password or token"]


def test_wrong_secret(world):
    """The key distribution centre gives no ticket, so that there is nothing to log in with."""
    name, old = world.user()
    world.realm.keytab(name)
    assert refused(lambda: world.realm.ticket(name, old)).startswith("kinit: Preauthentication failed")
    world.realm.principal("word", password="right")
    told = refused(lambda: world.realm.ticket("word", password="wrong"))
    assert "kinit: Password incorrect" in told


def test_a_ticket_for_a_key_that_the_broker_does_not_have(world, kate):
    """As when the broker's keytab is not the newest."""
    name, given = kate
    world.realm.keytab("kafka/localhost")
    try:
        assert refused(lambda: Ticketed.login(world.broker, "GSSAPI", given)) == INVALID
        assert any("Kerberos: " in why for why in world.told("")), world.told("")
    finally:
        world.realm.admin(f"ktadd -k {world.realm.service} kafka/localhost")
    # A new key beside the old one is found without a new start.
    name, keytab = world.user()
    Ticketed.login(world.broker, "GSSAPI", world.given(world.realm.ticket(name, keytab))).close()


def test_unknown_user(world):
    """By the key distribution centre, by the rule that says whom a principal names, and by whom it names."""
    told = refused(lambda: world.realm.ticket("nobody", password="any"))
    assert told == f"kinit: Client 'nobody@{NAME}' not found in Kerberos database while getting initial credentials"
    name = "guest/elsewhere"
    given = world.given(world.realm.ticket(name, world.realm.principal(name)))
    assert refused(lambda: Ticketed.login(world.broker, "GSSAPI", given)) == INVALID
    assert world.told(f"{name}@{NAME}") == ["wrong user, password or token"]
    # A ticket is proof enough of a user of whom the broker knows nothing else: no rule is for them.
    given = world.given(world.realm.ticket("stranger", world.realm.principal("stranger")))
    assert refused(lambda: Ticketed.login(world.broker, "GSSAPI", given)) == NO_PERMISSION


def test_wrong_mechanism(world, kate):
    _, given = kate
    assert refused(lambda: Ticketed.login(world.broker, "GSS-SPNEGO", given)) == "33 GSSAPI PLAIN"
    assert refused(lambda: Ticketed.login(world.plain, "GSSAPI", given)) == "33 PLAIN"


def test_doors_that_take_no_tickets(world):
    client = http.client.HTTPSConnection("localhost", int(world.broker.ports["https"].split(":")[1]),
                                         context=context(world.pki), timeout=30)
    client.request("GET", "/v1/topics", headers={"Authorization": "Negotiate YII="})
    response = client.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (401, "unauthenticated")
    assert response.headers.get_all("WWW-Authenticate") and not any(
        "Negotiate" in one for one in response.headers.get_all("WWW-Authenticate"))
    host, port = world.broker.ports["amqp"].split(":")
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(pika.ConnectionParameters(host, int(port), "/", Saying("GSSAPI", b"")))


def test_expired(world):
    """The client's library does not send a ticket that has ended; and a broker does not take one."""
    name, keytab = world.user(broker=world.exact)
    cache = world.realm.ticket(name, keytab, life=3)
    late = Ticketed(KafkaLogin(world.exact.ports["kafkas"], context(world.pki)))
    late.client.handshake("GSSAPI")
    made = begun(cache)
    token, ends = made.step(), time.time() + held(cache).lifetime
    # A second more than clocks may be apart there, and what is cut off of whole seconds.
    time.sleep(max(0, ends - time.time()) + 3)
    assert refused(lambda: late.finish(made, token)) == INVALID
    assert any("expired" in why for why in world.told("", world.exact)), world.told("", world.exact)
    import gssapi
    with pytest.raises(gssapi.exceptions.GSSError, match="Ticket expired"):
        begun(cache).step()


def test_expired_while_connected(world):
    name, keytab = world.user(broker=world.exact)
    connection = Ticketed.login(world.exact, "GSSAPI", world.given(world.realm.ticket(name, keytab, life=LIFE)))
    assert refused(connection.end) == "closed"


def test_renewed_while_connected(world):
    """With another ticket on the same connection, which then lasts as long as that (KIP-368)."""
    name, keytab = world.user(broker=world.exact)
    connection = Ticketed.login(world.exact, "GSSAPI", world.given(world.realm.ticket(name, keytab, life=LIFE)))
    began = time.monotonic()
    assert connection.renew("GSSAPI", world.realm.ticket(name, keytab)) > 3_000_000
    while time.monotonic() < began + LIFE + 2:
        connection.work()
        time.sleep(0.2)
    other, keytab = world.user(broker=world.exact)
    assert refused(lambda: connection.renew("GSSAPI", world.realm.ticket(other, keytab))) == (
        "58 re-authentication as another user is not possible on this connection")


def test_revoked_while_connected(world, kate):
    """A ticket is its issuer's and cannot be taken back here; a rule that denies its user everything is in force at once."""
    name, given = kate
    connection = Ticketed.login(world.broker, "GSSAPI", given)
    assert refused(lambda: matrix.deny(world.broker, name, connection)) == NO_PERMISSION
    connection.work()
    world.broker.must("DELETE", f"/v1/users/{name}")
    assert refused(connection.work) == NO_PERMISSION


def test_no_permission(world, kate):
    _, given = kate
    assert refused(Ticketed.login(world.broker, "GSSAPI", given).trespass) == NO_PERMISSION


def test_over_quota(world, kate):
    name, given = kate
    connection = Ticketed.login(world.broker, "GSSAPI", given)
    assert matrix.use_up(world.broker, "kafka", name, connection) == "throttle_time_ms, held up"


def test_too_many_connections(world, kate):
    name, given = kate
    connection = Ticketed.login(world.broker, "GSSAPI", given)
    matrix.set_quota(world.broker, name, {"connections": 1})
    assert refused(lambda: Ticketed.login(world.broker, "GSSAPI", given)) == matrix.TOO_MANY["kafka"].format(user=name)
    connection.close()


def test_tls(world, kate):
    name, given = kate
    login = lambda broker=world.broker, **more: Ticketed.login(broker, "GSSAPI", world.given(given.secret, **more))
    for wrong in [{"context": context(world.other)}, {"name": "elsewhere.example"}]:
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            login(**wrong)
    with pytest.raises((ssl.SSLError, Closed), match="CERTIFICATE_REQUIRED"):
        login(world.strict)
    for pki in [world.pki, world.other]:
        client_until(pki, "somebody", 3600)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        login(context=context(world.pki, world.other, "somebody"))
    # The ticket says who it is, whomever the certificate names.
    world.strict.must("PUT", f"/v1/users/{name}", {"groups": ["staff"]})
    login(world.strict, context=context(world.pki, world.pki, "somebody")).close()


@pytest.mark.parametrize("message", [b"", b"nonsense", bytes(5000), b"\x60\x82\xff\xff" + bytes(100)])
def test_nonsense(world, message):
    client = KafkaLogin(world.broker.ports["kafkas"], context(world.pki))
    client.handshake("GSSAPI")
    assert refused(lambda: client.authenticate(message)) == INVALID


def test_apache_kafkas_java_client(world):
    name, keytab = world.user()
    stranger = world.realm.principal("java/elsewhere")
    port = world.broker.ports["kafkas"].split(":")[1]

    def settings(principal, keytab, trust=world.pki, server="localhost"):
        login = f'useKeyTab=true storeKey=true keyTab="{keytab}" principal="{principal}@{NAME}"'
        return "\t".join([
            "orders", f"bootstrap.servers={server}:{port}", "security.protocol=SASL_SSL", "sasl.mechanism=GSSAPI",
            "sasl.kerberos.service.name=kafka", "ssl.truststore.type=PEM", f"ssl.truststore.location={trust / 'ca.pem'}",
            f"sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required {login};"])
    cases = [
        (settings(name, keytab), "works"),
        (settings("java/elsewhere", stranger), f"refused: SaslAuthenticationException: {INVALID.removeprefix('58 ')}"),
        (settings(name, keytab, trust=world.other), "refused: SslAuthenticationException"),
        # The certificate is for `localhost` only.
        (settings(name, keytab, server="127.0.0.1"), "refused: SslAuthenticationException"),
    ]
    done = subprocess.run(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", f"-Djava.security.krb5.conf={os.environ['KRB5_CONFIG']}", "-cp",
         f"{os.environ['CLIENTS']}/kafka-tools/*", f"{HERE}/../security/java/Secured.java"],
        input="\n".join(case for case, _ in cases), capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()
    assert len(told) == len(cases), told
    for line, (case, wanted) in zip(told, cases):
        assert line.startswith(wanted), (case, line)
