#!/usr/bin/env python3
"""One training step (forward and backward, no optimiser): this trainer against PyTorch.

bench_trainer.py TRAIN_STEP [--rounds N] [--quick]

Both sides get the same inputs and weights and must give equal losses. The network is 128 samples x 100 steps,
inputs-128-128-20, leak 0.9, threshold 1, triangular surrogate, reset detached, logits the mean of a leaky
readout, cross entropy. Rounds alternate between all contestants; medians of wall time and of CPU time of all
threads are printed, and the ratio of the best PyTorch formulation to ours.

Formulations: `loop` (one loop over time, all layers inside, one matrix product a layer), `conv` (layer by
layer, delays as a dilated convolution over time), `gemm` (layer by layer, one product over concatenated
delayed copies), and with --compile `torch.compile` of the best of them, where it runs.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

# Threads that wait must not spin: on a shared machine that slows PyTorch down many times.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

BATCH, STEPS, CLASSES, LEAK, WIDTH, THREADS = 128, 100, 20, 0.9, 0.5, 2


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.clamp(1 - x.abs() / WIDTH, min=0) / WIDTH


spike = Spike.apply


def fire(currents):
    v = torch.zeros_like(currents[0])
    s = torch.zeros_like(v)
    out = []
    for current in currents:
        v = LEAK * v * (1 - s.detach()) + current
        s = spike(v - 1)
        out.append(s)
    return torch.stack(out)


def read_out(currents):
    u = torch.zeros_like(currents[0])
    total = torch.zeros_like(u)
    for current in currents:
        u = LEAK * u + current
        total = total + u
    return total / len(currents)


def loop(x, weights, delays):
    flat = [w.flatten(0, 1) for w in weights]
    history = [list(x)] + [[] for _ in weights[1:]]
    v = [x.new_zeros(x.shape[1], w.shape[2]) for w in weights]
    s = [torch.zeros_like(a) for a in v]
    none = [x.new_zeros(x.shape[1], w.shape[1]) for w in weights]
    total = 0
    for t in range(len(x)):
        for l, w in enumerate(flat):
            past = [history[l][t - d] if t >= d else none[l] for d in delays]
            current = (past[0] if len(past) == 1 else torch.cat(past, 1)) @ w
            if l < len(flat) - 1:
                v[l] = LEAK * v[l] * (1 - s[l].detach()) + current
                s[l] = spike(v[l] - 1)
                history[l + 1].append(s[l])
            else:
                v[l] = LEAK * v[l] + current
                total = total + v[l]
    return total / len(x), history[1:]


def layers(currents_of):
    def run(x, weights, delays):
        h, hidden = x, []
        for w in weights[:-1]:
            h = fire(currents_of(h, w, delays))
            hidden.append(h)
        return read_out(currents_of(h, weights[-1], delays)), hidden
    return run


def delayed(h, d):
    return F.pad(h, (0, 0, 0, 0, d, 0))[: len(h)]


def by_conv(h, w, delays):
    if len(delays) == 1:
        return delayed(h, delays[0]) @ w[0]
    stride = delays[1] - delays[0]
    kernel = w.permute(2, 1, 0).flip(2)
    past = F.pad(h.permute(1, 2, 0), ((len(delays) - 1) * stride + delays[0], 0))
    out = F.conv1d(past, kernel, dilation=stride)
    return out[:, :, : len(h)].permute(2, 0, 1)


def by_gemm(h, w, delays):
    return torch.cat([delayed(h, d) for d in delays], 2) @ w.flatten(0, 1)


class Rival:
    def __init__(self, name, run, x, y, weights, delays):
        self.name, self.args, self.times = name, (x, y, weights, delays), []
        self.run = run

    def step(self):
        x, y, weights, delays = self.args
        for w in weights:
            w.grad = None
        before, start = time.process_time(), time.perf_counter()
        logits, hidden = self.run(x, weights, delays)
        loss = F.cross_entropy(logits, y)
        loss.backward()
        wall, cpu = time.perf_counter() - start, time.process_time() - before
        density = [(h.mean() if torch.is_tensor(h) else torch.stack(h).mean()).item() for h in hidden]
        return wall * 1e3, cpu * 1e3, loss.item(), density


class Ours:
    def __init__(self, name, program, file, simd=None):
        self.name, self.times = name, []
        command = [program, file, str(THREADS)] + ([simd] if simd else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        head = self.process.stdout.readline().split()
        self.loss, self.density = float(head[0]), [float(d) for d in head[1:]]

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, cpu = map(float, self.process.stdout.readline().split())
        return wall, cpu, self.loss, self.density

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def case(program, rounds, compile_too, inputs, density, taps, stride, gain, folder):
    torch.manual_seed(1)
    delays = [1 + i * stride for i in range(taps)]
    sizes = [inputs, 128, 128, CLASSES]
    x = (torch.rand(STEPS, BATCH, inputs) < density).float()
    y = torch.randint(0, CLASSES, (BATCH,))
    weights = []
    for pre, post, d in zip(sizes, sizes[1:], [density, 0.05, 0.05]):
        weights.append((torch.randn(taps, pre, post) * gain / (taps * pre * d) ** 0.5).requires_grad_())
    tensors = {f"weight.{i}": w.detach().contiguous() for i, w in enumerate(weights)}
    tensors["input"] = x.permute(1, 0, 2).nonzero().to(torch.int32).contiguous()
    tensors["labels"] = y.to(torch.int32)
    file = os.path.join(folder, "case.safetensors")
    save_file(tensors, file, metadata={"net": json.dumps(dict(steps=STEPS, sizes=sizes, delays=delays, keep=LEAK))})
    title = f"{inputs} inputs at {100 * density:g} %, 128-128-20, {taps} delay(s) at stride {stride}"
    runs = {"loop": loop, "conv": layers(by_conv), "gemm": layers(by_gemm)}
    rivals = [Rival(f"PyTorch {n}", f, x, y, weights, delays) for n, f in runs.items()]
    ours = [Ours("ours", program, file)]
    for simd in ("avx2",):
        try:
            ours.append(Ours(f"ours, {simd}", program, file, simd))
        except (IndexError, ValueError):
            print(f"ours, {simd}: not on this machine")
    first = [r.step() for r in rivals]  # warm up, and find the best to compile
    best = min(zip(first, rivals), key=lambda p: p[0][0])[1]
    try:
        if not compile_too:
            raise RuntimeError("not asked for (--compile)")
        compiled = Rival(f"{best.name}, compiled", torch.compile(best.run), x, y, weights, delays)
        compiled.step(), compiled.step()
        rivals.append(compiled)
    except Exception as error:  # whatever the compiler lacks on this machine
        print(f"torch.compile is left out: {str(error).splitlines()[0][:120]}")
    everyone = ours + rivals
    for _ in range(rounds):
        for contestant in everyone:
            contestant.times.append(contestant.step())
    print(f"\n{title}, {rounds} rounds, {THREADS} threads")
    print(f"{'':26s} {'wall ms':>10s} {'CPU ms':>10s} {'loss':>10s}  hidden densities")
    for c in everyone:
        wall, cpu = (statistics.median(t[i] for t in c.times) for i in (0, 1))
        _, _, loss, hidden = c.times[-1]
        c.median = (wall, cpu)
        print(f"{c.name:26s} {wall:10.1f} {cpu:10.1f} {loss:10.5f}  {' '.join(f'{100 * d:.1f} %' for d in hidden)}")
    losses = [c.times[-1][2] for c in everyone]
    for o in ours:
        ratios = [min(r.median[i] for r in rivals) / o.median[i] for i in (0, 1)]
        print(f"best PyTorch / {o.name:10s} {ratios[0]:6.1f} x wall, {ratios[1]:.1f} x CPU")
    for o in ours:
        o.close()
    if max(losses) - min(losses) > 1e-3 * max(losses):
        sys.exit(f"the losses differ: {losses}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="the first case only, three rounds")
    parser.add_argument("--compile", action="store_true", help="torch.compile too (it takes minutes to compile)")
    parser.add_argument("--case", type=int, help="one case only, from 0")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, batch {BATCH}, {STEPS} steps")
    cases = [(700, 0.015, 16, 4, 0.72), (700, 0.015, 1, 1, 0.72), (140, 0.25, 16, 4, 0.72)]
    if args.quick:
        cases, args.rounds = cases[:1], 3
    if args.case is not None:
        cases = [cases[args.case]]
    with tempfile.TemporaryDirectory() as folder:
        for inputs, density, taps, stride, gain in cases:
            case(args.program, args.rounds, args.compile, inputs, density, taps, stride, gain, folder)


main()
