"""Users, rules and logins as Kafka's own tools see them: passwords (KIP-554), ACLs, and renewed logins (KIP-368)."""

import time

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient,
                                   ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
                                   UserScramCredentialDeletion, UserScramCredentialUpsertion)

from conftest import SECRET, Broker
from kafka_login import Closed, KafkaLogin, Refused
from test_kafka import send, settings

SHA_256, SHA_512 = ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512


def admin_of(broker, user="admin", password=SECRET):
    return AdminClient(settings(broker, user, password)[0])


def done(futures):
    return [future.result(20) for future in futures.values()]


@pytest.fixture(scope="module")
def orders(broker):
    broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
    return "orders"


def logs_in(broker, mechanism, user, password):
    client = KafkaLogin(broker.ports["kafka"])
    try:
        client.scram(mechanism, user, password)
        return True
    except Refused as refused:
        assert str(refused).startswith("58 "), refused
        return False
    finally:
        client.close()


def test_passwords_of_several_mechanisms_are_set_over_kafka(broker, names):
    name, admin = names("scram"), admin_of(broker)
    one, other = ScramCredentialInfo(SHA_256, 4096), ScramCredentialInfo(SHA_512, 8192)
    for info, password in [(one, b"first"), (other, b"second")]:
        done(admin.alter_user_scram_credentials([UserScramCredentialUpsertion(name, info, password)]))
    # Each mechanism has a password of its own, and the user is one of every door.
    assert logs_in(broker, "SCRAM-SHA-256", name, "first") and not logs_in(broker, "SCRAM-SHA-256", name, "second")
    assert logs_in(broker, "SCRAM-SHA-512", name, "second") and not logs_in(broker, "SCRAM-SHA-512", name, "first")
    assert broker.must("GET", f"/v1/users/{name}")["mechanisms"] == ["SCRAM-SHA-256", "SCRAM-SHA-512"]
    shown = admin.describe_user_scram_credentials([name])[name].result(20).scram_credential_infos
    assert [(info.mechanism, info.iterations) for info in shown] == [(SHA_256, 4096), (SHA_512, 8192)]
    # A user who was made elsewhere is shown, too.
    made = names("made")
    broker.user(made)
    shown = admin.describe_user_scram_credentials([made])[made].result(20).scram_credential_infos
    assert {info.mechanism for info in shown} == {SHA_256, SHA_512}
    done(admin.alter_user_scram_credentials([UserScramCredentialDeletion(name, SHA_256)]))
    assert not logs_in(broker, "SCRAM-SHA-256", name, "first") and logs_in(broker, "SCRAM-SHA-512", name, "second")


def test_passwords_are_the_administrators(broker, names):
    name = names("mallory")
    broker.user(name)
    info, theirs = ScramCredentialInfo(SHA_256, 4096), admin_of(broker, name, "pw")
    with pytest.raises(KafkaException) as refused:
        done(theirs.alter_user_scram_credentials([UserScramCredentialUpsertion("admin", info, b"x")]))
    assert refused.value.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED
    assert not logs_in(broker, "SCRAM-SHA-256", "admin", "x")


def binding(user, operation, permission, topic="orders", pattern=ResourcePatternType.LITERAL):
    return AclBinding(ResourceType.TOPIC, topic, pattern, f"User:{user}", "*", operation, permission)


def every(user):
    return AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None, AclOperation.ANY,
                            AclPermissionType.ANY)


def test_kafkas_acls_are_the_rules_of_every_door(broker, names, orders):
    name, admin = names("ruled"), admin_of(broker)
    broker.user(name)
    publish = lambda: broker.ask("POST", f"/v1/topics/{orders}/messages", {"messages": [{"value": 1}]}, f"{name}:pw")[0]
    assert publish() == 403
    allow = binding(name, AclOperation.WRITE, AclPermissionType.ALLOW, "ord", ResourcePatternType.PREFIXED)
    done(admin.create_acls([allow]))
    assert (publish(), send(settings(broker, name, "pw")[0], orders)) == (200, None)
    ours = broker.must("GET", f"/v1/acls?principal=user:{name}")["rules"]
    assert [(rule["effect"], rule["operations"], rule["resource"]["name"], rule["resource"]["match"])
            for rule in ours] == [("allow", ["write"], "ord", "prefix")]
    # A denial wins, whoever wrote it.
    deny = binding(name, AclOperation.WRITE, AclPermissionType.DENY)
    done(admin.create_acls([deny]))
    assert publish() == 403
    assert send(settings(broker, name, "pw")[0], orders) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    broker.allow(f"user:{name}", ["read"], "group", "team")
    shown = admin.describe_acls(every(name)).result(20)
    by_http = AclBinding(ResourceType.GROUP, "team", ResourcePatternType.LITERAL, f"User:{name}", "*", AclOperation.READ,
                         AclPermissionType.ALLOW)
    assert set(shown) == {allow, deny, by_http}
    only_denials = AclBindingFilter(ResourceType.TOPIC, orders, ResourcePatternType.LITERAL, f"User:{name}", None,
                                    AclOperation.ANY, AclPermissionType.DENY)
    assert [set(gone) for gone in done(admin.delete_acls([only_denials]))] == [{deny}]
    assert publish() == 200
    # Whoever may not change rules may not see or set them here either.
    theirs = admin_of(broker, name, "pw")
    with pytest.raises(KafkaException) as refused:
        done(theirs.create_acls([binding(name, AclOperation.ALL, AclPermissionType.ALLOW)]))
    assert refused.value.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """A broker whose Kafka clients have to renew their logins every two seconds."""
    broker = Broker(tmp_path_factory.mktemp("brief"), "--set", "kafka.max_session_ms=2000").start()
    broker.must("PUT", "/v1/topics/orders", {"model": "log", "log": {"partitions": 1}})
    for user in ["kate", "bob"]:
        broker.user(user)
        broker.allow(f"user:{user}", ["read", "write"], "topic", "orders")
    yield broker
    broker.stop()


def test_a_login_is_renewed_on_its_connection_and_ends_without(brief):
    client = KafkaLogin(brief.ports["kafka"])
    began = time.monotonic()
    while time.monotonic() - began < 3:
        _, lifetime = client.plain("kate", "pw")
        assert 0 < lifetime <= 2000
        assert client.topic_error("orders") == 0
    with pytest.raises(Closed):
        client.receive(1)


@pytest.mark.parametrize("user,password,told", [
    ("bob", "pw", "58 re-authentication as another user is not possible on this connection"),
    ("kate", "wrong", "58 Authentication failed during authentication due to invalid credentials with SASL mechanism"
                      " PLAIN")])
def test_a_renewal_that_is_wrong_ends_the_connection(brief, user, password, told):
    client = KafkaLogin(brief.ports["kafka"])
    client.plain("kate", "pw")
    with pytest.raises(Refused) as refused:
        client.plain(user, password)
    assert str(refused.value) == told
