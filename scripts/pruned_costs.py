#!/usr/bin/env python3
"""What delay pruning saves on each structure, beside the accuracy that it costs.

pruned_costs.py [--work DIR] [--accuracy CSV] [--output CSV] [--platform seneca] [--samples 100]

Takes the networks that scripts/train_fsdd.py left in --work (first size, first seed), compiles each for --platform and
runs `sim cost` on the first --samples test recordings of its fold, for both structures. Means over the four folds, with
the pooled test accuracy of --accuracy, go into one CSV; scripts/costs.sh draws it. Energy: memories as they are
provided, IHP 130 nm, what has a price. Needs no package.
"""
import argparse
import csv
import importlib.util
import json
import pathlib
import statistics
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("train_fsdd", ROOT / "scripts" / "train_fsdd.py")
fsdd = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fsdd)


def measure(work, run, speaker, platform, count):
    """Cost of a network on some test recordings, by structure."""
    first = work.samples[speaker][0]
    with tempfile.TemporaryDirectory() as folder:
        image = pathlib.Path(folder) / "net.bin"
        fsdd.call("compiler", run / "net.safetensors", "--platform", platform, "--output", image)
        fsdd.call("sim", "cost", "--image", image, "--input", work.spikes, "--samples", f"{first}..{first + count}",
                  "--prices", "ihp130", "--quiet", "--output", folder)
        cost = json.loads((pathlib.Path(folder) / "cost.json").read_text())
    out = {}
    for structure in cost["structures"]:
        bits, bill = structure["layer0_bits"], structure["layer5_energy"]["bills"][0]
        assert structure["layer1_events"]["failed"] == 0, f"{run}: a queue overflowed"
        out[structure["structure"]] = {
            "delay_bits": bits["delay"]["fitted_bits"],
            "all_bits": bits["all"]["fitted_bits"],
            "cycles": structure["layer1_events"]["cycles_per_inference"],
            "synaptic_operations": structure["layer1_events"]["synaptic_operations"]["performed"] / count,
            "priced_nj": bill["priced_nj_per_inference"]["point"],
        }
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "fsdd")
    parser.add_argument("--accuracy", type=pathlib.Path, default=ROOT / "docs" / "accuracy.csv")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "costs" / "pruning-trained.csv")
    parser.add_argument("--platform", default="seneca")
    parser.add_argument("--samples", type=int, default=100)
    args = parser.parse_args()
    if not args.accuracy.exists():
        raise SystemExit(f"{args.accuracy}: not there; scripts/train_fsdd.py makes it")
    fsdd.build()
    work = fsdd.Work(args.work, fsdd.DATA / "fsdd-dev-4spk.zip")
    with open(args.accuracy, newline="") as file:
        table = [r for r in csv.DictReader(file) if r["seed"] == "1" and r["column"] == "best"]
    hidden = table[0]["hidden"]
    lines = []
    for name, words, _, _ in fsdd.rows():
        mine = [r for r in table if r["hidden"] == hidden and r["row"] == name]
        if not mine or name.startswith("bits"):
            continue
        runs = {r["left_out"]: args.work / "runs" / hidden.replace(",", "-") / f"{name}-s1" / r["left_out"] for r in mine}
        each = [measure(work, run, speaker, args.platform, args.samples) for speaker, run in runs.items()]
        right, all_ = (sum(int(r[c]) for r in mine) for c in ("correct", "samples"))
        low, high = fsdd.wilson(right, all_)
        mode, _, keep = name.rpartition("-")
        mode, keep = (mode, keep) if keep.isdigit() else (name, {"none": "1", "positions": "1"}.get(name, "15"))
        for structure in each[0]:
            mean = {k: statistics.mean(e[structure][k] for e in each) for k in each[0][structure]}
            lines.append([mode, keep, structure, f"{100 * right / all_:.2f}", f"{100 * low:.2f}", f"{100 * high:.2f}",
                          f"{statistics.mean(int(r['synapses']) for r in mine):.0f}",
                          *(f"{mean[k]:.0f}" for k in mean)])
        print(name, f"{100 * right / all_:.1f} %", flush=True)
    head = ["mode", "keep", "structure", "accuracy", "low", "high", "synapses", "delay_bits", "all_bits", "cycles",
            "synaptic_operations", "priced_nj"]
    fsdd.write_csv(args.output, [head, *lines])


if __name__ == "__main__":
    main()
