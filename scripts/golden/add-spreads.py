"""Adds to whole runs that are stored how far the reference is from itself, where that is not there yet.

    python scripts/golden/add-spreads.py GENERATED test/golden

Of each run in both folders' e2e it copies diff_* and mean_diff_*, stage by stage; what is stored stays as it is. For a set
made when chains had the spread of their last stage only: no number of its results need change. Needs the standard library only.
"""

import json
import os
import re
import sys


def results(run):
    """The descriptions of a run's images: one, or one per stage."""
    return [stage["images"] for stage in run.get("stages", [run]) if "images" in stage]


def as_generated(value):
    """As generate/texts.py writes it: long lists of numbers on one line."""
    text = json.dumps(value, indent=2)
    return re.sub(r"\[\s+((?:-?[\d.e+-]+,\s+)*-?[\d.e+-]+)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text) + "\n"


def main(source, target):
    for name in sorted(os.listdir(os.path.join(target, "e2e"))):
        path = os.path.join(source, "e2e", name)
        if not name.endswith(".json") or not os.path.exists(path):
            continue
        with open(path) as file:
            new = json.load(file)
        with open(os.path.join(target, "e2e", name)) as file:
            stored = json.load(file)
        added = 0
        for old, other in zip(results(stored), results(new), strict=True):
            for key in other:
                if key.startswith(("diff_", "mean_diff_")) and key not in old:
                    old[key] = other[key]
                    added += 1
        if added:
            with open(os.path.join(target, "e2e", name), "w") as file:
                file.write(as_generated(stored))
            print(name, added, "numbers added")


if __name__ == "__main__":
    main(*sys.argv[1:])
