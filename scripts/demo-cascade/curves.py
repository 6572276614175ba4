"""Draws the losses that the training programs wrote.

    python curves.py runs/demo/logs.jsonl --to curves.png
"""
import argparse
import json

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SHOWN = {"stage-1": "weighted", "stage-2": "weighted", "upscaler": "velocity", "vae": "absolute"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--to", default="curves.png")
    args = parser.parse_args()
    rows = [json.loads(line) for path in args.logs for line in open(path)]
    figure, axes = plt.subplots(1, len(SHOWN), figsize=(14, 3.2))
    for axis, (part, loss) in zip(axes, SHOWN.items()):
        pairs, losses, before, last = [], [], 0, 0
        for row in (row for row in rows if row["part"] == part):
            if row["samples"] < last:  # the next run of this part
                before += last
            last = row["samples"]
            pairs.append((before + last) / 1000)
            losses.append(row[loss])
        axis.plot(pairs, losses, linewidth=0.8)
        axis.set(title=f"{part}: {loss}", xlabel="pairs seen, thousands", yscale="log")
    figure.tight_layout()
    figure.savefig(args.to, dpi=80)


if __name__ == "__main__":
    main()
