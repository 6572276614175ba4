"""Writes test/golden/steering/steering.json: what steers a stage, as the original repository and diffusers compute it.

    pip download --no-deps deepfloyd_if==1.0.1 && unzip deepfloyd_if-1.0.1-py3-none-any.whl -d ORIGINAL
    python scripts/golden/make-steering.py ORIGINAL test/golden

Needs torch, numpy, pillow and diffusers with `guiders` (0.42 does).

`original`: whole DDIM runs of `IFBaseModule.embeddings_to_image` with a network of one formula, so that the loop, the guidance
with a positive prompt and the thresholding of a call are the original's own. `sizes`: its `_get_image_sizes`. `rescale`,
`interval`: diffusers' `rescale_noise_cfg` and the steps that its ClassifierFreeGuidance guides.
"""

import importlib
import json
import os
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import torch
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.guiders.guider_utils import rescale_noise_cfg

# what the original imports beside torch and numpy: networks, downloads, a safety checker
STUBS = """torchvision torchvision.transforms matplotlib matplotlib.pyplot omegaconf huggingface_hub accelerate
accelerate.utils clip ftfy bs4 transformers""".split()
TEXTS = {"text": 1.0, "positive": -0.5, "negative": 0.25, "none": 0.0}  # the one number that an embedding holds


def load_base(folder):
    sys.path.insert(0, folder)
    clip = MagicMock()
    clip.load.return_value = (MagicMock(), MagicMock())
    sys.modules.update({name: MagicMock() for name in STUBS} | {"clip": clip})
    package = type(sys)("deepfloyd_if")
    package.__path__ = [os.path.join(folder, "deepfloyd_if")]
    sys.modules["deepfloyd_if"] = package
    modules = type(sys)("deepfloyd_if.modules")
    modules.__path__ = [os.path.join(folder, "deepfloyd_if", "modules")]
    sys.modules["deepfloyd_if.modules"] = modules
    model = type(sys)("deepfloyd_if.model")
    model.__path__ = [os.path.join(folder, "deepfloyd_if", "model")]
    sys.modules["deepfloyd_if.model"] = model
    return importlib.import_module("deepfloyd_if.modules.base").IFBaseModule


def network(x, _timesteps, text_emb, **_):
    """(N, 3, H, W) -> (N, 6, H, W): the noise by a formula, and no variance."""
    count = x[0].numel()
    pattern = ((torch.arange(count) * 7 % 11).float() / 5 - 1).reshape(x[0].shape)
    eps = 0.8 * x + text_emb[:, :1, :1, None] * pattern
    return torch.cat([eps, torch.zeros_like(eps)], 1)


def run_original(base, case):
    seed, height, width = 11, 8, 8
    embed = lambda name: torch.full((1, 1, 1), TEXTS[name])
    network.dtype = torch.float32
    fake = SimpleNamespace(
        model=network, device=torch.device("cpu"), device_name="cpu", stage="I", zero_emb=torch.zeros(1, 1),
        get_diffusion=lambda respacing: base.get_diffusion(SimpleNamespace(respacing_modes=base.respacing_modes), respacing),
        seed_everything=base.seed_everything, _clear_cache=lambda: None,
        _get_image_sizes=lambda *_: (width, height), _IFBaseModule__validate_generations=lambda sample: sample,
    )
    texts = {f"{kind}_t5_embs": embed(kind) for kind in ("positive", "negative") if case.get(kind)}
    sample, _ = base.embeddings_to_image(
        fake, embed("text"), **texts, sample_loop="ddim", sample_timestep_respacing=case["respacing"], seed=seed,
        guidance_scale=case["guidance"], positive_mixer=case.get("mixer", 0.25), progress=False,
        dynamic_thresholding_p=case["p"], dynamic_thresholding_c=case["c"],
    )
    torch.manual_seed(seed)
    parts = 3 if case.get("positive") else 2
    noise = torch.randn(parts, 3, height, width)[:1]
    return {**case, "shape": list(sample.shape), "noise": noise.flatten().tolist(), "sample": sample.flatten().tolist()}


CASES = [
    {"respacing": "ddim10", "guidance": 5.0, "p": 0.95, "c": 1.5},
    {"respacing": "ddim10", "guidance": 5.0, "p": 0.8, "c": 3.0, "negative": True},
    {"respacing": "4,3,2", "guidance": 7.0, "p": 0.9, "c": 1.0, "positive": True, "mixer": 0.4, "negative": True},
    {"respacing": "ddim5", "guidance": 3.0, "p": 0.95, "c": 1.5, "positive": True, "mixer": 1.0},
]
RATIOS = "1:1 4:3 3:4 16:9 9:16 3:2 2:3 21:9 1:3 3:1 5:7 1:2 7:16 10:11".split()


def rescaled(share):
    generator = torch.Generator().manual_seed(5)
    text, uncond = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2))
    guided = uncond + 6.0 * (text - uncond)
    result = rescale_noise_cfg(guided, text, share)
    return {"share": share, "text": text.flatten().tolist(), "uncond": uncond.flatten().tolist(),
            "result": result.flatten().tolist()}


def guided_steps(start, stop, steps):
    guider = ClassifierFreeGuidance(guidance_scale=3.0, start=start, stop=stop)
    guided = []
    for step in range(steps):
        guider.set_state(step=step, num_inference_steps=steps, timestep=torch.tensor(0))
        guided.append(bool(guider._is_cfg_enabled()))
    return {"from": start, "to": stop, "guided": guided}


def main(original, target):
    base = load_base(original)
    sizes = []
    for ratio in RATIOS:
        width, height = base._get_image_sizes(None, None, 64, ratio, 4.0)
        low_res = SimpleNamespace(shape=(1, 3, height, width))
        later = base._get_image_sizes(None, low_res, None, ratio, 4.0)
        sizes.append({"ratio": ratio, "stage_1": [width, height], "stage_2": list(later)})
    data = {
        "original": [run_original(base, case) for case in CASES],
        "sizes": sizes,
        "rescale": [rescaled(share) for share in (0.7, 1.0)],
        "interval": [guided_steps(*row) for row in ((0.0, 1.0, 5), (0.2, 0.8, 10), (0.25, 0.75, 7), (0.0, 0.5, 1))],
    }
    os.makedirs(os.path.join(target, "steering"), exist_ok=True)
    rounded = json.loads(json.dumps(data), parse_float=lambda text: float(f"{float(text):.9g}"))
    with open(os.path.join(target, "steering", "steering.json"), "w", encoding="utf-8") as file:
        json.dump(rounded, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
