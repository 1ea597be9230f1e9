"""Clients that mean no good: each meets a limit, memory stays bounded, and others go on. usage: abuse.py PORT SLUICE_PID"""
import socket
import struct
import sys
import time

import pika

PORT, PID = int(sys.argv[1]), int(sys.argv[2])
MIB = 1 << 20


def resident():
    for line in open(f"/proc/{PID}/status", encoding="ascii"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel, cls, number, arguments=b""):
    return frame(1, channel, struct.pack(">HH", cls, number) + arguments)


def short(text):
    return bytes([len(text)]) + text.encode()


def publish(channel, queue, size):
    header = struct.pack(">HHQH", 60, 0, size, 0)
    return method(channel, 60, 40, b"\0\0" + short("") + short(queue) + b"\0") + frame(2, channel, header)


class Raw:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        self.socket.settimeout(20)
        self.send(b"AMQP\0\0\x09\x01")
        self.frame()
        login = struct.pack(">I", 0) + short("PLAIN") + struct.pack(">I", 12) + b"\0guest\0guest" + short("en_US")
        self.send(method(0, 10, 11, login))
        self.frame()
        self.send(method(0, 10, 31, struct.pack(">HIH", 2047, 131072, 0)) + method(0, 10, 40, short("/") + b"\0\0"))
        self.frame()

    def send(self, data):
        self.socket.sendall(data)

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def frame(self):
        kind, channel, size = struct.unpack(">BHI", self.read(7))
        payload = self.read(size)
        self.read(1)
        return kind, channel, payload

    def close_code(self):
        """The code with which the server closes the connection."""
        while True:
            kind, channel, payload = self.frame()
            if kind == 1 and payload[:4] == b"\0\x0a\0\x32":
                return struct.unpack(">H", payload[4:6])[0]


witness = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", PORT))
channel = witness.channel()
channel.confirm_delivery()
channel.queue_declare("witness", exclusive=True)


def others_go_on():
    started = time.monotonic()
    channel.basic_publish("", "witness", b"x")
    assert channel.basic_get("witness", auto_ack=True)[2] == b"x"
    assert time.monotonic() - started < 5


before = resident()

# As many channels as were agreed, and one more.
raw = Raw()
raw.send(b"".join(method(number, 20, 10, b"\0") for number in range(1, 2049)))
assert raw.close_code() == 530
others_go_on()

# Messages that are begun on many channels and never finished.
raw = Raw()
raw.send(b"".join(method(number, 20, 10, b"\0") for number in range(1, 101)))
piece = b"x" * 100_000
try:
    for number in range(1, 101):
        raw.send(publish(number, "nowhere", 10 * MIB) + frame(3, number, piece) * 9)
    code = raw.close_code()
except (ConnectionError, EOFError):
    code = 506
assert code == 506, code
others_go_on()

# A transaction that is never committed.
raw = Raw()
raw.send(method(1, 20, 10, b"\0") + method(1, 90, 10))
try:
    for _ in range(1000):
        raw.send(publish(1, "nowhere", len(piece)) + frame(3, 1, piece))
    code = raw.close_code()
except (ConnectionError, EOFError):
    code = 506
assert code == 506, code
others_go_on()

# A consumer without a prefetch that reads nothing: what it is sent waits in the queue, not in memory.
channel.queue_declare("unread", durable=True)
for _ in range(150):
    channel.basic_publish("", "unread", b"y" * MIB)
readers = []
for _ in range(5):
    raw = Raw()
    raw.send(method(1, 20, 10, b"\0") + method(1, 60, 20, b"\0\0" + short("unread") + short("") + b"\0" + struct.pack(">I", 0)))
    readers.append(raw)
deadline = time.monotonic() + 20
while channel.queue_declare("unread", passive=True).method.consumer_count < 5 and time.monotonic() < deadline:
    time.sleep(0.05)
others_go_on()
# What none of them took is still there: 5 windows of a few messages each are all that left the queue.
assert channel.queue_declare("unread", passive=True).method.message_count > 100
for raw in readers:
    raw.socket.close()
deadline = time.monotonic() + 20
while channel.queue_declare("unread", passive=True).method.message_count < 150 and time.monotonic() < deadline:
    time.sleep(0.05)
assert channel.queue_declare("unread", passive=True).method.message_count == 150
channel.queue_delete("unread")

# A client that has everything returned and reads none of it: the server stops reading what it sends.
already = resident()
raw = Raw()
raw.send(method(1, 20, 10, b"\0"))
mandatory = method(1, 60, 40, b"\0\0" + short("") + short("nowhere") + b"\1")
one = mandatory + frame(2, 1, struct.pack(">HHQH", 60, 0, len(piece), 0)) + frame(3, 1, piece)
raw.socket.settimeout(2)
stopped = False
try:
    for _ in range(5000):
        raw.send(one)
except (TimeoutError, ConnectionError):
    stopped = True
assert stopped, "500 MB were taken from a client that reads nothing"
assert resident() - already < 100 * MIB, f"{(resident() - already) / MIB:.0f} MiB for a client that reads nothing"
others_go_on()
raw.socket.close()

grown = resident() - before
assert grown < 300 * MIB, f"{grown / MIB:.0f} MiB more"
witness.close()
print(f"abuse: every limit held, others went on, {grown / MIB:.0f} MiB more in memory")
