"""Single networks and whole pipelines."""

import contextlib
import copy
import json
import os
import sys
import warnings

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from texts import write_json

# ---------------------------------------------------------------- single networks


def capture(module, names, fn):
    """Outputs of the named sub-modules during fn()."""
    taps, handles = {}, []
    table = dict(module.named_modules())

    def hook(name):
        def f(_m, _i, o):
            if isinstance(o, (tuple, list)):
                o = o[0]
            if hasattr(o, "last_hidden_state"):
                o = o.last_hidden_state
            taps[name] = o.detach().clone()

        return f

    for n in names:
        handles.append(table[n].register_forward_hook(hook(n)))
    try:
        res = fn()
    finally:
        for h in handles:
            h.remove()
    return res, taps


def stats(x):
    x = x.double()
    return {"shape": list(x.shape), "mean": float(x.mean()), "std": float(x.std()) if x.numel() > 1 else 0.0, "max_abs": float(x.abs().max())}


@contextlib.contextmanager
def kernels(threads=1, mkldnn=True):
    old_t, old_m = torch.get_num_threads(), torch.backends.mkldnn.enabled
    torch.set_num_threads(threads)
    torch.backends.mkldnn.enabled = mkldnn
    try:
        yield
    finally:
        torch.set_num_threads(old_t)
        torch.backends.mkldnn.enabled = old_m


def dbl(v):
    return v.double() if isinstance(v, torch.Tensor) and v.is_floating_point() else v


def measure(name, i, model, call, inputs, taps, out_tensors, tap_kb=None):
    """One case: golden output, sub-module outputs, and how far other fp32 runs and fp64 are from it."""
    with torch.no_grad():
        (res, tap) = capture(model, taps, lambda: call(model, inputs))
        res = res if isinstance(res, dict) else {"output": res}
        twin = copy.deepcopy(model).double()
        exact = call(twin, {k: dbl(v) for k, v in inputs.items()})
        exact = exact if isinstance(exact, dict) else {"output": exact}
        with kernels(threads=2):
            two = call(model, inputs)
        with kernels(threads=1, mkldnn=False):
            plain = call(model, inputs)
        two = two if isinstance(two, dict) else {"output": two}
        plain = plain if isinstance(plain, dict) else {"output": plain}
    row = {"case": i, "inputs": {}, "outputs": {}}
    for k, v in inputs.items():
        if isinstance(v, torch.Tensor):
            out_tensors[f"case{i}.in.{k}"] = v.contiguous()
            row["inputs"][k] = {"shape": list(v.shape), "dtype": str(v.dtype)}
        else:
            row["inputs"][k] = v
    for k, v in res.items():
        out_tensors[f"case{i}.out.{k}"] = v.contiguous().clone()
        s = stats(v)
        s["diff_fp64"] = float((v.double() - exact[k]).abs().max())
        s["diff_2_threads"] = float((v - two[k]).abs().max())
        s["diff_no_onednn"] = float((v - plain[k]).abs().max())
        row["outputs"][k] = s
    if tap_kb:
        tap = {k: v for k, v in tap.items() if v.numel() * v.element_size() <= tap_kb * 1024}
    for k, v in tap.items():
        out_tensors[f"case{i}.tap.{k}"] = v.contiguous().clone()
    row["taps"] = sorted(tap)
    return row


def unet_taps(u):
    names = ["time_embedding"]
    if getattr(u, "class_embedding", None) is not None:
        names.append("class_embedding")
    if getattr(u, "add_embedding", None) is not None:
        names += ["add_embedding", "encoder_hid_proj"]
    names += ["conv_in"] + [f"down_blocks.{i}" for i in range(len(u.down_blocks))]
    names += [f"down_blocks.{i}.attentions.0" for i, b in enumerate(u.down_blocks) if hasattr(b, "attentions")][:1]
    names += ["down_blocks.0.resnets.0", "mid_block"] + [f"up_blocks.{i}" for i in range(len(u.up_blocks))]
    return names + ["conv_norm_out"]


def run_modules(profile, out, L):
    from checkpoints import dequantise_8bit

    folder = os.path.join(out, "module")
    os.makedirs(folder, exist_ok=True)
    c = profile["module"]
    meta = {}

    def gen(seed):
        return torch.Generator().manual_seed(seed)

    def t5_ids(texts):
        r = L.t5_tok(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        return r.input_ids, r.attention_mask

    def clip_ids(texts):
        return L.clip_tok(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids

    def finish(name, rows, tensors):
        save_file(tensors, os.path.join(folder, name + ".safetensors"))
        meta[name] = rows
        worst = max(v["diff_fp64"] for r in rows for v in r["outputs"].values())
        print(f"module {name}: {len(rows)} cases, std", [round(v["std"], 3) for r in rows for v in r["outputs"].values()], "fp64 diff %.2e" % worst)

    # T5
    rows, tensors = [], {}

    def t5_call(m, x):
        kw = {} if x.get("attention_mask") is None else {"attention_mask": x["attention_mask"]}
        return m(input_ids=x["input_ids"], **kw).last_hidden_state

    for i, case in enumerate(c["t5"]):
        if "texts" in case:
            ids, mask = t5_ids(case["texts"])
        else:
            ids = torch.randint(0, L.t5.config.vocab_size, case["random_ids"], generator=gen(case["seed"]))
            mask = torch.ones_like(ids)
            for b, n in enumerate(case.get("valid", [])):
                mask[b, n:] = 0
        x = {"input_ids": ids}
        if case["mask"]:
            x["attention_mask"] = mask
        taps = []
        if i == 0:
            taps = [f"encoder.block.{k}" for k in range(L.t5.config.num_layers)] + [
                "encoder.block.0.layer.0.SelfAttention", "encoder.block.0.layer.1.DenseReluDense"]
        row = measure("t5", i, L.t5, t5_call, x, taps, tensors)
        row["mask"] = bool(case["mask"])
        row["texts"] = case.get("texts")
        rows.append(row)
    # the other two weight variants, on the first case
    ids, mask = t5_ids(c["t5"][0]["texts"])
    ref = t5_call(L.t5, {"input_ids": ids, "attention_mask": mask})
    for label, sd in (
        ("fp16", {k: v.half().float() for k, v in L.t5.state_dict().items()}),
        ("8bit", dequantise_8bit(os.path.join(L.ck, "if-i", "text_encoder", "model.8bit.safetensors"))),
    ):
        twin = copy.deepcopy(L.t5)
        missing, unexpected = twin.load_state_dict(sd, strict=False)
        assert not unexpected and set(missing) <= {"encoder.embed_tokens.weight"}, (missing, unexpected)
        with torch.no_grad():
            o = t5_call(twin, {"input_ids": ids, "attention_mask": mask})
        tensors[f"case0.weights_{label}.out.output"] = o.contiguous()
        rows.append({"case": f"0 with the {label} weights, computed in fp32", "outputs": {}, "diff_to_fp32_weights": float((o - ref).abs().max()), "rms_diff_to_fp32_weights": float((o - ref).pow(2).mean().sqrt())})
    save_file(tensors, os.path.join(folder, "t5.safetensors"))
    meta["t5"] = rows
    print("module t5:", [r.get("diff_to_fp32_weights") for r in rows if "diff_to_fp32_weights" in r], [list(r["outputs"].values())[0]["diff_fp64"] for r in rows if r["outputs"]])

    # UNets
    def unet_call(m, x):
        return m(x["sample"], x["timestep"], encoder_hidden_states=x["encoder_hidden_states"], class_labels=x.get("class_labels")).sample

    for name, model, ch in (("unet_if_i", L.unet1, 3), ("unet_if_ii", L.unet2, 6), ("unet_x4", L.unet3, 7)):
        rows, tensors = [], {}
        width = model.config.encoder_hid_dim or model.config.cross_attention_dim
        for i, case in enumerate(c[name]):
            g = gen(case["seed"])
            b, (h, w) = case["batch"], case["hw"]
            x = {"sample": torch.randn([b, ch, h, w], generator=g)}
            x["timestep"] = torch.tensor(case["timestep"])
            if "texts" in case:
                if name == "unet_x4":
                    with torch.no_grad():
                        e = L.clip(clip_ids(case["texts"]))[0]
                else:
                    ids, mask = t5_ids(case["texts"])
                    with torch.no_grad():
                        e = L.t5(ids, attention_mask=mask)[0]
            else:
                e = torch.randn([b, case["tokens"], width], generator=g)
            x["encoder_hidden_states"] = e
            if "class_labels" in case:
                x["class_labels"] = torch.tensor(case["class_labels"])
            rows.append(measure(name, i, model, unet_call, x, unet_taps(model) if i == 0 else [], tensors, c.get("tap_kb")))
        finish(name, rows, tensors)

    # CLIP text
    rows, tensors = [], {}
    for i, case in enumerate(c["clip_text"]):
        ids = clip_ids(case["texts"])
        layers = [n for n, _ in L.clip.named_modules() if n.endswith(tuple(f"layers.{k}" for k in range(99)))]
        row = measure("clip_text", i, L.clip, lambda m, x: m(x["input_ids"])[0], {"input_ids": ids}, layers if i == 0 else [], tensors)
        row["texts"] = case["texts"]
        rows.append(row)
    finish("clip_text", rows, tensors)

    # VAE
    rows, tensors = [], {}
    for i, case in enumerate(c["vae_decode"]):
        z = torch.randn(case["shape"], generator=gen(case["seed"])) * case["scale"]
        taps = ["decoder.conv_in", "decoder.mid_block", "post_quant_conv"] + [f"decoder.up_blocks.{k}" for k in range(3)] if i == 0 else []
        rows.append(measure("vae_decode", i, L.vae, lambda m, x: m.decode(x["latents"]).sample, {"latents": z}, taps, tensors, c.get("tap_kb")))
    finish("vae_decode", rows, tensors)
    rows, tensors = [], {}

    def enc(m, x):
        d = m.encode(x["image"]).latent_dist
        return {"mean": d.mean, "logvar": d.logvar, "moments": d.parameters}

    for i, case in enumerate(c["vae_encode"]):
        z = torch.rand(case["shape"], generator=gen(case["seed"])) * 2 - 1
        rows.append(measure("vae_encode", i, L.vae, enc, {"image": z}, ["encoder.mid_block"] if i == 0 else [], tensors))
    finish("vae_encode", rows, tensors)

    # safety checker
    rows, tensors = [], {}

    def safe(m, x):
        e = m.vision_model(x["pixel_values"])[0]
        return {"image_embeds": e, "p_score": m.p_head(e).flatten(), "w_score": m.w_head(e).flatten()}

    for i, case in enumerate(c["safety"]):
        s = L.safety.config.vision_config.image_size
        px = torch.randn([case["batch"], 3, s, s], generator=gen(case["seed"])) * case["scale"]
        row = measure("safety", i, L.safety, safe, {"pixel_values": px}, ["vision_model.vision_model.pre_layrnorm"] if i == 0 else [], tensors)
        r = safe(L.safety, {"pixel_values": px})
        row["nsfw_detected"] = (r["p_score"] > 0.5).tolist()
        row["watermark_detected"] = (r["w_score"] > 0.5).tolist()
        rows.append(row)
    finish("safety", rows, tensors)
    write_json(os.path.join(folder, "module.json"), meta)


# ---------------------------------------------------------------- pipelines


class Draws:
    """Every random tensor the library asks for, in order."""

    def __init__(self):
        self.log = []

    def __enter__(self):
        self.saved = []
        for name, mod in list(sys.modules.items()):
            if name.startswith("diffusers.") and name != "diffusers.utils.torch_utils":
                if callable(vars(mod).get("randn_tensor")):
                    self.saved.append((mod, mod.randn_tensor))
                    mod.randn_tensor = self.wrap(mod.randn_tensor, name.rsplit(".", 1)[-1])
        return self

    def wrap(self, fn, where):
        def f(shape, *a, **k):
            r = fn(shape, *a, **k)
            self.log.append((where, r.detach().clone()))
            return r

        return f

    def __exit__(self, *a):
        for mod, fn in self.saved:
            mod.randn_tensor = fn


@contextlib.contextmanager
def in_double(L):
    """Everything in float64, fed with the same float32 noise."""
    models = [L.t5, L.unet1, L.unet2, L.clip, L.unet3, L.vae]
    saved = []
    for name, mod in list(sys.modules.items()):
        if name.startswith("diffusers.") and name != "diffusers.utils.torch_utils" and callable(vars(mod).get("randn_tensor")):
            fn = mod.randn_tensor

            def f(shape, generator=None, device=None, dtype=None, layout=None, _fn=fn):
                return _fn(shape, generator=generator, device=device, dtype=torch.float32).double()

            saved.append((mod, fn))
            mod.randn_tensor = f
    try:
        for m in models:
            m.double()
        yield
    finally:
        for m in models:
            m.float()
        for mod, fn in saved:
            mod.randn_tensor = fn


class UNetCalls:
    def __init__(self, unet):
        self.unet, self.calls = unet, []

    def __enter__(self):
        def hook(_m, args, kwargs, o):
            rec = {"sample": args[0].detach().clone(), "timestep": args[1], "output": o[0].detach().clone()}
            if kwargs.get("class_labels") is not None:
                rec["class_labels"] = kwargs["class_labels"].clone()
            self.calls.append(rec)

        self.h = self.unet.register_forward_hook(hook, with_kwargs=True)
        return self

    def __exit__(self, *a):
        self.h.remove()


UNET_OF = {
    "IFPipeline": "unet1", "IFImg2ImgPipeline": "unet1", "IFInpaintingPipeline": "unet1",
    "IFSuperResolutionPipeline": "unet2", "IFImg2ImgSuperResolutionPipeline": "unet2",
    "IFInpaintingSuperResolutionPipeline": "unet2", "StableDiffusionUpscalePipeline": "unet3",
}


def make_pipe(name, L, safety, scheduler=None, text=True):
    import diffusers

    cls = getattr(diffusers, name)
    guard = dict(
        safety_checker=L.safety if safety else None,
        feature_extractor=L.features if safety else None,
        watermarker=L.watermarker() if safety != "no_watermark" else None,
    )
    if name == "StableDiffusionUpscalePipeline":
        if not safety:
            guard = {}
        pipe = cls(
            vae=L.vae, text_encoder=L.clip, tokenizer=L.clip_tok, unet=L.unet3,
            low_res_scheduler=L.scheduler("x4-upscaler", "low_res_scheduler"), scheduler=L.scheduler("x4-upscaler"), **guard,
        )
    else:
        stage2 = UNET_OF[name] == "unet2"
        repo = "if-ii" if stage2 else "if-i"
        kw = dict(
            tokenizer=L.t5_tok, text_encoder=L.t5 if text else None, unet=getattr(L, UNET_OF[name]),
            scheduler=L.scheduler(repo), requires_safety_checker=bool(safety), **guard,
        )
        if stage2:
            kw["image_noising_scheduler"] = L.scheduler(repo, "image_noising_scheduler")
        pipe = cls(**kw)
    if scheduler:
        # the settings go to the file's own class first: one like variance_type is the pipeline's, many classes ignore it
        kw = scheduler.get("kwargs", {})
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **kw)
        pipe.scheduler = getattr(diffusers, scheduler["class"]).from_config(pipe.scheduler.config, **kw)
    pipe.set_progress_bar_config(disable=True)
    return pipe


class Runner:
    def __init__(self, profile, out, L):
        self.profile, self.out, self.L = profile, out, L
        self.folder = os.path.join(out, "e2e")
        os.makedirs(self.folder, exist_ok=True)
        self.results = {}
        self.limits = {"step_kb": 64, "draw_kb": 64, "unet_in_kb": 64, "unet_out_kb": 100, "vae_out_kb": 64}
        self.limits.update(profile.get("e2e_limits", {}))

    def value(self, v, prev):
        from diffusers.utils import load_image, pt_to_pil

        if isinstance(v, list) and v and isinstance(v[0], dict) and any(k.startswith("$") for k in v[0]):
            return [self.value(x, prev) for x in v]
        if not isinstance(v, dict):
            return v
        if "$prev" in v:
            return prev
        if "$result" in v:
            r = self.results[v["$result"]]["pt"]
            return r if "index" not in v else r[v["index"]: v["index"] + 1]
        if "$result_pil" in v:
            r = pt_to_pil(self.results[v["$result_pil"]]["pt"])
            return r if "index" not in v else r[v["index"]]
        if "$picture" in v:
            path = os.path.join(self.out, "image", "inputs", v["$picture"])
            img = load_image(path) if v.get("load_image") else Image.open(path)
            if v.get("convert"):
                img = img.convert(v["convert"])
            if v.get("resize"):
                img = img.resize(tuple(v["resize"]))
            return img
        if "$randn" in v:
            x = torch.randn(v["$randn"], generator=torch.Generator().manual_seed(v["seed"])) * v.get("scale", 1.0)
            x = x.abs() if v.get("abs") else x
            return x.clamp(-1, 1)
        raise ValueError(v)

    def generator(self, case):
        if "seeds" in case:
            return [torch.Generator().manual_seed(s) for s in case["seeds"]]
        return torch.Generator().manual_seed(case["seed"])

    def text_tensors(self, pipe, name, args, tensors, pre):
        """Token ids and embeddings as the call will make them."""
        if args.get("prompt") is None:
            return {}
        info = {}
        upscaler = name == "StableDiffusionUpscalePipeline"
        prompt, neg = args["prompt"], args.get("negative_prompt")
        n = args.get("num_images_per_prompt", 1)
        cfg = args.get("guidance_scale", DEFAULT_GUIDANCE[name]) > 1.0
        if upscaler:
            p, q = pipe.encode_prompt(prompt, "cpu", n, cfg, neg)
            texts = prompt if isinstance(prompt, list) else [prompt]
            negs = [""] * len(texts) if neg is None else (neg if isinstance(neg, list) else [neg])
        else:
            clean = args.get("clean_caption", True)
            p, q = pipe.encode_prompt(prompt, cfg, num_images_per_prompt=n, negative_prompt=neg, clean_caption=clean)
            texts = pipe._text_preprocessing(prompt, clean_caption=clean)
            negs = pipe._text_preprocessing([""] * len(texts) if neg is None else neg, clean_caption=clean)
        info["preprocessed_prompt"] = texts
        for label, t in (("prompt", texts), ("negative", negs)):
            if label == "negative" and not cfg:
                continue
            r = pipe.tokenizer(t, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
            tensors[f"{pre}{label}_input_ids"] = r.input_ids.int()
            tensors[f"{pre}{label}_attention_mask"] = r.attention_mask.int()
        if cfg:
            info["preprocessed_negative"] = negs
            tensors[pre + "negative_embeds"] = q
        tensors[pre + "prompt_embeds"] = p
        return info

    def call(self, name, case, args, generator, prev, output, record=None):
        pipe = make_pipe(name, self.L, case.get("safety"), case.get("scheduler"), text=args.get("prompt_embeds") is None)
        kw = {k: self.value(v, prev) for k, v in args.items()}
        kw["generator"] = generator
        kw["output_type"] = output
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if record is None:
                return pipe, pipe(**kw)
            steps = []
            kw["callback"] = lambda i, t, x: steps.append((i, t, x.detach().clone()))
            decoded = []
            if name == "StableDiffusionUpscalePipeline":
                real = self.L.vae.decode
                self.L.vae.decode = lambda z, *a, **k: decoded.append((z.clone(), real(z, *a, **k))) or decoded[-1][1]
            try:
                with Draws() as draws, UNetCalls(pipe.unet) as calls:
                    res = pipe(**kw)
            finally:
                if decoded is not None and name == "StableDiffusionUpscalePipeline":
                    del self.L.vae.decode
            record.update(steps=steps, draws=draws.log, calls=calls.calls, decoded=decoded)
            return pipe, res

    def store(self, rec, tensors, pre, res):
        info = {"steps": [], "draws": []}

        def small(x, kb):
            return x.numel() * x.element_size() <= kb * 1024

        n = len(rec["steps"])
        for i, (num, t, x) in enumerate(rec["steps"]):
            # the last latents of the IF pipelines are the images themselves
            same = i == n - 1 and not rec["decoded"] and torch.equal(x, res.images)
            stored = not same and (small(x, self.limits["step_kb"]) or i in (0, n - 1))
            if stored:
                tensors[f"{pre}step{num}.latents"] = x
            info["steps"].append({"i": int(num), "t": float(t), "stored": stored, "first4": x.flatten()[:4].tolist(), "std": float(x.std())})
        for j, (where, x) in enumerate(rec["draws"]):
            stored = not where.startswith("scheduling_") and small(x, self.limits["draw_kb"])
            if stored:
                tensors[f"{pre}draw{j}"] = x
            info["draws"].append({"by": where, "shape": list(x.shape), "dtype": str(x.dtype), "first4": x.flatten()[:4].tolist(), "stored": stored})
        k = rec["calls"][0]
        x = k["sample"]
        if x.shape[0] % 2 == 0 and torch.equal(*x.chunk(2)):
            x = x.chunk(2)[0]  # without the doubling for classifier free guidance
        if small(x, self.limits["unet_in_kb"]):
            tensors[f"{pre}unet0.sample"] = x
        if "class_labels" in k:
            tensors[f"{pre}unet0.class_labels"] = k["class_labels"]
        if small(k["output"], self.limits["unet_out_kb"]):
            tensors[f"{pre}unet0.output"] = k["output"]
        info["unet_calls"] = [
            {"timestep": float(c["timestep"]), "sample_shape": list(c["sample"].shape), "output_first4": c["output"].flatten()[:4].tolist(), "output_std": float(c["output"].std())}
            for c in rec["calls"]
        ]
        if rec["decoded"]:
            z, d = rec["decoded"][0]
            info["vae_input"], info["vae_output"] = stats(z), stats(d[0])
            if small(d[0], self.limits["vae_out_kb"]):
                tensors[f"{pre}vae_output"] = d[0]
        tensors[f"{pre}images"] = res.images
        x = res.images.double()
        lo = -1.0 if not rec["decoded"] else 0.0
        info["images"] = stats(x)
        info["images"]["saturated"] = float(((x >= 0.9999) | (x <= lo + 0.0001)).double().mean())
        return info

    def repeat_diff(self, fn, refs):
        """The same run with other kernels; nothing else changes. Per result: how far it is then, at most and on average."""
        found = [{} for _ in refs]

        def note(label):
            for d, now, ref in zip(found, fn(), refs):
                e = (now.double() - ref.double()).abs()
                d[label], d[f"mean_{label}"] = float(e.max()), float(e.mean())

        for label, kw in (("diff_2_threads", dict(threads=2)), ("diff_no_onednn", dict(threads=1, mkldnn=False))):
            with kernels(**kw):
                note(label)
        with in_double(self.L):
            note("diff_fp64")
        return found

    def single(self, case):
        name, args = case["pipe"], case["args"]
        tensors, rec = {}, {}
        pipe = make_pipe(name, self.L, None, case.get("scheduler"))
        text = self.text_tensors(pipe, name, args, tensors, "")
        try:
            _, res = self.call(name, case, args, self.generator(case), None, "pt", rec)
        except Exception as e:  # noqa: BLE001
            info = {"name": case["name"], "pipeline": name, "case": case, "error": f"{type(e).__name__}: {e}"[:200]}
            write_json(os.path.join(self.folder, case["name"] + ".json"), info)
            print(f"e2e {case['name']}: the reference raises {info['error']}")
            return
        self.results[case["name"]] = {"pt": res.images}
        info = {"name": case["name"], "pipeline": name, "case": case, "text": text, **self.store(rec, tensors, "", res)}
        info["images"].update(
            self.repeat_diff(lambda: [self.call(name, case, args, self.generator(case), None, "pt")[1].images], [res.images])[0]
        )
        info["pil"] = self.pils(case["name"], lambda: self.call(name, case, args, self.generator(case), None, "pil"), name)
        if case.get("np"):
            _, r = self.call(name, case, args, self.generator(case), None, "np")
            tensors["images_np"] = torch.from_numpy(np.ascontiguousarray(r.images))
            info["np_nsfw_detected"] = getattr(r, "nsfw_detected", None)
        self.write(case["name"], tensors, info)

    def pils(self, name, fn, pipe_name):
        scores = {}

        def spy(key):
            return lambda _m, _i, o: scores.__setitem__(key, o.flatten().tolist())

        hooks = [self.L.safety.p_head.register_forward_hook(spy("p_scores")), self.L.safety.w_head.register_forward_hook(spy("w_scores"))]
        try:
            _, r = fn()
        except Exception as e:  # noqa: BLE001
            return {"error": f"{type(e).__name__}: {e}"[:200]}
        finally:
            for h in hooks:
                h.remove()
        files = []
        for i, img in enumerate(r.images):
            f = f"{name}.{i}.png"
            img.save(os.path.join(self.folder, f), optimize=True)
            files.append(f)
        flags = {}
        for k in ("nsfw_detected", "watermark_detected", "nsfw_content_detected"):
            if hasattr(r, k):
                flags[k] = getattr(r, k)
        return {"files": files, **flags, **scores}

    def chain(self, case):
        tensors, info = {}, {"name": case["name"], "chain": True, "case": case, "stages": []}

        def embeds():
            pipe = make_pipe(case["stages"][0]["pipe"], self.L, None)
            e = case["encode"]
            kw = {k: v for k, v in e.items() if k != "prompt"}
            return pipe.encode_prompt(e["prompt"], **kw)

        p, q = embeds()
        tensors["prompt_embeds"], tensors["negative_embeds"] = p, q
        e = case["encode"]
        pipe0 = make_pipe(case["stages"][0]["pipe"], self.L, None)
        texts = pipe0._text_preprocessing(e["prompt"], clean_caption=e.get("clean_caption", False))
        tensors["prompt_input_ids"] = self.L.t5_tok(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids.int()
        info["preprocessed_prompt"] = texts

        def go(final, record):
            g = self.generator(case)
            prev, out = None, []
            for k, st in enumerate(case["stages"]):
                last = k == len(case["stages"]) - 1
                args = dict(st["args"])
                if st["pipe"] != "StableDiffusionUpscalePipeline":
                    args["prompt_embeds"], args["negative_prompt_embeds"] = p, q
                rec = {} if record else None
                output = final if last else "pt"
                pipe, res = self.call(st["pipe"], {"safety": st.get("safety"), "scheduler": st.get("scheduler")}, args, g, prev, output, rec)
                prev = res.images
                out.append((st, pipe, res, rec))
            return out, g

        run, g = go("pt", True)
        for k, (st, pipe, res, rec) in enumerate(run):
            pre = f"stage{k + 1}."
            if st["pipe"] == "StableDiffusionUpscalePipeline":
                t = self.text_tensors(pipe, st["pipe"], st["args"], tensors, pre)
            else:
                t = {}
            info["stages"].append({"pipeline": st["pipe"], "text": t, **self.store(rec, tensors, pre, res)})
        tensors["generator_next4"] = torch.randn(4, generator=g)
        found = self.repeat_diff(lambda: [res.images for _, _, res, _ in go("pt", False)[0]], [res.images for _, _, res, _ in run])
        for stage, d in zip(info["stages"], found):
            stage["images"].update(d)
        self.results[case["name"]] = {"pt": run[-1][2].images}

        def final():
            o, _ = go("pil", False)
            st, pipe, res, _ = o[-1]
            if st.get("watermark_after"):
                self.L.watermarker().apply_watermark(res.images, pipe.unet.config.sample_size)
            return pipe, res

        info["pil"] = self.pils(case["name"], final, case["stages"][-1]["pipe"])
        self.write(case["name"], tensors, info)

    def write(self, name, tensors, info):
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, os.path.join(self.folder, name + ".safetensors"))
        write_json(os.path.join(self.folder, name + ".json"), info)
        im = info.get("images") or info["stages"][-1]["images"]
        size = sum(v.numel() * v.element_size() for v in tensors.values())
        print(f"e2e {name}: {im['shape']} std {im['std']:.3f} saturated {im['saturated']:.2f} diffs {im['diff_2_threads']:.1e} {im['diff_no_onednn']:.1e} {im['diff_fp64']:.1e} (mean {im['mean_diff_fp64']:.1e}) bytes {size} pil {info['pil'].get('error') or {k: v for k, v in info['pil'].items() if k != 'files'}}")


DEFAULT_GUIDANCE = {
    "IFPipeline": 7.0, "IFImg2ImgPipeline": 10.0, "IFInpaintingPipeline": 7.0, "IFSuperResolutionPipeline": 4.0,
    "IFImg2ImgSuperResolutionPipeline": 4.0, "IFInpaintingSuperResolutionPipeline": 4.0, "StableDiffusionUpscalePipeline": 9.0,
}


def run_e2e(profile, out, L, only=None):
    r = Runner(profile, out, L)
    for case in profile["e2e"]:
        if only and not any(o in case["name"] for o in only):
            continue
        if "stages" in case:
            r.chain(case)
        else:
            r.single(case)
    return r
