"""TLS on every door: right and wrong authorities, client certificates, names that do not fit, and new certificates."""

import http.client
import os
import socket
import ssl
import subprocess
import time

import pika
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from cryptography import x509

from authority import client_until
from conftest import Broker
from doors import DOORS as CLIENTS
from doors import Credentials
from kafka_login import KafkaLogin, Refused

DOORS = ["https", "kafkas", "amqps"]


def certs(*arguments):
    subprocess.run([os.environ["SLUICE"], "certs", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    home = tmp_path_factory.mktemp("secured")
    pki, other = home / "certs", home / "other"
    certs("ca", "--dir", pki)
    certs("server", "localhost", "127.0.0.1", "--dir", pki)
    certs("client", "kate", "--dir", pki)
    certs("ca", "--dir", other)
    certs("client", "kate", "--dir", other)
    broker = Broker(home, *[part for setting in [
        f"tls.cert_file={pki / 'server.pem'}", f"tls.key_file={pki / 'server.key'}",
        f"tls.client_ca_file={pki / 'ca.pem'}", "http.tls_addr=127.0.0.1:0", "kafka.tls_addr=127.0.0.1:0",
        "amqp.tls_addr=127.0.0.1:0", "amqp.mechanisms=PLAIN,EXTERNAL"] for part in ("--set", setting)])
    broker.pki, broker.other = pki, other
    broker.start()
    broker.user("kate")
    broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
    broker.must("PUT", "/v1/topics/jobs", {"model": "queue", "queue": {}})
    broker.allow("user:kate", ["read", "write"], "topic", "*")
    broker.allow("user:kate", ["describe"], "vhost", "/")
    yield broker
    broker.stop()


def context(broker, ca=None, client=None, **more):
    made = ssl.create_default_context(cafile=str(ca or broker.pki / "ca.pem"))
    if client:
        made.load_cert_chain(client / "kate.pem", client / "kate.key")
    for name, value in more.items():
        setattr(made, name, value)
    return made


def shake(broker, door, made, name="localhost"):
    host, port = broker.ports[door].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        with made.wrap_socket(plain, server_hostname=name) as wrapped:
            # Under TLS 1.3 a refused client certificate shows with the first read.
            wrapped.settimeout(0.5)
            try:
                wrapped.recv(1)
            except TimeoutError:
                pass
            return wrapped.version()


def test_metrics_tell_when_the_certificate_ends(secured):
    _, told = secured.ask("GET", "/metrics")
    ends = [line.split()[1] for line in told.splitlines() if line.startswith("sluice_tls_certificate_not_after_seconds ")]
    shown = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", secured.pki / "server.pem"], check=True,
                           capture_output=True, text=True).stdout
    assert [float(one) for one in ends] == [ssl.cert_time_to_seconds(shown.strip().removeprefix("notAfter="))]


@pytest.mark.parametrize("door", DOORS)
def test_versions(secured, door):
    for version, expected in [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]:
        made = context(secured, minimum_version=version, maximum_version=version)
        assert shake(secured, door, made) == expected


@pytest.mark.parametrize("door", DOORS)
def test_wrong_authority(secured, door):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(secured, door, context(secured, secured.other / "ca.pem"))


@pytest.mark.parametrize("door", DOORS)
def test_hostname_mismatch(secured, door):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(secured, door, context(secured), "elsewhere.example")


@pytest.mark.parametrize("door", DOORS)
def test_a_client_certificate_of_another_authority(secured, door):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(secured, door, context(secured, client=secured.other))


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_handshake_ends(secured, door):
    host, port = secured.ports[door].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(20000))
        try:
            while plain.recv(1000):
                pass
        except ConnectionError:
            pass


def test_http_knows_who_shows_a_certificate(secured):
    me = secured.must("GET", "/v1/me", login=None, scheme="https", context=context(secured, client=secured.pki))
    assert me["user"] == "kate" and me["admin"] is False
    assert me["expires_at"] > time.time() * 1000, "it is known as long as its certificate is good"
    status, _ = secured.ask("GET", "/v1/me", login=None, scheme="https", context=context(secured))
    assert status == 401
    me = secured.must("GET", "/v1/me", scheme="https", context=context(secured, client=secured.pki))
    assert me["user"] == "admin", "what is said goes before the certificate"


@pytest.mark.parametrize("rule,user", [
    ("cn", "kate"), ("subject", "CN=kate,O=Shop"), ("dns", "kate.example"), ("email", "kate@example.org"),
    ("uri", "spiffe://example/kate")])
def test_a_rule_says_whom_a_certificate_names(tmp_path, rule, user):
    pki = tmp_path / "pki"
    certs("ca", "--dir", pki)
    certs("server", "localhost", "127.0.0.1", "--dir", pki)
    alternatives = [x509.DNSName("kate.example"), x509.RFC822Name("kate@example.org"),
                    x509.UniformResourceIdentifier("spiffe://example/kate")]
    client_until(pki, "kate", 3600, alternatives, "Shop")
    settings = [f"tls.cert_file={pki / 'server.pem'}", f"tls.key_file={pki / 'server.key'}", f"tls.user_from={rule}",
                f"tls.client_ca_file={pki / 'ca.pem'}", "http.tls_addr=127.0.0.1:0", "amqp.tls_addr=127.0.0.1:0",
                "amqp.mechanisms=EXTERNAL"]
    broker = Broker(tmp_path, *[part for one in settings for part in ("--set", one)])
    broker.pki = pki
    broker.start()
    shown = context(broker, client=pki)
    assert broker.must("GET", "/v1/me", login=None, scheme="https", context=shown)["user"] == user
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError) as refused:
        pika.BlockingConnection(amqp(broker, pki, pika.credentials.ExternalCredentials()))
    assert f"access to vhost '/' refused for user '{user}'" in str(refused.value)
    broker.stop()


def kafka(broker, **more):
    errors = []
    return {"bootstrap.servers": broker.ports["kafkas"], "ssl.ca.location": str(broker.pki / "ca.pem"),
            "error_cb": errors.append, "message.timeout.ms": 8000, "log_level": 0, **more}, errors


def send(conf):
    producer, outcome = Producer(conf), []
    producer.produce("orders", b"x" * 1000, on_delivery=lambda error, _: outcome.append(error))
    producer.flush(20)
    return outcome[0].code() if outcome and outcome[0] else None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl_ssl(secured, mechanism):
    conf, _ = kafka(secured, **{"security.protocol": "SASL_SSL", "sasl.mechanism": mechanism,
                                "sasl.username": "kate", "sasl.password": "pw"})
    assert send(conf) is None


def test_mutual_tls(secured):
    conf, _ = kafka(secured, **{"security.protocol": "SSL", "ssl.certificate.location": str(secured.pki / "kate.pem"),
                                "ssl.key.location": str(secured.pki / "kate.key")})
    assert send(conf) is None


def test_kafka_without_a_certificate_or_with_a_wrong_one(secured):
    conf, _ = kafka(secured, **{"security.protocol": "SSL"})
    assert send(conf) is not None
    conf, errors = kafka(secured, **{
        "security.protocol": "SSL", "ssl.certificate.location": str(secured.other / "kate.pem"),
        "ssl.key.location": str(secured.other / "kate.key")})
    assert send(conf) is not None


def test_a_login_over_kafka_says_who_it_is_whomever_the_certificate_names(secured):
    secured.user("lena")
    secured.allow("user:lena", ["write"], "topic", "orders")
    client = KafkaLogin(secured.ports["kafkas"], context(secured, client=secured.pki))
    assert client.topic_error("jobs") == 0, "it is kate's"
    client.plain("lena", "pw")
    assert (client.topic_error("orders"), client.topic_error("jobs")) == (0, 29)
    # From then on the connection is lena's.
    with pytest.raises(Refused, match="re-authentication as another user"):
        client.plain("kate", "pw")


def test_large_messages_go_both_ways_over_tls(secured):
    from confluent_kafka import Consumer
    conf, _ = kafka(secured, **{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN",
                                "sasl.username": "admin", "sasl.password": "correct horse"})
    secured.must("PUT", "/v1/topics/large", {"model": "log", "log": {"partitions": 1}})
    producer = Producer(conf)
    values = [bytes([number]) * 400_000 for number in range(50)]
    for value in values:
        producer.produce("large", value)
    assert producer.flush(60) == 0
    consumer = Consumer({**conf, "group.id": "large", "auto.offset.reset": "earliest"})
    consumer.subscribe(["large"])
    got = []
    while len(got) < len(values):
        message = consumer.poll(30)
        assert message is not None and message.error() is None
        got.append(message.value())
    assert got == values
    consumer.close()


def amqp(broker, client=None, credentials=None):
    host, port = broker.ports["amqps"].split(":")
    options = pika.SSLOptions(context(broker, client=client), "localhost")
    credentials = credentials or pika.PlainCredentials("kate", "pw")
    return pika.ConnectionParameters(host, int(port), "/", credentials, ssl_options=options)


def test_amqp_over_tls(secured):
    connection = pika.BlockingConnection(amqp(secured))
    channel = connection.channel()
    channel.confirm_delivery()
    body = os.urandom(700_000)
    for _ in range(10):
        channel.basic_publish("", "jobs", body, mandatory=True)
    for _ in range(10):
        _, _, got = channel.basic_get("jobs", auto_ack=True)
        assert got == body
    connection.close()


def test_external(secured):
    external = pika.credentials.ExternalCredentials()
    connection = pika.BlockingConnection(amqp(secured, secured.pki, external))
    connection.channel().basic_get("jobs")
    connection.close()
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(amqp(secured, None, external))


def test_new_certificates_are_taken_and_open_connections_stay(secured):
    mechanisms = {"http": "Basic", "websocket": "auth with a password", "kafka": "SCRAM-SHA-256", "amqp": "PLAIN"}
    given = Credentials("kate", "pw", context(secured))
    kept = {door: CLIENTS[door].login(secured, mechanism, given) for door, mechanism in mechanisms.items()}
    socket_of_http = kept["http"].client.sock
    renewed = secured.home / "renewed"
    certs("ca", "--dir", renewed)
    certs("server", "localhost", "--dir", renewed)
    # The key first: a pair that does not fit changes nothing.
    os.replace(renewed / "server.key", secured.pki / "server.key")
    os.replace(renewed / "server.pem", secured.pki / "server.pem")
    deadline = time.monotonic() + 60
    while True:
        try:
            shake(secured, "https", context(secured, renewed / "ca.pem"))
            break
        except ssl.SSLCertVerificationError:
            assert time.monotonic() < deadline, "the new certificate is not shown"
            time.sleep(0.2)
    now = Credentials("kate", "pw", context(secured, renewed / "ca.pem"))
    for door, mechanism in mechanisms.items():
        # What was open goes on over the connection that it had; what is new gets the new certificate, and no other.
        kept[door].work()
        # HTTP's client would open another one without a word.
        assert door != "http" or kept[door].client.sock is socket_of_http
        kept[door].close()
        new = CLIENTS[door].login(secured, mechanism, now)
        new.work()
        new.close()
        with pytest.raises((ssl.SSLError, Refused), match="CERTIFICATE_VERIFY_FAILED"):
            CLIENTS[door].login(secured, mechanism, given)
