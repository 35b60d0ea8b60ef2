#!/usr/bin/env python3
"""Writes the fixtures of model/tests/gradients.rs: small networks with PyTorch's own gradients.

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch numpy safetensors
    /tmp/torch/bin/python scripts/make_gradient_fixtures.py model/tests/fixtures

The step is the contract's in floating point: leak, sum of what arrives, fire at 1, reset (detached);
the surrogate is a triangle of half-width 0.5; logits are the mean of the readout over time. A spike
whose membrane lies within 1e-4 of the threshold could fall either way; seeds are tried until none does.
"""
import json
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

WIDTH = 0.5


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.clamp(1 - x.abs() / WIDTH, min=0) / WIDTH


def run(net, x, weights, keeps):
    """x [T, B, inputs]; weights [delays, pre, post] by projection; keeps [size] by population (None first)."""
    steps, batch = x.shape[:2]
    last = len(net["sizes"]) - 1
    spikes = {0: list(x)}
    held, margin, counts = {}, [], [0.0] * (last + 1)
    for p in range(1, last + 1):
        held[p] = x.new_zeros(batch, net["sizes"][p])
        spikes[p] = []
    total = 0
    for t in range(steps):
        now = {}
        for p in range(1, last + 1):
            current = x.new_zeros(batch, net["sizes"][p])
            for i, (source, target, delays) in enumerate(net["projections"]):
                if target == p:
                    for d, delay in enumerate(delays):
                        if t >= delay:
                            current = current + spikes[source][t - delay] @ weights[i][d]
            v = keeps[p] * held[p] + current
            if p == last:
                held[p] = v
                total = total + v
                continue
            s = Spike.apply(v - 1)
            margin.append((v.detach() - 1).abs().min().item())
            counts[p] += s.detach().sum().item()
            rest = v * (1 - s.detach()) if net["reset"] == "zero" else v - s.detach()
            held[p], now[p] = rest, s
        for p, s in now.items():
            spikes[p].append(s)
    cells = [steps * batch * n for n in net["sizes"]]
    return total / steps, min(margin), [c / n for c, n in zip(counts, cells)][1:last]


def make(net, seed):
    g = torch.Generator().manual_seed(seed)
    steps, batch, sizes = net["steps"], net["batch"], net["sizes"]
    x = (torch.rand(steps, batch, sizes[0], generator=g) < net["density"]).float()
    y = torch.randint(0, sizes[-1], (batch,), generator=g)
    weights = []
    for source, target, delays in net["projections"]:
        density = net["density"] if source == 0 else 0.1
        scale = net["gain"] / (len(delays) * sizes[source] * density) ** 0.5
        w = torch.randn(len(delays), sizes[source], sizes[target], generator=g) * scale
        weights.append(w.requires_grad_())
    keeps = [None] + [(0.7 + 0.28 * torch.rand(n, generator=g)).requires_grad_() for n in sizes[1:]]
    logits, margin, density = run(net, x, weights, keeps)
    if margin < 1e-4 or min(density) < 0.01:
        return None
    loss = F.cross_entropy(logits, y)
    loss.backward()
    # Spikes as (sample, step, channel).
    where = x.permute(1, 0, 2).nonzero().to(torch.int32)
    tensors = {"input": where, "labels": y.to(torch.int32), "logits": logits.detach(), "loss": loss.detach().reshape(1)}
    for i, w in enumerate(weights):
        tensors[f"weight.{i}"], tensors[f"weight.{i}.gradient"] = w.detach(), w.grad
    for p in range(1, len(sizes)):
        tensors[f"keep.{p}"], tensors[f"keep.{p}.gradient"] = keeps[p].detach(), keeps[p].grad
    print(f"  seed {seed}: loss {loss.item():.6f}, margin {margin:.1e}, densities {[round(d, 3) for d in density]}")
    return {k: v.contiguous() for k, v in tensors.items()}


NETS = {
    "chain": dict(steps=50, batch=6, sizes=[40, 24, 20, 5], reset="zero", density=0.06, gain=1.0,
                  projections=[(0, 1, [1, 2]), (1, 2, list(range(1, 62, 4))), (2, 3, [1, 5, 9, 30])]),
    "loops": dict(steps=40, batch=5, sizes=[30, 18, 17, 4], reset="zero", density=0.08, gain=0.8,
                  projections=[(0, 1, [1]), (1, 1, [1, 3, 8]), (1, 2, [2, 7]), (2, 1, [1, 2, 4, 11, 20]),
                               (2, 3, [1, 6]), (0, 3, [1])]),
    "subtract": dict(steps=45, batch=5, sizes=[30, 20, 4], reset="subtract", density=0.1, gain=1.2,
                     projections=[(0, 1, list(range(1, 21))), (1, 1, [2]), (1, 2, [1, 4, 7, 10, 13])]),
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    for name, net in NETS.items():
        print(name)
        tensors = next(t for t in (make(net, seed) for seed in range(1, 10_000)) if t)
        save_file(tensors, f"{sys.argv[1]}/{name}.safetensors", metadata={"net": json.dumps(net)})


main()
