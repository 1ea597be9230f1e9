"""AMQP clients log in, are refused and are put out in RabbitMQ's words."""

import time

import pika
import pytest


def parameters(broker, user="anna", password="pw", vhost="/"):
    host, port = broker.ports["amqp"].split(":")
    return pika.ConnectionParameters(host, int(port), vhost, pika.PlainCredentials(user, password))


@pytest.fixture(scope="module")
def anna(broker):
    broker.user("anna")
    broker.must("PUT", "/v1/vhosts/shop")
    broker.allow("user:anna", ["describe"], "vhost", "/")
    for kind in ["topic", "exchange"]:
        broker.allow("user:anna", ["create", "delete", "alter", "read", "write"], kind, "^anna", match="pattern", vhost="/")
    return "anna"


def refused(run):
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        run()
    return closed.value.reply_code, closed.value.reply_text


def test_right_credentials(broker, anna):
    connection = pika.BlockingConnection(parameters(broker))
    channel = connection.channel()
    channel.queue_declare("anna.q")
    channel.confirm_delivery()
    channel.basic_publish("", "anna.q", b"x", mandatory=True)
    method, _, body = channel.basic_get("anna.q", auto_ack=True)
    assert method and body == b"x"
    channel.queue_delete("anna.q")
    connection.close()


@pytest.mark.parametrize("user,password", [("anna", "wrong"), ("nobody", "pw"), ("guest", "guest")])
def test_wrong_credentials(broker, anna, user, password):
    with pytest.raises(pika.exceptions.ProbableAuthenticationError) as error:
        pika.BlockingConnection(parameters(broker, user, password))
    assert "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN" in str(error.value)


def test_a_virtual_host_that_may_not_be_used(broker, anna):
    for vhost in ["shop", "nowhere"]:
        with pytest.raises(pika.exceptions.ProbableAccessDeniedError) as error:
            pika.BlockingConnection(parameters(broker, vhost=vhost))
        assert f"NOT_ALLOWED - access to vhost '{vhost}' refused for user 'anna'" in str(error.value)


def test_what_is_not_allowed_is_told_as_rabbitmq_tells_it(broker, anna):
    connection = pika.BlockingConnection(parameters(broker))
    broker.must("PUT", "/v1/topics/other", {"model": "queue", "queue": {}})
    broker.must("PUT", "/v1/exchanges/theirs", {"type": "fanout"})

    def declare(channel):
        channel.queue_declare("bob.q")

    def publish(channel):
        channel.confirm_delivery()
        channel.basic_publish("theirs", "k", b"x")

    def consume(channel):
        channel.basic_consume("other", lambda *_: None)

    def get(channel):
        channel.basic_get("other")

    def bind(channel):
        channel.queue_declare("anna.bound")
        channel.queue_bind("anna.bound", "theirs", "k")

    told = {
        declare: "configure access to queue 'bob.q' in vhost '/' refused for user 'anna'",
        publish: "write access to exchange 'theirs' in vhost '/' refused for user 'anna'",
        consume: "read access to queue 'other' in vhost '/' refused for user 'anna'",
        get: "read access to queue 'other' in vhost '/' refused for user 'anna'",
        bind: "read access to exchange 'theirs' in vhost '/' refused for user 'anna'",
    }
    for run, text in told.items():
        channel = connection.channel()
        assert refused(lambda: run(channel)) == (403, f"ACCESS_REFUSED - {text}"), run.__name__
    connection.close()


@pytest.mark.parametrize("change", ["password", "delete"])
def test_revoked_while_connected(broker, names, change):
    name = names("gone")
    broker.user(name)
    broker.allow(f"user:{name}", ["describe"], "vhost", "/")
    connection = pika.BlockingConnection(parameters(broker, name))
    if change == "password":
        broker.user(name, "new")
    else:
        broker.must("DELETE", f"/v1/users/{name}")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        while True:
            connection.process_data_events(0.1)
    assert closed.value.reply_code == 320 and "credentials were revoked" in closed.value.reply_text


def test_a_secret_is_renewed_on_the_connection(broker, names):
    name = names("renewed")
    broker.user(name)
    broker.allow(f"user:{name}", ["describe"], "vhost", "/")
    first = broker.must("POST", f"/v1/users/{name}/keys", {})
    second = broker.must("POST", f"/v1/users/{name}/keys", {})
    connection = pika.BlockingConnection(parameters(broker, name, first["key"]))
    connection.update_secret(second["key"], "rotation")
    broker.must("DELETE", f"/v1/users/{name}/keys/{first['id']}")
    connection.process_data_events(0.5)
    assert connection.is_open
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.update_secret("wrong", "rotation")
    assert closed.value.reply_code == 530


def test_closed_while_anonymous(broker):
    host, port = broker.ports["amqp"].split(":")

    class Anonymous:
        TYPE = "ANONYMOUS"
        erase_on_connect = False

        def response_for(self, start):
            return "ANONYMOUS", b""

        def erase_credentials(self):
            pass

    with pytest.raises((pika.exceptions.AMQPConnectionError, pika.exceptions.ProbableAuthenticationError)):
        credentials = Anonymous()
        pika.credentials.VALID_TYPES.append(Anonymous)
        pika.BlockingConnection(pika.ConnectionParameters(host, int(port), "/", credentials))
