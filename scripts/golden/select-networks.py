"""Picks what travels with the repository of the networks' goldens: test/golden/{checkpoints,module,e2e,tokenizer,prompts}.

    python scripts/golden/select-networks.py CLONE_SET test/golden

CLONE_SET is what profiles/clone.json gave. Copies files as they are. Of the checkpoints it takes each network once, in
fp16 (its weights were rounded, so the reference computed with these numbers), and each way to store weights once:

  one fp32 file         if-i/safety_checker (beside fp16), if-i/text_encoder, if-i/watermarker
  fp16 and fp32 shards  if-i/text_encoder, if-ii/text_encoder
  8-bit rows            if-i/text_encoder

What if-ii/ shares byte for byte with if-i/ (tokenizer, watermarker, safety checker, feature extractor) is there only once.
Needs the standard library only.
"""

import os
import shutil
import sys

CHECKPOINTS = """
if-i/model_index.json
if-i/feature_extractor/preprocessor_config.json
if-i/safety_checker/config.json
if-i/safety_checker/model.fp16.safetensors
if-i/safety_checker/model.safetensors
if-i/scheduler/scheduler_config.json
if-i/text_encoder/config.json
if-i/text_encoder/model.8bit.safetensors
if-i/text_encoder/model.fp16-00001-of-00002.safetensors
if-i/text_encoder/model.fp16-00002-of-00002.safetensors
if-i/text_encoder/model.safetensors
if-i/text_encoder/model.safetensors.index.fp16.json
if-i/tokenizer/special_tokens_map.json
if-i/tokenizer/spiece.model
if-i/tokenizer/tokenizer_config.json
if-i/unet/config.json
if-i/unet/diffusion_pytorch_model.fp16.safetensors
if-i/watermarker/config.json
if-i/watermarker/diffusion_pytorch_model.safetensors
if-ii/model_index.json
if-ii/image_noising_scheduler/scheduler_config.json
if-ii/scheduler/scheduler_config.json
if-ii/text_encoder/config.json
if-ii/text_encoder/model-00001-of-00002.safetensors
if-ii/text_encoder/model-00002-of-00002.safetensors
if-ii/text_encoder/model.safetensors.index.json
if-ii/unet/config.json
if-ii/unet/diffusion_pytorch_model.fp16.safetensors
x4-upscaler/model_index.json
x4-upscaler/low_res_scheduler/scheduler_config.json
x4-upscaler/scheduler/scheduler_config.json
x4-upscaler/text_encoder/config.json
x4-upscaler/text_encoder/model.fp16.safetensors
x4-upscaler/tokenizer/merges.txt
x4-upscaler/tokenizer/special_tokens_map.json
x4-upscaler/tokenizer/tokenizer_config.json
x4-upscaler/tokenizer/vocab.json
x4-upscaler/unet/config.json
x4-upscaler/unet/diffusion_pytorch_model.fp16.safetensors
x4-upscaler/vae/config.json
x4-upscaler/vae/diffusion_pytorch_model.fp16.safetensors
""".split()


def select(source, target, folder, names):
    shutil.rmtree(os.path.join(target, folder), ignore_errors=True)
    total = 0
    for name in sorted(names):
        copy = os.path.join(target, folder, name)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(os.path.join(source, folder, name), copy)
        total += os.path.getsize(copy)
    print(folder, total, "bytes")


def main(source, target):
    select(source, target, "checkpoints", CHECKPOINTS)
    for folder in ("module", "e2e", "prompts"):
        select(source, target, folder, os.listdir(os.path.join(source, folder)))
    # the .safetensors beside them hold the same ids, padded
    select(source, target, "tokenizer", ["t5.json", "clip.json"])


if __name__ == "__main__":
    main(*sys.argv[1:])
