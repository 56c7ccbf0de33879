#!/usr/bin/env python3
"""2-D nnU-Net on the slices of a prepared dataset and the split of a pulmoseg run, for the same wall time: the peer of
bench/nnunet.sh. Its own planning, preprocessing, augmentation, loss and schedule; only the number of steps is cut to the time,
and its learning rate falls over just that. nnU-Net starts from random weights: it has no others.

  python nnunet.py DATASET RUN RESULTS [--minutes 30] [--part test] [--batch-size 12] [--threads 2]

Classes are background, lung, lesion (the lung mask, and the lesions on it). Writes RESULTS/nnunet-PART.json and prints pooled
and mean case Dice. Needs nnunetv2 (bench/setup_python.sh nnunet).
"""

import argparse
import csv
import json
import os
import pathlib
import time

import numpy as np

DATASET_ID, NAME = 701, "Dataset701_Slices"


def rows_of(run, part):
    with open(run / "split.csv") as file:
        return [int(line["row"]) for line in csv.DictReader(file) if line["part"] == part]


def case_name(row):
    return f"slice_{row:06d}"


def write_raw(dataset, root, rows):
    """PNG slices of 8 bits, as nnU-Net reads natural images."""
    from PIL import Image

    images = np.load(dataset / "images.npy", mmap_mode="r")
    lung, lesion = (np.load(dataset / f"{kind}_masks.npy", mmap_mode="r") for kind in ("lung", "lesion"))
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for row in rows:
        picture = np.rint(255 * images[row]).astype(np.uint8)
        labels = np.where(lesion[row] > 0, 2, np.where(lung[row] > 0, 1, 0)).astype(np.uint8)
        Image.fromarray(picture).save(root / "imagesTr" / f"{case_name(row)}_0000.png")
        Image.fromarray(labels).save(root / "labelsTr" / f"{case_name(row)}.png")
    (root / "dataset.json").write_text(json.dumps({
        "channel_names": {"0": "CT"}, "labels": {"background": 0, "lung": 1, "lesion": 2},
        "numTraining": len(rows), "file_ending": ".png"}))


def plan(base, training, validation, batch_size):
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (extract_fingerprints, plan_experiments, preprocess)

    extract_fingerprints([DATASET_ID], num_processes=2)
    plan_experiments([DATASET_ID])
    folder = base / "preprocessed" / NAME
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans["configurations"]["2d"]["batch_size"] = batch_size
    (folder / "nnUNetPlans.json").write_text(json.dumps(plans))
    preprocess([DATASET_ID], configurations=("2d",), num_processes=(2,))
    names = lambda rows: [case_name(row) for row in rows]
    (folder / "splits_final.json").write_text(json.dumps([{"train": names(training), "val": names(validation)}]))
    return plans, json.loads((folder / "dataset.json").read_text())


def trainer_for(minutes):
    """nnUNetTrainer whose schedule follows the time instead of epochs, and that ends when it is over."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class TimedTrainer(nnUNetTrainer):
        steps = 0

        def run_training(self):
            self.began = time.monotonic()
            self.on_train_start()
            self.network.train()
            while time.monotonic() - self.began < 60 * minutes:
                # nnU-Net's own polynomial schedule, over the share of the time that is gone
                rate = self.initial_lr * (1 - min((time.monotonic() - self.began) / (60 * minutes), 0.999)) ** 0.9
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                outputs = [self.train_step(next(self.dataloader_train)) for _ in range(5)]
                self.steps += len(outputs)
                print(f"{(time.monotonic() - self.began) / 60:5.1f} min, step {self.steps}, "
                      f"loss {np.mean([float(output['loss']) for output in outputs]):.4f}", flush=True)
            self.save_checkpoint(os.path.join(self.output_folder, "checkpoint_final.pth"))
            self.minutes = (time.monotonic() - self.began) / 60

    return TimedTrainer


def predict(trainer, dataset, rows):
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, use_mirroring=True,
                                allow_tqdm=False)
    network = trainer.network
    network.decoder.deep_supervision = False
    network.eval()
    predictor.manual_initialization(network, trainer.plans_manager, trainer.configuration_manager, [network.state_dict()],
                                    trainer.dataset_json, type(trainer).__name__, trainer.inference_allowed_mirroring_axes)
    images = np.load(dataset / "images.npy", mmap_mode="r")
    for row in rows:
        picture = np.rint(255 * images[row]).astype(np.float32)[None, None]
        yield row, predictor.predict_single_npy_array(picture, {"spacing": [999, 1, 1]}, None, None, False)[0]


def figures(dataset, masks):
    lesion = np.load(dataset / "lesion_masks.npy", mmap_mode="r")
    with open(dataset / "slices.csv") as file:
        cases = [line["case"] for line in csv.DictReader(file)]
    sums = {}
    for row, labels in masks:
        found, truth = labels == 2, lesion[row] > 0
        counts = np.array([2 * (found & truth).sum(), found.sum() + truth.sum()])
        sums[cases[row]] = sums.get(cases[row], 0) + counts
    dice = lambda counts: float(counts[0] / counts[1]) if counts[1] else 1.0
    return {"pooled_dice": dice(sum(sums.values())), "mean_case_dice": float(np.mean([dice(c) for c in sums.values()])),
            "cases": {name: dice(counts) for name, counts in sums.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=pathlib.Path)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--part", default="test")
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    base = arguments.results / "nnunet"
    for variable, folder in (("nnUNet_raw", "raw"), ("nnUNet_preprocessed", "preprocessed"), ("nnUNet_results", "results")):
        (base / folder).mkdir(parents=True, exist_ok=True)
        os.environ[variable] = str((base / folder).resolve())
    os.environ["nnUNet_n_proc_DA"] = str(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    training, validation = rows_of(arguments.run, "training"), rows_of(arguments.run, "validation")
    if not (base / "raw" / NAME / "dataset.json").exists():
        write_raw(arguments.dataset, base / "raw" / NAME, training + validation)
    plans, dataset_json = plan(base, training, validation, arguments.batch_size)
    plans["continue_training"] = False
    trainer = trainer_for(arguments.minutes)(plans, "2d", 0, dataset_json, device=torch.device("cpu"))
    trainer.initialize()
    trainer.run_training()

    with torch.no_grad():
        result = figures(arguments.dataset, predict(trainer, arguments.dataset, rows_of(arguments.run, arguments.part)))
    result = {"part": arguments.part, "minutes": trainer.minutes, "steps": trainer.steps,
              "samples": trainer.steps * arguments.batch_size, "torch": torch.__version__} | result
    (arguments.results / f"nnunet-{arguments.part}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"nnU-Net 2-D, {result['samples']} samples in {trainer.minutes:.1f} minutes: pooled lesion Dice "
          f"{result['pooled_dice']:.4f}, mean case {result['mean_case_dice']:.4f} ({arguments.part} part)")


if __name__ == "__main__":
    main()
