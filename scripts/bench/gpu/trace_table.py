"""What the GPU did in the last step of a traced process, by kind of kernel.

    g++ -shared -fPIC -O2 -I CUPTI/include trace.cpp -o libtrace.so -L CUPTI/lib -l:libcupti.so.13
    CUDA_INJECTION64_PATH=$PWD/libtrace.so TRACE_OUT=/tmp/trace node build/scripts/measure/gpu.js UNET_FOLDER ...
    python trace_table.py /tmp/trace.PID.tsv [--steps 3] [--top 40]

A step is what lies between two copies of a result to the host. Prints for the median of the last steps: its length, how long
kernels ran in it, how long nothing did, and the kernels by name with their number, their time and their share.
"""

import argparse
import collections
import re
import subprocess

TO_HOST = "MEMCPY 2"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--top", type=int, default=40)
    args = parser.parse_args()
    records = sorted(read(args.file))
    ends = [at for at, record in enumerate(records) if record[2] == TO_HOST]
    steps = [records[first + 1 : last + 1] for first, last in zip(ends, ends[1:])][-args.steps :]
    steps.sort(key=length)
    step = steps[len(steps) // 2]
    busy = union(step)
    print("step %.2f ms, GPU at work %.2f ms, %d kernels, between them %.2f ms"
          % (length(step) / 1e6, busy / 1e6, len(step), (length(step) - busy) / 1e6))
    kinds = collections.defaultdict(lambda: [0, 0])
    for _, duration, name, _ in step:
        kinds[name][0] += 1
        kinds[name][1] += duration
    names = demangled(list(kinds))
    for (name, (count, duration)) in sorted(kinds.items(), key=lambda kind: -kind[1][1])[: args.top]:
        print("%8.3f ms %5d x %6.1f us  %s" % (duration / 1e6, count, duration / count / 1e3, names[name]))


def read(path):
    for line in open(path):
        parts = line.rstrip("\n").split("\t")
        if len(parts) == 5:
            yield int(parts[0]), int(parts[1]), parts[3], parts[4]


def length(step):
    return max(start + duration for start, duration, _, _ in step) - step[0][0]


def union(step):
    total, end = 0, 0
    for start, duration, _, _ in step:
        total += max(0, start + duration - max(start, end))
        end = max(end, start + duration)
    return total


def demangled(names):
    answer = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True).stdout.split("\n")
    return {name: re.sub(r"\(.*", "", plain)[:150] for name, plain in zip(names, answer)}


main()
