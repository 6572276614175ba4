"""What the training loops share: averaged weights, the learning rate by wall clock, logs, files, diffusion losses."""
import json
import math
import os
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from scenes import SECOND


STARTED = time.time()

# What several programs are told in the same words.
SHARED_OPTIONS = {
    "steps": {"type": int, "help": "end after so many, not after the minutes"},
    "start": {"type": float, "default": 1.0, "help": "height on the cosine at which to begin"},
    "second": {"type": float, "nargs": 2, "default": SECOND, "help": "share of lone signs with two words, and of second words that the tokenizer knows"},
    "compiled": {"action": "store_true"},
    "side": {"type": int, "default": 384, "help": "of the drawings, pixels"},
    "things": {"default": "things"},
    "tokenizers": {"default": "runs/demo/tokenizers"},
    "out": {"default": "runs/demo"},
}


def add_shared_options(parser, *names):
    for name in names:
        parser.add_argument(f"--{name}", **SHARED_OPTIONS[name])


class Average:
    """Exponential moving average of parameters."""

    def __init__(self, modules: dict, decay: float):
        self.modules, self.decay, self.count = modules, decay, 0
        self.live = [p for m in modules.values() for p in m.parameters()]
        self.mean = [p.detach().clone() for p in self.live]

    @torch.no_grad()
    def update(self):
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        torch._foreach_lerp_(self.mean, [p.detach() for p in self.live], 1 - decay)

    @torch.no_grad()
    def swap(self):
        """Exchanges the averaged and the live weights."""
        for p, q in zip(self.live, self.mean):
            kept = p.detach().clone()
            p.copy_(q)
            q.copy_(kept)


def save_half(module, path: str):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    state = {k: v.detach().to(torch.float16).contiguous().cpu() for k, v in module.state_dict().items()
             if v.is_floating_point()}
    if "encoder.embed_tokens.weight" in state and "shared.weight" in state:
        del state["encoder.embed_tokens.weight"]
    save_file(state, path)


def load_half(module, path: str):
    state = {k: v.float() for k, v in load_file(path).items()}
    own = module.state_dict()
    if not any(k in state for k in own):  # releases of transformers name CLIP with and without its prefix
        prefix = "text_model."
        state = {k.removeprefix(prefix) if k.removeprefix(prefix) in own else prefix + k: v for k, v in state.items()}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected and all("embed_tokens" in k or "position_ids" in k for k in missing), (missing, unexpected)
    return module


def save_state(optimizer, path):
    """The optimizer's running means, halved, by their places."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    tensors = {}
    for i, group in enumerate(optimizer.param_groups):
        for j, p in enumerate(group["params"]):
            for name, value in next((one.state[p] for one in optimizer if p in one.state), {}).items():
                tensors[f"{i}.{j}.{name}"] = value.detach().to(torch.bfloat16 if value.ndim else torch.float32).contiguous().cpu()
    save_file(tensors, path)


def load_state(optimizer, path):
    tensors = load_file(path)
    groups = optimizer.param_groups
    for key, value in tensors.items():
        i, j, name = key.split(".")
        p = groups[int(i)]["params"][int(j)]
        owner = next(one for one in optimizer if any(p is q for group in one.param_groups for q in group["params"]))
        value = value.float()
        owner.state[p][name] = value if not value.ndim else value.to(p.device).contiguous(
            memory_format=torch.channels_last if value.ndim == 4 else torch.contiguous_format)


class Clock:
    """Ends a loop `minutes` after the program's start, or after `steps` when given.

    The learning rate follows a cosine from the first step after compilation to that end.  `until`: a file that may be written
    at any time with another end, in seconds since 1970.
    `agree`: makes the share of the time that has passed the same in all processes (team.Team).
    """

    def __init__(self, minutes: float, steps: int | None, peak: float, warm=200, floor=0.02, start=1.0, until=None, agree=float):
        self.until, self.agree = until, agree
        self.end, self.steps, self.peak, self.warm, self.floor = STARTED + minutes * 60, steps, peak, warm, floor
        self.start = start  # height on the cosine at which the run begins: 1 at its top
        self.began, self.step = time.time(), 0

    def tick(self, optimizer) -> bool:
        """False when the time is up; sets the learning rate."""
        now = time.time()
        if self.until and self.step % 16 == 0 and os.path.exists(self.until):
            with open(self.until) as file:
                self.end = float(file.read().strip() or self.end)
        if self.step in (1, 2, 10):  # compilation and tuning happen in the first steps
            self.began = now
        done = self.step / self.steps if self.steps else (now - self.began) / max(self.end - self.began, 1)
        self.done = done = self.agree(done)
        if done >= 1:
            return False
        height = self.start * (0.5 + 0.5 * math.cos(math.pi * done))
        rate = self.peak * min(1.0, (self.step + 1) / self.warm) * max(height, self.floor)
        for group in optimizer.param_groups:
            new = rate * group.get("scale", 1.0)
            if torch.is_tensor(group["lr"]):  # a recorded step reads it there
                group["lr"].fill_(new)
            else:
                group["lr"] = new
        self.step += 1
        return True

    @property
    def share(self) -> float:
        """0 at the beginning, 1 at the end."""
        return min(1.0, getattr(self, "done", 0.0))


class Log:
    """Means of the losses every `every` steps, as JSON lines and on the terminal."""

    def __init__(self, path: str, name: str, every: int):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.file, self.name, self.every = open(path, "a"), name, every
        self.sums, self.count, self.step, self.samples, self.began = {}, 0, 0, 0, time.time()

    def add(self, samples: int, **losses):
        self.step, self.count, self.samples = self.step + 1, self.count + 1, self.samples + samples
        for key, value in losses.items():
            self.sums[key] = self.sums.get(key, 0) + value.detach().float()
        if self.step % self.every == 0:
            row = {"part": self.name, "step": self.step, "seconds": round(time.time() - self.began, 1),
                   "samples": self.samples, **{k: round(float(v) / self.count, 6) for k, v in self.sums.items()}}
            print(json.dumps(row), flush=True)
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()
            self.sums, self.count = {}, 0


def orthogonal(matrix, steps=5):
    """The nearest matrix with all singular values about 1, by the quintic Newton-Schulz iteration (Jordan et al. 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal, for weight matrices and convolutions read as matrices."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.01):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            same = {}
            for p in group["params"]:
                if p.grad is not None:
                    same.setdefault(p.shape, []).append(p)
            for shape, members in same.items():
                updates = []
                for p in members:
                    if "momentum" not in self.state[p]:
                        self.state[p]["momentum"] = torch.zeros_like(p)
                    kept = self.state[p]["momentum"]
                    kept.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(kept, group["momentum"]).flatten(1))
                updates = orthogonal(torch.stack(updates))
                gain = max(1, updates.shape[-2] / updates.shape[-1]) ** 0.5
                for p, update in zip(members, updates):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.sub_(update.view(shape) * (group["lr"] * gain))


class Optimizers(list):
    """Several optimizers that step as one."""

    @property
    def param_groups(self):
        return [group for one in self for group in one.param_groups]

    def zero_grad(self, set_to_none=True):
        for one in self:
            one.zero_grad(set_to_none=set_to_none)

    def step(self):
        for one in self:
            one.step()


def optimizer_for(modules, rate, muon_rate=0.01, decay=0.01, plain=("conv_in", "conv_out", "embed", "shared", "heads"),
                  recorded=False):
    """Muon for the matrices inside, Adam for the rest; both follow one schedule (training.Clock).

    `recorded`: for `Recorded` steps, whose learning rates are tensors on the GPU.
    """
    inner, outer, biases = [], [], []
    for module in modules:
        for name, p in module.named_parameters():
            if "relative_attention_bias" in name:  # logits, one table for all layers: they must grow to tell neighbours apart
                biases.append(p)
                continue
            matrix = p.ndim >= 2 and min(p.shape[0], p[0].numel()) >= 8 and not any(part in name for part in plain)
            (inner if matrix else outer).append(p)
    adam = torch.optim.AdamW([{"params": outer}, {"params": biases, "scale": 15.0}], lr=rate, betas=(0.9, 0.98), weight_decay=0.0,
                             capturable=recorded)
    both = Optimizers([adam, Muon([{"params": inner, "scale": muon_rate / rate}], muon_rate, weight_decay=decay)])
    if recorded:
        for group in both.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=next(modules[0].parameters()).device)
    return both


class Recorded:
    """A training step as a CUDA graph: with small batches launching its thousands of kernels takes longer than they do.

    `step(*inputs)` must not wait for the GPU, and returns a dict of tensors, valid until the next call of any recorded step; a call
    copies its inputs and replays the step.
    """

    pool = None  # of memory, for all of them: no two are replayed at once

    def __init__(self, step, inputs):
        self.inputs = [x.clone() for x in inputs]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                step(*self.inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        Recorded.pool = Recorded.pool or torch.cuda.graph_pool_handle()
        with torch.cuda.graph(self.graph, pool=Recorded.pool):
            self.results = step(*self.inputs)

    def __call__(self, *inputs):
        for mine, given in zip(self.inputs, inputs):
            mine.copy_(given)
        self.graph.replay()
        return self.results


def half_precision(device):
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def setup(seed: int):
    torch.manual_seed(seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled runs as it is
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class GaussianDiffusion:
    """Noise prediction with a learned variance range (Nichol & Dhariwal 2021, equations 14 to 16)."""

    def __init__(self, scheduler, device, heaviest: float):
        alphas = scheduler.alphas_cumprod.double()
        previous = torch.cat([torch.ones(1, dtype=torch.double), alphas[:-1]])
        betas = 1 - alphas / previous
        posterior = betas * (1 - previous) / (1 - alphas)
        posterior[0] = posterior[1]

        def table(values):
            return values.float().to(device)

        self.signal, self.noise = table(alphas.sqrt()), table((1 - alphas).sqrt())
        self.low, self.high = table(posterior.log()), table(betas.log())
        self.from_start = table(betas * previous.sqrt() / (1 - alphas))
        # The noise error of a very noisy picture is small however wrong its composition is: weigh it up (as predicting the
        # velocity would, with a ceiling), and weigh down pictures with hardly any noise, where nothing is left to decide.
        ratio = alphas / (1 - alphas)
        weight = (1 / alphas).clamp(max=heaviest) * (20 / ratio).clamp(max=1).sqrt()
        self.weight = table(weight / weight.mean())

    def add(self, start, noise, t):
        return self.signal[t][:, None, None, None] * start + self.noise[t][:, None, None, None] * noise

    def drifted(self, start, noise, t, strength: float):
        """(noisy picture, noise to predict) where the noisy picture holds a start of wrong colours or hardly any start.

        Sampling begins with noise that holds no picture at all, and early guesses are off; in undisturbed training pairs the
        start inside the noise is always right, so a network learns to believe it more than its text and its guide.
        """
        noisy_time = ((t.float() - 250) / 650).clamp(0, 1).square()[:, None, None, None] * strength
        batch, device = len(t), start.device

        def chance(share):
            return (torch.rand(batch, 1, 1, 1, device=device) < share).float()

        even = 0.6 * torch.randn(batch, 3, 1, 1, device=device) * chance(0.6)
        coarse = torch.randn(batch, 3, 4, 4, device=device)
        uneven = 0.4 * F.interpolate(coarse, start.shape[2:], mode="bilinear") * chance(0.5)
        empty = chance(0.35) * torch.rand(batch, 1, 1, 1, device=device).sqrt()
        wrong = noisy_time * (even + uneven) - noisy_time.clamp(max=1) * empty * start
        signal, spread = self.signal[t][:, None, None, None], self.noise[t][:, None, None, None]
        return signal * (start + wrong) + spread * noise, noise + signal / spread * wrong

    def losses(self, output, noise, t):
        """(per-picture squared error of the noise, per-picture variational bound in bits) of a 6-channel output."""
        guess, spread = output.float().chunk(2, 1)
        error = (guess - noise).square().mean((1, 2, 3))
        low, high = self.low[t][:, None, None, None], self.high[t][:, None, None, None]
        spread = (spread.clamp(-3, 3) + 1) / 2
        log_variance = spread * high + (1 - spread) * low
        # the two means differ only through the start they assume, and that only through the noise
        start_gap = (guess.detach() - noise) * (self.noise[t] / self.signal[t])[:, None, None, None]
        start_gap = start_gap.clamp(-2, 2)
        gap = self.from_start[t][:, None, None, None] * start_gap
        bound = 0.5 * (-1 + log_variance - low + (low - log_variance).exp() + gap.square() * (-log_variance).exp())
        bound = bound.mean((1, 2, 3)) / math.log(2) * (t > 0)
        return error, bound


def masked_cross_entropy(logits, target):
    return F.cross_entropy(logits.float(), target, ignore_index=-1)
