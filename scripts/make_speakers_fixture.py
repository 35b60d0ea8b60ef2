#!/usr/bin/env python3
"""Writes a spike file with the fields of the Spiking Heidelberg Digits, for tests: six samples of three speakers.

    python3 -m venv /tmp/h5 && /tmp/h5/bin/pip install h5py numpy
    /tmp/h5/bin/python scripts/make_speakers_fixture.py model/spikes/tests/fixtures/speakers.h5
"""
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "w") as file:
    times = file.create_dataset("spikes/times", (6,), dtype=h5py.vlen_dtype(np.float16))
    units = file.create_dataset("spikes/units", (6,), dtype=h5py.vlen_dtype(np.uint16))
    for i in range(6):
        times[i] = np.array([0.01 * (i + 1), 0.2], dtype=np.float16)
        units[i] = np.array([100 * i, 699], dtype=np.uint16)
    file["labels"] = np.array([0, 1, 0, 1, 0, 1], dtype=np.uint16)
    file["extra/speaker"] = np.array([0, 0, 10, 10, 11, 11], dtype=np.uint16)
    file["extra/keys"] = np.array([b"zero", b"one"])
