"""Nothing secret that a client sends is written anywhere: not into a log, an error, a metric, or the data."""

import base64
import json
import os
import secrets
import urllib.parse
import urllib.request

import pika
import pytest
import websocket

from conftest import Broker
from doors import amqplain, Saying
from kafka_login import Closed, KafkaLogin, Refused


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    """A broker that logs as much as it can."""
    home = tmp_path_factory.mktemp("chatty")
    broker = Broker(home, "--set", f"auth.audit_file={home / 'audit.log'}", "--set", "log_level=trace")
    yield broker.start()


def test_secrets_are_written_nowhere(chatty):
    used, answers = [], []

    def secret():
        used.append("s3cr3t" + secrets.token_hex(12))
        return used[-1]

    def ask(*arguments, **named):
        status, answer = chatty.ask(*arguments, **named)
        answers.append(json.dumps(answer))
        return status, answer

    right = secret()
    chatty.must("PUT", "/v1/users/sara", {"password": right, "groups": ["staff"]})
    for kind, name in [("vhost", "/"), ("topic", "*")]:
        chatty.allow("user:sara", ["describe"] if kind == "vhost" else ["read", "write"], kind, name)
    key = chatty.must("POST", "/v1/users/sara/keys", {"note": "once"})["key"]
    used.append(key.split(".")[1])
    # Over HTTP: right, wrong, as a bearer, in a body that is refused, and where nothing secret belongs.
    assert ask("GET", "/v1/me", login=f"sara:{right}")[0] == 200
    assert ask("GET", "/v1/me", login=key)[0] == 200
    assert ask("GET", "/v1/me", login=f"sara:{secret()}")[0] == 401
    assert ask("GET", "/v1/me", login="slk_AAAAAAAAAAAA." + secret())[0] == 401
    assert ask("GET", "/v1/me", login="eyJhbGciOiJSUzI1NiJ9.e30." + secret())[0] == 401
    assert ask("PUT", "/v1/users/sara", {"password": secret(), "mechanisms": ["DIGEST"]})[0] >= 400
    assert ask("PUT", "/v1/users/sara", {"password": [secret()]})[0] >= 400
    # Over WebSocket.
    _, ticket = ask("POST", "/v1/tickets", login=f"sara:{right}")
    answers.pop()
    used.append(ticket["ticket"])
    url = f"ws://{chatty.ports['http']}/v1/ws"
    socket = websocket.create_connection(f"{url}?ticket={ticket['ticket']}", subprotocols=["sluice.v1.json"])
    for token in [secret(), f"sara:{secret()}", f"sara:{right}"]:
        socket.send(json.dumps({"id": 1, "type": "auth", "token": token}))
        answers.append(socket.recv())
    socket.send('{"id": 2, "type": "auth", "token": ["%s"]}' % secret())
    answers.append(socket.recv())
    socket.close()
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(f"{url}?ticket={secret()}", subprotocols=["sluice.v1.json"])
    answers.append(refused.value.resp_body.decode())
    # Over Kafka.
    def kafka(run):
        client = KafkaLogin(chatty.ports["kafka"])
        try:
            run(client)
        except (Refused, Closed) as error:
            answers.append(str(error))
        client.close()
    for password in [right, secret()]:
        kafka(lambda client: client.plain("sara", password))
        kafka(lambda client: client.scram("SCRAM-SHA-512", "sara", password))
        kafka(lambda client: client.oauthbearer(password))
    kafka(lambda client: (client.handshake("PLAIN"), client.authenticate(secret().encode())))
    kafka(lambda client: client.handshake(secret()))
    used.pop()
    # Over AMQP.
    host, port = chatty.ports["amqp"].split(":")
    for password in [right, secret()]:
        for mechanism, response in [("PLAIN", f"\0sara\0{password}".encode()), ("AMQPLAIN", amqplain("sara", password))]:
            try:
                connection = pika.BlockingConnection(
                    pika.ConnectionParameters(host, int(port), "/", Saying(mechanism, response)))
                with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
                    connection.update_secret(secret(), "rotation")
                answers.append(str(closed.value))
            except pika.exceptions.AMQPConnectionError as error:
                answers.append(str(error))
    # Whoever may see everything sees no secret.
    for path in ["/v1/users", "/v1/users/sara", "/v1/acls", "/api/definitions", "/api/users", "/api/connections"]:
        ask("GET", path)
    admin = "Basic " + base64.b64encode(b"admin:correct horse").decode()
    request = urllib.request.Request(f"http://{chatty.ports['http']}/metrics", headers={"authorization": admin})
    answers.append(urllib.request.urlopen(request).read().decode())
    chatty.stop()
    written = {"answers": "\n".join(answers).encode(), "log": (chatty.home / "server.log").read_bytes(),
               "audit": (chatty.home / "audit.log").read_bytes()}
    for folder, _, files in os.walk(chatty.home / "data"):
        for name in files:
            written[f"{folder}/{name}"] = open(f"{folder}/{name}", "rb").read()
    assert b"login_failed" in written["audit"]
    for one in [*used, "correct horse"]:
        # Also as headers and SASL messages carry it.
        carried = [f"{user}{one}".encode() for user in ["", "sara:", "admin:", "\0sara\0"]]
        forms = [one.encode(), urllib.parse.quote(one).encode(), *(base64.b64encode(two).rstrip(b"=") for two in carried)]
        for place, text in written.items():
            for form in forms:
                assert form not in text, f"{one} is in {place}"
