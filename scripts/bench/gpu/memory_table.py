"""`if-gen --report` files -> predicted against measured, by stage: python memory_table.py REPORT.json [--watch WATCH.json]

With watch.py's file beside it (report-X.json, watch-X.json), the card's memory as nvidia-smi saw it, less what was in use
before. GB and MB are powers of ten.
"""

import json
import os
import sys

for path in sys.argv[1:]:
    report = json.load(open(path))
    folder, name = os.path.split(path)
    beside = os.path.join(folder, name.replace("report-", "watch-"))
    watched = json.load(open(beside))["processes"] if os.path.exists(beside) else []
    workers = [own for own in watched if "worker" in own["command"] and "probe" not in own["command"]]
    print("%s; limits: RAM %.2f GB (%s), GPU %.2f GB" % (
        name, report["limits"]["ramBytes"] / 1e9, report["limits"]["ramSource"], report["limits"]["vramBytes"] / 1e9))
    print("| stage | network | RAM predicted MB | measured | of it private | GPU predicted MB | measured | s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for at, stage in enumerate(report["stages"]):
        own = workers[at] if len(workers) == len(report["stages"]) else {}
        measured = stage.get("measured", {})
        gpu = own.get("gpuMiB")
        for network in stage["networks"]:
            print("| %s | %s | %.0f | | | %s | | |" % (
                stage["stage"], network["network"], network["peakBytes"] / 1e6,
                "%.0f" % (network["gpuBytes"] / 1e6) if "gpuBytes" in network else "-"))
        print("| %s | all | %.0f | %.0f | %.0f | %s | %s | %s |" % (
            stage["stage"], stage["peakBytes"] / 1e6, measured.get("residentBytes", 0) / 1e6, measured.get("privateBytes", 0) / 1e6,
            "%.0f" % (stage["gpuBytes"] / 1e6) if "gpuBytes" in stage else "-",
            "-" if gpu is None else "%.0f" % (gpu * 2**20 / 1e6), stage.get("seconds", "-")))
