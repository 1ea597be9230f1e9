"""Compares what two brokers showed, line by line.

usage: compare.py RABBITMQ SLUICE DIFFERENCES

A line that differs must be named in DIFFERENCES, and one that is named there must differ: an explanation that explains
nothing any more is removed. A name may stand for many, with * in it. The explanations themselves are in docs/rabbitmq-differences.md.
"""
import fnmatch
import sys


def read(path):
    lines, section = {}, ""
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("== "):
            section = line[3:] + "/"
        else:
            name, _, value = line.partition(": ")
            lines[section + name] = value
    return lines


rabbitmq, sluice = read(sys.argv[1]), read(sys.argv[2])
named = (line.split(" # ")[0].strip() for line in open(sys.argv[3], encoding="utf-8") if not line.startswith("#"))
# How many lines each name stands for here, and how many of them differ. Programs share the file: a name may have none.
known = {name: [0, 0] for name in named if name}
wrong = 0
for name in sorted(rabbitmq.keys() | sluice.keys()):
    differs = rabbitmq.get(name) != sluice.get(name)
    if name.rpartition("/")[2].endswith("FAILED"):
        # The same mistake on both sides compares nothing.
        wrong += 1
        print(f"{name}\n  RabbitMQ: {rabbitmq.get(name)}\n  Sluice:   {sluice.get(name)}")
        continue
    # Square brackets are themselves here.
    explained = [one for one in known if one == name or ("*" in one and fnmatch.fnmatchcase(name, one.replace("[", "[[]")))]
    for one in explained:
        known[one][0] += 1
        known[one][1] += differs
    if differs and not explained:
        wrong += 1
        print(f"{name}\n  RabbitMQ: {rabbitmq.get(name)}\n  Sluice:   {sluice.get(name)}")
for name in (name for name, (lines, explained) in known.items() if lines and not explained):
    wrong += 1
    print(f"{name} is explained in {sys.argv[3]}, but both say the same: {sluice.get(name)}")
if not sluice:
    wrong += 1
print(f"{len(sluice)} lines, {sum(rabbitmq.get(n) != v for n, v in sluice.items())} differ, {wrong} of them without reason")
sys.exit(wrong > 0)
