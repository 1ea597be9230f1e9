"""A broker with an audit log, and what is written in it of something that is done."""

import json
import time

from authority import certs
from conftest import Broker


def audited_broker(home, *more):
    certs("ca", "--dir", home)
    certs("server", "localhost", "--dir", home)
    settings = [f"auth.audit_file={home / 'audit.log'}", f"tls.cert_file={home / 'server.pem'}",
                f"tls.key_file={home / 'server.key'}", f"tls.client_ca_file={home / 'ca.pem'}",
                "tls.client_certificates=required", "http.tls_addr=127.0.0.1:0", "kafka.tls_addr=127.0.0.1:0",
                "amqp.tls_addr=127.0.0.1:0", "amqp.mechanisms=PLAIN,EXTERNAL", *more]
    return Broker(home, *[part for one in settings for part in ("--set", one)]).start()


def lines_of(broker):
    """Whole lines of the audit log."""
    text = (broker.home / "audit.log").read_text()
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


def written(broker, act, least=1):
    """What the audit log says of it: event, door, user and what about. Of TLS it may say so after the client knows."""
    before = len(lines_of(broker))
    act(broker)
    while len(lines := lines_of(broker)[before:]) < least:
        time.sleep(0.01)
    assert all(line["address"] == "127.0.0.1" and line["time"].endswith("Z") for line in lines)
    return [(line["event"], line["door"], line["user"], line["about"]) for line in lines]
