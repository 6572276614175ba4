"""Writes test/golden/manifest.json: what made the numbers, and bytes and sha256 of every file.

    python scripts/golden/write-manifest.py CLONE_SET test/golden

The versions are those in CLONE_SET/manifest.json. Needs the standard library only.
"""

import hashlib
import json
import os
import sys

LIMIT = 7_800_000  # of the whole folder


def main(source, target):
    with open(os.path.join(source, "manifest.json")) as file:
        made = json.load(file)
    files = {}
    for base, _, names in os.walk(target):
        for name in names:
            path = os.path.join(base, name)
            key = os.path.relpath(path, target).replace(os.sep, "/")
            if key == "manifest.json":
                continue
            with open(path, "rb") as file:
                data = file.read()
            files[key] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    total = sum(entry["bytes"] for entry in files.values())
    manifest = {
        "profile": made["profile"],
        "versions": made["versions"],
        "total_bytes": total,
        "files": dict(sorted(files.items())),
    }
    with open(os.path.join(target, "manifest.json"), "w", newline="\n") as file:
        file.write(json.dumps(manifest, indent=1) + "\n")
    print(len(files), "files,", total, "bytes")
    if total > LIMIT:
        sys.exit(f"more than {LIMIT} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
