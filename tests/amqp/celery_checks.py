"""A small Celery application: results, eta, retries, priorities, and a worker that is killed in the middle of a task.

Prints what is seen, one named line each.
usage: celery_checks.py PORT DIRECTORY
"""
import datetime
import os
import signal
import subprocess
import sys

port, home = sys.argv[1], sys.argv[2]
here = os.path.dirname(os.path.abspath(__file__))
os.environ["BROKER"] = f"amqp://guest:guest@127.0.0.1:{port}//"
os.environ["NOTES"] = os.path.join(home, "celery-notes")
sys.path.insert(0, here)

from celery import group  # noqa: E402
from celery_app import NOTES, add, app, long_one, ranked, third_time  # noqa: E402

from waiting import until


def worker():
    log = open(os.path.join(home, "celery.log"), "a", encoding="utf-8")
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-c", "1", "-P", "solo", "--without-gossip", "--without-mingle"]
    return subprocess.Popen(command, cwd=here, stdout=log, stderr=log)


def show(name, value):
    print(f"Celery {name}: {value}", flush=True)


def notes():
    try:
        with open(NOTES, encoding="utf-8") as lines:
            return lines.read().splitlines()
    except FileNotFoundError:
        return []


# Sent before anybody works, so that the queue decides about the order.
for name, rank in (("low", 1), ("high", 9), ("middle", 5)):
    ranked.apply_async((name,), priority=rank)
running = worker()
try:
    until("ranked tasks", lambda: len(notes()) == 3)
    assert notes() == ["high", "middle", "low"], notes()
    show("by rank", notes())
    show("result", add.delay(2, 3).get(timeout=60))
    show("countdown", add.apply_async((1, 1), countdown=0.5).get(timeout=60))
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=0.5)
    show("eta", add.apply_async((1, 2), eta=soon).get(timeout=60))
    show("group", group(add.s(n, n) for n in range(10))().get(timeout=60))
    show("retries", (third_time.delay().get(timeout=60), notes().count("try")))
    assert notes().count("try") == 3
    result = long_one.delay()
    until("the long task", lambda: any(line.startswith("long ") for line in notes()))
    running.send_signal(signal.SIGKILL)
    running.wait()
    open(NOTES + ".go", "w", encoding="utf-8").close()
    running = worker()
    show("after its worker was killed", result.get(timeout=60))
    show("begun", len([line for line in notes() if line.startswith("long ") and line != "long done"]))
    assert len([line for line in notes() if line.startswith("long ") and line != "long done"]) == 2, notes()
finally:
    running.kill()
    running.wait()
# The last task may be acknowledged or not by the time that its worker was killed.
app.control.purge()
# Results that come by messages cannot be waited for by a chord: Celery keeps them in files then.
results = os.path.join(home, "celery-results")
os.makedirs(results)
environment = os.environ | {"RESULTS": f"file://{results}", "HOME_OF_CHECKS": home}
subprocess.run([sys.executable, os.path.join(here, "celery_chord.py")], env=environment, cwd=here, check=True, timeout=180)
