"""One step of a UNet in PyTorch, from the same checkpoint: the case that `measure-gpu` is given, and the time to beat.

    python time_torch.py UNET_FOLDER --case OUT.safetensors [--side 64] [--batch 2] [--runs 10] [--device cuda]

Draws the inputs, computes the step in float32 (the case's `expected`, TF32 off), then times it in float16 eager mode, and
prints a line of JSON: milliseconds of each run, the same with channels_last, the error of float16 against float32, the card's memory. Needs torch,
safetensors and diffusers; diffusers' UNet2DConditionModel is built from config.json and filled from the weight file.
"""

import argparse
import json
import os
import statistics
import sys
import time

import torch
from safetensors.torch import load_file, save_file


def build(folder, dtype, device):
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    names = ["diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"]
    path = next(p for p in (os.path.join(folder, n) for n in names) if os.path.exists(p))
    start = time.perf_counter()
    weights = load_file(path, device=str(device))
    seconds = time.perf_counter() - start
    missing, unexpected = unet.load_state_dict(weights, strict=False, assign=True)
    left = [n for n, t in list(unet.named_parameters()) + list(unet.named_buffers()) if t.is_meta]
    assert not missing and not unexpected and not left, (missing[:5], unexpected[:5], left[:5])
    return unet.to(dtype).eval(), config, seconds


def draw(config, batch, side):
    """Inputs of the size of real ones: the noisy picture, a late timestep, text embeddings, the noise level."""
    generator = torch.Generator().manual_seed(0)
    width = config.get("encoder_hid_dim") or config["cross_attention_dim"]
    inputs = {
        "sample": torch.randn(1, config["in_channels"], side, side, generator=generator).repeat(batch, 1, 1, 1),
        "timestep": torch.full((batch,), 250.0),
        "encoder_hidden_states": torch.randn(batch, 77, width, generator=generator),
    }
    if config.get("class_embed_type") is not None:
        inputs["class_labels"] = torch.full((batch,), 250.0)
    elif config.get("num_class_embeds"):
        inputs["class_labels"] = torch.full((batch,), 20, dtype=torch.int64)
    return inputs


def step(unet, inputs, dtype, device):
    cast = {n: (t.to(device) if n in ("timestep",) or not t.is_floating_point() else t.to(device, dtype))
            for n, t in inputs.items()}
    return lambda: unet(**cast, return_dict=False)[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--case", required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json")
    args = parser.parse_args()
    device = torch.device(args.device)
    on_card = device.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    sync = torch.cuda.synchronize if on_card else (lambda: None)

    with torch.inference_mode():
        unet, config, load_seconds = build(args.folder, torch.float16, device)
        inputs = draw(config, args.batch, args.side)
        if on_card:
            torch.cuda.reset_peak_memory_stats()
        half = step(unet, inputs, torch.float16, device)
        for _ in range(3 if on_card else 1):
            result = half()
        sync()
        times = []
        for _ in range(args.runs):
            start = time.perf_counter()
            half()
            sync()
            times.append((time.perf_counter() - start) * 1000)
        peak = torch.cuda.max_memory_reserved() if on_card else 0
        measured = result.float()
        unet = unet.to(memory_format=torch.channels_last)
        last = []
        for _ in range(args.runs + 3 if on_card else 1):
            start = time.perf_counter()
            half()
            sync()
            last.append((time.perf_counter() - start) * 1000)
        last = last[3:] or last
        del half
        unet = unet.float()
        expected = step(unet, inputs, torch.float32, device)()
        error = ((measured - expected).norm() / expected.norm()).item()

    os.makedirs(os.path.dirname(os.path.abspath(args.case)), exist_ok=True)
    save_file({**{n: t.contiguous() for n, t in inputs.items()}, "expected": expected.cpu().contiguous()}, args.case)
    line = {
        "network": args.name or args.folder,
        "variant": "torch-eager",
        "stepMs": statistics.median(times),
        "stepsMs": times,
        "channelsLastMs": statistics.median(last),
        "error": error,
        "rms": expected.square().mean().sqrt().item(),
        "finite": bool(expected.isfinite().all() and measured.isfinite().all()),
        "gpuMiB": round(peak / 2**20),
        "loadSeconds": load_seconds,
        "parameters": sum(p.numel() for p in unet.parameters()),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if on_card else "cpu",
    }
    if args.json:
        with open(args.json, "a") as file:
            file.write(json.dumps(line) + "\n")
    print("%-10s torch eager fp16   %.1f ms a step, channels_last %.1f, error %.2e, rms %.3g, GPU %d MiB reserved, weights loaded in %.1f s"
          % (line["network"], line["stepMs"], line["channelsLastMs"], error, line["rms"], line["gpuMiB"], load_seconds))


if __name__ == "__main__":
    sys.exit(main())
