"""Debian's sslscan looks at every port with TLS and finds nothing weak."""

import subprocess
import xml.etree.ElementTree as xml

import pytest

from authority import certs
from conftest import Broker


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    home = tmp_path_factory.mktemp("scanned")
    certs("ca", "--dir", home)
    certs("server", "localhost", "127.0.0.1", "--dir", home)
    broker = Broker(home, *[part for setting in [
        f"tls.cert_file={home / 'server.pem'}", f"tls.key_file={home / 'server.key'}", "http.tls_addr=127.0.0.1:0",
        "kafka.tls_addr=127.0.0.1:0", "amqp.tls_addr=127.0.0.1:0"] for part in ("--set", setting)]).start()
    yield broker
    broker.stop()


@pytest.mark.parametrize("door", ["https", "kafkas", "amqps"])
def test_nothing_weak(scanned, door):
    command = ["sslscan", "--xml=-", "--no-colour", "--iana-names", scanned.ports[door]]
    report = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    found = xml.fromstring(report).find("ssltest")
    spoken = {(one.get("type"), one.get("version")): one.get("enabled") for one in found.iter("protocol")}
    assert spoken == {("ssl", "2"): "0", ("ssl", "3"): "0", ("tls", "1.0"): "0", ("tls", "1.1"): "0",
                      ("tls", "1.2"): "1", ("tls", "1.3"): "1"}
    # An OpenSSL that cannot compress cannot look for it either; rustls has no compression.
    assert all(one.get("supported") == "0" for one in found.iter("compression"))
    assert all(one.get("vulnerable") == "0" for one in found.iter("heartbleed"))
    assert found.find("renegotiation").get("supported") == "0"
    ciphers = [(one.get("sslversion"), one.get("cipher"), int(one.get("bits"))) for one in found.iter("cipher")]
    assert len(ciphers) >= 4
    for version, name, bits in ciphers:
        # Forward secrecy and authenticated encryption: every suite of TLS 1.3 has both.
        assert version == "TLSv1.3" or "ECDHE" in name, name
        assert "GCM" in name or "POLY1305" in name, name
        assert bits >= 128, name
    assert {one.get("name").split(" ")[0] for one in found.iter("group")} == {"x25519", "secp256r1", "secp384r1"}
    certificate = found.find(".//certificate")
    assert certificate.find("signature-algorithm").text.split()[-1] == "ecdsa-with-SHA256"
    assert certificate.find("pk").get("error") == "false" and certificate.find("expired").text == "false"
    assert certificate.find("self-signed").text == "false"
