#!/usr/bin/env python3
"""What BatchNorm's running statistics cost on new patients: one model's pooled lesion Dice with other statistics in its place.

  bash bench/setup_python.sh                                              once
  .deps/peers/bin/python bench/batch_norm_statistics.py DATASET RUN       RUN from `pulmoseg train` on DATASET

The weights are those after the run's last epoch (last.pth), in torchvision's network and bf16; `running` is what the model
gives when it is used, all else is a diagnosis that looks at slices which a user does not have.
"""

import argparse
import copy
import csv
import pathlib

import numpy as np
import torch
from torchvision.models.segmentation import deeplabv3_resnet50

BATCH = 4


def network(file):
    net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=2)
    net.backbone.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    net.load_state_dict(torch.load(file, weights_only=True))
    return net.to(memory_format=torch.channels_last).eval()


def norms(net):
    return [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def with_batch_statistics(net):
    net = copy.deepcopy(net)
    for norm in norms(net):
        norm.train()
    return net


def with_statistics_of(net, images, rows):
    """The plain mean of the batches' statistics over these rows, the weights as they are (Wu & Johnson 2021, "precise")."""
    net = with_batch_statistics(net)
    for norm in norms(net):
        norm.reset_running_stats()
        norm.momentum = None
    for batch in batches(rows):
        logits(net, images, batch)
    return net.eval()


def batches(rows):
    return [rows[start:start + BATCH] for start in range(0, len(rows) - len(rows) % BATCH, BATCH)]


def logits(net, images, rows):
    batch = torch.from_numpy(images[rows].astype(np.float32))[:, None].contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        return net(batch)["out"]


def dice(net, images, masks, rows):
    both = found = true = 0
    for batch in batches(rows):
        lesion, truth = logits(net, images, batch).argmax(1).numpy() > 0, masks[batch] > 0
        both, found, true = both + (lesion & truth).sum(), found + lesion.sum(), true + truth.sum()
    return 2 * both / (found + true), found / true


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=pathlib.Path)
    parser.add_argument("run", type=pathlib.Path)
    arguments = parser.parse_args()
    images, masks = (np.load(arguments.dataset / f"{name}.npy", mmap_mode="r") for name in ("images", "lesion_masks"))
    random = np.random.default_rng(0)
    parts = {}
    for line in csv.DictReader((arguments.run / "split.csv").open()):
        parts.setdefault(line["part"], []).append(int(line["row"]))
    training, validation = (random.permutation(parts[part]) for part in ("training", "validation"))  # mixes the patients
    training = training[:len(validation)]
    net = network(arguments.run / "last.pth")
    print("| slices of | statistics | pooled lesion Dice | lesion found, of the true one |\n| --- | --- | --- | --- |")
    for part, rows, what, other in (
            ("training", training, "running", lambda: net),
            ("validation", validation, "running", lambda: net),
            ("validation", validation, "of training slices", lambda: with_statistics_of(net, images, training)),
            ("validation", validation, "of validation slices", lambda: with_statistics_of(net, images, validation)),
            ("validation", validation, f"of each batch of {BATCH}", lambda: with_batch_statistics(net))):
        score, share = dice(other(), images, masks, rows)
        print(f"| {part} | {what} | {score:.3f} | {share:.2f} |", flush=True)


if __name__ == "__main__":
    main()
