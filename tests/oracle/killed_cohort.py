#!/usr/bin/env python3
"""A cohort over several processes that are killed (SIGKILL) at random moments and started again, against one that was left alone:
every case once, every result the same.

  python killed_cohort.py PROGRAM SCAN [SCAN ...] [--cases 200] [--shards 4] [--kills 40] [--model MODEL]

Cases are 4 to 8 neighbouring slices cut from the scans (NIfTI, NRRD), whole in-plane. Needs nibabel and pynrrd.
"""

import argparse
import csv
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import nibabel
import nrrd
import numpy as np


def voxels_of(scan):
    if scan.suffix == ".nrrd":
        return np.asarray(nrrd.read(str(scan))[0]).astype(np.int16)
    return np.asarray(nibabel.load(scan).dataobj).astype(np.int16)


def cut_cases(scans, folder, count, chance):
    volumes = [voxels_of(scan) for scan in scans]
    for number in range(count):
        volume = chance.choice(volumes)
        length = min(chance.randint(4, 8), volume.shape[2])
        first = chance.randint(0, volume.shape[2] - length)
        image = nibabel.Nifti1Image(volume[:, :, first:first + length], np.diag([-0.8, -0.8, 5, 1]))
        image.header.set_data_dtype(np.int16)
        image.to_filename(folder / f"case{number:03d}.nii.gz")


def command(arguments, cases, out, *more):
    model = ["--model", arguments.model] if arguments.model else []
    return [arguments.program, "segment", cases, "--out", out, "--threads", "1", *model, *more]


def run_killed(arguments, cases, out, chance):
    """Returns what all processes printed, and how many were killed."""
    processes, logs, printed, killed = {}, {}, [], 0

    def start(shard):
        log = open(out.parent / f"log-{len(printed)}", "w+")
        printed.append(log)
        processes[shard] = subprocess.Popen(
            command(arguments, cases, out, "--resume", "--shard", f"{shard}/{arguments.shards}"), stdout=log, stderr=log)
        logs[shard] = log

    for shard in range(1, arguments.shards + 1):
        start(shard)
    while processes:
        time.sleep(chance.uniform(0.2, 2))
        if killed < arguments.kills:
            processes[chance.choice(list(processes))].send_signal(signal.SIGKILL)
        for shard, process in list(processes.items()):
            code = process.poll()
            if code is None:
                continue
            del processes[shard]
            if code == -signal.SIGKILL:
                killed += 1
                start(shard)
            elif code != 0:
                logs[shard].seek(0)
                sys.exit(f"shard {shard} ended with {code}: {logs[shard].read()}")
    return printed, killed


def results_of(out):
    return {file.name: file.read_bytes() for file in out.iterdir() if file.name.endswith((".json", ".nii.gz"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("scans", type=pathlib.Path, nargs="+")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--model")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        cases, alone, killed_out = (pathlib.Path(scratch) / name for name in ("cases", "alone", "killed"))
        cases.mkdir()
        cut_cases(arguments.scans, cases, arguments.cases, chance)
        subprocess.run(command(arguments, cases, alone), check=True, stdout=subprocess.DEVNULL)
        printed, killed = run_killed(arguments, cases, killed_out, chance)
        subprocess.run([arguments.program, "cohort", killed_out], check=True, stdout=subprocess.DEVNULL)

        expected, found = results_of(alone), results_of(killed_out)
        assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
        different = [name for name in expected if found[name] != expected[name]]
        assert not different, different
        left = [file.name for file in killed_out.iterdir() if file.name.startswith(".partial")]
        assert not left, left
        with open(killed_out / "cohort.csv") as file:
            names = [row["case"] for row in csv.DictReader(file)]
        assert sorted(names) == sorted({f"case{n:03d}" for n in range(arguments.cases)}), names
        done = []
        for log in printed:
            log.seek(0)
            done += [line.split()[-1] for line in log.read().splitlines() if line.startswith("measurements ")]
        assert len(done) == len(set(done)), "a case was done twice"
        lesion = sum(json.loads(expected[f"{name}.json"])["lesion"]["voxels"] for name in names)
        print(f"{len(names)} cases over {arguments.shards} processes, {killed} of them killed: every case once, "
              f"{len(expected)} files equal those of a run that was left alone ({lesion} voxels of lesion)")


if __name__ == "__main__":
    main()
