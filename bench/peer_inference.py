#!/usr/bin/env python3
"""Slices of a dataset through a peer, from memory to memory: prints seconds a slice as JSON (bench/segmentation_speed.py).

  python peer_inference.py torchvision|torchvision-best|onnxruntime|openvino-PRECISION MODEL.onnx DATASET THREADS SLICES

torchvision: deeplabv3_resnet50 as its users run it (eager, 32-bit), for one channel and three classes, one slice at a time;
-best: channels-last, in bfloat16 where the processor has it. Its weights are random, which takes the same time. onnxruntime and
openvino run MODEL.onnx; openvino as its own benchmark does, with its throughput settings and as many requests as it asks for.
"""

import json
import pathlib
import resource
import sys
import time

import numpy as np


def torchvision_runner(best, threads, size):
    import torch
    import torchvision

    torch.set_num_threads(threads)
    network = torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=3).eval()
    network.backbone.conv1 = torch.nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    bf16 = best and "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()
    if best:
        network = network.to(memory_format=torch.channels_last)

    def run(images):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            for image in images:
                network(torch.from_numpy(image[None, None]))["out"].float().numpy()

    return run, f"torch {torch.__version__}, torchvision {torchvision.__version__}" + (", bf16" if bf16 else "")


def onnxruntime_runner(model, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images):
        for image in images:
            session.run(None, {name: image[None, None]})

    return run, f"onnxruntime {onnxruntime.__version__}"


def openvino_runner(model, precision, threads, size):
    sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / ".deps/python"))
    import openvino

    network = openvino.Core().read_model(model)
    network.reshape([1, 1, size, size])
    compiled = openvino.Core().compile_model(network, "CPU", {
        "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"})
    queue = openvino.AsyncInferQueue(compiled)

    def run(images):
        for image in images:
            queue.start_async(image[None, None])
        queue.wait_all()

    return run, f"openvino {openvino.__version__}, {len(queue)} requests"


def main():
    kind, model, dataset, threads, slices = sys.argv[1], *sys.argv[2:4], int(sys.argv[4]), int(sys.argv[5])
    stored = np.load(pathlib.Path(dataset) / "images.npy", mmap_mode="r")
    images = [np.ascontiguousarray(stored[row % len(stored)]) for row in range(slices)]
    size = stored.shape[1]
    if kind.startswith("torchvision"):
        run, version = torchvision_runner(kind.endswith("best"), threads, size)
    elif kind == "onnxruntime":
        run, version = onnxruntime_runner(model, threads)
    else:
        run, version = openvino_runner(model, kind.split("-")[1], threads, size)
    run(images[:3])
    start = time.monotonic()
    run(images)
    print(json.dumps({"version": version, "seconds_a_slice": (time.monotonic() - start) / slices,
                      "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main()
