#!/usr/bin/env python3
"""Training speed of pulmoseg beside PyTorch's, alternating, on this machine: seconds a sample, ratios, peak memory.

  bash bench/setup_python.sh                       once: the peers' newest wheels, in an environment of its own
  python3 bench/training_speed.py DATASET          DATASET from `pulmoseg prepare`

Every contestant trains the same network on the same slices with the same batch size and threads. In each round each of them
runs once, in turn, for some steps, of which the first are warm-up (torch.compile compiles in them). The figure is the median
over all steps of all rounds; the ratio is made of medians of the same run.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
WARM_UP = 3
PLAIN = "plain"


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown processor")
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return name, [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]


def contestants(arguments, has_bf16):
    ours = str(arguments.program)
    peer = [str(arguments.python), str(HERE / "pytorch_train_steps.py")]
    tail = [str(arguments.threads), str(arguments.batch_size)]
    job = [str(arguments.dataset), str(arguments.steps + WARM_UP)]
    precisions = ["fp32"] + (["bf16"] if has_bf16 else [])
    peers = [PLAIN, "channels_last+fused", "channels_last+fused+compile"]
    if has_bf16:
        peers += ["channels_last+fused+bf16", "channels_last+fused+compile+bf16"]
    chosen = {f"pulmoseg {precision}": [ours, *job, precision, *tail] for precision in precisions}
    chosen |= {f"PyTorch {peer_options}": [*peer, *job, peer_options, *tail] for peer_options in peers}
    return {name: command for name, command in chosen.items() if not arguments.only or any(o in name for o in arguments.only)}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a contestant a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--only", action="append", help="contestants whose name holds this (may be repeated)")
    parser.add_argument("--program", type=pathlib.Path, default=HERE.parent / "build/bench/bench/bench_train_steps")
    parser.add_argument("--python", type=pathlib.Path, default=HERE.parent / ".deps/peers/bin/python")
    arguments = parser.parse_args()

    name, flags = processor()
    print(f"{name} ({', '.join(flags)}), {arguments.threads} threads, batch {arguments.batch_size}, "
          f"{arguments.rounds} rounds of {arguments.steps} steps")
    commands = contestants(arguments, "avx512_bf16" in flags or "amx_bf16" in flags)
    seconds, memory, versions = {name: [] for name in commands}, {}, ""
    for _ in range(arguments.rounds):
        for contestant, command in commands.items():
            result = run(command)
            timed = [step / result["batch_size"] for step in result["seconds"][WARM_UP:]]
            seconds[contestant] += timed
            memory[contestant] = max(memory.get(contestant, 0), result["peak_memory_mb"])
            if "torch" in result:
                versions = f"torch {result['torch']}, torchvision {result['torchvision']}"
            print(f"  {contestant}: {statistics.median(timed):.3f} s a sample", file=sys.stderr, flush=True)

    medians = {contestant: statistics.median(values) for contestant, values in seconds.items()}
    peers = {contestant: value for contestant, value in medians.items() if contestant.startswith("PyTorch")}
    plain, best = peers.get(f"PyTorch {PLAIN}"), min(peers, key=peers.get, default=None)
    print(f"peers: {versions}; best of them: {best}\n")
    print("| contestant | s a sample (min … max) | samples/s | times plain PyTorch | times best PyTorch | peak memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for contestant, median in medians.items():
        values = seconds[contestant]
        ratio = lambda base: f"{base / median:.2f}" if base else "-"
        print(f"| {contestant} | {median:.3f} ({min(values):.3f} … {max(values):.3f}) | {1 / median:.2f} | {ratio(plain)} | "
              f"{ratio(peers[best] if best else None)} | {memory[contestant]:.0f} |")


if __name__ == "__main__":
    main()
