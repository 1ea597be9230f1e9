"""What the page says of delegation tokens is typed, with Apache Kafka's own tool."""

import os
import socket
import subprocess

from authority import certs
from conftest import Broker
from document import blocks
from kafka_login import KafkaLogin, Refused

TOOL = """#!/bin/sh
exec java -Xmx256m -XX:TieredStopAtLevel=1 -cp "$CLIENTS/kafka-tools/*" org.apache.kafka.tools.DelegationTokenCommand "$@"
"""


def sh(home, script):
    environment = {**os.environ, "PATH": f"{home}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=home, env=environment, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_delegation_tokens(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    certs("ca", "--dir", tmp_path / "certs")
    certs("server", "localhost", "--dir", tmp_path / "certs")
    certs("client", "bob", "--dir", tmp_path / "certs")
    tool = tmp_path / "kafka-delegation-tokens.sh"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    sh(tmp_path, blocks("bash", "trust.jks")[0])
    (tmp_path / "bob.properties").write_text(blocks("properties", "sasl.jaas.config")[0])
    secret, rest = blocks("bash", "kafka-delegation-tokens.sh")[0].split("\n", 1)
    sh(tmp_path, secret)
    settings = [f"tls.cert_file={tmp_path / 'certs/server.pem'}", f"tls.key_file={tmp_path / 'certs/server.key'}",
                f"kafka.tls_addr=127.0.0.1:{port}", f"kafka.tls_advertised=localhost:{port}",
                f"auth.delegation_token_secret_file={tmp_path / 'delegation-token.secret'}"]
    broker = Broker(tmp_path, *[part for one in settings for part in ("--set", one)]).start()
    try:
        broker.user("bob", "pa55word")
        told = sh(tmp_path, rest.replace("localhost:9093", f"localhost:{port}"))
        heads, values = [line.split() for line in told.splitlines() if "TOKENID" in line or "User:bob" in line]
        token = dict(zip(heads, values))
        assert token["OWNER"] == "User:bob" and token["RENEWERS"] == "[User:scheduler]"

        def holder(mac):
            client = KafkaLogin(broker.ports["kafka"])
            try:
                client.scram("SCRAM-SHA-512", token["TOKENID"], mac, ",tokenauth=true")
                return True
            except Refused:
                return False
        assert holder(token["HMAC"]) and not holder(token["HMAC"][:-1])
    finally:
        broker.stop()
