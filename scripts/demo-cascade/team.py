"""Training on several GPUs of one host: one process a GPU, the same network in each, gradients averaged after each step.

Environment variables as torchrun sets them (RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT); without them a team of one.
"""
import os

import torch
import torch.distributed as dist


class Team:
    def __init__(self):
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        if self.size > 1:  # numbers of the clock go over gloo, so that the GPU is never waited for
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def agree(self, number: float) -> float:
        """The first process's number, in all of them."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.double)
        dist.broadcast(told, 0)
        return float(told)

    def average(self, tensor):
        if self.size > 1:
            dist.all_reduce(tensor)
            tensor /= self.size

    @torch.no_grad()
    def same(self, tensors):
        """The first process's values, in all of them."""
        if self.size == 1:
            return
        for tensor in tensors:
            packed = tensor.contiguous()
            dist.broadcast(packed, 0)
            tensor.copy_(packed)


def flat_gradients(parameters):
    """One tensor that holds all gradients: each `p.grad` is a part of it, laid out as `p` is."""
    flat = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
    at = 0
    for p in parameters:
        p.grad = flat.as_strided(p.shape, p.stride(), at)
        at += p.numel()
    return flat
