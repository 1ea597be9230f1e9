"""A failed login makes the next one of that user from that address wait, at whatever door; others are served meanwhile, and
every failure is counted. Here the wait is far longer than the tests are, so that what counts is who is answered."""

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pika
import pytest
import websocket

from conftest import Broker
from doors import Credentials, Saying, amqplain, authorization
from kafka_login import Closed, KafkaLogin, Refused

MINUTES = 60_000


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("slow"), *[part for one in [
        f"auth.failure_delay_ms={MINUTES}", f"auth.max_failure_delay_ms={MINUTES}",
        f"auth.login_timeout_ms={10 * MINUTES}", "amqp.handshake_timeout_ms=60000", "amqp.mechanisms=PLAIN,AMQPLAIN"]
        for part in ("--set", one)]).start()
    yield broker
    # Clients wait that nobody answers any more.
    broker.child.kill()
    broker.child.wait()


def http(mechanism):
    def login(broker, user, secret):
        client = HTTPConnection(broker.ports["http"], timeout=120)
        client.request("GET", "/v1/me", headers=authorization(mechanism, Credentials(user, secret)))
        return client.getresponse().status == 200
    return login


def websocket_header(broker, user, secret):
    try:
        websocket.create_connection(
            f"ws://{broker.ports['http']}/v1/ws", subprotocols=["sluice.v1.json"], suppress_origin=True, timeout=120,
            header=authorization("Basic", Credentials(user, secret)))
        return True
    except websocket.WebSocketBadStatusException:
        return False


def websocket_auth(broker, user, secret):
    client = websocket.create_connection(
        f"ws://{broker.ports['http']}/v1/ws", subprotocols=["sluice.v1.json"], suppress_origin=True, timeout=120)
    client.send(json.dumps({"id": 1, "type": "auth", "token": f"{user}:{secret}"}))
    return json.loads(client.recv())["type"] == "ok"


def kafka(mechanism):
    def login(broker, user, secret):
        client = KafkaLogin(broker.ports["kafka"])
        client.socket.settimeout(120)
        try:
            client.plain(user, secret) if mechanism == "PLAIN" else client.scram(mechanism, user, secret)
            return True
        except (Refused, Closed):
            return False
    return login


def amqp(mechanism):
    def login(broker, user, secret):
        host, port = broker.ports["amqp"].split(":")
        said = {"PLAIN": f"\0{user}\0{secret}".encode(), "AMQPLAIN": amqplain(user, secret)}[mechanism]
        try:
            pika.BlockingConnection(pika.ConnectionParameters(host, int(port), "/", Saying(mechanism, said)))
            return True
        except pika.exceptions.ProbableAuthenticationError:
            return False
    return login


LOGINS = {"http: Basic": http("Basic"), "websocket: header": websocket_header, "websocket: auth": websocket_auth,
          "kafka: PLAIN": kafka("PLAIN"), "kafka: SCRAM-SHA-256": kafka("SCRAM-SHA-256"),
          "kafka: SCRAM-SHA-512": kafka("SCRAM-SHA-512"), "amqp: PLAIN": amqp("PLAIN"),
          "amqp: AMQPLAIN": amqp("AMQPLAIN")}


def failed_logins(broker):
    line = 'sluice_logins_total{result="failed"} '
    [count] = [one for one in broker.must("GET", "/metrics").splitlines() if one.startswith(line)]
    return int(count.split()[-1])


def member(broker, name):
    broker.user(name, groups=["members"])
    broker.allow("group:members", ["describe"], "vhost", "/")
    return name


@pytest.mark.parametrize("mechanism", LOGINS)
def test_who_fails_has_to_wait_and_others_do_not(slow, names, mechanism):
    guessed, other, login = member(slow, names("guessed")), member(slow, names("other")), LOGINS[mechanism]
    before = failed_logins(slow)
    assert login(slow, guessed, "wrong") is False, "the first failure is told at once"
    assert failed_logins(slow) == before + 1, "and counted"
    pool = ThreadPoolExecutor()
    # Even the right password waits, or a guess could be told from its answer coming soon.
    waiting = [pool.submit(login, slow, guessed, secret) for secret in ["pw", "wrong"]]
    for _ in range(3):
        assert login(slow, other, "pw") is True
    assert not any(one.done() for one in waiting)
    assert failed_logins(slow) == before + 1, "what was not judged is not counted"
    pool.shutdown(wait=False, cancel_futures=True)


@pytest.mark.parametrize("mechanism", [one for one in LOGINS if one != "http: Basic"])
def test_whoever_fails_at_one_door_waits_at_the_others(slow, names, mechanism):
    guessed = member(slow, names("guessed"))
    assert LOGINS["http: Basic"](slow, guessed, "wrong") is False
    pool = ThreadPoolExecutor()
    waiting = pool.submit(LOGINS[mechanism], slow, guessed, "pw")
    assert LOGINS[mechanism](slow, member(slow, names("other")), "pw") is True
    assert not waiting.done()
    pool.shutdown(wait=False, cancel_futures=True)


@pytest.mark.parametrize("what", ["an API key", "a token"])
def test_bearers_wait_too(slow, names, what):
    """Whom a token names is not known before it is judged: all that cannot be told apart wait for each other."""
    name = member(slow, names("bearer"))
    key = slow.must("POST", f"/v1/users/{name}/keys", {})["key"]
    wrong = key[:-4] + ("AAAA" if key[-4:] != "AAAA" else "BBBB") if what == "an API key" else "eyJh.e30.x"
    login = http("Bearer")
    before = failed_logins(slow)
    assert login(slow, "", wrong) is False and failed_logins(slow) == before + 1
    pool = ThreadPoolExecutor()
    waiting = pool.submit(login, slow, "", wrong)
    other = slow.must("POST", f"/v1/users/{name}/keys", {})["key"]
    assert login(slow, "", other) is True
    assert not waiting.done() and failed_logins(slow) == before + 1
    pool.shutdown(wait=False, cancel_futures=True)
