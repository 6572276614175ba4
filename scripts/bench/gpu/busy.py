"""Runs `if-gen batch --json` and says for each stage how long it took and how busy the GPU was while it denoised.

    python busy.py [--json OUT.json] [--csv GPU.csv] [--limit SECONDS] [--gpus 0,1] -- COMMAND ...

Looks at nvidia-smi five times a second. Denoising lasts from the end of a stage's first step to the end of its last. With
several workers each line names one. --limit sends SIGTERM after so many seconds. Exits as the command does.
"""

import argparse
import collections
import json
import signal
import subprocess
import threading
import time

QUERY = ["nvidia-smi", "--query-gpu=index,utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--loop-ms=200"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--csv")
    parser.add_argument("--limit", type=float)
    parser.add_argument("--gpus", default="0")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    gpus = [int(gpu) for gpu in args.gpus.split(",")]

    samples = []  # (seconds, gpu, % busy, MiB)
    start = time.time()
    sampler = subprocess.Popen(QUERY, stdout=subprocess.PIPE, text=True)
    threading.Thread(target=sample, args=(sampler, samples, start), daemon=True).start()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if args.limit:
        timer = threading.Timer(args.limit, process.send_signal, [signal.SIGTERM])
        timer.daemon = True
        timer.start()
    stages, drawn, other = read_events(process.stdout, start)
    code = process.wait()
    seconds = time.time() - start
    sampler.kill()

    result = {"seconds": seconds, "code": code, "drawn": drawn, "stages": [], "events": other}
    for (worker, stage), (began, steps, ended) in stages.items():
        gpu = gpus[(worker - 1) % len(gpus)]
        line = {"worker": worker, "stage": stage, "from": began, "to": ended, "steps": len(steps)}
        if len(steps) > 1:
            first, last = steps[0], steps[-1]
            looks = [busy for at, index, busy, _ in samples if index == gpu and first <= at <= last]
            line.update(denoising=last - first, busy=sum(looks) / len(looks) if looks else None)
        memory = [used for at, index, _, used in samples if index == gpu and began <= at <= (ended or seconds)]
        line["peakMiB"] = max(memory, default=None)
        result["stages"].append(line)
        print(describe(line))
    print("%d drawn in %.1f s, exit %d" % (len(drawn), seconds, code), *other, sep="\n")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(result, file)
    if args.csv:
        with open(args.csv, "w") as file:
            file.writelines("%.2f,%d,%d,%d\n" % each for each in samples)
    raise SystemExit(code)


def sample(sampler, samples, start):
    for line in sampler.stdout:
        try:
            index, busy, used = (int(part) for part in line.split(","))
        except ValueError:
            continue  # cut off
        samples.append((time.time() - start, index, busy, used))


def read_events(lines, start):
    """Each (worker, stage) -> its begin, the ends of its steps, its end; when images were drawn; what else happened."""
    stages = collections.OrderedDict()
    drawn, other = [], []
    for line in lines:
        at = time.time() - start
        try:
            event = json.loads(line)
        except ValueError:
            continue
        key = (event.get("worker", 1), event.get("stage"))
        if event["type"] == "stage":
            stages[key] = (at, [], None)
        elif event["type"] == "progress" and event.get("what") == "denoising" and key in stages:
            stages[key][1].append(at)
        elif event["type"] == "stage-end" and key in stages:
            stages[key] = (*stages[key][:2], at)
        elif event["type"] == "result":
            drawn.append(at)
        elif event["type"] not in ("chunk", "plan", "queued", "progress"):
            other.append("%.1f s %s" % (at, line.strip()[:300]))
    return stages, drawn, other


def describe(line):
    busy = "" if line.get("busy") is None else ", denoising %.1f s, GPU busy %.0f %%" % (line["denoising"], line["busy"])
    seconds = (line["to"] or float("nan")) - line["from"]
    return "worker %d %-14s %6.1f s%s, %s MiB" % (line["worker"], line["stage"], seconds, busy, line["peakMiB"])


main()
