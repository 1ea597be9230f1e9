"""Every door, every mechanism, everything that can be wrong with a login, and what exactly the client is then told."""

import os
import ssl
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from conftest import SECRET
from doors import DOORS, MECHANISMS, Credentials, Refused
from world import VISITOR, World, context

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
    "http": '403 access_denied: user "{user}" may not describe the topic "{topic}"; a rule below /v1/acls can allow it',
    "websocket": "access_denied",
    "kafka": "29",
    "amqp": "403 ACCESS_REFUSED - read access to queue '{topic}' in vhost '/' refused for user '{user}'",
}
# What a client is told that has used too much, or takes up too many connections. Who is held up goes on later.
TOO_MUCH = {
    "http": '429 quota_exceeded: the quota `produce_bytes_per_s` of user "{user}" is used up (1); try again in … ms '
            "[Retry-After]",
    "websocket": "held up", "kafka": "throttle_time_ms, held up", "amqp": "held up",
}
TOO_MANY = {
    "http": '429 quota_exceeded: user "{user}" has 1 connections, as many as the quota `connections` allows; close or '
            "delete some first",
    "websocket": "429 quota_exceeded",
    "kafka": '58 user "{user}" has 1 connections, as many as the quota `connections` allows; close or delete some first',
    "amqp": "530 NOT_ALLOWED - connection refused for user '{user}': user connection limit (1) is reached",
}
# The quota that each door's connection uses up, and what the metrics call the door.
USES_UP = {"http": ("http", "produce_bytes_per_s"), "websocket": ("ws", "produce_bytes_per_s"),
           "kafka": ("kafka", "consume_bytes_per_s"), "amqp": ("amqp", "produce_bytes_per_s")}
# How a connection ends whose login does not hold any more.
ENDED = {"websocket": "closed 4401: {why}", "kafka": "closed", "amqp": "320 CONNECTION_FORCED - {why}"}
# Long enough for an answer that is not held back, and far shorter than what quotas here make anybody wait.
MOMENT = 0.2

# What can happen to each kind of credential. A password does not expire; a token and a certificate are not this
# server's to take back, but a rule can deny their user everything.
ALWAYS = ["right", "no permission", "denied while connected", "over quota", "too many connections", "wrong authority",
          "hostname mismatch"]
SITUATIONS = {
    "password": [*ALWAYS, "wrong secret", "unknown user", "password changed", "user deleted"],
    "key": [*ALWAYS, "wrong secret", "unknown user", "expired", "expired while connected", "key deleted",
            "user deleted"],
    "token": [*ALWAYS, "wrong secret", "unknown user", "expired", "expired while connected"],
    "certificate": [*ALWAYS, "another authority", "no certificate", "unknown user", "expired",
                    "expired while connected"],
    "nobody": ALWAYS,
}
CELLS = [(door, mechanism, kind, situation) for door, mechanisms in MECHANISMS.items()
         for mechanism, kind in mechanisms.items() for situation in SITUATIONS[kind]]
CELLS += [(door, "unknown", "password", "wrong mechanism") for door in DOORS]
# Passwords and keys are always taken over HTTP.
CELLS += [(door, mechanism, kind, "mechanism not offered") for door, mechanisms in MECHANISMS.items()
          for mechanism, kind in mechanisms.items()
          if door in ("kafka", "amqp") or kind not in ("password", "key")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp)
    yield made
    made.stop()


def play(world, door, mechanism, kind, situation, user):
    """What the client is told."""
    life = {"expired": 0.01 if kind == "key" else None, "expired while connected": 2.0}.get(situation)
    broker = world.home_of(door, mechanism, kind, situation)
    while True:
        given = world.credentials(broker, kind, situation, user, life)
        try:
            connection = DOORS[door].login(broker, mechanism, given)
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
            broker.user(user, "new")
            connection.end()
        elif situation == "user deleted":
            broker.must("DELETE", f"/v1/users/{user}")
            connection.end()
        elif situation == "key deleted":
            broker.must("DELETE", f"/v1/users/{user}/keys/{given.key_id}")
            connection.end()
        elif situation == "expired while connected":
            connection.end()
        elif situation == "denied while connected":
            deny(broker, user, connection)
        elif situation == "over quota":
            return use_up(broker, door, user, connection)
        elif situation == "too many connections":
            quota = set_quota(broker, user, {"connections": 1})
            try:
                DOORS[door].login(broker, mechanism, given)
            finally:
                broker.must("DELETE", f"/v1/quotas/{quota}")
    except Refused as refused:
        return str(refused)
    connection.close()
    return "works"


def deny(broker, user, connection):
    rules = {"rules": [{"principal": f"user:{user}", "effect": "deny", "operations": ["all"],
                        "resource": {"type": "topic", "name": "*"}}]}
    broker.must("POST", "/v1/acls", rules)
    try:
        connection.work()
    finally:
        broker.must("DELETE", "/v1/acls", rules)


def set_quota(broker, user, limits):
    return broker.must("PUT", "/v1/quotas", {"entity": {"user": user}, "limits": limits})["id"]


def times_throttled(broker, door):
    called, quota = USES_UP[door]
    line = f'sluice_quota_throttled_total{{door="{called}",quota="{quota}"}} '
    counts = [one for one in broker.must("GET", "/metrics").splitlines() if one.startswith(line)]
    return int(counts[0].split()[-1]) if counts else 0


def use_up(broker, door, user, connection):
    """Uses more than a quota allows. Whoever is then held up goes on once the quota is lifted, and not before."""
    before = times_throttled(broker, door)
    quota = set_quota(broker, user, {USES_UP[door][1]: 1})
    with ThreadPoolExecutor() as pool:
        try:
            going_on = pool.submit(lambda: (connection.exceed(), connection.work()))
            while times_throttled(broker, door) == before:
                pass
            if wait([going_on], MOMENT).done and not going_on.exception():
                return "goes on"
        finally:
            broker.must("DELETE", f"/v1/quotas/{quota}")
        told, _ = going_on.result(timeout=60)
    connection.close()
    return f"{told}, held up" if told else "held up"


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
    if situation == "mechanism not offered":
        return not_offered(door, mechanism, kind, wrong)
    if situation == "no certificate":
        return NOT_LOGGED_IN[door]
    if situation == "no permission":
        return NO_PERMISSION[door].format(user=user, topic="secret")
    if situation == "denied while connected" or (situation == "unknown user" and kind == "certificate"):
        if door == "amqp" and situation == "unknown user":
            return f"530 NOT_ALLOWED - access to vhost '/' refused for user '{user}'"
        return NO_PERMISSION[door].format(user=user, topic="jobs")
    if situation == "over quota":
        return TOO_MUCH[door].format(user=user)
    if situation == "too many connections":
        return too_many(door, mechanism, kind).format(user=user)
    if situation in ("wrong secret", "unknown user", "expired"):
        if situation == "expired":
            wrong = kafka = "the credentials have expired"
        if door == "websocket" and name == "auth":
            return "unauthenticated"
        if mechanism.startswith("ticket"):
            door = "http"
        return NOT_KNOWN[door].format(name=name, why=wrong, kafka=kafka)
    why = EXPIRED if situation == "expired while connected" else REVOKED
    if door == "http":
        # The next request says it anew: what was taken back is wrong, what ended has expired.
        return NOT_KNOWN[door].format(why=EXPIRED if why is EXPIRED else wrong)
    return ENDED[door].format(why=why)


def not_offered(door, mechanism, kind, wrong):
    if kind in ("certificate", "nobody"):
        return "closed" if door == "amqp" else NOT_LOGGED_IN[door]
    if door == "kafka":
        return "33 SCRAM-SHA-512" if mechanism.startswith("PLAIN") else "33 PLAIN"
    if door == "amqp":
        return "closed"
    if door == "websocket":
        return {"auth": "unauthenticated", "ticket": NOT_KNOWN["http"].format(why=wrong)}.get(
            mechanism.split(" ")[0], NOT_KNOWN["websocket"])
    return NOT_KNOWN["http"].format(why=wrong)


def too_many(door, mechanism, kind):
    if mechanism.startswith("ticket"):
        # The ticket is asked for over HTTP.
        return TOO_MANY["http"]
    if mechanism.startswith("auth"):
        return "quota_exceeded"
    if door == "kafka" and kind in ("certificate", "nobody"):
        # There is no login that could be answered.
        return "closed"
    return TOO_MANY[door]


@pytest.mark.parametrize("door,mechanism,kind,situation", CELLS, ids=lambda part: str(part).replace(" ", "_"))
def test_cell(world, names, door, mechanism, kind, situation):
    user = VISITOR if kind == "nobody" else names("m")
    assert play(world, door, mechanism, kind, situation, user) == expected(door, mechanism, kind, situation, user)


@pytest.mark.parametrize("door,mechanism", [(door, one) for door in DOORS for one in MECHANISMS[door]])
def test_no_client_certificate_where_one_is_required(world, door, mechanism):
    given = Credentials("admin", SECRET, context(world.pki))
    with pytest.raises((ssl.SSLError, Refused)) as refused:
        DOORS[door].login(world.strict, mechanism, given)
    assert "CERTIFICATE_REQUIRED" in str(refused.value)


# Why there is no cell, by what a mechanism carries and by situation.
NOTHING_TO = {
    ("password", "expired"): "a password does not end by itself",
    ("password", "expired while connected"): "a password does not end by itself",
    ("token", "password changed"): "a token is its issuer's and cannot be taken back here",
    ("token", "user deleted"): "a token is its issuer's: its user need not be one here, and a rule can deny it everything",
    ("certificate", "wrong secret"): "whoever has no key for a certificate gets no TLS",
    ("certificate", "user deleted"): "a certificate is its authority's: its user need not be one here, and a rule can deny it "
                                     "everything",
}
ANY = ["right", "wrong secret", "unknown user", "expired", "mechanism not offered", "no certificate", "another authority",
       "wrong authority", "hostname mismatch", "no permission", "over quota", "too many connections", "denied while connected",
       "password changed", "key deleted", "user deleted", "expired while connected"]


def reason(door, kind, situation):
    if (kind, situation) in NOTHING_TO:
        return NOTHING_TO[kind, situation]
    if situation == "mechanism not offered":
        return "passwords and API keys are always taken"
    if kind == "nobody":
        return "who says nothing has nothing that could be wrong, end or be taken back"
    if situation in ("no certificate", "another authority"):
        return "it needs no certificate; where one is required, every mechanism is refused without: the last line"
    carries = {"password changed": "a password", "key deleted": "an API key"}[situation]
    return f"it does not carry {carries}"


def quoted(text):
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def table(door):
    """What a client is told, or why there is no such case: a line for all mechanisms that are alike."""
    lines = ["| what | mechanisms | told |", "|---|---|---|"]
    cells = {(mechanism, situation): kind for one, mechanism, kind, situation in CELLS if one == door}
    for situation in ANY:
        told = {}
        for mechanism, kind in MECHANISMS[door].items():
            there = (mechanism, situation) in cells
            text = quoted(expected(door, mechanism, kind, situation, "USER")) if there else \
                f"– {reason(door, kind, situation)}"
            told.setdefault(text, []).append(mechanism)
        lines += [f"| {situation} | {', '.join(mechanisms)} | {text.replace('|', '/')} |" for text, mechanisms in told.items()]
    lines.append(f"| wrong mechanism | one that is not known | `{WRONG_MECHANISM[door]}` |")
    lines.append("| no certificate where one is required | all | `TLS TLSV13_ALERT_CERTIFICATE_REQUIRED` |")
    return "\n".join(lines)


def test_the_page_has_every_cell_or_the_reason_why_there_is_none():
    page = Path(__file__).parents[2] / "docs" / "login-matrix.md"
    head = page.read_text().partition("\n## ")[0] if page.exists() else ""
    names = {"http": "HTTP", "websocket": "WebSocket", "kafka": "Kafka", "amqp": "AMQP"}
    text = head.rstrip() + "\n\n" + "\n\n".join(f"## {names[door]}\n\n{table(door)}" for door in DOORS) + "\n"
    if os.environ.get("UPDATE"):
        page.write_text(text)
    assert page.read_text() == text, "docs/login-matrix.md is stale: run this test with UPDATE=1"
