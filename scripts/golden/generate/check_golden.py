#!/usr/bin/env python3
"""Reload the checkpoints as whole pipelines from disk and reproduce some of the stored results.

    python check_golden.py DIR
"""

import glob
import json
import os
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
warnings.simplefilter("ignore")

import diffusers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import checkpoints  # noqa: E402

torch.set_num_threads(1)
torch.set_grad_enabled(False)
diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

out = sys.argv[1]
ck = os.path.join(out, "checkpoints")
from diffusers.pipelines.deepfloyd_if.safety_checker import IFSafetyChecker  # noqa: E402

if not hasattr(IFSafetyChecker, "all_tied_weights_keys"):
    IFSafetyChecker.all_tied_weights_keys = {}

one = diffusers.DiffusionPipeline.from_pretrained(os.path.join(ck, "if-i"))
two = diffusers.DiffusionPipeline.from_pretrained(os.path.join(ck, "if-ii"), text_encoder=None)
three = diffusers.DiffusionPipeline.from_pretrained(os.path.join(ck, "x4-upscaler"))
for p in (one, two, three):
    p.set_progress_bar_config(disable=True)
print([type(p).__name__ for p in (one, two, three)], "x4 pad token", three.tokenizer.pad_token, three.tokenizer.pad_token_id)

worst = 0.0
changed = False
for path in sorted(glob.glob(os.path.join(out, "e2e", "*.json"))):
    with open(path) as f:
        info = json.load(f)
    if "error" in info:
        continue
    stored = load_file(path[:-5] + ".safetensors")
    case = info["case"]
    if "stages" in case:
        if case["stages"][0]["pipe"] != "IFPipeline" or len(case["stages"]) < 3:
            continue
        g = torch.Generator().manual_seed(case["seed"])
        enc = {k: v for k, v in case["encode"].items() if k != "prompt"}
        pe, ne = one.encode_prompt(case["encode"]["prompt"], **enc)
        a = [dict(s["args"]) for s in case["stages"]]
        im = one(prompt_embeds=pe, negative_prompt_embeds=ne, generator=g, output_type="pt", **a[0]).images
        a[1]["image"] = im
        im = two(prompt_embeds=pe, negative_prompt_embeds=ne, generator=g, output_type="pt", **a[1]).images
        a[2]["image"] = im
        im = three(generator=g, output_type="pt", **a[2]).images
        d = float((im - stored["stage3.images"]).abs().max())
    elif info["pipeline"] == "IFPipeline" and "scheduler" not in case:
        def again(**kw):
            g = [torch.Generator().manual_seed(s) for s in case["seeds"]] if "seeds" in case else torch.Generator().manual_seed(case["seed"])
            return one(**{**case["args"], **kw}, generator=g, output_type="pt").images

        im = again()
        d = float((im - stored["images"]).abs().max())
        if not changed and isinstance(case["args"]["prompt"], str):
            other = again(prompt="quite another thing")
            print("  another prompt changes", case["name"], "by rms", round(float((other - im).pow(2).mean().sqrt()), 3))
            changed = True
    else:
        continue
    worst = max(worst, d)
    print("  reproduced", case["name"], "max abs diff", d)

enc = transformers.T5EncoderModel.from_pretrained
full = enc(os.path.join(ck, "if-i", "text_encoder")).state_dict()
shards = enc(os.path.join(ck, "if-ii", "text_encoder")).state_dict()
half = enc(os.path.join(ck, "if-i", "text_encoder"), variant="fp16", dtype=torch.float32).state_dict()
print("t5 fp32 one file against two shards", max(float((full[k] - shards[k]).abs().max()) for k in full))
print("t5 fp16 shards, relative to each tensor's maximum", max(float((full[k] - half[k]).abs().max() / full[k].abs().max()) for k in full))
path = os.path.join(ck, "if-i", "text_encoder", "model.8bit.safetensors")
top = 0.0
for k, v in checkpoints.dequantise_8bit(path).items():
    if v.ndim == 2:
        step = full[k].abs().amax(dim=1, keepdim=True) / 127
        top = max(top, float(((v - full[k]).abs() / step).max()))
print("t5 8bit, in quantisation steps of the row (0.5 is rounding alone, plus the fp16 cast)", round(top, 3))
raw = load_file(path)
print("t5 8bit dtypes", sorted({str(v.dtype) for v in raw.values()}), "SCB tensors", sum(k.endswith(".SCB") for k in raw))
for sub, cls in (("if-i/unet", diffusers.UNet2DConditionModel), ("if-ii/unet", diffusers.UNet2DConditionModel), ("x4-upscaler/unet", diffusers.UNet2DConditionModel), ("x4-upscaler/vae", diffusers.AutoencoderKL)):
    a, b = (cls.from_pretrained(os.path.join(ck, sub), **kw).float().state_dict() for kw in ({}, {"variant": "fp16"}))
    print(sub, "fp16 against fp32 weights", max(float((a[k] - b[k]).abs().max()) for k in a))
for sub in ("if-i/safety_checker", "x4-upscaler/text_encoder"):
    a, b = (load_file(os.path.join(ck, sub, f"model{v}.safetensors")) for v in ("", ".fp16"))
    print(sub, "fp16 against fp32 weights", max(float((a[k] - b[k]).abs().max()) for k in a))
print("worst", worst)
sys.exit(0 if worst < 1e-4 else 1)
