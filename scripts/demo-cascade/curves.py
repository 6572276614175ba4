"""Draws the losses that the training programs wrote.

    python curves.py runs/demo/logs.jsonl --to curves.png
"""
import argparse
import json

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SHOWN = {"stage-1": ["weighted", "things", "lettering"], "stage-2": ["weighted"], "upscaler": ["velocity"], "vae": ["absolute"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--to", default="curves.png")
    args = parser.parse_args()
    rows = [json.loads(line) for path in args.logs for line in open(path)]
    parts = [part for part in SHOWN if any(row["part"] == part for row in rows)]
    figure, axes = plt.subplots(1, len(parts), figsize=(max(7, 3.5 * len(parts)), 3.2), squeeze=False)
    for axis, part in zip(axes[0], parts):
        met, pairs, before, last = [row for row in rows if row["part"] == part], [], 0, 0
        for row in met:
            if row["samples"] < last:  # the next run of this part
                before += last
            last = row["samples"]
            pairs.append((before + last) / 1000)
        for loss in SHOWN[part]:
            axis.plot(pairs, [row[loss] for row in met], linewidth=0.8, label=loss)
        axis.set(title=part, xlabel="pairs seen, thousands", yscale="log")
        axis.legend()
    figure.tight_layout()
    figure.savefig(args.to, dpi=80)


if __name__ == "__main__":
    main()
