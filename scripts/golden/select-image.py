"""Reduces the image goldens to what travels with the repository: test/golden/image.

    python scripts/golden/select-image.py CLONE_SET test/golden

Keeps every kind of case, but of alike ones only a few, and of equal tensors one (a missing `pixels.<file>.load_image`
equals `.rgb`). Adds `watermark_image`, the checkpoint's mark as bytes. Needs no package.
"""

import json
import os
import shutil
import struct
import sys

KEEP = [
    "pixels.alpha_77x55.png.rgb",
    "pixels.bilevel_51x40.png.rgb",
    "pixels.cmyk_70x52.jpg.rgb",
    "pixels.gray16_66x49.png.rgb",
    "pixels.la_48x66.png.rgb",
    "pixels.mirrored_64x40_exif2.jpg.",
    "pixels.palette_58x72.png.rgb",
    "pixels.photo_75x50.jpg.rgb",
    "pixels.portrait_60x91.jpg.rgb",
    "pixels.rotated_80x48_exif6.jpg.",
    "preprocess_image.cmyk_70x52.jpg.64",
    "preprocess_image.half_even_68x64.png.64",
    "preprocess_image.palette_58x72.png.64",
    "preprocess_image.photo_101x67.png.24",
    "preprocess_image.photo_75x50.jpg.64",
    "preprocess_image.portrait_60x91.jpg.24",
    "preprocess_mask.alpha_77x55.png.24",
    "preprocess_mask.bilevel_51x40.png.24",
    "preprocess_mask.gray16_66x49.png.24",
    "preprocess_mask.mask_101x67.png.",
    "preprocess_mask.mask_rgb_75x50.png.24",
    "preprocess_mask.tensor.",
    "preprocess_mask.numpy",
    "preprocess_sr.square_24x24.png.asis.",
    "upscale.1",
    "upscale.2",
    "upscale.3",
    "upscale.4",
    "upscale.5",
    "x4_preprocess.alpha_77x55.png.asis",
    "x4_preprocess.gray_83x61.png.asis",
    "x4_preprocess.portrait_60x91.jpg.asis",
    "x4_preprocess.tensor.",
    "x4_preprocess.numpy.",
    "features.alpha_77x55.png.tiny",
    "features.photo_101x67.png.tiny",
    "features.portrait_60x91.jpg.tiny",
    "features.square_24x24.png.tiny",
    "to_bytes.",
]


def read_safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        body = f.read()
    header.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], body[slice(*v["data_offsets"])]) for k, v in header.items()}


def write_safetensors(path, tensors):
    # wide numbers first, so that each stays aligned
    order = sorted(tensors, key=lambda k: ({"F64": 0, "F32": 1}.get(tensors[k][0], 2), k))
    header, at = {}, 0
    for key in order:
        dtype, shape, data = tensors[key]
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(tensors[k][2] for k in order))


def e2e_pictures(folder):
    """The pictures that whole runs start from."""
    found = set()

    def walk(value):
        if isinstance(value, dict):
            found.update([value["$picture"]] if "$picture" in value else [])
            value = list(value.values())
        for item in value if isinstance(value, list) else []:
            walk(item)

    for name in os.listdir(folder):
        if name.endswith(".json"):
            with open(os.path.join(folder, name)) as f:
                walk(json.load(f)["case"])
    return found


def main(full, out):
    source, target = os.path.join(full, "image"), os.path.join(out, "image")
    shutil.rmtree(target, ignore_errors=True)
    for folder in ("inputs", "watermark"):
        os.makedirs(os.path.join(target, folder), exist_ok=True)
    tensors = read_safetensors(os.path.join(source, "image.safetensors"))
    kept = {k: v for k, v in tensors.items() if any(k.startswith(p) for p in KEEP)}
    for key in list(kept):
        if key.endswith(".load_image") and kept[key] == tensors[key.replace(".load_image", ".rgb")]:
            del kept[key]
    mark = read_safetensors(os.path.join(full, "checkpoints/if-i/watermarker/diffusion_pytorch_model.safetensors"))
    _, shape, data = mark["watermark_image"]
    kept["watermark_image"] = ("U8", shape, bytes(int(v[0]) for v in struct.iter_unpack("<f", data)))

    index = json.load(open(os.path.join(source, "image.json")))

    def stays(row):
        key = row.get("key")
        return key is None or "error" in row or key in kept or key + ".u8" in kept

    small = {name: [r for r in rows if stays(r)] for name, rows in index.items() if name != "decoded"}
    pictures = {r["picture"] for rows in small.values() for r in rows if "picture" in r}
    pictures |= {p for p in index["decoded"] if f"pixels.{p}.rgb" in kept}
    small["decoded"] = {p: row for p, row in index["decoded"].items() if p in pictures}
    for name in pictures | e2e_pictures(os.path.join(full, "e2e")):
        shutil.copyfile(os.path.join(source, "inputs", name), os.path.join(target, "inputs", name))
    for name in os.listdir(os.path.join(source, "watermark")):
        shutil.copyfile(os.path.join(source, "watermark", name), os.path.join(target, "watermark", name))
    write_safetensors(os.path.join(target, "image.safetensors"), kept)
    with open(os.path.join(target, "image.json"), "w") as f:
        json.dump(small, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
