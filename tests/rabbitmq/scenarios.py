"""What a client does and sees, as data that can be compared. Each scenario starts with queues of its own names."""
import datetime
import time

import pika

SCENARIOS = {}
PATIENCE = 20


def scenario(play):
    SCENARIOS[play.__name__] = play
    return play


def plain(value):
    """A value of a header table as JSON shows it; times as what they are, because they differ from run to run."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.hex()}
    if isinstance(value, datetime.datetime):
        return "a time"
    return value


class Session:
    def __init__(self, broker):
        self.broker = broker
        self.connection = broker.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def close(self):
        if self.connection.is_open:
            self.connection.close()

    def reopen(self):
        if not self.connection.is_open:
            self.connection = self.broker.connect()
        if not self.channel.is_open:
            self.channel = self.connection.channel()
            self.channel.confirm_delivery()

    def refused(self, act):
        """The code and text of a channel or connection error, or what came instead."""
        try:
            result = act()
        except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker) as error:
            self.reopen()
            return [error.reply_code, error.reply_text]
        return f"allowed: {type(result).__name__}"

    def queue(self, name, **arguments):
        named = {argument.replace("_", "-"): value for argument, value in arguments.items()}
        durable = named.pop("durable", True)
        self.channel.queue_declare(name, durable=durable, arguments=named)
        return name

    def exchange(self, name, kind, internal=False, auto_delete=False, durable=True, **arguments):
        named = {argument.replace("_", "-"): value for argument, value in arguments.items()}
        self.channel.exchange_declare(
            name, kind, durable=durable, internal=internal, auto_delete=auto_delete, arguments=named
        )
        return name

    def bind(self, queue, exchange, key="", **arguments):
        named = {argument.replace("_", "-"): value for argument, value in arguments.items()}
        self.channel.queue_bind(queue, exchange, key, named)

    def publish(self, exchange, key, body="x", mandatory=True, **properties):
        """What became of a message: taken, returned or refused."""
        try:
            self.channel.basic_publish(
                exchange, key, body.encode(), pika.BasicProperties(**properties), mandatory=mandatory
            )
            return "taken"
        except pika.exceptions.UnroutableError as error:
            return f"returned {error.messages[0].method.reply_code}"
        except pika.exceptions.NackError:
            return "refused"

    def get(self, queue, patience=0):
        deadline = time.monotonic() + patience
        while True:
            method, properties, body = self.channel.basic_get(queue)
            if method is not None or time.monotonic() >= deadline:
                return method, properties, body
            time.sleep(0.02)

    def message(self, queue, patience=0):
        """One message as a consumer sees it, acked."""
        method, properties, body = self.get(queue, patience)
        if method is None:
            return None
        self.channel.basic_ack(method.delivery_tag)
        seen = {
            "body": body.decode(),
            "exchange": method.exchange,
            "routing_key": method.routing_key,
            "redelivered": method.redelivered,
        }
        for name in ("headers", "expiration", "priority", "delivery_mode", "content_type", "message_id"):
            value = getattr(properties, name)
            if value is not None:
                seen[name] = plain(value)
        return seen

    def bodies(self, queue, patience=0, count=None):
        """The bodies of all messages there, or of as many as were asked for, acked."""
        found = []
        while count is None or len(found) < count:
            message = self.message(queue, patience)
            if message is None:
                break
            found.append(message["body"])
        return found

    def count(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def settled(self, queue, count):
        """Waits until a queue has so many messages, or for as long as it may take."""
        deadline = time.monotonic() + PATIENCE
        while self.count(queue) != count and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.count(queue)

    def reject(self, queue, requeue=False):
        method, _, _ = self.get(queue, PATIENCE)
        self.channel.basic_reject(method.delivery_tag, requeue=requeue)


# Routing


@scenario
def direct_and_default_exchange(s):
    s.queue("direct.a"), s.queue("direct.b")
    s.bind("direct.a", "amq.direct", "k"), s.bind("direct.b", "amq.direct", "k")
    sent = [s.publish("amq.direct", "k"), s.publish("amq.direct", "other"), s.publish("", "direct.a"),
            s.publish("", "direct.none"), s.publish("amq.direct", "other", mandatory=False)]
    return sent, s.message("direct.a"), s.message("direct.a"), s.message("direct.b")


@scenario
def topic_patterns(s):
    patterns = ["#", "*", "a.*", "a.#", "#.c", "*.b.*", "a.b.c", "", "a.#.c", "#.#"]
    for number, pattern in enumerate(patterns):
        s.bind(s.queue(f"topic.{number}"), "amq.topic", pattern)
    keys = ["", "a", "a.b", "a.b.c", "b", "a.c", "x.b.y", "a.x.y.c", "a..c", ".", "*", "#"]
    for key in keys:
        s.publish("amq.topic", key, key)
    return {pattern: s.bodies(f"topic.{number}") for number, pattern in enumerate(patterns)}


@scenario
def headers_match(s):
    cases = {
        "all": {"x-match": "all", "format": "pdf", "pages": 3},
        "any": {"x-match": "any", "format": "pdf", "pages": 3},
        "default": {"format": "pdf"},
        "nothing": {},
        "any of nothing": {"x-match": "any"},
        "presence": {"format": None},
        "x is ignored": {"x-match": "all", "format": "pdf", "x-origin": "fax"},
        "with x": {"x-match": "all-with-x", "format": "pdf", "x-origin": "fax"},
        "any with x": {"x-match": "any-with-x", "x-origin": "fax"},
        "bool": {"flag": True},
    }
    for name, arguments in cases.items():
        s.channel.queue_bind(s.queue(f"headers.{name}"), "amq.headers", "", arguments)
    messages = {
        "both": {"format": "pdf", "pages": 3},
        "one": {"format": "pdf", "pages": 4},
        "none": {"other": 1},
        "long": {"format": "pdf", "pages": 3, "x-origin": "fax"},
        "flag": {"flag": True},
        "case": {"format": "PDF"},
        "empty": {},
    }
    for body, headers in messages.items():
        s.publish("amq.headers", "", body, headers=headers)
    return {name: s.bodies(f"headers.{name}") for name in cases}


@scenario
def headers_match_mode_unknown(s):
    s.queue("headers.mode")
    return s.refused(lambda: s.channel.queue_bind("headers.mode", "amq.headers", "", {"x-match": "some"}))[0]


@scenario
def exchange_to_exchange_once(s):
    s.queue("e2e.q")
    s.exchange("e2e.in", "topic"), s.exchange("e2e.out", "fanout")
    s.channel.exchange_bind("e2e.out", "e2e.in", "a.#")
    s.channel.exchange_bind("e2e.in", "e2e.out", "")
    s.bind("e2e.q", "e2e.in", "a.*"), s.bind("e2e.q", "e2e.out")
    s.publish("e2e.in", "a.b"), s.publish("e2e.in", "b")
    return s.message("e2e.q"), s.message("e2e.q")


@scenario
def alternate_exchange(s):
    s.queue("ae.q"), s.queue("ae.known")
    s.exchange("ae.last", "fanout"), s.bind("ae.q", "ae.last")
    s.exchange("ae.middle", "direct", alternate_exchange="ae.last")
    s.exchange("ae.first", "direct", alternate_exchange="ae.middle")
    s.bind("ae.known", "ae.first", "known")
    sent = [s.publish("ae.first", "known"), s.publish("ae.first", "stray")]
    s.exchange("ae.lost", "direct", alternate_exchange="ae.missing")
    return sent, s.publish("ae.lost", "k"), s.message("ae.q"), s.count("ae.known")


@scenario
def internal_exchange(s):
    s.exchange("internal.x", "fanout", internal=True)
    s.bind(s.queue("internal.q"), "internal.x")
    s.exchange("internal.front", "fanout")
    s.channel.exchange_bind("internal.x", "internal.front", "")
    return s.publish("internal.front", ""), s.count("internal.q"), s.refused(lambda: s.publish("internal.x", ""))


@scenario
def auto_delete_exchange(s):
    s.exchange("auto.x", "fanout", auto_delete=True)
    s.bind(s.queue("auto.q"), "auto.x")
    s.channel.queue_unbind("auto.q", "auto.x", "")
    return s.refused(lambda: s.channel.exchange_declare("auto.x", passive=True))


@scenario
def exchange_redeclared(s):
    s.exchange("again.x", "direct", alternate_exchange="amq.fanout")
    same = s.refused(lambda: s.exchange("again.x", "direct", alternate_exchange="amq.fanout"))
    answers = [same]
    for change in (
        lambda: s.exchange("again.x", "fanout", alternate_exchange="amq.fanout"),
        lambda: s.exchange("again.x", "direct", durable=False, alternate_exchange="amq.fanout"),
        lambda: s.exchange("again.x", "direct", alternate_exchange="other"),
        lambda: s.exchange("again.x", "direct"),
        lambda: s.exchange("again.new", "no-such-type"),
        lambda: s.exchange("amq.mine", "direct"),
        lambda: s.exchange("amq.direct", "direct"),
        lambda: s.channel.exchange_declare("again.missing", passive=True),
        lambda: s.channel.exchange_declare("", "direct"),
        lambda: s.channel.exchange_delete("amq.direct"),
        lambda: s.channel.exchange_delete("again.missing"),
        lambda: s.channel.queue_bind("again.none", "again.x", "k"),
        lambda: s.channel.queue_bind(s.queue("again.q"), "again.missing", "k"),
        lambda: s.channel.queue_bind("again.q", "", "k"),
        lambda: s.channel.queue_unbind("again.q", "again.x", "never"),
    ):
        answer = s.refused(change)
        # How a code is told differs between versions and is compared elsewhere.
        answers.append(answer[0] if isinstance(answer, list) else answer)
    return answers


@scenario
def exchange_delete_if_unused(s):
    s.exchange("used.x", "fanout")
    s.bind(s.queue("used.q"), "used.x")
    in_use = s.refused(lambda: s.channel.exchange_delete("used.x", if_unused=True))
    s.channel.queue_unbind("used.q", "used.x", "")
    return in_use[0], s.refused(lambda: s.channel.exchange_delete("used.x", if_unused=True))


@scenario
def carbon_copies(s):
    for name in ("a", "b", "c", "d"):
        s.queue(f"cc.{name}")
    s.publish("", "cc.a", headers={"CC": ["cc.b", "cc.a", "cc.none"], "BCC": ["cc.c"]})
    seen = [s.message(f"cc.{name}") for name in ("a", "a", "b", "c", "d")]
    wrong = s.refused(lambda: s.publish("", "cc.a", headers={"CC": "cc.b"}))
    return seen, wrong[0]


@scenario
def consistent_hash(s):
    s.exchange("hash.x", "x-consistent-hash")
    for name in ("a", "b"):
        s.bind(s.queue(f"hash.{name}"), "hash.x", "10")
    sent = {s.publish("hash.x", f"key {number % 50}", str(number % 50)) for number in range(100)}
    found = [s.bodies(f"hash.{name}") for name in ("a", "b")]
    apart = not set(found[0]) & set(found[1])
    bad = [s.refused(lambda: s.bind("hash.a", "hash.x", key))[0] for key in ("0", "-1", "text", "1.5")]
    return sent, apart, len(found[0]) + len(found[1]), all(len(part) > 10 for part in found), bad


@scenario
def consistent_hash_by_header(s):
    s.exchange("hashed.x", "x-consistent-hash", hash_header="user")
    for name in ("a", "b"):
        s.bind(s.queue(f"hashed.{name}"), "hashed.x", "10")
    for number in range(60):
        s.publish("hashed.x", str(number), str(number % 6), headers={"user": f"user {number % 6}"})
    found = [set(s.bodies(f"hashed.{name}")) for name in ("a", "b")]
    both = lambda: s.exchange("hashed.bad", "x-consistent-hash", hash_header="a", hash_property="message_id")
    return not found[0] & found[1], len(found[0] | found[1]), s.refused(both)[0]


@scenario
def random_and_modulus(s):
    counts = []
    for kind in ("x-random", "x-modulus-hash"):
        s.exchange(f"{kind}.x", kind)
        names = [s.queue(f"{kind}.{name}") for name in ("a", "b")]
        for name in names:
            s.bind(name, f"{kind}.x", "10")
        sent = {s.publish(f"{kind}.x", f"key {number}") for number in range(60)}
        found = [s.count(name) for name in names]
        counts.append([kind, list(sent), sum(found), all(part > 5 for part in found)])
    return counts


@scenario
def recent_history(s):
    s.exchange("history.x", "x-recent-history", x_recent_history_length=3)
    for number in range(5):
        s.publish("history.x", "k", str(number), mandatory=False)
    s.publish("history.x", "k", "secret", mandatory=False, headers={"x-recent-history-no-store": True})
    s.bind(s.queue("history.late"), "history.x")
    s.settled("history.late", 3)
    return s.message("history.late"), s.bodies("history.late")


# Queues: order, limits, time


@scenario
def priorities(s):
    s.queue("priority.q", x_max_priority=5)
    for priority in (1, None, 9, 5, 0, 3, 5):
        s.publish("", "priority.q", str(priority), priority=priority)
    return s.bodies("priority.q")


@scenario
def requeue_keeps_the_place(s):
    s.queue("requeue.q")
    for number in range(5):
        s.publish("", "requeue.q", str(number))
    taken = [s.get("requeue.q") for _ in range(3)]
    s.channel.basic_nack(taken[1][0].delivery_tag, requeue=True)
    s.channel.basic_nack(taken[0][0].delivery_tag, requeue=True)
    s.channel.basic_ack(taken[2][0].delivery_tag)
    return [[message["body"], message["redelivered"]] for message in iter(lambda: s.message("requeue.q"), None)]


@scenario
def overflow_drop_head(s):
    s.queue("overflow.dead")
    s.queue("overflow.q", x_max_length=3, x_dead_letter_exchange="", x_dead_letter_routing_key="overflow.dead")
    sent = [s.publish("", "overflow.q", str(number)) for number in range(5)]
    s.settled("overflow.dead", 2)
    return sent, s.bodies("overflow.q"), s.message("overflow.dead"), s.bodies("overflow.dead")


@scenario
def overflow_reject_publish(s):
    s.queue("full.dead")
    dead = {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": "full.dead"}
    s.queue("full.q", x_max_length=2, x_overflow="reject-publish", **dead)
    s.queue("full.dlx", x_max_length=2, x_overflow="reject-publish-dlx", **dead)
    sent = [[s.publish("", queue, f"{queue} {number}") for number in range(4)] for queue in ("full.q", "full.dlx")]
    s.settled("full.dead", 2)
    return sent, s.bodies("full.q"), s.bodies("full.dlx"), s.message("full.dead"), s.bodies("full.dead")


@scenario
def overflow_by_bytes(s):
    s.queue("bytes.q", x_max_length_bytes=10)
    for body in ("aaaa", "bbbb", "cccc", "d" * 11, "ee"):
        s.publish("", "bytes.q", body)
    return s.bodies("bytes.q")


@scenario
def overflow_counts_ready_only(s):
    s.queue("ready.q", x_max_length=2, x_overflow="reject-publish")
    sent = [s.publish("", "ready.q", "1"), s.publish("", "ready.q", "2")]
    s.get("ready.q"), s.get("ready.q")
    return sent, [s.publish("", "ready.q", str(number)) for number in (3, 4, 5)]


@scenario
def zero_length(s):
    s.queue("zero.q", x_max_length=0)
    return s.publish("", "zero.q"), s.count("zero.q")


@scenario
def message_ttl(s):
    s.queue("ttl.dead")
    s.queue("ttl.q", x_message_ttl=100, x_dead_letter_exchange="", x_dead_letter_routing_key="ttl.dead")
    s.publish("", "ttl.q", "queue's"), s.publish("", "ttl.q", "own", expiration="50")
    s.settled("ttl.dead", 2)
    return s.count("ttl.q"), s.message("ttl.dead"), s.message("ttl.dead")


@scenario
def expiration_refused(s):
    s.queue("expiration.q")
    return [s.refused(lambda: s.publish("", "expiration.q", expiration=text))[0] for text in ("soon", "-1", "1.5", "")]


@scenario
def ttl_of_nothing(s):
    s.queue("now.q")
    return s.publish("", "now.q", expiration="0"), s.count("now.q")


@scenario
def queue_expires(s):
    s.queue("expires.q", x_expires=100)
    time.sleep(1)
    return s.refused(lambda: s.channel.queue_declare("expires.q", passive=True))[0]


@scenario
def queue_arguments_refused(s):
    refused = []
    for arguments in (
        {"x-message-ttl": -1}, {"x-message-ttl": "1"}, {"x-expires": 0}, {"x-max-length": -1},
        {"x-max-priority": 256}, {"x-overflow": "other"}, {"x-dead-letter-routing-key": "k"},
        {"x-dead-letter-exchange": 1}, {"x-queue-type": "other"}, {"x-unknown": 1},
    ):
        answer = s.refused(lambda: s.channel.queue_declare("arguments.q", durable=True, arguments=arguments))
        refused.append([arguments, answer[0] if isinstance(answer, list) else answer])
        if not isinstance(answer, list):
            s.channel.queue_delete("arguments.q")
    return refused


# Dead letters


@scenario
def dead_letter_rejected(s):
    s.queue("dlx.dead"), s.exchange("dlx.x", "direct")
    s.bind("dlx.dead", "dlx.x", "dlx.q")
    s.queue("dlx.q", x_dead_letter_exchange="dlx.x")
    s.bind("dlx.q", "amq.fanout")
    s.publish("", "dlx.q", "one", headers={"own": 1}, message_id="m", priority=3, content_type="text/plain")
    s.reject("dlx.q")
    return s.message("dlx.dead", PATIENCE)


@scenario
def dead_letter_through_an_exchange(s):
    s.queue("dlk.dead"), s.exchange("dlk.x", "topic"), s.exchange("dlk.in", "topic")
    s.bind("dlk.dead", "dlk.x", "chosen")
    s.queue("dlk.q", x_dead_letter_exchange="dlk.x", x_dead_letter_routing_key="chosen")
    s.bind("dlk.q", "dlk.in", "a.#")
    s.publish("dlk.in", "a.b", headers={"CC": ["a.c"], "BCC": ["a.d"]})
    s.reject("dlk.q")
    return s.message("dlk.dead", PATIENCE)


@scenario
def dead_letter_with_copies(s):
    s.queue("dlc.b"), s.queue("dlc.q", x_dead_letter_exchange="dlc.x"), s.exchange("dlc.x", "direct")
    s.bind("dlc.b", "dlc.x", "dlc.b")
    s.publish("", "dlc.q", headers={"CC": ["dlc.b"]})
    s.reject("dlc.q")
    copy = s.message("dlc.b")
    return copy, s.message("dlc.b", PATIENCE)


@scenario
def dead_letter_expired_keeps_its_story(s):
    s.queue("story.end")
    s.queue("story.second", x_dead_letter_exchange="", x_dead_letter_routing_key="story.end")
    s.queue("story.first", x_dead_letter_exchange="", x_dead_letter_routing_key="story.second")
    s.publish("", "story.first", expiration="30")
    s.reject("story.second")
    return s.message("story.end", PATIENCE)


@scenario
def dead_letter_counts_again(s):
    s.queue("count.work", x_dead_letter_exchange="", x_dead_letter_routing_key="count.wait")
    s.queue("count.wait", x_message_ttl=20, x_dead_letter_exchange="", x_dead_letter_routing_key="count.work")
    s.publish("", "count.work")
    for _ in range(3):
        s.reject("count.work")
    return s.message("count.work", PATIENCE)


@scenario
def dead_letter_cycle_is_dropped(s):
    s.queue("cycle.a", x_message_ttl=20, x_dead_letter_exchange="", x_dead_letter_routing_key="cycle.b")
    s.queue("cycle.b", x_message_ttl=20, x_dead_letter_exchange="", x_dead_letter_routing_key="cycle.a")
    s.publish("", "cycle.a")
    time.sleep(1)
    return s.count("cycle.a"), s.count("cycle.b")


@scenario
def dead_letter_to_itself(s):
    s.queue("self.q", x_message_ttl=20, x_dead_letter_exchange="", x_dead_letter_routing_key="self.q")
    s.publish("", "self.q")
    time.sleep(0.5)
    return s.count("self.q")


@scenario
def dead_letter_exchange_missing(s):
    s.queue("missing.q", x_dead_letter_exchange="missing.x")
    s.publish("", "missing.q")
    s.reject("missing.q")
    return s.count("missing.q")


@scenario
def dead_letter_delivery_limit(s):
    s.queue("limit.dead")
    s.queue("limit.q", x_queue_type="quorum", x_delivery_limit=2, x_dead_letter_exchange="",
            x_dead_letter_routing_key="limit.dead")
    s.publish("", "limit.q")
    counts = []
    for _ in range(3):
        method, properties, _ = s.get("limit.q", PATIENCE)
        counts.append([method.redelivered, (properties.headers or {}).get("x-delivery-count")])
        s.channel.basic_reject(method.delivery_tag, requeue=True)
    return counts, s.message("limit.dead", PATIENCE)


@scenario
def dead_letter_at_least_once(s):
    s.queue("sure.q", x_queue_type="quorum", x_overflow="reject-publish", x_dead_letter_exchange="sure.x",
            x_dead_letter_routing_key="k", x_dead_letter_strategy="at-least-once")
    s.exchange("sure.x", "direct")
    s.bind(s.queue("sure.dead", x_queue_type="quorum"), "sure.x", "k")
    s.publish("", "sure.q")
    s.reject("sure.q")
    return s.message("sure.dead", PATIENCE)


# Policies


@scenario
def policy_length_and_removal(s):
    s.queue("policy.q", x_max_length=4)
    for number in range(4):
        s.publish("", "policy.q", str(number))
    s.broker.policy("short", "^policy\\.q$", {"max-length": 2}, apply_to="queues")
    shortened = s.settled("policy.q", 2)
    s.broker.no_policy("short")
    time.sleep(0.5)
    for number in range(4, 9):
        s.publish("", "policy.q", str(number))
    return shortened, s.settled("policy.q", 4), s.bodies("policy.q")


@scenario
def policy_dead_letters(s):
    s.queue("pdlx.dead"), s.queue("pdlx.other"), s.queue("pdlx.q")
    s.queue("pdlx.own", x_dead_letter_exchange="", x_dead_letter_routing_key="pdlx.other")
    definition = {"dead-letter-exchange": "", "dead-letter-routing-key": "pdlx.dead"}
    s.broker.policy("letters", "^pdlx\\.", definition, apply_to="queues")
    time.sleep(0.5)
    for queue in ("pdlx.q", "pdlx.own"):
        s.publish("", queue, queue)
        s.reject(queue)
    result = [s.bodies("pdlx.dead", PATIENCE, 1), s.bodies("pdlx.other", PATIENCE, 1)]
    s.broker.no_policy("letters")
    return result


@scenario
def policy_priority(s):
    s.broker.policy("low", "^ppri", {"max-length": 1, "overflow": "reject-publish"}, priority=1, apply_to="queues")
    s.broker.policy("high", "^ppri\\.q", {"max-length": 3}, priority=2, apply_to="queues")
    s.queue("ppri.q")
    time.sleep(0.5)
    sent = [s.publish("", "ppri.q", str(number)) for number in range(5)]
    for name in ("low", "high"):
        s.broker.no_policy(name)
    return sent, s.bodies("ppri.q")


@scenario
def operator_policy_caps(s):
    s.queue("cap.q", x_max_length=5)
    s.broker.policy("user", "^cap", {"max-length": 4}, apply_to="queues")
    s.broker.policy("cap", "^cap", {"max-length": 2}, operator=True, apply_to="queues")
    time.sleep(0.5)
    for number in range(6):
        s.publish("", "cap.q", str(number))
    s.settled("cap.q", 2)
    result = s.bodies("cap.q")
    s.broker.no_policy("user"), s.broker.no_policy("cap", operator=True)
    return result


@scenario
def policy_alternate_exchange(s):
    s.queue("pae.policy"), s.queue("pae.own")
    s.exchange("pae.fan", "fanout"), s.exchange("pae.fan2", "fanout")
    s.bind("pae.policy", "pae.fan"), s.bind("pae.own", "pae.fan2")
    s.exchange("pae.x1", "direct"), s.exchange("pae.x2", "direct", alternate_exchange="pae.fan2")
    s.broker.policy("ae", "^pae\\.x", {"alternate-exchange": "pae.fan"}, apply_to="exchanges")
    time.sleep(0.5)
    sent = [s.publish("pae.x1", "k"), s.publish("pae.x2", "k")]
    result = sent, s.count("pae.policy"), s.count("pae.own")
    s.broker.no_policy("ae")
    return result


# Transactions


@scenario
def transactions(s):
    s.queue("tx.in"), s.queue("tx.out")
    for number in range(3):
        s.publish("", "tx.in", str(number))
    channel = s.connection.channel()
    channel.tx_select()
    method, _, _ = channel.basic_get("tx.in")
    channel.basic_ack(method.delivery_tag)
    channel.basic_publish("", "tx.out", b"first")
    before = s.count("tx.out")
    channel.tx_commit()
    after = s.count("tx.out")
    method, _, _ = channel.basic_get("tx.in")
    channel.basic_ack(method.delivery_tag)
    channel.basic_publish("", "tx.out", b"second")
    channel.tx_rollback()
    rolled_back = s.count("tx.out")
    channel.close()
    return before, after, rolled_back, s.settled("tx.in", 2), s.bodies("tx.in")


@scenario
def transaction_errors(s):
    def outside():
        channel = s.connection.channel()
        channel.tx_commit()

    def confirmed():
        channel = s.connection.channel()
        channel.tx_select()
        channel.confirm_delivery()

    return [s.refused(outside)[0], s.refused(confirmed)[0]]
