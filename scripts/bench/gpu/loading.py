"""How fast a UNet's weights reach the card, against dd of the same file: cold (page cache dropped, root only) and warm.

    python loading.py UNET_FOLDER --measure "node build/scripts/measure/gpu.js" [--side 64] [--rounds 2] [--json OUT.json]

Seconds of loading: building and lowering the graph and making the session, as measure-gpu says; the first step is given
too, since a card may still be receiving when the session is there. GB are 10^9 bytes.
"""

import argparse
import glob
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time


def drop_caches():
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
        return True
    except OSError as error:
        print("page cache not dropped:", error)
        return False


def dd(path):
    start = time.perf_counter()
    subprocess.run(["dd", "if=" + path, "of=/dev/null", "bs=16M"], check=True, capture_output=True)
    return {"seconds": time.perf_counter() - start}


def load(args):
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as out:
        command = shlex.split(args.measure) + [args.folder, "--variants", args.variant, "--side", str(args.side), "--runs", "1",
                                               "--alone", "--json", out.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        line = json.loads(out.read().decode().splitlines()[-1])
    if "failure" in line:
        raise RuntimeError(line["failure"])
    own = {key: line[key] for key in ("lowerSeconds", "createSeconds", "firstSeconds", "residentMB")}
    return {"seconds": own["lowerSeconds"] + own["createSeconds"], **own}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--measure", required=True)
    parser.add_argument("--variant", default="stored")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json")
    args = parser.parse_args()
    path = sorted(glob.glob(args.folder + "/*.safetensors"), key=os.path.getsize)[-1]
    size = os.path.getsize(path)
    rows = []

    def measure(what, cold, work):
        row = {"what": what, "cold": cold, **work()}
        row["gigabytesPerSecond"] = size / 1e9 / row["seconds"]
        rows.append(row)
        more = "" if what == "dd" else " (graph %.2f, session %.2f; first step %.2f)" % (
            row["lowerSeconds"], row["createSeconds"], row["firstSeconds"])
        print("%-4s %-4s %6.2f s, %5.2f GB/s%s" % ("cold" if cold else "warm", what, row["seconds"], row["gigabytesPerSecond"], more), flush=True)

    print("%s: %.2f GB" % (path, size / 1e9))
    for _ in range(args.rounds):
        if drop_caches():
            measure("dd", True, lambda: dd(path))
        measure("dd", False, lambda: dd(path))
        if drop_caches():
            measure("load", True, lambda: load(args))
        measure("load", False, lambda: load(args))
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"file": path, "bytes": size, "rows": rows}, file)


if __name__ == "__main__":
    sys.exit(main())
