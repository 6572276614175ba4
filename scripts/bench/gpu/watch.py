"""Runs a command and watches what each process below it takes: RAM from /proc, the card's memory from nvidia-smi.

    python watch.py --json OUT.json [--memory-max 13000000000] [--timeout 300] -- COMMAND ...

if-gen runs each stage in a process of its own, so a process is a stage. With --memory-max the command runs in a control
group of its own with that limit and without swap, where one can be made (root, cgroup v2 or v1); the answer says whether.
GPU memory is the whole card's less what was in use before. Times are seconds since the start. Exits as the command does.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

INTERVAL = 0.05
SETTLE = 0.5  # seconds of a process in which the card may still show what the one before took


class Group:
    """A control group with a limit on memory; `why` says what was missing."""

    def __init__(self, limit):
        self.path, self.why = None, ""
        for attempt in (self.version_2, self.version_1):
            try:
                self.path = attempt(limit)
                self.version = attempt.__name__
                return
            except OSError as error:
                self.why += "%s: %s. " % (attempt.__name__, error)

    def version_2(self, limit):
        root = "/sys/fs/cgroup"
        if not os.path.exists(root + "/cgroup.controllers"):
            root = tempfile.mkdtemp(prefix="cgroup-")
            answer = subprocess.run(["mount", "-t", "cgroup2", "none", root], capture_output=True, text=True)
            if answer.returncode != 0:
                raise OSError("no cgroup v2 and it cannot be mounted: " + answer.stderr.strip())
        if "memory" not in open(root + "/cgroup.controllers").read().split():
            if root.startswith(tempfile.gettempdir()):
                subprocess.run(["umount", root])
            raise OSError("the memory controller is not in its cgroup.controllers")
        if "memory" not in open(root + "/cgroup.subtree_control").read().split():
            write(root + "/cgroup.subtree_control", "+memory")
        path = "%s/if-gen-%d" % (root, os.getpid())
        os.mkdir(path)
        write(path + "/memory.max", str(limit))
        try:
            write(path + "/memory.swap.max", "0")
        except OSError:
            pass  # no swap accounting
        return path

    def version_1(self, limit):
        path = "/sys/fs/cgroup/memory/if-gen-%d" % os.getpid()
        os.mkdir(path)
        write(path + "/memory.limit_in_bytes", str(limit))
        return path

    def enter(self):
        if self.path:
            write(self.path + "/cgroup.procs", str(os.getpid()))

    def report(self):
        if not self.path:
            return {"made": False, "why": self.why}
        files = ["memory.max", "memory.peak", "memory.events", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt"]
        texts = {name: read(self.path + "/" + name).strip() for name in files}
        return {"made": True, "version": self.version, **{name: text for name, text in texts.items() if text}}

    def end(self):
        if self.path:
            try:
                os.rmdir(self.path)
            except OSError:
                pass


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def kilobytes(status, name):
    for line in status.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def below(root):
    """The process and all that descend from it."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        fields = read(path).rpartition(")")[2].split()
        if len(fields) > 1:
            parents[int(path.split("/")[2])] = int(fields[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


class Card:
    """MiB in use on the first card; None where nvidia-smi is missing. It samples by itself."""

    def __init__(self):
        self.value, self.process = None, None
        query = ["nvidia-smi", "-i", "0", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        try:
            self.value = int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0])
            self.process = subprocess.Popen(query + ["--loop-ms=100"], stdout=subprocess.PIPE, text=True)
        except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
            return
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for line in self.process.stdout:
            try:
                self.value = int(line)
            except ValueError:
                pass

    def stop(self):
        if self.process:
            self.process.terminate()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", required=True)
    parser.add_argument("--memory-max", type=int)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    card = Card()
    idle = card.value
    group = Group(args.memory_max) if args.memory_max else None
    start = time.time()
    child = subprocess.Popen(command, preexec_fn=group.enter if group else None, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = []

    def follow():
        for line in child.stdout:
            output.append([round(time.time() - start, 2), line.rstrip()])
            print("%7.2f s  %s" % tuple(output[-1]), flush=True)

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    seen, timeline, killed = {}, [], False
    while child.poll() is None:
        now, used = time.time() - start, card.value
        for pid in below(child.pid):
            status = read("/proc/%d/status" % pid)
            if not kilobytes(status, "VmHWM"):
                continue
            own = seen.setdefault(pid, {"pid": pid, "command": read("/proc/%d/cmdline" % pid).replace("\0", " ")[-200:],
                                        "from": round(now, 2), "peakBytes": 0, "privateBytes": 0, "mappedBytes": 0, "gpuMiB": None})
            own["to"] = round(now, 2)
            own["command"] = read("/proc/%d/cmdline" % pid).replace("\0", " ")[-200:] or own["command"]
            own["peakBytes"] = max(own["peakBytes"], kilobytes(status, "VmHWM"))
            own["privateBytes"] = max(own["privateBytes"], kilobytes(status, "RssAnon"))
            own["mappedBytes"] = max(own["mappedBytes"], kilobytes(status, "RssFile"))
            own["sharedBytes"] = max(own.get("sharedBytes", 0), kilobytes(status, "RssShmem"))
            if used is not None and now - own["from"] > SETTLE:
                own["gpuMiB"] = max(own["gpuMiB"] or 0, used - idle)
        timeline.append([round(now, 2), None if used is None else used - idle])
        if now > args.timeout and not killed:
            killed = True
            for pid in reversed(below(child.pid)):
                try:
                    os.kill(pid, 9)
                except OSError:
                    pass
        time.sleep(INTERVAL)
    reader.join(timeout=5)
    card.stop()
    result = {
        "command": command, "exitCode": child.returncode, "timedOut": killed, "seconds": round(time.time() - start, 2),
        "idleMiB": idle, "group": group.report() if group else None,
        "processes": sorted(seen.values(), key=lambda own: own["from"]),
        "gpuTimeline": timeline[:: max(1, len(timeline) // 600)], "output": output,
    }
    if group:
        group.end()
    with open(args.json, "w") as file:
        json.dump(result, file)
    for own in result["processes"]:
        if own["peakBytes"] > 60e6:
            print("process %s  %6.1f to %6.1f s: RAM peak %6.0f MB (private %.0f, mapped %.0f, shared %.0f), GPU %s MiB" % (
                own["command"].split("/")[-1].strip()[:24].ljust(24), own["from"], own["to"], own["peakBytes"] / 1e6,
                own["privateBytes"] / 1e6, own["mappedBytes"] / 1e6, own["sharedBytes"] / 1e6, own["gpuMiB"]))
    print("control group:", json.dumps(result["group"]))
    print("exit code %s after %.1f s%s" % (child.returncode, result["seconds"], ", timed out" if killed else ""))
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())
