"""Writes models/demo from the trained weights, in the layout of the three original repositories.

    python export.py --from runs/demo --tokenizers runs/demo/tokenizers --to models/demo
"""
import argparse
import json
import os
import shutil

import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file, save_file

import networks
import scenes
from glyphs import font_path
from tokenizers_build import write_json
from training import add_shared_options

IF_VERSION, UPSCALER_VERSION = "0.16.0.dev0", "0.8.0.dev0"


def put(path, tensors):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})


def put_in_shards(path, tensors, largest=16 * 2**20):
    """One file, or several of at most `largest` bytes with their index."""
    size = lambda names: sum(tensors[n].numel() * tensors[n].element_size() for n in names)  # noqa: E731
    if size(tensors) <= largest:
        return put(path, tensors)
    shards = [[]]
    for name in tensors:
        if size([*shards[-1], name]) > largest - 2**18:
            shards.append([])
        shards[-1].append(name)
    stem, variant = os.path.basename(path).removesuffix(".safetensors").split(".")
    called = [f"{stem}.{variant}-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    for file, names in zip(called, shards):
        put(os.path.join(os.path.dirname(path), file), {n: tensors[n] for n in names})
    index = {n: file for file, names in zip(called, shards) for n in names}
    write_json(os.path.join(os.path.dirname(path), f"{stem}.safetensors.index.{variant}.json"),
               {"metadata": {"total_size": size(tensors)}, "weight_map": index})


def watermark() -> torch.Tensor:
    """62x62 RGBA, values 0..255 as float32: a small "if" in a rounded frame, white on translucent gray."""
    scale = 8
    mark = Image.new("RGBA", (62 * scale, 62 * scale), (0, 0, 0, 0))
    pen = ImageDraw.Draw(mark)
    pen.rounded_rectangle((6 * scale, 20 * scale, 56 * scale, 56 * scale), 9 * scale, fill=(110, 114, 122, 120))
    font = ImageFont.truetype(font_path(), 30 * scale)
    pen.text((31 * scale, 38 * scale), "if", fill=(255, 255, 255, 215), font=font, anchor="mm")
    mark = mark.resize((62, 62), Image.LANCZOS)
    return torch.tensor(list(mark.tobytes()), dtype=torch.float32).reshape(62, 62, 4)


def model(folder, config, class_name, version, tensors):
    write_json(os.path.join(folder, "config.json"), {"_class_name": class_name, "_diffusers_version": version, **config})
    put_in_shards(os.path.join(folder, "diffusion_pytorch_model.fp16.safetensors"), tensors)


def scheduler(folder, config, class_name, version):
    os.makedirs(folder, exist_ok=True)
    write_json(os.path.join(folder, "scheduler_config.json"), {"_class_name": class_name, "_diffusers_version": version, **config})


def known_words(things):
    """What the program may expect the cascade to draw (src/plan/known-words.ts): words that change nothing are not among them."""
    idle = set(scenes.EPITHETS) - {"little"}
    named = {word for thing in things for name in thing["names"] + thing["more"] for word in name.split()}
    words = sorted(word for word in scenes.known_words(things) if word not in idle or word in named)
    return {"words": words, "before_text": ["reading", "reads", "says", "saying", "text", "word"],
            "text_letters": scenes.LONGEST, "text_words": 2}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--from", dest="source", default="runs/demo")
    parser.add_argument("--to", default="models/demo")
    add_shared_options(parser, "things", "tokenizers")
    args = parser.parse_args()
    weights = os.path.join(args.source, "weights")

    def load(name):
        return load_file(os.path.join(weights, f"{name}.safetensors"))

    def sub(*names):
        path = os.path.join(args.to, *names)
        os.makedirs(path, exist_ok=True)
        return path

    first, second, third = "if-i", "if-ii", "x4-upscaler"
    write_json(os.path.join(sub(first, "text_encoder"), "config.json"), {
        "architectures": ["T5EncoderModel"], **networks.T5, "model_type": "t5", "torch_dtype": "float16",
        "transformers_version": "4.28.1"})
    put(os.path.join(sub(first, "text_encoder"), "model.fp16.safetensors"), load("t5"))
    write_json(os.path.join(args.to, first, "text_encoder", "known_words.json"), known_words(scenes.load_things(args.things)))
    shutil.copytree(os.path.join(args.tokenizers, "t5"), os.path.join(args.to, first, "tokenizer"), dirs_exist_ok=True)
    model(sub(first, "unet"), networks.STAGE_1, "UNet2DConditionModel", IF_VERSION, load("stage-1"))
    scheduler(sub(first, "scheduler"), networks.STAGE_1_SCHEDULER, "DDPMScheduler", IF_VERSION)
    model(sub(second, "unet"), networks.STAGE_2, "UNet2DConditionModel", IF_VERSION, load("stage-2"))
    scheduler(sub(second, "scheduler"), networks.STAGE_2_SCHEDULER, "DDPMScheduler", IF_VERSION)
    scheduler(sub(second, "image_noising_scheduler"), networks.NOISING_SCHEDULER, "DDPMScheduler", IF_VERSION)
    for stage in (first, second):
        write_json(os.path.join(sub(stage, "watermarker"), "config.json"),
                   {"_class_name": "IFWatermarker", "_diffusers_version": IF_VERSION})
        put(os.path.join(sub(stage, "watermarker"), "diffusion_pytorch_model.safetensors"), {"watermark_image": watermark()})

    def index(stage, class_name, version, parts, **more):
        write_json(os.path.join(args.to, stage, "model_index.json"),
                   {"_class_name": class_name, "_diffusers_version": version, **parts, **more})

    nothing = [None, None]
    common = {"feature_extractor": nothing, "safety_checker": nothing, "scheduler": ["diffusers", "DDPMScheduler"],
              "unet": ["diffusers", "UNet2DConditionModel"], "watermarker": ["deepfloyd_if", "IFWatermarker"]}
    index(first, "IFPipeline", IF_VERSION, {
        **common, "text_encoder": ["transformers", "T5EncoderModel"], "tokenizer": ["transformers", "T5Tokenizer"]},
        requires_safety_checker=False)
    index(second, "IFSuperResolutionPipeline", IF_VERSION, {
        **common, "image_noising_scheduler": ["diffusers", "DDPMScheduler"], "text_encoder": nothing, "tokenizer": nothing},
        requires_safety_checker=False)

    with open(os.path.join(weights, "vae.json")) as file:
        scaling = json.load(file)["scaling_factor"]
    clip = {k.removeprefix("text_model."): v for k, v in load("clip").items()}
    write_json(os.path.join(sub(third, "text_encoder"), "config.json"), {
        "architectures": ["CLIPTextModel"], **networks.CLIP, "dropout": 0.0, "initializer_factor": 1.0,
        "initializer_range": 0.02, "model_type": "clip_text_model", "torch_dtype": "float16",
        "transformers_version": "4.25.0.dev0", "vocab_size": len(clip["embeddings.token_embedding.weight"])})
    put(os.path.join(sub(third, "text_encoder"), "model.fp16.safetensors"), {
        **{f"text_model.{k}": v for k, v in clip.items()},
        "text_model.embeddings.position_ids": torch.arange(networks.TEXT_LENGTH).unsqueeze(0)})
    shutil.copytree(os.path.join(args.tokenizers, "clip"), os.path.join(args.to, third, "tokenizer"), dirs_exist_ok=True)
    model(sub(third, "unet"), networks.UPSCALER, "UNet2DConditionModel", UPSCALER_VERSION, load("upscaler"))
    model(sub(third, "vae"), {**networks.AUTOENCODER, "scaling_factor": scaling}, "AutoencoderKL", UPSCALER_VERSION, load("vae"))
    scheduler(sub(third, "scheduler"), networks.UPSCALER_SCHEDULER, "DDIMScheduler", UPSCALER_VERSION)
    scheduler(sub(third, "low_res_scheduler"), networks.LOW_RES_SCHEDULER, "DDPMScheduler", UPSCALER_VERSION)
    index(third, "StableDiffusionUpscalePipeline", UPSCALER_VERSION, {
        "feature_extractor": nothing, "low_res_scheduler": ["diffusers", "DDPMScheduler"], "safety_checker": nothing,
        "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"]}, max_noise_level=350)
    total = sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(args.to) for name in names)
    print(f"{args.to}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
