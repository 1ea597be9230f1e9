"""A Celery chord: ten tasks at the same time, and one with what they came to. Run by celery_checks.py."""
import os
import subprocess
import sys

from celery import chord, group
from celery_app import add, app, total

log = open(os.path.join(os.environ["HOME_OF_CHECKS"], "celery-chord.log"), "a", encoding="utf-8")
command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-c", "2", "-P", "threads", "--without-gossip", "--without-mingle"]
worker = subprocess.Popen(command, cwd=os.path.dirname(os.path.abspath(__file__)), stdout=log, stderr=log)
try:
    print("Celery chord:", chord((add.s(n, n) for n in range(10)), total.s())().get(timeout=60), flush=True)
    print("Celery group in a chain:", (group(add.s(n, 1) for n in range(3)) | total.s())().get(timeout=60), flush=True)
finally:
    worker.kill()
    worker.wait()
app.control.purge()
