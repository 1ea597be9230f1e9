"""Kills the server in the middle of publishing, again and again: what was confirmed is there, what was acknowledged is not.

usage: crash.py SLUICE DIRECTORY
"""
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pika

SLUICE, HOME = sys.argv[1], os.path.join(sys.argv[2], "crash")
SEED = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
dice = random.Random(SEED)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start():
    port = free_port()
    log = open(HOME + ".log", "a", encoding="utf-8")
    command = [SLUICE, "serve", "--http", "127.0.0.1:0", "--kafka", "off", "--amqp", f"127.0.0.1:{port}", "--data-dir", HOME]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while True:
        try:
            return server, pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
        except pika.exceptions.AMQPError:
            assert server.poll() is None and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)


confirmed, settled, sent = set(), set(), 0
for life in range(8):
    server, connection = start()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("ledger", durable=True)
    threading.Timer(dice.uniform(0.05, 0.5), lambda: os.kill(server.pid, signal.SIGKILL)).start()
    try:
        while True:
            number, sent = sent, sent + 1
            channel.basic_publish("", "ledger", str(number).encode(), pika.BasicProperties(delivery_mode=2))
            confirmed.add(number)
            if dice.random() < 0.2:
                method, _, body = channel.basic_get("ledger")
                # Whether a settlement reached the disk is not told: from here on it may be there or not.
                settled.add(int(body))
                channel.basic_ack(method.delivery_tag)
    except (pika.exceptions.AMQPError, TypeError):
        server.wait()

server, connection = start()
channel = connection.channel()
found = []
while True:
    method, _, body = channel.basic_get("ledger", auto_ack=True)
    if method is None:
        break
    found.append(int(body))
server.terminate()
server.wait()
lost = confirmed - settled - set(found)
assert not lost, f"seed {SEED}: lost {sorted(lost)[:10]} of {len(confirmed)}"
assert set(found) <= set(range(sent)), "invented messages"
assert found == sorted(found) and len(found) == len(set(found)), "order, or one message twice"
assert len(confirmed) > 50, f"only {len(confirmed)} messages were confirmed"
print(f"crash: {len(confirmed)} confirmed through 8 kills, none lost (seed {SEED})")
