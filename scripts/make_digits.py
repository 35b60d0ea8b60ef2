#!/usr/bin/env python3
"""Makes model/data/digits.npz anew: spoken digits by espeak-ng, through our model of the inner ear.

    scripts/setup.sh data            espeak-ng, once
    scripts/make_digits.py           writes digits.npz, digits.csv, digits.toml into model/data
    scripts/make_digits.py --check   makes them in a temporary folder and compares the check sums

20 classes in the order of the Spiking Heidelberg Digits: 0-9 in English, then 0-9 in German.
Samples stand voice after voice, the 20 classes of a voice in order; training voices first, then test
voices, which are others. Sample i is of class i mod 20, so every range of whole voices is balanced.
"""

import argparse
import array
import csv
import hashlib
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import wave

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "model" / "data"

# The release that model/data holds. Others may speak differently.
ESPEAK = "1.51"
SEED = 1
WORDS = [
    *[("en", w) for w in "zero one two three four five six seven eight nine".split()],
    *[("de", w) for w in "null eins zwei drei vier fünf sechs sieben acht neun".split()],
]
# espeak-ng's voice variants, without those that do not pass as speakers (whisper, robosoft,
# UniRobot, Demonic, announcer, croak and the like). Relatives (Gene and Gene2) stay on one side.
TRAIN = """m1 f2 klatt Alicia adam f1 m4 Andrea benjamin klatt2 belinda caleb m2 anika david Denis f3
    linda m5 steph klatt3 ed Gene Annie Henrique m6 Jacky steph2 Lee marcelo shelby m8 michel aunty paul
    Nguyen""".split()
TEST = "m3 f4 Mike sandro victor f5 robert m7".split()
ACCENTS = ["en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
PITCH = (25, 75)
SPEED = (125, 190)
SNR_DB = (5.0, 20.0)
GAIN_DB = (-12.0, 0.0)
# Silence before and after the word, in seconds; the noise runs through it.
LEAD = (0.01, 0.06)
TAIL = 0.03
# What is below this share of the peak, in windows of 5 ms, is silence.
SILENCE = 0.02


def speak(text, voice, pitch, speed, path):
    """Samples from -1 to 1, and their rate."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(path), text]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2 and file.getnchannels() == 1
        samples = array.array("h", file.readframes(file.getnframes()))
        if sys.byteorder == "big":
            samples.byteswap()
        return [s / 32768 for s in samples], file.getframerate()


def trim(samples, rate):
    """Without the silence at both ends."""
    width = rate // 200
    peaks = [max(map(abs, samples[i : i + width])) for i in range(0, len(samples), width)]
    loud = [i for i, peak in enumerate(peaks) if peak >= SILENCE * max(peaks)]
    return samples[loud[0] * width : (loud[-1] + 1) * width]


def noise(count, colour, rng):
    """Noise of power 1: white, or falling by 6 dB an octave above about 500 Hz at 22 kHz."""
    state, out = 0.0, []
    for _ in range(count):
        value = rng.gauss(0.0, 1.0)
        if colour == "brown":
            state = value = 0.87 * state + value
        out.append(value)
    level = math.sqrt(sum(v * v for v in out) / count)
    return [v / level for v in out]


def sample(voice, label, folder):
    """Writes one recording; what it is, as a row of digits.csv."""
    language, word = WORDS[label]
    rng = random.Random(f"{SEED}/{voice}/{label}")
    row = {
        "label": label,
        "word": word,
        "voice": voice,
        "accent": rng.choice(ACCENTS) if language == "en" else "de",
        "pitch": rng.randint(*PITCH),
        "speed": rng.randint(*SPEED),
        "noise": rng.choice(["white", "brown"]),
        "snr_db": round(rng.uniform(*SNR_DB), 2),
        "gain_db": round(rng.uniform(*GAIN_DB), 2),
        "lead_s": round(rng.uniform(*LEAD), 4),
    }
    path = folder / f"{label:02}_{voice}.wav"
    speech, rate = speak(word, f"{row['accent']}+{voice}", row["pitch"], row["speed"], path)
    speech = trim(speech, rate)
    power = sum(s * s for s in speech) / len(speech)
    level = math.sqrt(power / 10 ** (row["snr_db"] / 10))
    speech = [0.0] * int(row["lead_s"] * rate) + speech + [0.0] * int(TAIL * rate)
    mixed = [s + level * n for s, n in zip(speech, noise(len(speech), row["noise"], rng))]
    gain = 10 ** (row["gain_db"] / 20) / max(map(abs, mixed))
    frames = array.array("h", (round(32767 * gain * s) for s in mixed))
    if sys.byteorder == "big":
        frames.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    return row


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def toml_list(names):
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def make(encoder, out):
    release = output_of("espeak-ng", "--version").split(":")[1].split()[0]
    if release != ESPEAK:
        print(f"warning: espeak-ng {release} is installed; model/data was made with {ESPEAK}", file=sys.stderr)
    # espeak-ng falls back to its own voice, silently, where a variant is missing.
    there = {line.split("!v/")[1].split()[0] for line in output_of("espeak-ng", "--voices=variant").splitlines() if "!v/" in line}
    if missing := set(TRAIN + TEST) - there:
        sys.exit(f"error: this espeak-ng lacks the voice variants {', '.join(sorted(missing))}")
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        sounds = pathlib.Path(temporary) / "sounds"
        for number, voice in enumerate(TRAIN + TEST):
            split = "train" if voice in TRAIN else "test"
            folder = sounds / f"{number:02}-{voice}"
            folder.mkdir(parents=True)
            rows += [{"split": split, **sample(voice, label, folder)} for label in range(len(WORDS))]
            print(f"\rvoice {number + 1} of {len(TRAIN + TEST)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        listing = pathlib.Path(temporary) / "list.csv"
        arguments = ["--seed", str(SEED), "--grid", "1", "--channels", "700"]
        command = [*encoder, "encode", str(sounds), "--output", str(out / "digits.npz"), "--list", str(listing)]
        subprocess.run([*command, *arguments], check=True, cwd=ROOT)
        with open(listing, newline="") as file:
            for i, (row, encoded) in enumerate(zip(rows, csv.DictReader(file), strict=True)):
                assert encoded["file"].endswith(f"/{row['label']:02}_{row['voice']}.wav"), encoded
                row.update(sample=i, spikes=encoded["spikes"], seconds=encoded["seconds"])
    with open(out / "digits.csv", "w", newline="") as file:
        names = ["sample", *[n for n in rows[0] if n != "sample"]]
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    trained, all_samples = len(TRAIN) * len(WORDS), len(rows)
    model = output_of(*encoder, "--version").split()[-1]
    (out / "digits.toml").write_text(
        f"""# Synthetic, shaped like the Spiking Heidelberg Digits, not them. Made by scripts/make_digits.py.
file = "digits.npz"
sha256 = "{sha256(out / 'digits.npz')}"
samples = {all_samples}
spikes = {sum(int(r['spikes']) for r in rows)}
channels = 700
grid_ms = 1
# One row a sample: voice, accent, pitch, speed, noise.
table = "digits.csv"
table_sha256 = "{sha256(out / 'digits.csv')}"
seed = {SEED}
classes = {toml_list(word for _, word in WORDS)}
languages = {toml_list(language for language, _ in WORDS)}

# Half-open ranges for --samples. Voice k has samples 20 k .. 20 k + 20, class i the i-th of them.
[train]
samples = "0..{trained}"
voices = {toml_list(TRAIN)}

[test]
samples = "{trained}..{all_samples}"
voices = {toml_list(TEST)}

[made-with]
espeak-ng = "{release}"
model = "{model}"
command = "model encode SOUNDS --output digits.npz {' '.join(arguments)}"
accents = {toml_list(ACCENTS)}
pitch = {list(PITCH)}
words_a_minute = {list(SPEED)}
snr_db = {list(SNR_DB)}
gain_db = {list(GAIN_DB)}
""",
        encoding="utf-8",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with model/data instead of writing it")
    parser.add_argument("--encoder", metavar="FILE", help="a built `model` (default: cargo run --release -p model)")
    arguments = parser.parse_args()
    encoder = [os.path.abspath(arguments.encoder)] if arguments.encoder else "cargo run --release -q -p model --".split()
    try:
        if not arguments.check:
            make(encoder, DATA)
            return 0
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            make(encoder, out)
            different = [n for n in ("digits.npz", "digits.csv", "digits.toml") if sha256(out / n) != sha256(DATA / n)]
    except FileNotFoundError as error:
        print(f"error: {error}; `scripts/setup.sh data` installs espeak-ng", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("different: " + ", ".join(different) if different else "the same")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
