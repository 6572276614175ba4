"""Picks from a generated golden set the random numbers and scheduler traces that travel with the repository.

    python scripts/golden/select-scheduler.py CLONE_SET test/golden [NAME ...]

With names, only those schedulers ("starts": the img2img starts) are copied, and what is there of all others stays. Copies values as they are and reduces the JSON indexes to match. Needs the standard library only.
"""

import json
import os
import shutil
import struct
import sys

RNG_SEEDS = {"0", "1", "7", "42", "-1"}
RNG_MAX_BYTES = 16_000  # of one tensor

# scheduler -> its traces; `None` keeps them all
SCHEDULERS = {
    "ddpm_if_i": None,
    "ddpm_noising": None,
    "ddpm_low_res": None,
    "ddim_x4": None,
    "ddim_if_i": {5},
    "dpm_if_i": None,
    "dpm_if_i_learned": None,
    "dpm_if_i_sigma_min": None,
    "dpm_x4": None,
    "euler_if_i": None,
    "heun_x4": None,
    "heun_if_i": None,
    "euler_a_x4": None,
    "euler_a_if_i": None,
    "unipc_if_i": None,
    "unipc_if_i_bh1": None,
    "unipc_x4": None,
    "dpm_sde_if_i": None,
    "dpm_sde_if_i_learned": None,
    "dpm_sde_x4": None,
}
STEP_COUNTS = {1, 2, 3, 5, 7, 27, 50}
TABLES_OF = {"ddpm_if_i", "ddpm_low_res", "dpm_if_i"}  # the others have the same ones
CONFIG_FOLDERS = (
    "if-i/scheduler",
    "if-ii/scheduler",
    "if-ii/image_noising_scheduler",
    "x4-upscaler/scheduler",
    "x4-upscaler/low_res_scheduler",
)


def read_tensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    header.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], data[slice(*v["data_offsets"])]) for k, v in header.items()}


def write_tensors(path, tensors):
    header, offset = {}, 0
    for key, (dtype, shape, data) in tensors.items():
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, separators=(",", ":"))
        f.write("\n")


def select_rng(source, target):
    tensors = read_tensors(os.path.join(source, "randn.safetensors"))
    with open(os.path.join(source, "randn.json")) as f:
        index = json.load(f)

    def small(draw):
        return len(tensors[draw["key"]][2]) <= RNG_MAX_BYTES

    index["single"] = [d for d in index["single"] if d["seed"] in RNG_SEEDS and small(d)]
    for sequence in index["sequences"]:
        # a draw can only be checked if all before it are made
        cut = next((i for i, d in enumerate(sequence["draws"]) if not small(d)), None)
        sequence["draws"] = sequence["draws"][:cut]
    kept = [d["key"] for d in index["single"]] + [d["key"] for s in index["sequences"] for d in s["draws"]]
    write_tensors(os.path.join(target, "randn.safetensors"), {k: tensors[k] for k in kept})
    write_json(os.path.join(target, "randn.json"), index)


def copy(source, target, name):
    shutil.copyfile(os.path.join(source, name), os.path.join(target, name))


def select_schedulers(source, target, names):
    with open(os.path.join(source, "schedulers.json")) as f:
        index = json.load(f)
    kept = {}
    if names:
        with open(os.path.join(target, "schedulers.json")) as f:
            kept = json.load(f)
    else:
        copy(source, target, "custom_timesteps.json")
    if not names or "starts" in names:
        copy(source, target, "starts.json")
        copy(source, target, "starts.safetensors")
    for name, traces in SCHEDULERS.items():
        if names and name not in names:
            continue
        entry = kept[name] = index[name]
        entry["set_timesteps"] = [r for r in entry["set_timesteps"] if r["num_inference_steps"] in STEP_COUNTS]
        if traces is not None:
            entry["traces"] = [t for t in entry["traces"] if t["trace"] in traces]
        entry["custom"] = [c for c in entry["custom"] if c["name"] == "profile"]  # presets: custom_timesteps.json
        prefixes = tuple(f"t{t['trace']}." for t in entry["traces"]) + ("add_noise.",)
        if name in TABLES_OF:
            prefixes += ("betas", "alphas_cumprod", "sigmas")
        tensors = read_tensors(os.path.join(source, f"{name}.safetensors"))
        tensors = {k: v for k, v in tensors.items() if k.startswith(prefixes)}
        write_tensors(os.path.join(target, f"{name}.safetensors"), tensors)
    write_json(os.path.join(target, "schedulers.json"), kept)


def main(source, target, *names):
    for folder in ("rng", "scheduler"):
        os.makedirs(os.path.join(target, folder), exist_ok=True)
    select_schedulers(os.path.join(source, "scheduler"), os.path.join(target, "scheduler"), names)
    if names:
        return
    select_rng(os.path.join(source, "rng"), os.path.join(target, "rng"))
    for folder in CONFIG_FOLDERS:
        folder = os.path.join("checkpoints", folder)
        os.makedirs(os.path.join(target, folder), exist_ok=True)
        copy(source, target, os.path.join(folder, "scheduler_config.json"))


if __name__ == "__main__":
    main(*sys.argv[1:])
