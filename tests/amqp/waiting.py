"""Waiting for a condition, with a deadline: nothing here depends on how long things take."""
import time


def until(what, condition, patience=60):
    """What the condition answers as soon as that is something."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)
    return found
