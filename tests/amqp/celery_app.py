"""The application that celery_checks.py runs workers of."""
import os
import time

from celery import Celery

app = Celery("checks", broker=os.environ["BROKER"], backend=os.environ.get("RESULTS", "rpc://"))
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_queue_max_priority=10,
    task_default_priority=5,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_send_task_events=False,
    broker_heartbeat=10,
)
NOTES = os.environ["NOTES"]


def note(text):
    with open(NOTES, "a", encoding="utf-8") as notes:
        notes.write(text + "\n")


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def third_time(self):
    note("try")
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def ranked(name):
    note(name)


@app.task(bind=True)
def long_one(self):
    """Tells who works on it, and does not end before it is told to."""
    note(f"long {os.getpid()}")
    deadline = time.monotonic() + 60
    while not os.path.exists(NOTES + ".go") and time.monotonic() < deadline:
        time.sleep(0.05)
    note("long done")
    return "done"
