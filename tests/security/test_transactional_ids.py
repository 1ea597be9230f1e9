"""A transactional id is used by who has a rule for it: over Kafka and over HTTP, by its whole name or by a prefix."""

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from kafka_login import KafkaLogin, text
from test_kafka import settings

INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 22, 24, 25, 26, 28
NOT_AUTHORIZED = 53
# Whom rules let use which: by a prefix, and by the whole name.
ALLOWED, DENIED = ["shop-1", "shop-", "exactly"], ["exactly-not", "sho", "other"]


@pytest.fixture(scope="module")
def tess(broker):
    broker.user("tess")
    broker.must("PUT", "/v1/topics/sales", {"model": "log", "log": {"partitions": 1}})
    broker.allow("user:tess", ["write"], "topic", "sales")
    broker.allow("user:tess", ["read"], "group", "*")
    broker.allow("user:tess", ["write"], "transactional_id", "shop-", match="prefix")
    broker.allow("user:tess", ["write"], "transactional_id", "exactly")
    return "tess"


def committed(broker, user, transactional_id):
    """Runs a whole transaction of a real client; answers the code of the error that ended it."""
    conf, _ = settings(broker, user, "pw")
    producer = Producer({**conf, "transactional.id": transactional_id})
    try:
        producer.init_transactions(10)
        producer.begin_transaction()
        producer.produce("sales", b"x")
        producer.commit_transaction(10)
    except KafkaException as error:
        assert error.args[0].fatal()
        return error.args[0].code()
    return None


@pytest.mark.parametrize("transactional_id", [*ALLOWED, *DENIED])
def test_a_kafka_client(broker, tess, transactional_id):
    wanted = None if transactional_id in ALLOWED else KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert committed(broker, tess, transactional_id) == wanted


def test_a_denial_wins_over_what_is_allowed_also_in_an_open_transaction(broker, tess):
    conf, _ = settings(broker, tess, "pw")
    producer = Producer({**conf, "transactional.id": "shop-open"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce("sales", b"x")
    producer.flush(10)
    rule = {"rules": [{"principal": "user:tess", "effect": "deny", "operations": ["write"],
                       "resource": {"type": "transactional_id", "name": "shop-open"}}]}
    broker.must("POST", "/v1/acls", rule)
    with pytest.raises(KafkaException) as refused:
        producer.commit_transaction(10)
    assert refused.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert committed(broker, tess, "shop-open") == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    broker.must("DELETE", "/v1/acls", rule)
    assert committed(broker, tess, "shop-open") is None


def asked(client, transactional_id):
    """Every request that names a transactional id, and the error code of its answer."""
    number = lambda value, size: value.to_bytes(size, "big")
    one, producer = number(1, 4), number(1, 8) + number(0, 2)
    init = client.ask(INIT_PRODUCER_ID, 0, text(transactional_id) + number(60_000, 4))
    init.number(4)
    yield "InitProducerId", init.number(2)
    answer = client.ask(ADD_PARTITIONS, 0, text(transactional_id) + producer + one + text("sales") + one + number(0, 4))
    answer.number(4), answer.number(4), answer.text(), answer.number(4), answer.number(4)
    yield "AddPartitionsToTxn", answer.number(2)
    answer = client.ask(ADD_OFFSETS, 0, text(transactional_id) + producer + text("g"))
    answer.number(4)
    yield "AddOffsetsToTxn", answer.number(2)
    offset = number(0, 4) + number(1, 8) + b"\xff\xff"
    answer = client.ask(TXN_OFFSET_COMMIT, 0,
                        text(transactional_id) + text("g") + producer + one + text("sales") + one + offset)
    answer.number(4), answer.number(4), answer.text(), answer.number(4), answer.number(4)
    yield "TxnOffsetCommit", answer.number(2)
    answer = client.ask(END_TXN, 0, text(transactional_id) + producer + b"\1")
    answer.number(4)
    yield "EndTxn", answer.number(2)


def test_every_request_of_kafkas_that_names_one(broker, tess):
    client = KafkaLogin(broker.ports["kafka"])
    client.plain(tess, "pw")
    assert {name: code for name, code in asked(client, "other") if code != NOT_AUTHORIZED} == {}
    # Of one that is allowed something else is wrong, if anything.
    assert {name: code for name, code in asked(client, "shop-raw") if code == NOT_AUTHORIZED} == {}
    client.close()


@pytest.mark.parametrize("transactional_id", [*ALLOWED, *DENIED])
def test_over_http(broker, tess, transactional_id):
    login = f"{tess}:pw"
    status, begun = broker.ask("POST", "/v1/transactions", {"transactional_id": transactional_id}, login)
    if transactional_id in DENIED:
        assert (status, begun["code"]) == (403, "transactional_id_access_denied"), begun
        assert repr(transactional_id).strip("'") in begun["detail"]
        return
    assert status == 201, begun
    status, done = broker.ask("POST", f"/v1/transactions/{begun['id']}/commit", None, login)
    assert status == 200, done


def test_a_transaction_of_another_over_http(broker, tess):
    """Its id is enough to name it, and not to use it."""
    begun = broker.must("POST", "/v1/transactions", {"transactional_id": "other"})
    at, login = f"/v1/transactions/{begun['id']}", f"{tess}:pw"
    offsets = {"group": "g", "offsets": [{"topic": "sales", "partition": 0, "offset": 1}]}
    for method, path, body in [("GET", at, None), ("POST", f"{at}/commit", None), ("POST", f"{at}/abort", None),
                               ("POST", f"{at}/offsets", offsets)]:
        status, told = broker.ask(method, path, body, login)
        assert (status, told.get("code")) == (403, "transactional_id_access_denied"), (method, path, told)
    publish = {"messages": [{"value": 1}]}
    status, told = broker.ask("POST", "/v1/topics/sales/messages", publish, login, within=begun["id"])
    assert (status, told["code"]) == (403, "transactional_id_access_denied")
    assert broker.must("GET", at)["status"] == "open"
    assert broker.ask("GET", "/v1/transactions", None, login)[1]["transactions"] == []
    broker.must("POST", f"{at}/abort")


def test_one_without_a_name_needs_the_rule_for_such(broker, tess):
    status, told = broker.ask("POST", "/v1/transactions", {}, f"{tess}:pw")
    assert (status, told["code"]) == (403, "transactional_id_access_denied")
    rule = {"rules": [{"principal": "user:tess", "operations": ["write"],
                       "resource": {"type": "transactional_id", "name": "transaction-", "match": "prefix"}}]}
    broker.must("POST", "/v1/acls", rule)
    begun = broker.must("POST", "/v1/transactions", {}, login=f"{tess}:pw")
    broker.must("POST", f"/v1/transactions/{begun['id']}/abort", login=f"{tess}:pw")
    broker.must("DELETE", "/v1/acls", rule)
