#!/usr/bin/env python3
"""Speed of `pulmoseg segment` beside its peers, alternating, on this machine: a slice from memory, a scan from file to file.

  bash bench/setup_python.sh inference                               once: the peers' wheels, in an environment of their own
  python3 bench/segmentation_speed.py DATASET FLOAT.onnx INT8.onnx   DATASET from `pulmoseg prepare`, 256x256

Each contestant runs once a round, in turn; the figure is the median of the rounds. The scan has 300 slices of 512x512, made of
the slices of data/medseg with noise, as a .nii.gz of 16 bits. "Over raw OpenVINO": the time of 300 slices of the same network
and precision in OpenVINO itself, from memory, in the same run.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from training_speed import processor

HERE = pathlib.Path(__file__).resolve().parent
SCAN_SLICES = 300
STEP_SLICES = 40


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done


def from_memory(command):
    return json.loads(run(command).stdout.strip().splitlines()[-1])


def from_file(program, scan, model, precision, threads, folder):
    """Wall seconds and peak memory in MB of the whole program."""
    shutil.rmtree(folder, ignore_errors=True)
    start = time.monotonic()
    done = run(["/usr/bin/time", "-f", "%M", program, "segment", scan, "--model", model, "--precision", precision, "--threads",
                threads, "--out", folder])
    return time.monotonic() - start, int(done.stderr.strip().splitlines()[-1]) / 1024


def write_scan(python, file, slices):
    script = f"""
import nibabel, numpy as np
source = nibabel.load({str(HERE.parent / 'data/medseg/tr_im.nii.gz')!r}).get_fdata().astype(np.float32)
random = np.random.default_rng(0)
scan = np.empty((512, 512, {slices}), np.int16)
for k in range({slices}):
    one = source[:, :, k % source.shape[2]]
    scan[:, :, k] = (one - one.min()) / (one.max() - one.min()) * 1500 - 1024 + random.normal(0, 12, one.shape)
nibabel.Nifti1Image(scan, np.diag([-0.8, -0.8, 1.0, 1])).to_filename({str(file)!r})
"""
    run([python, "-c", script])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("dataset", "floats", "int8"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slices", type=int, default=24, help="of a contestant a round, from memory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build/bench")
    parser.add_argument("--python", type=pathlib.Path, default=HERE.parent / ".deps/peers/bin/python")
    parser.add_argument("--no-files", action="store_true", help="leave out the scan from file to file")
    arguments = parser.parse_args()

    name, flags = processor()
    has_bf16 = "avx512_bf16" in flags
    precisions = ["fp32"] + ["bf16"] * has_bf16 + ["int8"]
    of_files = [] if arguments.no_files else precisions
    model = {p: arguments.int8 if p == "int8" else arguments.floats for p in precisions}
    peer = lambda kind, file: [arguments.python, HERE / "peer_inference.py", kind, file, arguments.dataset, arguments.threads,
                               arguments.slices]
    commands = {"torchvision": peer("torchvision", arguments.floats), "torchvision, best": peer("torchvision-best", arguments.floats),
                "ONNX Runtime fp32": peer("onnxruntime", arguments.floats), "ONNX Runtime int8": peer("onnxruntime", arguments.int8)}
    for precision in precisions:
        commands[f"OpenVINO {precision}"] = peer(f"openvino-{precision}", model[precision])
        commands[f"pulmoseg {precision}"] = [arguments.build / "bench/bench_engine_speed", model[precision], arguments.dataset,
                                             precision, arguments.threads, arguments.slices]
    print(f"{name} ({', '.join(flags)}), {arguments.threads} threads, {arguments.rounds} rounds of {arguments.slices} slices")
    seconds, memory, versions, steps = {}, {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        scan, one, few = (pathlib.Path(scratch) / f"{name}.nii.gz" for name in ("scan", "one", "few"))
        for file, slices in ((scan, SCAN_SLICES), (one, 1), (few, STEP_SLICES)) if of_files else ():
            write_scan(arguments.python, file, slices)
        os.environ["PULMOSEG_CACHE"] = str(pathlib.Path(scratch) / "cache")
        program, out = arguments.build / "src/cli/pulmoseg", pathlib.Path(scratch) / "out"
        for precision in of_files:
            seconds[f"first start {precision}"] = [from_file(program, one, model[precision], precision, arguments.threads, out)[0]]
        for _ in range(arguments.rounds):
            for contestant, command in commands.items():
                result = from_memory(command)
                seconds.setdefault(contestant, []).append(result["seconds_a_slice"])
                memory[contestant] = max(memory.get(contestant, 0), result["peak_memory_mb"])
                versions[contestant] = result.get("version", "")
                print(f"  {contestant}: {result['seconds_a_slice']:.4f}", file=sys.stderr, flush=True)
            for precision in of_files:
                for what, file in (("scan", scan), ("start", one)):
                    took, peak = from_file(program, file, model[precision], precision, arguments.threads, out)
                    seconds.setdefault(f"{what} {precision}", []).append(took)
                    memory[f"{what} {precision}"] = max(memory.get(f"{what} {precision}", 0), peak)
                    print(f"  {what} {precision}: {took:.2f}", file=sys.stderr, flush=True)
                steps.setdefault(precision, []).append(from_memory([arguments.build / "bench/bench_segment_steps", model[precision],
                                                                    few, precision, arguments.threads, scratch]))

    medians = {contestant: statistics.median(values) for contestant, values in seconds.items()}
    print("\n| from memory | s a slice | times torchvision | times its best | over raw OpenVINO | peak memory, MB | |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for contestant in commands:
        median, raw = medians[contestant], medians.get(contestant.replace("pulmoseg", "OpenVINO"))
        over = f"{100 * (median / raw - 1):+.1f} %" if contestant.startswith("pulmoseg") else ""
        print(f"| {contestant} | {median:.4f} | {medians['torchvision'] / median:.2f} | "
              f"{medians['torchvision, best'] / median:.2f} | {over} | {memory[contestant]:.0f} | {versions[contestant]} |")
    if arguments.no_files:
        return
    print_files(arguments, precisions, medians, memory)
    print_steps(steps)


def print_files(arguments, precisions, medians, memory):
    print(f"\n| {SCAN_SLICES} slices of 512x512, from file to file | s | over raw OpenVINO | peak memory, MB | one slice, s | the first time, s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for precision in precisions:
        raw, median = SCAN_SLICES * medians[f"OpenVINO {precision}"], medians[f"scan {precision}"]
        print(f"| pulmoseg {precision} | {median:.1f} | {100 * (median / raw - 1):+.1f} % | {memory[f'scan {precision}']:.0f} | "
              f"{medians[f'start {precision}']:.2f} | {medians[f'first start {precision}']:.2f} |")


def print_steps(steps):
    print("\n| one step after the other, ms a slice (ms, where whole) | " + " | ".join(steps) + " |")
    print("| --- |" + " --- |" * len(steps))
    for name in next(iter(steps.values()))[0]:
        print(f"| {name} | " + " | ".join(f"{statistics.median(run[name] for run in runs):.2f}" for runs in steps.values()) + " |")


if __name__ == "__main__":
    main()
