"""Writes test/golden/scheduler/respacing.json: what the original repository's `space_timesteps` makes of respacing texts.

    pip download --no-deps deepfloyd_if==1.0.1 && unzip deepfloyd_if-1.0.1-py3-none-any.whl -d ORIGINAL
    python scripts/golden/make-respacing.py ORIGINAL test/golden

Needs torch, numpy. The presets are those of `IFBaseModule.respacing_modes`, read from its source: the module itself wants CLIP.
"""

import ast
import importlib
import json
import os
import sys
import types

STEPS = 1000
TEXTS = """1 2 3 7 20 27 50 75 100 150 185 1000 0 -3 1001 ten 1.5
ddim1 ddim2 ddim3 ddim10 ddim20 ddim25 ddim27 ddim50 ddim77 ddim100 ddim143 ddim250 ddim333 ddim ddimten
20,20,20,20,10,0,0,0,0,0 10,10,3,2,2 1,1 0,5 5,0 0,0 501,499 3,334,333 333,334,333 3,,2 7,-2,4 4,2,""".split()


def read_presets(folder):
    with open(os.path.join(folder, "deepfloyd_if", "modules", "base.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "respacing_modes":
            return ast.literal_eval(node.value)
    raise SystemExit("no respacing_modes there")


def load_respace(folder):
    """The module alone: its package imports the networks."""
    package = types.ModuleType("original")
    package.__path__ = [os.path.join(folder, "deepfloyd_if", "model")]
    sys.modules["original"] = package
    return importlib.import_module("original.respace")


def main(original, target):
    presets, respace = read_presets(original), load_respace(original)
    rows = []
    for text in list(presets) + TEXTS:
        try:
            steps = respace.space_timesteps(STEPS, presets.get(text, text))
            rows.append({"text": text, "timesteps": sorted(steps, reverse=True)})
        except ValueError as error:
            rows.append({"text": text, "error": str(error)})
    with open(os.path.join(target, "scheduler", "respacing.json"), "w") as file:
        json.dump(rows, file, separators=(",", ":"))
        file.write("\n")
    print(len(rows), "texts,", sum("error" in row for row in rows), "refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
