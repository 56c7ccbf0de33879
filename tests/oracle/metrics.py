#!/usr/bin/env python3
"""Independent figures: scikit-learn's and scipy's, for tests/metrics, and a second opinion on a whole evaluation.

  metrics.py golden
      writes tests/data/metrics/golden.json (needs numpy, scipy, scikit-learn, pandas, pingouin)
  metrics.py check MODEL.onnx DATASET metrics.json [--split split.csv] [--part test] [--rows N]
      computes the figures of `pulmoseg evaluate` again with onnxruntime and scikit-learn from the same files and prints
      both side by side; exit 1 when a figure differs by more than 1e-3 (needs numpy, scikit-learn, onnx, onnxruntime, for an
      equalising model opencv-python)
"""
import argparse
import csv
import json
import pathlib
import sys
import warnings

import numpy as np

import golden_file
import surface

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data" / "metrics" / "golden.json"
ICC2 = "ICC(A,1)"  # pingouin's name for Shrout & Fleiss' ICC(2,1)
RATIOS = ("accuracy", "precision", "recall", "specificity", "f1", "iou")


def ratios(prediction, truth):
    """scikit-learn's figures of two flat 0/1 arrays; None where scikit-learn calls them undefined."""
    from sklearn import metrics

    def defined(value):
        return None if np.isnan(value) else float(value)

    options = {"zero_division": np.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": float(metrics.accuracy_score(truth, prediction)),
            "precision": defined(metrics.precision_score(truth, prediction, **options)),
            "recall": defined(metrics.recall_score(truth, prediction, **options)),
            "specificity": defined(metrics.recall_score(truth, prediction, pos_label=0, **options)),
            "f1": defined(metrics.f1_score(truth, prediction, **options)),
            # jaccard_score knows no "undefined", only a number of our choice
            "iou": float(metrics.jaccard_score(truth, prediction)) if (truth | prediction).any() else None,
        }


def slice_means(predictions, truths):
    from sklearn import metrics

    dice = [metrics.f1_score(t.ravel(), p.ravel(), zero_division=1.0) for p, t in zip(predictions, truths)]
    iou = [metrics.jaccard_score(t.ravel(), p.ravel()) if (t | p).any() else 1.0 for p, t in zip(predictions, truths)]
    lesion = [bool(t.any()) for t in truths]

    def mean(values):
        return float(np.mean(values)) if len(values) else None

    return {
        "per_slice_mean": {"dice": mean(dice), "iou": mean(iou)},
        "lesion_slice_mean": {"dice": mean([d for d, has in zip(dice, lesion) if has]),
                              "iou": mean([i for i, has in zip(iou, lesion) if has])},
    }


def probability_sets():
    """Named sets of (probabilities float32, truth uint8), slices x 16 x 16, most of them full of ties."""
    random = np.random.default_rng(20)
    rows, columns = np.mgrid[0:16, 0:16]
    truth = np.zeros((5, 16, 16), np.uint8)  # the last slice stays without lesion
    for slice_, (row, column, radius) in enumerate([(6, 7, 4), (12, 10, 2), (3, 12, 3), (8, 8, 6)]):
        truth[slice_] = ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).astype(np.uint8)
    logits = (truth * 2.0 - 1.0 + random.normal(0, 1.2, truth.shape)).astype(np.float32)
    soft = (1 / (1 + np.exp(-logits))).astype(np.float32)
    yield "continuous", soft, truth
    yield "eleven_levels", (np.round(soft * 10) / 10).astype(np.float32), truth
    yield "hard", (soft > 0.5).astype(np.float32), truth
    yield "saturated", (1 / (1 + np.exp(np.clip(-20.0 * logits, -80, 80)))).astype(np.float32), truth
    yield "constant", np.full_like(soft, 0.25), truth
    yield "nothing_predicted", (soft * np.float32(0.4)).astype(np.float32), truth
    yield "no_lesion_in_truth", (np.round(soft * 10) / 10).astype(np.float32), np.zeros_like(truth)
    yield "all_lesion", (np.round(soft * 10) / 10).astype(np.float32), np.ones_like(truth)


def agreement():
    """Bland and Altman's limits by their formula, ICC(2,1) by pingouin, of lesion percentages of cases."""
    import pandas
    import pingouin

    random = np.random.default_rng(5)
    truth = np.round(random.gamma(1.5, 8, 14), 3)
    sets = {"close": truth + random.normal(0, 0.5, 14), "shifted": truth + 4, "scaled": 0.6 * truth,
            "unrelated": random.permutation(truth), "five_cases": truth[:5] * 1.1 + (0.25, -0.5, 2, 0, 1)}
    for name, measured in sets.items():
        measured = np.round(measured, 3)
        true_ones = truth[:len(measured)]
        difference = measured - true_ones
        long = pandas.DataFrame({"case": list(range(len(measured))) * 2,
                                 "method": ["measured"] * len(measured) + ["truth"] * len(measured),
                                 "percent": np.concatenate([measured, true_ones])})
        icc = pingouin.intraclass_corr(long, targets="case", raters="method", ratings="percent").set_index("Type")
        limits = 1.96 * difference.std(ddof=1)
        yield {"name": name, "measured": measured.tolist(), "truth": true_ones.tolist(), "icc": float(icc.loc[ICC2, "ICC"]),
               "bias": float(difference.mean()), "limits": [float(difference.mean() + s * limits) for s in (-1, 1)]}


def confidence():
    """Rank correlations by scipy, ties among them, and mean risks of the surest by their definition."""
    from scipy import stats

    random = np.random.default_rng(9)
    dice = np.round(random.beta(4, 2, 40), 2)
    sets = {"good": np.round(dice + random.normal(0, 0.1, 40), 1), "none": np.round(random.random(40), 3),
            "reversed": 1 - dice, "three": np.array([0.5, 0.5, 0.9])}
    for name, sure in sets.items():
        found = dice[:len(sure)]
        order = np.argsort(-sure, kind="stable")
        risks = [np.mean(1 - found[order[:k]]) for k in range(1, len(found) + 1)]
        yield {"name": name, "confidence": sure.tolist(), "dice": found.tolist(),
               "spearman": float(stats.spearmanr(sure, found).statistic), "area": float(np.mean(risks)),
               "random": float(np.mean(1 - found))}


def golden():
    import pingouin
    import scipy
    import sklearn
    from scipy import special, stats
    from sklearn import metrics

    sets = []
    for name, probabilities, truth in probability_sets():
        prediction = (probabilities > 0.5).astype(np.uint8)
        flat, scores = truth.ravel(), probabilities.ravel()
        both = 0 < flat.sum() < flat.size
        levels, codes = np.unique(scores, return_inverse=True)
        entry = {
            "name": name,
            "slices": len(truth),
            # Each distinct probability once, and for each pixel which of them: exact, and small where there are ties.
            "levels": [float(str(level)) for level in levels],
            "codes": codes.ravel().tolist(),
            "truth": ["".join(map(str, slice_.ravel())) for slice_ in truth],
            "pooled": ratios(prediction.ravel(), flat),
            "auc_roc": float(metrics.roc_auc_score(flat, scores)) if both else None,
            "average_precision": float(metrics.average_precision_score(flat, scores)) if both else None,
        } | slice_means(prediction, truth)
        if both and len(levels) < 100:
            rates = metrics.roc_curve(flat, scores, drop_intermediate=False)
            entry["roc"] = [[float(f), float(t)] for f, t, _ in zip(*rates)]
        sets.append(entry)
    logits = []
    for classes in (2, 3):
        random = np.random.default_rng(classes)
        values = (random.normal(0, 6, (classes, 24)) * random.choice([1, 20], 24)).astype(np.float32)
        truth = random.integers(0, 2, 24)
        log_probability = special.log_softmax(values.astype(np.float64), axis=0)
        logits.append({
            "classes": classes,
            "logits": [float(str(v)) for v in values.ravel()],
            "truth": truth.tolist(),
            "lesion_probability": np.exp(log_probability[1]).tolist(),
            "lesion": (values.argmax(axis=0) == 1).astype(int).tolist(),
            "loss": float(-log_probability[truth, np.arange(24)].mean()) if classes == 2 else None,
        })
    values = [0.81, 0.64, 0.72, 0.05, 0.93, 0.77, 0.58, 0.69, 0.86, 0.41]
    interval = stats.bootstrap((values,), np.mean, n_resamples=400_000, batch=10_000, method="percentile",
                               random_state=np.random.default_rng(1)).confidence_interval
    document = {
        "made_by": "tests/oracle/metrics.py golden",
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__, "scikit-learn": sklearn.__version__,
                     "scipy": scipy.__version__, "pingouin": pingouin.__version__},
        "agreement": list(agreement()),
        "confidence": list(confidence()),
        "sets": sets,
        "logits": logits,
        "bootstrap": {"values": values, "lower": float(interval.low), "upper": float(interval.high)},
    }
    golden_file.write(GOLDEN, document)


def rows_of(part, split, slices):
    if part == "all":
        return list(range(len(slices)))
    with open(split, newline="") as file:
        lines = [line for line in file if not line.startswith("#")]
    return [int(record["row"]) for record in csv.DictReader(lines) if record["part"] == part]


def equalised(images, clip):
    if clip == 0:
        return images
    import cv2

    equaliser = cv2.createCLAHE(clip, (8, 8))
    return np.stack([equaliser.apply(np.rint(255 * image).astype(np.uint8)) for image in images]).astype(np.float32) / 255


def appearance(images):
    """The figures by which a model says what its training cases looked like."""
    images = images.astype(np.float64)
    return {"brightness": images.mean(), "contrast": images.std(axis=(1, 2)).mean(), "dark_share": (images < 0.15).mean(),
            "bright_share": (images > 0.85).mean(),
            "sharpness": np.abs(np.diff(images, axis=2)).sum() / images.size}


def strangeness(metadata, images):
    def distance(name, value):
        low, high = (float(bound) for bound in metadata[f"pulmoseg.seen.{name}"].split())
        return max(low - value, value - high, 0) / max(high - low, 1e-3)

    return max(distance(name, value) for name, value in appearance(images).items())


def is_equalised(metadata, clip, case):
    """Whether the model wants this case's slices equalised."""
    if clip == 0 or "pulmoseg.equalise" not in metadata:
        return clip > 0
    as_it_is = strangeness(metadata, case)
    return as_it_is > 0.25 and strangeness(metadata, equalised(case, clip)) < as_it_is


def read_metadata(model):
    import onnx

    return {p.key: p.value for p in onnx.load(model, load_external_data=False).metadata_props}


def shown_images(metadata, images, slices, rows):
    """What the network is shown of some rows, before its mean and deviation."""
    clip = float(metadata.get("pulmoseg.equalisation", 0))
    of_case = {}
    for index, record in enumerate(slices):
        of_case.setdefault(record["case"], []).append(index)
    wanted = {name: is_equalised(metadata, clip, images[of_case[name]]) for name in {slices[row]["case"] for row in rows}}
    return [equalised(images[row:row + 1], clip if wanted[slices[row]["case"]] else 0)[0] for row in rows]


def in_floats(model):
    """The model's bytes; of one in 8 bits, without the rounding of activations: as `--precision fp32` runs it."""
    import onnx

    network = onnx.load(model)
    weights = {tensor.name for tensor in network.graph.initializer}
    rounded = {node.output[0]: node.input[0] for node in network.graph.node
               if node.op_type == "QuantizeLinear" and node.input[0] not in weights}
    source = {node.output[0]: rounded[node.input[0]] for node in network.graph.node
              if node.op_type == "DequantizeLinear" and node.input[0] in rounded}
    for node in network.graph.node:
        for i, name in enumerate(node.input):
            while name in source:
                name = source[name]
            node.input[i] = name
    return network.SerializeToString()


def run_model(model, metadata, images, batch=4):
    """Lesion probability, predicted lesion and mean cross-entropy of each slice, by onnxruntime in 32-bit."""
    import onnxruntime

    classes = metadata["pulmoseg.classes"].split(",")
    mean, deviation = (float(metadata[f"pulmoseg.{key}"]) for key in ("mean", "standard_deviation"))
    lesion = classes.index("lesion")
    session = onnxruntime.InferenceSession(in_floats(model), providers=["CPUExecutionProvider"])
    if "pulmoseg.neighbours" in metadata:
        sys.exit(f"{model}: sees neighbouring slices, which this check does not show it")
    for start in range(0, len(images), batch):
        shown = np.stack(images[start:start + batch])
        batch_images = ((shown - np.float32(mean)) / np.float32(deviation))[:, None]
        logits = session.run(None, {session.get_inputs()[0].name: batch_images.astype(np.float32)})[0]
        exact = logits.astype(np.float64)
        exact -= exact.max(axis=1, keepdims=True)
        log_probability = exact - np.log(np.exp(exact).sum(axis=1, keepdims=True))
        yield from zip(np.exp(log_probability[:, lesion]).astype(np.float32),
                       (logits.argmax(axis=1) == lesion).astype(np.uint8), log_probability)


def target_of(metadata, lesion, lung):
    """The class of each pixel, of the classes lesion and lung+lesion; None where the lung is not known."""
    names = metadata["pulmoseg.classes"].split(",")
    if "lung" not in names:
        return lesion.astype(np.int64)
    if lung is None:
        return None
    return np.where(lesion, names.index("lesion"), np.where(lung != 0, names.index("lung"), 0)).astype(np.int64)


def compute(arguments):
    dataset = pathlib.Path(arguments.dataset)
    images = np.load(dataset / "images.npy", mmap_mode="r")
    masks = np.load(dataset / "lesion_masks.npy", mmap_mode="r")
    with open(dataset / "slices.csv", newline="") as file:
        slices = list(csv.DictReader(file))
    rows = rows_of(arguments.part, arguments.split, slices)[:arguments.rows]
    truths = (masks[rows] != 0).astype(np.uint8)
    scores, predictions, losses = [], [], []
    metadata = read_metadata(arguments.model)
    shown = shown_images(metadata, images, slices, rows)
    lungs = np.load(dataset / "lung_masks.npy", mmap_mode="r")[rows]
    lungs = [lung if slices[row]["has_lung_mask"] == "1" else None for row, lung in zip(rows, lungs)]
    for truth, lung, (score, prediction, log_probability) in zip(truths, lungs, run_model(arguments.model, metadata, shown)):
        scores.append(score)
        predictions.append(prediction)
        target = target_of(metadata, truth, lung)
        losses.append(None if target is None else -np.take_along_axis(log_probability, target[None], axis=0).mean())
    predictions = np.stack(predictions)
    cases = {}
    for index, row in enumerate(rows):
        cases.setdefault(slices[row]["case"], []).append(index)
    return rows, cases, truths, predictions, np.stack(scores), losses


def surface_means(predictions, truths):
    """MONAI's figures of each slice, within 2 pixels."""
    figures = [surface.monai_figures(p[None], t[None], (1, 1, 1), 2) for p, t in zip(predictions, truths)]
    nsd, hausdorff_95 = ([f[i] for f in figures if f[i] is not None] for i in (0, 1))
    return {"nsd": float(np.mean(nsd)), "nsd_count": len(nsd), "hausdorff_95": float(np.mean(hausdorff_95)),
            "hausdorff_95_count": len(hausdorff_95)}


def percent_agreement(arguments, rows, cases, predictions, truths):
    """pingouin's ICC(A,1) of the cases' percentages of lesion in the lung."""
    import pandas
    import pingouin

    lungs = np.load(pathlib.Path(arguments.dataset) / "lung_masks.npy", mmap_mode="r")[rows] != 0
    cases = {name: i for name, i in cases.items() if lungs[i].any()}
    ratings = []
    for name, i in cases.items():
        for rater, lesion in (("predicted", predictions[i]), ("true", truths[i])):
            ratings.append((name, rater, 100 * (lesion.astype(bool) & lungs[i]).sum() / lungs[i].sum()))
    table = pandas.DataFrame(ratings, columns=["case", "rater", "percent"])
    if len(cases) < 5:
        return {"cases": len(cases)}  # pingouin wants five
    icc = pingouin.intraclass_corr(table, targets="case", raters="rater", ratings="percent").set_index("Type")["ICC"]
    return {"cases": len(cases), "icc": float(icc[[name for name in icc.index if name in ("ICC2", "ICC(A,1)")][0]])}


def check(arguments):
    from sklearn import metrics

    rows, cases, truths, predictions, scores, losses = compute(arguments)
    flat = truths.ravel()
    ours = json.loads(pathlib.Path(arguments.metrics).read_text())
    theirs = {"slices": len(rows), "loss": None if None in losses else float(np.mean(losses)), "pooled": ratios(predictions.ravel(), flat)}
    theirs["pooled"]["dice"] = theirs["pooled"]["f1"]
    theirs["pooled"]["auc_roc"] = float(metrics.roc_auc_score(flat, scores.ravel())) if 0 < flat.mean() < 1 else None
    theirs["pooled"]["average_precision"] = float(metrics.average_precision_score(flat, scores.ravel())) if flat.any() else None
    theirs |= slice_means(predictions, truths)
    theirs["surface"] = surface_means(predictions, truths)
    theirs["lesion_percent"] = percent_agreement(arguments, rows, cases, predictions, truths)
    by_case = [ratios(predictions[i].ravel(), truths[i].ravel()) for i in cases.values()]
    theirs["case_mean"] = {"dice": float(np.mean([c["f1"] for c in by_case if c["f1"] is not None])),
                           "iou": float(np.mean([c["iou"] for c in by_case if c["iou"] is not None]))}
    worst = 0.0
    print(f"{'figure':28}{'pulmoseg':>14}{'independent':>14}{'difference':>12}")
    for group, values in theirs.items():
        for key, value in (values.items() if isinstance(values, dict) else [(None, values)]):
            own = ours[group] if key is None else ours[group][key]
            same = own is None and value is None
            difference = 0.0 if same else float("inf") if own is None or value is None else abs(own - value)
            worst = max(worst, difference)
            print(f"{group + ('.' + key if key else ''):28}{own!s:>14.10}{value!s:>14.10}{difference:12.1e}")
    print(f"largest difference {worst:.1e}")
    return 0 if worst <= 1e-3 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("golden")
    checker = commands.add_parser("check")
    for name in ("model", "dataset", "metrics"):
        checker.add_argument(name)
    checker.add_argument("--split")
    checker.add_argument("--part", default="test")
    checker.add_argument("--rows", type=int, help="only the first so many rows of the part")
    arguments = parser.parse_args()
    return check(arguments) if arguments.command == "check" else golden()


if __name__ == "__main__":
    sys.exit(main())
