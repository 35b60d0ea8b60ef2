#!/usr/bin/env python3
"""Accuracy on recorded voices: four speakers of FSDD, each tested by networks that never heard them.

For each speaker left out, networks learn from takes 5 to 49 of the other three and choose their epoch by takes 0 to 4
of those three. The recipe is chosen among a few, for each speaker left out anew, by leaving out each of the *other*
speakers in turn: nothing of a speaker decides anything about the networks that are tested on it. (It is chosen at the
first size, once with all delays and once without any, and serves all rows.) The four tests are pooled: 2000 recordings.
A finished training is kept in --work, so that an interrupted run goes on where it was. Writes the tables of accuracy.md,
their data accuracy.csv, and recipes.csv into --output. Needs no package.
"""
import argparse
import concurrent.futures
import csv
import json
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("DELAYLINE_DATA", ROOT.parent / "shared" / "data"))
BINARIES = ROOT / "target" / "release"

# In all trainings. The candidate delays are the grid of arXiv 2404.10597 within 1..63.
COMMON = ["--delays", "60x4", "--quiet", "--threads", "1"]
DENSE, PRUNING, INTEGERS = 30, 12, 8  # epochs of each phase
FAST = ["--dropout", "0.3", "--learning-rate", "0.006", "--surrogate", "1.0"]
RECIPES = {
    "slow": ["--dropout", "0.3", "--channel-shift", "40"],
    "fast": [*FAST, "--channel-shift", "40"],
    "stretch": [*FAST, "--channel-shift", "40", "--stretch", "0.3"],
    "wide": [*FAST, "--channel-shift", "80", "--stretch", "0.3"],
}
KEEP = [10, 5, 3, 1]
MODES = ["synaptic", "axonal", "axonal-variable"]
MODE_NAMES = {"synaptic": "synaptic", "axonal": "axonal", "axonal-variable": "axonal, variable"}


def rows():
    """Name, in words, options, and whether it branches from the dense run's floating-point checkpoint."""
    whole = ["--epochs", str(DENSE), "--integer-epochs", str(INTEGERS)]
    longer = ["--epochs", str(DENSE + PRUNING), "--integer-epochs", str(INTEGERS)]
    branch = ["--epochs", "0", "--integer-epochs", str(INTEGERS)]
    out = [("all", "all 15 delays a pair", whole, False),
           ("all-longer", f"all 15 delays, {PRUNING} epochs more", longer, False), ("none", "no delays (all 1)", longer + ["--delays", "1"], False)]
    for k in KEEP:
        pruned = branch + ["--keep", str(k), "--prune-epochs", str(PRUNING)]
        for mode in MODES:
            per = "a pair" if mode == "synaptic" else "an axon"
            out.append((f"{mode}-{k}", f"{MODE_NAMES[mode]}, {k} {per}", pruned + ["--prune", mode], True))
        out.append((f"random-{k}", f"random, {k} a pair", longer + ["--keep", str(k), "--prune", "random"], False))
    out.append(("positions", "learned positions, 1 a pair", longer + ["--learn", "positions"], False))
    for bits in (4, 3):
        out.append((f"bits-{bits}", f"all delays, {bits}-bit weights", branch + ["--weight-bits", str(bits)], True))
    return out


class Work:
    """A directory of runs, and the recordings that they are made from."""

    def __init__(self, directory, archive):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.spikes, self.list, self.groups = (directory / n for n in ("fsdd.npz", "fsdd.csv", "groups.csv"))
        if not (self.spikes.exists() and self.list.exists()):
            # A folder for each speaker, so that the samples of each stand together.
            with zipfile.ZipFile(archive) as z:
                for name in z.namelist():
                    speaker = re.search(r"\d_(\w+)_\d+\.flac$", name)[1]
                    (directory / "recordings" / speaker).mkdir(parents=True, exist_ok=True)
                    (directory / "recordings" / speaker / pathlib.Path(name).name).write_bytes(z.read(name))
            call("model", "encode", directory / "recordings", "--output", self.spikes, "--list", self.list, "--quiet")
        self.samples = {}  # of each speaker, ascending
        self.labels = []
        with open(self.list, newline="") as file:
            groups = [["sample", "group"]]
            for row in csv.DictReader(file):
                speaker, take = re.search(r"\d_(\w+)_(\d+)\.flac$", row["file"]).groups()
                self.samples.setdefault(speaker, []).append(int(row["sample"]))
                self.labels.append(int(row["label"]))
                groups.append([row["sample"], speaker + ("-dev" if int(take) < 5 else "")])
        with open(self.groups, "w", newline="") as file:
            csv.writer(file).writerows(groups)
        self.speakers = sorted(self.samples)

    def range(self, speaker):
        samples = self.samples[speaker]
        return f"{samples[0]}..{samples[-1] + 1}"

    def train(self, name, learn, test, options, origin=None):
        """Trains and tests once; gives the classes of each test sample, and the CPU seconds that it took."""
        run = self.directory / "runs" / name
        command = ["train", "--input", self.spikes, "--groups", self.groups,
                   "--samples", "groups:" + ",".join(learn),
                   "--validation", "groups:" + ",".join(s + "-dev" for s in learn),
                   "--test", self.spikes, "--test-samples", "groups:" + ",".join(f"{s},{s}-dev" for s in test),
                   *last_of_each([*COMMON, *options]), "--run", run, "--output", run / "net.safetensors"]
        if origin:
            command += ["--from", self.directory / "runs" / origin / "float.safetensors"]
        command = [str(word) for word in command]
        # Other settings of the run that it branches from make it another one.
        if origin:
            command.append((self.directory / "runs" / origin / "command.json").read_text())
        told, done = run / "command.json", run / "seconds.json"
        if not (told.exists() and json.loads(told.read_text()) == command):
            shutil.rmtree(run, ignore_errors=True)
            run.mkdir(parents=True)
            told.write_text(json.dumps(command))
        command = command[:-1] if origin else command
        if not done.exists():
            # Of calls that were interrupted nothing is known: what they spent is missing.
            seconds = call("model", *command, *(["--resume"] if (run / "last.safetensors").exists() else []))
            done.write_text(json.dumps({"cpu": seconds}))
        with open(run / "test.csv", newline="") as file:
            table = list(csv.DictReader(file))
        samples = sorted(i for s in test for i in self.samples[s])
        assert [self.labels[i] for i in samples] == [int(r["label"]) for r in table], f"{run}: other test samples"
        columns = {c: dict(zip(samples, (int(r[c]) for r in table))) for c in ("float", "last", "best")}
        return columns, json.loads(done.read_text())["cpu"]

    def right(self, classes, speaker):
        return sum(classes[i] == self.labels[i] for i in self.samples[speaker])

    def on_machine(self, name, speaker):
        """The golden model and both structures of the simulator on the test samples: equal classes and scores."""
        run = self.directory / "runs" / name
        done = run / "machine.json"
        if not done.exists():
            image, network = run / "net.bin", run / "net.safetensors"
            call("compiler", network, "--platform", "loihi", "--output", image)
            common = ["--input", self.spikes, "--samples", self.range(speaker), "--threads", "1", "--quiet"]
            call("model", "evaluate", network, *common, "--results", run / "golden.csv")
            golden = results(run / "golden.csv")
            for structure in ("ring-buffer", "shared-queue"):
                out = run / f"{structure}.csv"
                call("sim", "--image", image, *common, "--delays", structure, "--results", out)
                if results(out) != golden:
                    raise SystemExit(f"{out} differs from {run / 'golden.csv'} in more than cycles")
            done.write_text(json.dumps({r["sample"]: int(r["prediction"]) for r in golden}))
            image.unlink()
        return {int(i): c for i, c in json.loads(done.read_text()).items()}


def results(path):
    """Rows of a CSV of results without the cycles, which only the machine has."""
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k != "cycles"} for row in csv.DictReader(file)]


def build():
    packages = [word for package in ("model", "compiler", "sim") for word in ("-p", package)]
    subprocess.run(["cargo", "build", "--quiet", "--release", *packages], cwd=ROOT, check=True)


def call(binary, *words):
    """Runs a program; gives the CPU seconds that it took, which other work on the machine hardly changes."""
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([str(w) for w in (BINARIES / binary, *words)], stdout=told, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"{binary} {' '.join(map(str, words))}\n{told.read()}")
    return usage.ru_utime + usage.ru_stime


def last_of_each(words):
    """Options and their values, the later one where an option stands twice."""
    options = {}
    for word in words:
        if word.startswith("--"):
            options.pop(word, None)
            values = options[word] = []
        else:
            values.append(word)
    return [w for option, values in options.items() for w in (option, *values)]


def wilson(right, n, z=1.959964):
    """95 % interval (Wilson 1927)."""
    p = right / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def mcnemar(a, b):
    """Exact two-sided p of McNemar's test: a right and b wrong, a wrong and b right."""
    n, low = a + b, min(a, b)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(low + 1)) / 2**n)


def choose(work, pool, hidden, row, more):
    """For each speaker left out, the recipe that is best on the others, each of them left out as well in its turn.

    Gives also the rows of recipes.csv, and the CPU seconds."""
    pairs = [(a, b) for i, a in enumerate(work.speakers) for b in work.speakers[i + 1:]]
    size = hidden.replace(",", "-")
    jobs = {}
    for recipe, options in RECIPES.items():
        for pair in pairs:
            test = [s for s in work.speakers if s not in pair]
            name = f"{'choose' if row == 'all' else f'choose-{row}'}/{size}/{recipe}/{'+'.join(pair)}"
            jobs[recipe, pair] = pool.submit(work.train, name, pair, test, [
                "--hidden", hidden, "--epochs", str(DENSE), "--integer-epochs", str(INTEGERS), *options, *more])
    results = {key: job.result()[0]["best"] for key, job in jobs.items()}
    cpu = sum(job.result()[1] for job in jobs.values())
    table, chosen = [], {}
    for out in work.speakers:
        def inner(recipe):
            scores = []
            for held in (s for s in work.speakers if s != out):
                pair = tuple(s for s in work.speakers if s not in (out, held))
                scores.append(100 * work.right(results[recipe, pair], held) / len(work.samples[held]))
            return scores
        scores = {r: statistics.mean(inner(r)) for r in RECIPES}
        chosen[out] = max(RECIPES, key=scores.get)
        table += [[row, out, r, f"{s:.2f}", int(r == chosen[out])] for r, s in scores.items()]
    return chosen, table, cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "fsdd", help="runs [target/fsdd]")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs", help="tables [docs]")
    parser.add_argument("--data", type=pathlib.Path, default=DATA / "fsdd-dev-4spk.zip", help="the recordings")
    parser.add_argument("--hidden", action="append", help="sizes, again for more [48,48 and 128,128]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="trainings at a time [cores]")
    parser.add_argument("--rows", default=".", metavar="PATTERN", help="only rows that match")
    parser.add_argument("--seeds", type=int, default=3, help="of the rows `all` and `none` of the first size [3]")
    args = parser.parse_args()
    if not args.data.exists() and not (args.work / "fsdd.npz").exists():
        raise SystemExit(f"{args.data}: not there; set DELAYLINE_DATA or --data")
    build()
    work = Work(args.work, args.data)
    pool = concurrent.futures.ThreadPoolExecutor(args.jobs)
    sizes = args.hidden or ["48,48", "128,128"]
    # Networks without delays get the recipe that is best for them.
    every, recipes, cpu = choose(work, pool, sizes[0], "all", [])
    fewer, more, cpu_of_fewer = choose(work, pool, sizes[0], "none", ["--delays", "1"])
    chosen = lambda row, speaker: (fewer if row == "none" else every)[speaker]
    args.output.mkdir(parents=True, exist_ok=True)
    write_csv(args.output / "recipes.csv", [["row", "left_out", "recipe", "inner_accuracy", "chosen"], *recipes, *more])
    print("recipes:", every, "without delays:", fewer, flush=True)

    wanted = [r for r in rows() if re.search(args.rows, r[0]) or r[0] in ("all", "all-longer")]
    jobs = {}

    def one(hidden, out, seed, row):
        size = hidden.replace(",", "-")
        name = f"{size}/{row[0]}-s{seed}/{out}"
        origin = f"{size}/all-s{seed}/{out}" if row[3] else None
        learn = [s for s in work.speakers if s != out]
        options = ["--hidden", hidden, "--seed", str(seed), *RECIPES[chosen(row[0], out)], *row[2]]
        columns, cpu = work.train(name, learn, [out], options, origin)
        machine = work.on_machine(name, out)
        assert machine == columns["best"], f"{name}: the golden model gives other classes than the trainer"
        report = json.loads((work.directory / "runs" / name / "report.json").read_text())
        print(f"{name}: {100 * work.right(columns['best'], out) / len(work.samples[out]):.1f} % ({cpu:.0f} s)",
              flush=True)
        return columns, cpu, report

    for hidden in sizes:
        seeds = {row[0]: range(1, 1 + (args.seeds if row[0] in ("all", "none") and hidden == sizes[0] else 1))
                 for row in wanted}
        # The dense runs first, since others branch from them.
        for seed in range(1, args.seeds + 1):
            for row in wanted:
                if seed in seeds[row[0]] and not row[3]:
                    jobs.update({(hidden, row[0], seed, s): pool.submit(one, hidden, s, seed, row)
                                 for s in work.speakers})
        for s in work.speakers:
            jobs[hidden, "all", 1, s].result()
        for row in wanted:
            if row[3]:
                jobs.update({(hidden, row[0], 1, s): pool.submit(one, hidden, s, 1, row) for s in work.speakers})
    results = {key: job.result() for key, job in jobs.items()}
    table(work, args.output, sizes, wanted, results, chosen, cpu + cpu_of_fewer)


def pooled(work, results, hidden, name, column, seed=1):
    return {i: c for s in work.speakers for i, c in results[hidden, name, seed, s][0][column].items()}


def write_csv(path, lines):
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def table(work, output, sizes, wanted, results, chosen, choosing):
    n = len(work.labels)
    right = lambda classes: sum(c == work.labels[i] for i, c in classes.items())
    data = [["hidden", "row", "seed", "left_out", "recipe", "column", "correct", "samples", "synapses", "cpu_s"]]
    for (hidden, row, seed, speaker), (columns, cpu, report) in results.items():
        synapses = report_synapses(report)
        data += [[hidden, row, seed, speaker, chosen(row, speaker), c, work.right(columns[c], speaker),
                  len(work.samples[speaker]), synapses, f"{cpu:.1f}"] for c in columns]
    write_csv(output / "accuracy.csv", data)
    text = []
    for hidden in sizes:
        against = pooled(work, results, hidden, "none", "best") if any(r[0] == "none" for r in wanted) else None
        # Of as many epochs as the other rows.
        whole = pooled(work, results, hidden, "all-longer", "best")
        sizes_text = f"700-{hidden.replace(',', '-')}-10"
        text.append(f"### {sizes_text}\n\n| | synapses | float | integers, best epoch | 95 % | last epoch | "
                    + " | ".join(work.speakers) + f" | against no delays | against all, {PRUNING} epochs more |\n|" + "---|" * (8 + len(work.speakers)))
        for row in wanted:
            best, last, floating = (pooled(work, results, hidden, row[0], c) for c in ("best", "last", "float"))
            low, high = wilson(right(best), n)
            synapses = statistics.mean(report_synapses(results[hidden, row[0], 1, s][2]) for s in work.speakers)
            each = [f"{100 * work.right(best, s) / len(work.samples[s]):.1f}" for s in work.speakers]
            p = "" if row[0] == "none" or against is None else compare(work, best, against)
            q = "" if row[0] == "all-longer" else compare(work, best, whole)
            text.append(f"| {row[1]} | {synapses:.0f} | {100 * right(floating) / n:.1f} | **{100 * right(best) / n:.1f}** | "
                        f"{100 * low:.1f} to {100 * high:.1f} | {100 * right(last) / n:.1f} | {' | '.join(each)} | {p} | {q} |")
        seeds = {}
        for (h, row, seed, _) in results:
            if h == hidden:
                seeds.setdefault(row, set()).add(seed)
        for row, some in seeds.items():
            if len(some) > 1:
                all_of = [100 * right(pooled(work, results, hidden, row, "best", s)) / n for s in sorted(some)]
                text.append(f"\nSeeds {sorted(some)} of `{row}`: " + ", ".join(f"{a:.1f}" for a in all_of)
                            + f" %; mean {statistics.mean(all_of):.1f}, standard deviation {statistics.stdev(all_of):.1f}.")
        every, fewer = (pooled(work, results, hidden, r, "best") for r in ("all", "none")) if against else (None, None)
        if against:
            floating = 100 * right(pooled(work, results, hidden, "all", "float")) / n
            more, less = (sum(a[i] == work.labels[i] != b[i] for i in a) for a, b in ((every, fewer), (fewer, every)))
            text.append(f"\nDelays against none: {compare(work, every, fewer)}: "
                        + ("better at p < 0.01." if more > less and mcnemar(more, less) < 0.01 else "**not better at p < 0.01.**"))
            text.append(f"\nFrom float to 8-bit hardware: {floating:.1f} to {100 * right(every) / n:.1f} %: "
                        + ("within 1 point." if floating - 100 * right(every) / n <= 1 else "**more than 1 point.**"))
        text.append("")
    spent = [cpu for _, cpu, _ in results.values()]
    text.append(f"{len(spent)} trainings, {sum(spent) / 3600:.1f} CPU hours together, and "
                f"{choosing / 3600:.1f} for the choice of recipes.\n")
    # The words around the tables in accuracy.md stay.
    page, begin, end = output / "accuracy.md", "<!-- tables -->\n", "<!-- end of tables -->"
    around = page.read_text() if page.exists() else begin + end
    before, rest = around.split(begin)
    page.write_text(before + begin + "\n".join(text) + "\n" + end + rest.split(end)[1])
    print("\n".join(text))


def report_synapses(report):
    return int(re.findall(r"(\d+) synapses", report["stages"][-1])[0])


def compare(work, a, b):
    """Differences in recordings and McNemar's p, of `a` over `b`."""
    more = sum(a[i] == work.labels[i] != b[i] for i in a)
    fewer = sum(b[i] == work.labels[i] != a[i] for i in a)
    p = mcnemar(more, fewer)
    return f"+{more} -{fewer}, p {'< 1e-4' if p < 1e-4 else f'= {p:.2g}'}"


if __name__ == "__main__":
    main()
