"""Clients of Go, Java and Node with TLS and logins, each configured as its own documentation says."""

import os
import socket
import subprocess
from types import SimpleNamespace

import pytest

from authority import certs
from conftest import Broker
from document import blocks

CLIENTS = os.environ["CLIENTS"]
PASSWORD = "pass word"


def run(*command, **named):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=150, **named)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    home = tmp_path_factory.mktemp("clients")
    pki, other = home / "certs", home / "other"
    for folder in [pki, other]:
        certs("ca", "--dir", folder)
        certs("client", "kate", "--dir", folder)
    certs("server", "localhost", "--dir", pki)
    settings = [f"tls.cert_file={pki / 'server.pem'}", f"tls.key_file={pki / 'server.key'}",
                f"tls.client_ca_file={pki / 'ca.pem'}", "http.tls_addr=127.0.0.1:0", "kafka.tls_addr=127.0.0.1:{port}",
                "amqp.tls_addr=127.0.0.1:0", "amqp.mechanisms=PLAIN,EXTERNAL", "kafka.tls_advertised=localhost:{port}"]
    # Clients check the name that the broker tells them: it has to know its port beforehand.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = Broker(home, *[part for one in settings for part in ("--set", one.format(port=port))]).start()
    broker.user("kate", PASSWORD)
    broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
    broker.must("PUT", "/v1/topics/jobs", {"model": "queue", "queue": {}})
    broker.allow("user:kate", ["read", "write"], "topic", "*")
    broker.allow("user:kate", ["read"], "group", "secured-", match="prefix")
    broker.allow("user:kate", ["describe"], "vhost", "/")
    yield SimpleNamespace(broker=broker, pki=pki, other=other, kafka=f"localhost:{port}")
    broker.stop()


def librdkafka(secured, mechanism, password=PASSWORD, ca=None):
    return [f"bootstrap.servers={secured.kafka}", "security.protocol=SASL_SSL", f"sasl.mechanisms={mechanism}",
            "sasl.username=kate", f"sasl.password={password}", f"ssl.ca.location={ca or secured.pki / 'ca.pem'}"]


def mutual(secured, pki, name="kate"):
    return [f"bootstrap.servers={secured.kafka}", "security.protocol=SSL", f"ssl.ca.location={secured.pki / 'ca.pem'}",
            f"ssl.certificate.location={pki / name}.pem", f"ssl.key.location={pki / name}.key"]


MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_confluent_kafka_go(secured, version):
    secured_go = f"{CLIENTS}/go-{version}/secured"
    for mechanism in MECHANISMS:
        assert run(secured_go, "orders", *librdkafka(secured, mechanism)) == "works", mechanism
        told = run(secured_go, "orders", *librdkafka(secured, mechanism, "wrong"))
        assert told.startswith("refused: ") and "uthentication" in told, told
    assert run(secured_go, "orders", *mutual(secured, secured.pki)) == "works"
    # decrypt_error: the signature is not that of the authority which the certificate names.
    assert run(secured_go, "orders", *mutual(secured, secured.other)) == "refused: SSL alert 51"
    told = run(secured_go, "orders", *librdkafka(secured, "PLAIN", ca=secured.other / "ca.pem"))
    assert told.startswith("refused: ") and "SSL" in told, told
    # A server that is called otherwise than its certificate says; the older librdkafka looks only if it is told to.
    elsewhere = [part.replace("localhost", "127.0.0.1") for part in librdkafka(secured, "PLAIN")]
    told = run(secured_go, "orders", *elsewhere, "ssl.endpoint.identification.algorithm=https")
    assert told.startswith("refused: ") and "SSL" in told, told


def test_apache_kafkas_java_client(secured, tmp_path):
    """With stores made by keytool and openssl."""
    commands = "".join(blocks("bash", "keytool")).replace("bob", "kate")
    stores = {}
    for name, pki in [("ours", secured.pki), ("others", secured.other)]:
        home = tmp_path / name
        home.mkdir()
        (home / "certs").symlink_to(pki)
        run("bash", "-euc", commands + "cat certs/kate.key certs/kate.pem > kate-both.pem", cwd=home)
        trust, keys = home / "trust.jks", home / "kate.p12"
        stores[name] = [f"ssl.truststore.location={trust}", "ssl.truststore.password=changeit"], [
            f"ssl.keystore.location={keys}", "ssl.keystore.type=PKCS12", "ssl.keystore.password=changeit"]
    (trust, keys), (others_trust, others_keys) = stores["ours"], stores["others"]

    def sasl(mechanism, password=PASSWORD, server=secured.kafka, trusts=trust):
        module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
        return [f"bootstrap.servers={server}", "security.protocol=SASL_SSL", f"sasl.mechanism={mechanism}", *trusts,
                f"sasl.jaas.config=org.apache.kafka.common.security.{module} required username=\"kate\" "
                f"password=\"{password}\";"]
    ssl = [f"bootstrap.servers={secured.kafka}", "security.protocol=SSL", *trust]
    elsewhere = secured.kafka.replace("localhost", "127.0.0.1")
    failed = "refused: SaslAuthenticationException: Authentication failed during authentication due to invalid " \
             "credentials with SASL mechanism "
    cases = [(sasl(mechanism), "works") for mechanism in MECHANISMS]
    cases += [(sasl(mechanism, "wrong"), failed + mechanism) for mechanism in MECHANISMS]
    cases += [
        ([*ssl, *keys], "works"),
        # A key that keytool made, and files that openssl or `sluice certs` made as they are.
        ([*ssl, f"ssl.keystore.location={tmp_path}/ours/kate.jks", "ssl.keystore.password=changeit"], "works"),
        ([f"bootstrap.servers={secured.kafka}", "security.protocol=SSL", "ssl.truststore.type=PEM",
          f"ssl.truststore.location={secured.pki}/ca.pem", "ssl.keystore.type=PEM",
          f"ssl.keystore.location={tmp_path}/ours/kate-both.pem"], "works"),
        ([*ssl, *others_keys], "refused: SslAuthenticationException"),
        (sasl("PLAIN", trusts=others_trust), "refused: SslAuthenticationException"),
        # The certificate is for `localhost` only.
        (sasl("PLAIN", server=elsewhere), "refused: SslAuthenticationException"),
    ]
    told = run("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{CLIENTS}/kafka-tools/*",
               os.path.join(os.path.dirname(__file__), "java", "Secured.java"),
               input="\n".join("\t".join(["orders", *settings]) for settings, _ in cases)).splitlines()
    assert len(told) == len(cases), told
    for line, (settings, wanted) in zip(told, cases):
        assert line.startswith(wanted), (settings, line)


def node(secured, *arguments, **environment):
    check = [f"{CLIENTS}/node/check.mjs", *arguments]
    return run("node", "--no-warnings", "--experimental-websocket", *check, env={**os.environ, **environment})


def test_amqplib(secured):
    at, ca = secured.broker.ports["amqps"], secured.pki / "ca.pem"
    assert node(secured, "amqp", at, "kate", PASSWORD, ca) == "works"
    assert node(secured, "amqp", at, "", "", ca, secured.pki / "kate.pem", secured.pki / "kate.key") == "works"
    told = node(secured, "amqp", at, "kate", "wrong", ca)
    assert "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN" in told
    told = node(secured, "amqp", at, "", "", ca)
    assert "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL" in told
    assert "refused" in node(secured, "amqp", at, "kate", PASSWORD, secured.other / "ca.pem")


def test_kafkajs(secured):
    for mechanism in ["plain", "scram-sha-256", "scram-sha-512"]:
        ca = secured.pki / "ca.pem"
        assert node(secured, "kafka", secured.kafka, mechanism, "kate", PASSWORD, ca) == "works"
        told = node(secured, "kafka", secured.kafka, mechanism, "kate", "wrong", ca)
        assert "invalid credentials with SASL mechanism" in told


def test_a_browsers_socket_comes_with_a_ticket(secured):
    port = secured.broker.ports["https"].split(":")[1]
    trusts = {"NODE_EXTRA_CA_CERTS": str(secured.pki / "ca.pem")}
    ticket = secured.broker.must("POST", "/v1/tickets", login=f"kate:{PASSWORD}")["ticket"]
    url = f"wss://localhost:{port}/v1/ws?ticket={ticket}"
    assert node(secured, "websocket", url, **trusts) == "works"
    assert node(secured, "websocket", url, **trusts) == "refused: the socket was not opened", "a ticket is good once"
    assert node(secured, "websocket", f"wss://localhost:{port}/v1/ws", **trusts).startswith("refused"), "no login"
