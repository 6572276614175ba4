"""Makes the golden of LoRAs: test/golden/lora, from the tiny checkpoints of test/golden.

    python scripts/golden/make-lora.py test/golden

Four files with random weights: `peft` as diffusers saves it today (rank 2, alpha 3; other ranks and alphas by pattern; a
convolution too), `processor` in the layout of the attention processors of IF's days, `kohya` with one alpha per layer, and
`text` for T5 as well as the UNet. `case.safetensors` holds what diffusers and peft make of them in float32. What diffusers
no longer reads under its old names is given to it under its new ones: the numbers are the same. Needs torch, diffusers,
transformers and peft.
"""

import os
import shutil
import sys

import torch
from diffusers import IFPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import T5EncoderModel

ATTENTIONS = ["down_blocks.1.attentions.0", "mid_block.attentions.0", "up_blocks.0.attentions.1"]
LAYERS = ["to_q", "to_k", "to_v", "add_k_proj", "add_v_proj", "to_out.0"]
T5_LAYERS = [
    "encoder.block.0.layer.0.SelfAttention.q",
    "encoder.block.1.layer.0.SelfAttention.v",
    "encoder.block.1.layer.1.DenseReluDense.wo",
]
WEIGHT = "diffusion_pytorch_model.fp16.safetensors"


def open_unet(root):
    folder = os.path.join(root, "checkpoints", "if-i", "unet")
    unet = UNet2DConditionModel(**UNet2DConditionModel.load_config(folder)).eval()
    unet.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, WEIGHT)).items()})
    return unet


def add(network, name, generator, **config):
    """A LoRA with random numbers in both factors: peft begins with zeros in one."""
    network.add_adapter(LoraConfig(**config), adapter_name=name)
    for key, parameter in network.named_parameters():
        if f".{name}." in key:
            rank = parameter.shape[0] if "lora_A" in key else parameter.shape[1]
            size = parameter[0].numel() if "lora_A" in key else rank
            parameter.data = (torch.randn(parameter.shape, generator=generator) * size**-0.5).half().float()


def state(network, name):
    return {key: value.contiguous() for key, value in get_peft_model_state_dict(network, adapter_name=name).items()}


def as_processor(key):
    module, side = key.split(".lora_")
    attention, layer = module.rsplit(".", 1) if not module.endswith("to_out.0") else (module[:-9], "to_out")
    return f"unet.{attention}.processor.{layer}_lora.{'down' if side[0] == 'A' else 'up'}.weight"


def as_kohya(key):
    module, side = key.split(".lora_")
    return f"lora_unet_{module.replace('.', '_')}.lora_{'down' if side[0] == 'A' else 'up'}.weight"


def halves(tensors):
    return {key: value.half() for key, value in tensors.items()}


def main(root):
    generator = torch.Generator().manual_seed(0)
    target = os.path.join(root, "lora")
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    attention = [f"{place}.{layer}" for place in ATTENTIONS for layer in LAYERS]

    unet = open_unet(root)
    peft = dict(
        r=2,
        lora_alpha=3,
        target_modules=attention + ["down_blocks.0.resnets.0.conv1"],
        rank_pattern={"mid_block.attentions.0.to_q": 4, "conv1": 1},
        alpha_pattern={"add_k_proj": 5},
    )
    add(unet, "peft", generator, **peft)
    config = unet.peft_config["peft"].to_dict()
    config["target_modules"] = sorted(config["target_modules"])
    kept = ["r", "lora_alpha", "rank_pattern", "alpha_pattern", "target_modules", "use_rslora", "use_dora", "lora_bias"]
    IFPipeline.save_lora_weights(
        target, unet_lora_layers=halves(state(unet, "peft")), weight_name="peft.safetensors",
        unet_lora_adapter_metadata={key: config[key] for key in kept},
    )

    # rank = alpha: the layout of those days knew no alpha
    add(unet, "processor", generator, r=3, lora_alpha=3, target_modules=attention)
    save_file(
        {as_processor(key): value.half() for key, value in state(unet, "processor").items()},
        os.path.join(target, "processor.safetensors"),
        metadata={"format": "pt"},
    )

    add(unet, "kohya", generator, r=4, lora_alpha=1, target_modules=attention, alpha_pattern={"to_v": 2})
    kohya = {as_kohya(key): value.half() for key, value in state(unet, "kohya").items()}
    for module in {key.split(".")[0] for key in kohya}:
        kohya[f"{module}.alpha"] = torch.tensor(2.0 if module.endswith("to_v") else 1.0).half()
    save_file(kohya, os.path.join(target, "kohya.safetensors"), metadata={"ss_network_dim": "4"})

    add(unet, "text", generator, r=1, lora_alpha=1, target_modules=attention[:1])
    t5 = T5EncoderModel.from_pretrained(os.path.join(root, "checkpoints", "if-i", "text_encoder")).eval()
    inputs = {
        "sample": torch.randn(2, 3, 16, 8, generator=generator),
        "timestep": torch.tensor([999, 37]),
        "encoder_hidden_states": torch.randn(2, 5, 16, generator=generator),
    }
    ids = torch.tensor([[3, 7, 1, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    case = {f"base.in.{key}": value for key, value in inputs.items()}
    with torch.no_grad():
        def run(name, adapters, weights):
            unet.set_adapters(adapters, weights)
            case[f"{name}.out.output"] = unet(**inputs).sample

        unet.disable_adapters()
        case["base.out.output"] = unet(**inputs).sample
        case["base.out.text"] = t5(input_ids=ids, attention_mask=mask).last_hidden_state
        unet.enable_adapters()
        run("peft", ["peft"], [1.0])
        run("processor", ["processor"], [0.75])
        run("kohya", ["kohya"], [1.5])
        run("several", ["peft", "processor"], [0.5, -0.75])
        unet.set_adapters(["text"], [1.0])
        add(t5, "text", generator, r=2, lora_alpha=1, target_modules=T5_LAYERS)
        t5.set_adapter("text")
        case["text.in.input_ids"] = ids
        case["text.in.attention_mask"] = mask
        case["text.out.output"] = t5(input_ids=ids, attention_mask=mask).last_hidden_state
    text = {f"text_encoder.{key}": value.half() for key, value in state(t5, "text").items()}
    for layer in T5_LAYERS:
        text[f"text_encoder.{layer}.alpha"] = torch.tensor(1.0)
    text |= {f"unet.{key}": value.half() for key, value in state(unet, "text").items()}
    save_file(text, os.path.join(target, "text.safetensors"), metadata={"format": "pt"})
    save_file({key: value.contiguous() for key, value in case.items()}, os.path.join(target, "case.safetensors"))
    for name in list(case):
        if name.endswith(".out.output") and name != "text.out.output":
            print(name, (case[name] - case["base.out.output"]).abs().max().item(), case[name].abs().max().item())
    print("text", (case["text.out.output"] - case["base.out.text"]).abs().max().item())

    # what diffusers itself reads of its own file
    check = open_unet(root)
    loaded, alphas, meta = IFPipeline.lora_state_dict(target, weight_name="peft.safetensors", return_lora_metadata=True)
    IFPipeline.load_lora_into_unet(loaded, alphas, check, adapter_name="peft", metadata=meta)
    with torch.no_grad():
        print("reloaded", (check(**inputs).sample - case["peft.out.output"]).abs().max().item())


if __name__ == "__main__":
    main(*sys.argv[1:])
