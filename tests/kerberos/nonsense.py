"""GSSAPI messages that are none, and one that comes without the handshake. Usage: nonsense.py HOST:PORT"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "security"))
from kafka_login import KafkaLogin, Refused  # noqa: E402

for message in [b"", b"nonsense", bytes(5000), b"\x60\x82\xff\xff" + bytes(100)]:
    client = KafkaLogin(sys.argv[1])
    client.handshake("GSSAPI")
    try:
        client.authenticate(message)
        raise AssertionError("nonsense was taken")
    except Refused as refused:
        assert str(refused).startswith("58 "), refused
    client.close()
