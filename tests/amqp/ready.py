"""Waits until a broker lets guest in. usage: ready.py PORT"""
import sys
import time

import pika

deadline = time.monotonic() + 120
while True:
    try:
        pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]))).close()
        break
    except pika.exceptions.AMQPError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.2)
