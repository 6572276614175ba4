"""The same work in torch and diffusers, float32, for scripts/bench/bench.ts.

reference.py versions                     prints the versions, or fails
reference.py serve                        one network after another question by question: serve-networks.ts says how
reference.py draw PLAN OUT.png THREADS    a whole run; PLAN is what `if-gen ... --dry-run --json` prints
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402

FLOAT32 = {"variant": "fp16", "torch_dtype": torch.float32}


def load(network, folder, batch):
    """Returns a function that runs the network once."""
    words = 77
    if network == "T5":
        from transformers import T5EncoderModel

        encoder = T5EncoderModel.from_pretrained(folder, **FLOAT32)
        ids, mask = torch.full((batch, words), 20), torch.ones(batch, words, dtype=torch.long)
        return lambda: encoder(ids, attention_mask=mask)
    if network == "VAE decoder":
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained(folder, **FLOAT32)
        latents = torch.randn(batch, 4, 256, 256)
        return lambda: vae.decode(latents, return_dict=False)
    from diffusers import UNet2DConditionModel

    side = 64 if network == "stage 1 UNet" else 256
    unet = UNet2DConditionModel.from_pretrained(folder, **FLOAT32)
    sample = torch.randn(batch, unet.config.in_channels, side, side)
    text = torch.randn(batch, words, unet.config.encoder_hid_dim or unet.config.cross_attention_dim)
    labels = None if network == "stage 1 UNet" else torch.full((batch,), 20)
    return lambda: unet(sample, 500, encoder_hidden_states=text, class_labels=labels, return_dict=False)


def serve():
    first = json.loads(sys.stdin.readline())
    torch.set_num_threads(first["threads"])
    run = load(first["network"], first["folder"], first["batch"])
    run()
    print("{}", flush=True)
    for line in sys.stdin:
        runs = json.loads(line)["runs"]
        start = time.perf_counter()
        for _ in range(runs):
            run()
        print(json.dumps({"milliseconds": (time.perf_counter() - start) * 1000 / runs}), flush=True)


def steps(stage):
    """The plan's timesteps as the pipelines' arguments."""
    selection = stage["selection"]
    if "timesteps" in selection:
        return {"timesteps": selection["timesteps"]}
    return {"num_inference_steps": selection["numInferenceSteps"]}


def draw(plan, out):
    """One pipeline after another, each given up before the next is loaded, as a careful user would."""
    from diffusers import IFPipeline, IFSuperResolutionPipeline, StableDiffusionUpscalePipeline

    stages = {stage["name"]: stage for stage in plan["stages"]}
    [job] = plan["jobs"]
    generator = torch.Generator().manual_seed(job["seed"])
    last = plan["stages"][-1]["name"]

    def output(name):
        return "pil" if name == last else "pt"

    stage = stages["stage-1"]
    pipe = IFPipeline.from_pretrained(stage["checkpoint"], **FLOAT32)
    pipe.set_progress_bar_config(disable=True)
    guided = any(one.get("guidanceScale", 0) > 1 for one in (stage, stages.get("stage-2", {})))
    embeds, negative = pipe.encode_prompt(job["prompt"], do_classifier_free_guidance=guided)
    text = {"prompt_embeds": embeds, "negative_prompt_embeds": negative}
    images = pipe(
        **text, **steps(stage), guidance_scale=stage["guidanceScale"], generator=generator, output_type=output("stage-1")
    ).images
    del pipe
    if "stage-2" in stages:
        stage = stages["stage-2"]
        pipe = IFSuperResolutionPipeline.from_pretrained(stage["checkpoint"], text_encoder=None, **FLOAT32)
        pipe.set_progress_bar_config(disable=True)
        images = pipe(
            **text,
            image=images,
            **steps(stage),
            guidance_scale=stage["guidanceScale"],
            noise_level=stage["noiseLevel"],
            generator=generator,
            output_type=output("stage-2"),
        ).images
        del pipe
    if "stage-3" in stages:
        stage = stages["stage-3"]
        pipe = StableDiffusionUpscalePipeline.from_pretrained(stage["checkpoint"], **FLOAT32)
        with open(f"{stage['checkpoint']}/vae/config.json", encoding="utf-8") as file:
            # the pipeline takes 0.08333 for any other factor; the demo's decoder has its own
            pipe.vae.register_to_config(scaling_factor=json.load(file).get("scaling_factor", 0.08333))
        pipe.set_progress_bar_config(disable=True)
        images = pipe(
            prompt=job["prompt"],
            image=images,
            **steps(stage),
            guidance_scale=stage["guidanceScale"],
            noise_level=stage["noiseLevel"],
            generator=generator,
        ).images
    images[0].save(out)


def main():
    command, *rest = sys.argv[1:]
    if command == "versions":
        import diffusers
        import transformers

        print(f"torch {torch.__version__}, diffusers {diffusers.__version__}, transformers {transformers.__version__}")
        return
    with torch.no_grad():
        if command == "serve":
            serve()
        else:
            plan, out, threads = rest
            torch.set_num_threads(int(threads))
            with open(plan, encoding="utf-8") as file:
                draw(json.load(file), out)


main()
