"""Trains Stage 1 (64 px) with the finished T5 encoder.

Pictures wait in rings on the GPU, one for each shape.  It begins with easy scenes (mostly one thing) and comes to the whole
grammar in the first half of its time; wide and tall pictures join then.

    python train_stage_1.py --minutes 25 --out runs/demo
    torchrun --nproc-per-node 2 -- train_stage_1.py ...          # one process a GPU
"""
import argparse
import os
import random
import time

import torch
import torch.nn.functional as F

import networks
from compose import Composer, load_sprites
from data import Pool
from rings import Ring, from_bytes, small_pictures
from sampling import sample_stage_1, sheet
from scenes import COLUMN, EASY, SIGN
from team import Team, flat_gradients
from training import (Average, Clock, GaussianDiffusion, Log, Recorded, add_shared_options, half_precision, load_half,
                      load_state, optimizer_for, save_half, save_state, setup)


def thing_mask(picture):
    """(B,1,64,64): 1 on and near whatever is not the ground, which fills most of a picture and is learnt first."""
    differs = (picture - picture[:, :, :1, :1]).abs().amax(1, keepdim=True) > 0.1
    return F.max_pool2d(differs.float(), 5, 1, 2)


def small_weighs_more(mask):
    """(B,1,64,64) -> (B,): what covers less of a picture than a fifth weighs more than its pixels, and what covers more weighs less."""
    return (0.2 / mask.mean((1, 2, 3)).clamp(min=0.02)).sqrt().clamp(0.7, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=110)
    parser.add_argument("--batch", type=int, default=256, help="of one GPU")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--muon", type=float, default=0.02)
    parser.add_argument("--pool", type=int, default=1000000)
    parser.add_argument("--ring", type=int, default=300000)
    parser.add_argument("--resume", action="store_true", help="go on from stage-1.safetensors and the optimizer's state")
    parser.add_argument("--drift", type=float, default=1.0, help="train against wrong colours in the noisy picture")
    parser.add_argument("--decay", type=float, default=0.999)
    parser.add_argument("--keep-every", type=int, default=500, help="save weights, state and samples every so many steps")
    parser.add_argument("--easy", type=float, nargs=2, default=(0.8, 0.3), help="share of easy scenes at the start and from half of the time on")
    parser.add_argument("--signs", type=float, nargs=2, default=(0.15, 0.22), help="share of signs in easy and in common scenes")
    parser.add_argument("--kinds", type=int, nargs=3, default=(50, 40, 10), help="how often one thing, two, or several are met in common scenes")
    parser.add_argument("--letter-times", type=float, default=0.6, help="share of signs whose noise is as strong as where letters are decided")
    parser.add_argument("--shapes", nargs="*", default=["64x64", "88x64", "64x88", "96x64", "64x96", "112x64", "64x112"], help="widths and heights, the first is met most")
    parser.add_argument("--others", type=float, default=0.15, help="share of steps with the other shapes")
    parser.add_argument("--from-share", type=float, default=0.5, help="share of the time after which the other shapes are met")
    parser.add_argument("--recorded", action="store_true", help="replay the step as a CUDA graph")
    parser.add_argument("--wait", help="begin once this file is there: the text encoder is done")
    add_shared_options(parser, "steps", "start", "second", "compiled", "side", "things", "tokenizers", "out")
    args = parser.parse_args()
    looks = load_sprites(args.things, args.side)
    seed = 2 + args.resume
    own_seed = seed + 50 * int(os.environ.get("RANK", 0))
    pool = Pool(args.tokenizers, args.things, args.pool, "cpu", own_seed, easy={**EASY, "signs": args.signs[0], "second": args.second},
                common={"signs": args.signs[1], "kinds": args.kinds, "second": args.second})
    device = setup(own_seed)
    team = Team()  # after the pool's processes have been forked
    pool.to(device)
    composer = Composer(args.things, device, looks)
    until = os.path.join(args.out, "until-stage-1")
    clock = Clock(args.minutes, args.steps, args.rate, start=args.start, warm=100, until=until, agree=team.agree)

    def pick(count):
        before, after = args.easy
        return pool.pick(count, before + (after - before) * min(1, 2 * clock.share))

    rings = {}

    def ring_of(shape):
        if shape not in rings:
            width, height = (int(n) for n in shape.split("x"))
            count = args.ring if shape == args.shapes[0] else args.ring // 12
            rings[shape] = Ring(small_pictures(pool, composer, width, height, pick), count, min(1024, count))
            print("ring filled", shape, flush=True)
        return rings[shape]

    ring_of(args.shapes[0])
    weights = os.path.join(args.out, "weights")
    unet = networks.pass_noise_through(networks.unet(networks.STAGE_1)).to(device).to(memory_format=torch.channels_last)
    if args.resume:
        load_half(unet, os.path.join(weights, "stage-1.safetensors"))
    optimizer = optimizer_for([unet], args.rate, args.muon, recorded=args.recorded)
    state = os.path.join(args.out, "state", "stage-1.safetensors")
    if args.resume and os.path.exists(state):
        load_state(optimizer, state)
    parameters = [p for p in unet.parameters() if p.requires_grad]
    team.same(parameters)
    gradients = flat_gradients(parameters)
    average = Average({"stage-1": unet}, args.decay)
    diffusion = GaussianDiffusion(networks.ddpm(networks.STAGE_1_SCHEDULER), device, heaviest=60.0)
    encoder = networks.text_encoder().to(device).requires_grad_(False)
    net, encode = unet, encoder
    if args.compiled:
        net, encode = torch.compile(unet, dynamic=False), torch.compile(encoder, dynamic=False)

    def times(lettering):
        """Layout, colours and letters are decided while there is much noise."""
        count = len(lettering)
        t = torch.randint(1000, (count,), device=device)
        t = torch.where(torch.rand(count, device=device) < 0.5, 500 + t // 2, t)
        return torch.where(torch.rand(count, device=device) < args.letter_times * lettering, 550 + t * 2 // 5, t)

    def forward(net, picture, tokens, lettering):
        with torch.no_grad():
            t = times(lettering)
            noisy, noise = diffusion.drifted(picture, torch.randn_like(picture), t, args.drift)
            noisy = noisy.contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            output = net(noisy, t, tokens, return_dict=False)[0]
        error, bound = diffusion.losses(output, noise, t)
        weighted = error * diffusion.weight[t]
        mask = thing_mask(picture)
        things = ((output[:, :3].float() - noise).square() * mask).mean((1, 2, 3)) * diffusion.weight[t] * small_weighs_more(mask)
        loss = (weighted + 4 * things).mean() + 0.05 * bound.mean()
        return loss, {"noise": error.mean(), "weighted": weighted.mean(), "things": things.mean(), "bound": bound.mean(),
                      "lettering": (weighted * lettering).sum() / lettering.sum().clamp(min=1)}

    def backward(net):
        def run(*inputs):
            gradients.zero_()
            loss, parts = forward(net, *inputs)
            loss.backward()
            return {name: value.detach() for name, value in parts.items()}

        return run

    def update():
        optimizer.step()
        return {}

    @torch.no_grad()
    def batch(shape):
        seen = ring_of(shape).batch(args.batch if shape == args.shapes[0] else args.batch // 2)  # larger, and not compiled
        index = seen["index"]
        ids = pool.text(index, 0.08)
        with half_precision(device):
            tokens = encode(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state.float()
        signed = (pool.rows[index, COLUMN["object_a"]] == SIGN) | (pool.rows[index, COLUMN["object_b"]] == SIGN)
        return from_bytes(seen["picture"]), tokens, signed.float()

    passes = {}

    def pass_for(shape):
        if shape not in passes:  # compiling, for each shape or once for all sizes, takes longer than those that are seldom met do as they are
            run = backward(net if shape == args.shapes[0] else unet)
            passes[shape] = Recorded(run, batch(shape)) if args.recorded else run
        return passes[shape]

    if args.wait:  # compile meanwhile
        for shape in args.shapes if args.others else args.shapes[:1]:
            pass_for(shape)(*batch(shape))
            print("compiled", shape, flush=True)
        while not os.path.exists(args.wait):
            time.sleep(0.5)
    load_half(encoder, os.path.join(weights, "t5.safetensors"))

    def keep(step):
        average.swap()
        save_half(unet, os.path.join(weights, "stage-1.safetensors"))
        pictures = sample_stage_1(unet, encoder, args.tokenizers, device)
        sheet(pictures, os.path.join(args.out, "samples", f"stage-1-{step:06d}.png"))
        average.swap()
        save_state(optimizer, state)

    asked = os.path.join(args.out, "keep")  # whoever makes this file gets what there is now
    log = Log(os.path.join(args.out, "logs.jsonl") if team.leads else os.devnull, "stage-1", 50)
    chance, apply = random.Random(seed), None
    while clock.tick(optimizer):
        shape = args.shapes[0]
        if len(args.shapes) > 1 and clock.share >= args.from_share and chance.random() < args.others:
            shape = chance.choice(args.shapes[1:])
        ring = ring_of(shape)
        ring.met = getattr(ring, "met", 0) + 1
        if ring.met % 16 == 0:
            ring.renew(3 * args.batch)
        parts = pass_for(shape)(*batch(shape))
        team.average(gradients)
        if apply is None:
            apply = Recorded(update, []) if args.recorded else update
        apply()
        if log.step % 500 == 0:  # equal gradients keep the networks equal; this makes it certain
            team.same([*parameters, *(v for one in optimizer for held in one.state.values() for v in held.values() if torch.is_tensor(v) and v.ndim)])
        average.update()
        log.add(args.batch * team.size, **parts)
        if team.leads and (log.step % args.keep_every == 0 or os.path.exists(asked)):
            keep(log.step)
            if os.path.exists(asked):
                os.remove(asked)
    if team.leads:
        keep(log.step)
    team.leave()


if __name__ == "__main__":
    main()
