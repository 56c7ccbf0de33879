#!/usr/bin/env python3
"""Writes what is known of the shipped model: models/lung-lesion.json, and the same figures into its card, models/README.md.

    model_facts.py HELD_OUT_METRICS HELD_OUT_METRICS_INT8 MEDSEG_METRICS [SEGMENT_JSON NAME LUNG_DICE]...

The first three are metrics.json of `pulmoseg evaluate`: on the patients that the training never saw, in 32-bit and in 8 bits, and
on the shipped medseg slices; each further triple is the output of `pulmoseg segment --json` for one scan, what the scan is
called in the card, and the Dice of its lung with a reference.
"""
import hashlib
import json
import pathlib
import sys

MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
BEGIN, END = "<!-- figures: written by scripts/model_facts.py -->", "<!-- end of figures -->"


def slices_of(metrics):
    return f"{metrics['slices']} slices"


def held_out_figures(metrics):
    split, cases = metrics["split"], metrics["cases"]
    data = f"Ma et al., test part of patient-wise fold {split['fold']}/{split['folds']}, {slices_of(metrics)} of {len(cases)} cases"
    lung = metrics["regions"][0]
    yield data, "pooled lesion Dice", metrics["pooled"]["dice"]
    yield data, "mean case lesion Dice", metrics["case_mean"]["dice"]
    yield data, "pooled lung Dice", lung["dice"]
    yield data, "lesion AUC", metrics["pooled"]["auc_roc"]
    for case in cases:
        name = f"the same, {case['case']}, {slices_of(case)}"
        yield name, "lesion Dice", case["dice"]
        yield name, "lesion, % of lung", case["lesion_percent"]
        yield name, "lesion, % of lung, by the reference", case["true_lesion_percent"]


def int8_figures(metrics):
    data = "the same test part in 8 bits (`--precision int8`)"
    yield data, "pooled lesion Dice", metrics["pooled"]["dice"]
    yield data, "mean case lesion Dice", metrics["case_mean"]["dice"]
    yield data, "pooled lung Dice", metrics["regions"][0]["dice"]


def medseg_figures(metrics):
    data = f"MedSeg dataset 1, the {slices_of(metrics)} in data/medseg, none seen in training; lung not in the reference"
    yield data, "pooled lesion Dice", metrics["pooled"]["dice"]
    yield data, "mean slice lesion Dice", metrics["per_slice_mean"]["dice"]


def scan_figures(arguments):
    for file, name, lung_dice in zip(arguments[::3], arguments[1::3], arguments[2::3]):
        measurements = json.loads(pathlib.Path(file).read_text())["cases"][0]["measurements"]
        yield name, "lung Dice", float(lung_dice)
        yield name, "lesion, % of lung", measurements["percent_affected"]


def main(held_out, int8, medseg, *scans):
    model = MODELS / "lung-lesion.onnx"
    held_out, int8, medseg = (json.loads(pathlib.Path(file).read_text()) for file in (held_out, int8, medseg))
    metadata = held_out["model_metadata"]
    figures = [{"data": data, "figure": figure, "value": round(value, 4)}
               for source in (held_out_figures(held_out), int8_figures(int8), medseg_figures(medseg), scan_figures(scans))
               for data, figure, value in source]
    facts = {"schema": "pulmoseg.model/1", "research_use": held_out["research_use"], "file": model.name,
             "sha256": hashlib.sha256(model.read_bytes()).hexdigest(), "licence": metadata["pulmoseg.licence"],
             "classes": metadata["pulmoseg.classes"].split(","), "recipe": metadata["pulmoseg.recipe"],
             "split": metadata["pulmoseg.split"], "figures": figures}
    (MODELS / "lung-lesion.json").write_text(json.dumps(facts, indent=2) + "\n")

    rows = [f"sha256 of the file: `{facts['sha256']}`", "", "| data | figure | value |", "| --- | --- | --- |"]
    rows += [f"| {f['data']} | {f['figure']} | {f['value']:.4g} |" for f in figures]
    card = (MODELS / "README.md").read_text()
    before, after = card.split(BEGIN)[0], card.split(END)[1]
    (MODELS / "README.md").write_text(before + "\n".join([BEGIN, *rows, END]) + after)


if __name__ == "__main__":
    if len(sys.argv) < 4 or len(sys.argv) % 3 != 1:
        sys.exit(__doc__)
    main(*sys.argv[1:])
