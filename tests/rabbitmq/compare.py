"""Plays every scenario on both brokers and holds the differences against the page that explains them."""
import json
import re
import sys

from brokers import RabbitMq, Sluice
from scenarios import SCENARIOS, Session


class Failed(str):
    """Why a scenario came to no result. The same on both brokers is no agreement: it compares nothing."""


def play(broker, names):
    results = {}
    for name in names:
        session = Session(broker)
        try:
            results[name] = SCENARIOS[name](session)
        except Exception as error:
            results[name] = Failed(f"FAILED: {type(error).__name__}: {error}")
        finally:
            session.close()
    return results


def without_news(value):
    """A result without what came to RabbitMQ after the version that is compared with."""
    if isinstance(value, dict):
        kept = {name: without_news(inner) for name, inner in value.items() if not name.startswith("x-last-death-")}
        return kept
    if isinstance(value, (list, tuple)):
        return [without_news(inner) for inner in value]
    return value


def shown(result):
    return json.dumps(result, indent=1, sort_keys=True, default=str)


def main():
    server, binary, page, *chosen = sys.argv[1:]
    names = chosen or list(SCENARIOS)
    results = []
    is_old = False
    for start in (lambda: RabbitMq(server), lambda: Sluice(binary)):
        broker = start()
        if broker.name == "rabbitmq":
            is_old = [int(part) for part in broker.version.split(".")[:2]] < [3, 12]
        try:
            played = play(broker, names)
            results.append((f"{broker.name} {broker.version}", without_news(played) if is_old else played))
        except BaseException:
            print(broker.output())
            raise
        finally:
            broker.stop()
    with open(page) as text:
        explained = set(re.findall(r"^### `([a-z_0-9]+)`", text.read(), re.MULTILINE))
    (theirs, rabbit), (ours, sluice) = results
    different = {name for name in names if shown(rabbit[name]) != shown(sluice[name])}
    for name in sorted(different):
        print(f"\n== {name}: {'explained' if name in explained else 'NOT EXPLAINED'}")
        print(f"-- {theirs}\n{shown(rabbit[name])}\n-- {ours}\n{shown(sluice[name])}")
    failed = {name for name in names for results in (rabbit, sluice) if isinstance(results[name], Failed)}
    for name in sorted(failed):
        print(f"{name} does not come to its end\n-- {theirs}\n{shown(rabbit[name])}\n-- {ours}\n{shown(sluice[name])}")
    unexplained = different - explained
    stale = (explained & set(names)) - different
    print(f"\n{len(names)} scenarios on {theirs} and {ours}: {len(names) - len(different)} the same, "
          f"{len(different)} different, {len(unexplained)} of them unexplained")
    for name in sorted(stale):
        print(f"{page} explains {name}, but there is no difference")
    sys.exit(1 if unexplained or stale or failed else 0)


main()
