"""The three stages as batched loops with diffusers' schedulers: the same arithmetic as its pipelines, for many prompts."""
import json
import os

import torch
import torch.nn.functional as F
from diffusers.pipelines.deepfloyd_if import timesteps as presets

import networks
from training import load_half

# What a run uses unless told otherwise: number of steps or the name of a preset, guidance, noise level.
DEFAULTS = {
    "stage_1": {"steps": "smart27_timesteps", "guidance": 3.0},
    "stage_2": {"steps": 12, "guidance": 1.0, "noise_level": 50},
    "upscaler": {"steps": 12, "guidance": 1.0, "noise_level": 20},
}


class Cascade:
    def __init__(self, folder: str, tokenizers: str, device, precision=torch.bfloat16):
        """`folder` holds the weights as the training programs leave them."""
        from transformers import CLIPTokenizer, T5Tokenizer

        self.device, self.precision = device, precision
        self.t5_tokenizer = T5Tokenizer.from_pretrained(os.path.join(tokenizers, "t5"))
        self.clip_tokenizer = CLIPTokenizer.from_pretrained(os.path.join(tokenizers, "clip"))

        def part(module, name):
            return load_half(module, os.path.join(folder, f"{name}.safetensors")).to(device).eval().requires_grad_(False)

        self.t5 = part(networks.text_encoder(), "t5")
        self.stage_1_unet = part(networks.unet(networks.STAGE_1), "stage-1")
        if os.path.exists(os.path.join(folder, "upscaler.safetensors")):
            with open(os.path.join(folder, "vae.json")) as file:
                self.scaling = json.load(file)["scaling_factor"]
            self.stage_2_unet = part(networks.unet(networks.STAGE_2), "stage-2")
            self.upscaler_unet = part(networks.unet(networks.UPSCALER), "upscaler")
            self.clip = part(networks.clip(len(self.clip_tokenizer)), "clip")
            self.vae = part(networks.autoencoder(self.scaling), "vae")

    def half(self):
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not None)

    @torch.no_grad()
    def text(self, prompts):
        tokens = self.t5_tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        tokens = tokens.to(self.device)
        return self.t5(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state

    @torch.no_grad()
    def clip_text(self, prompts):
        ids = self.clip_tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        return self.clip(ids.input_ids.to(self.device))[0]

    @staticmethod
    def spaced(scheduler, steps):
        if isinstance(steps, str):
            scheduler.set_timesteps(timesteps=getattr(presets, steps))
        else:
            scheduler.set_timesteps(steps)
        return scheduler.timesteps

    def guided(self, unet, model_input, t, text, guidance, **more):
        """Output of the network; with guidance > 1 for `text` = (without prompt, with prompt)."""
        if guidance > 1:
            model_input = torch.cat([model_input] * 2)
            more = {k: torch.cat([v] * 2) for k, v in more.items()}
        with self.half():
            output = unet(model_input, t, encoder_hidden_states=text, return_dict=False, **more)[0].float()
        if guidance > 1:
            without, output = output.chunk(2)
            colours = without.shape[1] // 2 if without.shape[1] == 6 else without.shape[1]
            guess = without[:, :colours] + guidance * (output[:, :colours] - without[:, :colours])
            output = torch.cat([guess, output[:, colours:]], 1)
        return output

    def prompts_for(self, prompts, guidance, encode):
        return torch.cat([encode([""] * len(prompts)), encode(prompts)]) if guidance > 1 else encode(prompts)

    def noise(self, generator, *shape):
        return torch.randn(shape, generator=generator, device=generator.device).to(self.device)

    @torch.no_grad()
    def stage_1(self, prompts, generator, steps, guidance):
        scheduler = networks.ddpm(networks.STAGE_1_SCHEDULER)
        text = self.prompts_for(prompts, guidance, self.text)
        picture = self.noise(generator, len(prompts), 3, 64, 64)
        for t in self.spaced(scheduler, steps):
            output = self.guided(self.stage_1_unet, picture, t, text, guidance)
            picture = scheduler.step(output, t, picture, generator=generator).prev_sample
        return picture

    @torch.no_grad()
    def stage_2(self, prompts, small, generator, steps, guidance, noise_level):
        scheduler, noising = networks.ddpm(networks.STAGE_2_SCHEDULER), networks.ddpm(networks.NOISING_SCHEDULER)
        text = self.prompts_for(prompts, guidance, self.text)
        picture = self.noise(generator, len(prompts), 3, 256, 256)
        level = torch.full((len(prompts),), noise_level, device=self.device)
        guide = F.interpolate(small, (256, 256), mode="bilinear", align_corners=True)
        guide = noising.add_noise(guide, self.noise(generator, *guide.shape), level)
        for t in self.spaced(scheduler, steps):
            output = self.guided(self.stage_2_unet, torch.cat([picture, guide], 1), t, text, guidance, class_labels=level)
            picture = scheduler.step(output, t, picture, generator=generator).prev_sample
        return picture

    @torch.no_grad()
    def upscale(self, prompts, small, generator, steps, guidance, noise_level):
        """small [-1,1] -> picture [0,1]."""
        scheduler, noising = networks.ddim(networks.UPSCALER_SCHEDULER), networks.ddpm(networks.LOW_RES_SCHEDULER)
        text = self.prompts_for(prompts, guidance, self.clip_text)
        level = torch.full((len(prompts),), noise_level, device=self.device)
        small = noising.add_noise(small, self.noise(generator, *small.shape), level)
        latents = self.noise(generator, len(prompts), 4, *small.shape[2:])
        for t in self.spaced(scheduler, steps):
            output = self.guided(self.upscaler_unet, torch.cat([latents, small], 1), t, text, guidance, class_labels=level)
            latents = scheduler.step(output, t, latents).prev_sample
        with self.half():
            picture = self.vae.decode(latents / self.scaling).sample.float()
        return (picture / 2 + 0.5).clamp(0, 1)


def to_bytes(picture, centred=True):
    """(B,3,H,W) in [-1,1] (or [0,1]) -> uint8 (B,H,W,3), as diffusers rounds."""
    picture = (picture / 2 + 0.5) if centred else picture
    return (picture.clamp(0, 1).permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()


def from_bytes(pictures, device):
    """uint8 (B,H,W,3) -> [-1,1], as the super-resolution pipeline reads a PIL picture."""
    return (torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 127.5) - 1.0
