"""Trains torchvision's DeepLabV3-ResNet50 for some steps and prints how long each took, as JSON: the peer of train_steps.cpp.

  python pytorch_train_steps.py DATASET STEPS CONFIGURATION [THREADS [BATCH_SIZE]]

CONFIGURATION is a list of what is switched on, joined by "+", or "plain" (the program as its users write it):
  channels_last   images and weights with channels fastest in memory
  fused           Adam's fused kernel
  compile         torch.compile of the network
  bf16            autocast to bfloat16
"""

import json
import pathlib
import resource
import sys
import time

import numpy as np
import torch
import torchvision


def network():
    net = torchvision.models.segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=2)
    net.backbone.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return net


class Slices(torch.utils.data.Dataset):
    """Slices and lesion masks of a prepared dataset, flipped and turned at random."""

    def __init__(self, folder):
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.masks = np.load(folder / "lesion_masks.npy", mmap_mode="r")

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        image, mask = self.images[row], self.masks[row]
        if np.random.rand() < 0.5:
            image, mask = np.fliplr(image), np.fliplr(mask)
        turns = np.random.randint(4)
        image, mask = np.rot90(image, turns), np.rot90(mask, turns)
        return torch.from_numpy(image.copy())[None], torch.from_numpy(mask.astype(np.int64))


def main(folder, steps, configuration, threads=2, batch_size=4):
    options = set() if configuration == "plain" else set(configuration.split("+"))
    unknown = options - {"channels_last", "fused", "compile", "bf16"}
    if unknown:
        sys.exit(f"unknown options: {', '.join(sorted(unknown))}")
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    np.random.seed(0)
    layout = torch.channels_last if "channels_last" in options else torch.contiguous_format
    net = network().to(memory_format=layout).train()
    adam = torch.optim.Adam(net.parameters(), lr=1e-4, fused="fused" in options or None)
    forward = torch.compile(net) if "compile" in options else net
    criterion = torch.nn.CrossEntropyLoss()
    loader = torch.utils.data.DataLoader(Slices(pathlib.Path(folder)), int(batch_size), shuffle=True, drop_last=True)

    seconds = []
    start = time.perf_counter()
    for images, targets in loader:
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in options):
            logits = forward(images.contiguous(memory_format=layout))["out"]
        loss = criterion(logits.float(), targets)
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()
        now = time.perf_counter()
        seconds.append(round(now - start, 4))
        start = now
        if len(seconds) == int(steps):
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"batch_size": int(batch_size), "seconds": seconds, "peak_memory_mb": round(peak),
                      "torch": torch.__version__, "torchvision": torchvision.__version__}))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
