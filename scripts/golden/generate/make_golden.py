#!/usr/bin/env python3
"""Golden numbers for a re-implementation of the DeepFloyd IF cascade, computed with diffusers and transformers.

    python make_golden.py --profile profiles/full.json --out DIR
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch  # noqa: E402

SECTIONS = ["checkpoints", "tokenizer", "prompts", "rng", "scheduler", "image", "module", "e2e"]


def read_profile(path):
    """A profile may extend another one: its own top-level keys win."""
    with open(path, encoding="utf-8") as f:
        profile = json.load(f)
    base = profile.pop("extends", None)
    return {**read_profile(os.path.join(os.path.dirname(path), base)), **profile} if base else profile


def versions(slow):
    import importlib.metadata as im

    import diffusers

    v = {"python": platform.python_version(), "diffusers": diffusers.__version__}
    for p in "torch transformers tokenizers sentencepiece safetensors pillow numpy ftfy beautifulsoup4 huggingface_hub accelerate".split():
        try:
            v[p] = im.version(p)
        except im.PackageNotFoundError:
            v[p] = None
    v["torch_cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    v["torch_parallel"] = torch.__config__.parallel_info().split("\n")[0]
    v["ATEN_CPU_CAPABILITY"] = os.environ.get("ATEN_CPU_CAPABILITY")
    v["slow_tokenizers"] = bool(slow)
    return v


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--profile", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--only", default=None, help="comma separated sections: " + " ".join(SECTIONS))
    ap.add_argument("--cases", default=None, help="comma separated parts of e2e case names")
    ap.add_argument("--slow-site-packages", default=None, help="folder holding transformers 4.x, for the slow tokenizers")
    ap.add_argument("--diffusers-commit", default=None, help="only noted in the manifest")
    a = ap.parse_args()
    profile = read_profile(a.profile)
    only = a.only.split(",") if a.only else SECTIONS
    out = a.out
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    import diffusers
    import transformers

    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

    import checkpoints
    import pics
    import runs
    import series
    import texts

    ck = os.path.join(out, "checkpoints")
    for s in only:
        if s not in ("checkpoints",) and os.path.isdir(os.path.join(out, s)) and not (s == "e2e" and a.cases):
            shutil.rmtree(os.path.join(out, s))
    if "checkpoints" in only:
        checkpoints.build_all(profile, ck)
    L = checkpoints.Loaded(ck) if {"image", "module", "e2e"} & set(only) else None
    if "tokenizer" in only:
        os.makedirs(os.path.join(out, "tokenizer"), exist_ok=True)
        texts.run_tokenizers(profile, out, ck, a.slow_site_packages)
    if "prompts" in only:
        texts.run_captions(profile, out)
    if "rng" in only:
        series.run_rng(profile, out)
    if "scheduler" in only:
        series.run_schedulers(profile, out, ck)
    if "image" in only:
        pics.run(profile, out, ck, L)
    if "module" in only:
        runs.run_modules(profile, out, L)
    if "e2e" in only:
        runs.run_e2e(profile, out, L, a.cases.split(",") if a.cases else None)

    files = {}
    for base, _, names in os.walk(out):
        for n in sorted(names):
            path = os.path.join(base, n)
            rel = os.path.relpath(path, out)
            os.chmod(path, 0o644)
            if rel == "manifest.json":
                continue
            with open(path, "rb") as f:
                blob = f.read()
            files[rel.replace(os.sep, "/")] = {"bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest()}
    total = sum(v["bytes"] for v in files.values())
    v = versions(a.slow_site_packages)
    v["diffusers_commit"] = a.diffusers_commit
    texts.write_json(
        os.path.join(out, "manifest.json"),
        {"profile": profile["name"], "versions": v, "total_bytes": total, "files": dict(sorted(files.items()))},
    )
    print("total bytes", total)


if __name__ == "__main__":
    main()
