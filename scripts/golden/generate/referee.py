#!/usr/bin/env python3
"""Who is nearer to the exact result, this program or diffusers in float32?

    python referee.py SET [--seeds 24] [--out FILE.json]

SET is a generated golden set; the program must be built. For each seed the program draws a chain of three stages on the set's
checkpoints. diffusers then draws the same chain twice: in float32, and in double with the same draws: networks in double,
schedulers in double over their float32 tables. Stages 1 and 2 of both get the program's own embeddings, so T5 is left out; the
upscaler's CLIP runs in each. Every stage continues from its own predecessor, as a whole run does. The draws are torch's; the
program's own differ from them by up to 2e-6.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import diffusers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import checkpoints  # noqa: E402
from runs import in_double, make_pipe  # noqa: E402

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bin", "if-gen.js")
PROMPT, NEGATIVE = "a photo of a red cat holding a sign", "blurry"
# pipeline, steps, guidance, noise level
STAGES = [
    ("IFPipeline", 10, 7.0, None),
    ("IFSuperResolutionPipeline", 6, 4.0, 250),
    ("StableDiffusionUpscalePipeline", 4, 9.0, 20),
]


def run_program(set_folder, seed):
    """The program's embeddings and what each stage drew."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["node", PROGRAM, "txt2img", PROMPT, "--negative-prompt", NEGATIVE, "--seed", str(seed), "--quiet"]
        words += ["--model", os.path.join(set_folder, "checkpoints"), "--execution-provider", "cpu"]
        words += ["--save-stages", folder, "--output", os.path.join(folder, "out.png")]
        for k, (_, steps, guidance, level) in enumerate(STAGES, 1):
            words += [f"--stage-{k}-steps", str(steps), f"--stage-{k}-guidance", str(guidance)]
            words += [f"--stage-{k}-noise-level", str(level)] if level is not None else []
        subprocess.run(words, check=True, env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"})
        read = {n: load_file(os.path.join(folder, f"{n}.safetensors"))[n] for n in ("prompt_embeds", "negative_prompt_embeds", "stage-1", "stage-2", "stage-3")}
    return (read.pop("prompt_embeds"), read.pop("negative_prompt_embeds")), list(read.values())


def run_reference(L, embeds, seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    previous, images = None, []
    for name, steps, guidance, level in STAGES:
        pipe = make_pipe(name, L, None)
        args = {"num_inference_steps": steps, "guidance_scale": guidance, "generator": generator, "output_type": "pt"}
        if previous is not None:
            args |= {"image": previous, "noise_level": level}
        if name == "StableDiffusionUpscalePipeline":
            args |= {"prompt": PROMPT, "negative_prompt": NEGATIVE}
        else:
            args |= dict(zip(("prompt_embeds", "negative_prompt_embeds"), (e.to(dtype) for e in embeds)))
        previous = pipe(**args).images
        images.append(previous)
    return images


class DoubleSchedulers:
    """The set's networks, with schedulers whose float32 tables are held in double, so that all that is made of them is double."""

    def __init__(self, L):
        self.L = L

    def __getattr__(self, name):
        return getattr(self.L, name)

    def scheduler(self, *args):
        s = self.L.scheduler(*args)
        for name in ("alphas_cumprod", "final_alpha_cumprod", "one", "betas", "alphas"):
            if isinstance(getattr(s, name, None), torch.Tensor):
                setattr(s, name, getattr(s, name).double())
        return s


def distance(images, exact):
    e = (images.double() - exact).abs()
    return {"mean": float(e.mean()), "rms": float(e.pow(2).mean().sqrt()), "max": float(e.max())}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("set")
    ap.add_argument("--seeds", type=int, default=24)
    ap.add_argument("--out")
    a = ap.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    L = checkpoints.Loaded(os.path.join(a.set, "checkpoints"))
    rows = []
    for seed in range(1, a.seeds + 1):
        embeds, program = run_program(a.set, seed)
        single = run_reference(L, embeds, seed, torch.float32)
        with in_double(L):
            exact = run_reference(DoubleSchedulers(L), embeds, seed, torch.float64)
        assert all(e.dtype == torch.float64 for e in exact)
        rows.append([{"program": distance(p, e), "diffusers": distance(s, e)} for p, s, e in zip(program, single, exact)])
        print(seed, *(f"{w} " + " ".join(f"{r[w]['rms']:.1e}" for r in rows[-1]) for w in ("program", "diffusers")), flush=True)
    for k, (name, *_) in enumerate(STAGES):
        for measure in ("mean", "rms", "max"):
            pairs = [(r[k]["program"][measure], r[k]["diffusers"][measure]) for r in rows]
            nearer = sum(p < d for p, d in pairs)
            p, d = (sorted(v)[len(v) // 2] for v in zip(*pairs))
            print(f"stage {k + 1} {measure}: the program nearer in {nearer} of {len(rows)}; median {p:.2e} against {d:.2e}")
    if a.out:
        with open(a.out, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
