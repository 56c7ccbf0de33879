"""Oracle for src/pulmoseg/onnx: ONNX files by the onnx package (golden), and what our own files do elsewhere (check).

golden                        writes tests/data/onnx/*.onnx, each a few hundred bytes, which tests/onnx/onnx_test.cpp reads
check PROGRAM SCAN FOLDER     weights of torchvision's DeepLabV3, for which about half of the pixels of SCAN are lesion, go
                              through `PROGRAM export` and `PROGRAM segment`; onnx.checker, ONNX Runtime's logits and the
                              masks and probabilities of our engine are compared with torchvision, nibabel and PyTorch
"""

import argparse
import json
import pathlib
import subprocess

import nibabel
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data" / "onnx"


def save(name, graph, producer="onnx package", metadata=None, domains=()):
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, producer_name=producer, opset_imports=opsets, ir_version=8)
    helper.set_model_props(model, metadata or {})
    (GOLDEN / name).write_bytes(model.SerializeToString(deterministic=True))


def image_and_logits():
    shape = ["batch", 1, "rows", "columns"]
    return [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)], [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2, "rows", "columns"])]


def relu_graph(nodes=(), initializers=()):
    inputs, outputs = image_and_logits()
    return helper.make_graph([*nodes, helper.make_node("Relu", ["image"], ["logits"])], "refused", inputs, outputs, list(initializers))


def golden(_):
    GOLDEN.mkdir(parents=True, exist_ok=True)
    inputs, outputs = image_and_logits()
    values, integers = np.float32([0.25, -1.5]), np.int64([-1, 300])
    initializers = [
        numpy_helper.from_array(values.reshape(2, 1, 1, 1), "weight_raw"),
        helper.make_tensor("bias_floats", TensorProto.FLOAT, [2], values),
        numpy_helper.from_array(integers, "integers_raw"),
        helper.make_tensor("integers_list", TensorProto.INT64, [2], integers),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "weight_raw", "bias_floats"], ["y"], name="conv", dilations=[1, 1]),
        helper.make_node("LeakyRelu", ["y"], ["logits"], name="relu", alpha=0.125),
    ]
    about = {"pulmoseg.classes": "background,lesion", "made_by": f"onnx {onnx.__version__}"}
    save("reference.onnx", helper.make_graph(nodes, "reference", inputs, outputs, initializers), metadata=about)
    canonical = helper.make_graph(nodes, "canonical", inputs, outputs, [
        initializers[0], numpy_helper.from_array(values, "bias_floats"), initializers[2]])
    save("canonical.onnx", canonical, metadata=dict(sorted(about.items())))
    onnx.checker.check_model(str(GOLDEN / "canonical.onnx"), full_check=True)

    save("double_weights.onnx", relu_graph(initializers=[numpy_helper.from_array(np.float64([1]), "w")]))
    external = numpy_helper.from_array(np.float32([1]), "w")
    external.data_location = TensorProto.EXTERNAL
    external.ClearField("raw_data")
    external.external_data.add(key="location", value="weights.bin")
    save("external_weights.onnx", relu_graph(initializers=[external]))
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.float32([1])))
    save("tensor_attribute.onnx", relu_graph(nodes=[constant]))
    gelu = helper.make_node("Gelu", ["image"], ["g"], domain="com.microsoft")
    save("other_domain.onnx", relu_graph(nodes=[gelu]), domains=["com.microsoft"])


def network(images):
    """torchvision's network for one channel, BatchNorm statistics that are not fresh, half of the pixels of `images` lesion."""
    import torch
    from torchvision.models.segmentation import deeplabv3_resnet50

    torch.manual_seed(3)
    net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=2)
    net.backbone.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith("running_mean"):
                tensor.uniform_(-0.3, 0.3)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() == 1:
                tensor.add_(torch.empty_like(tensor).uniform_(-0.2, 0.2))
        net.eval()
        logits = net(images)["out"]
        net.classifier[4].bias[1] -= (logits[:, 1] - logits[:, 0]).median()
    return net


def read_axial(path):
    """Slices x rows x columns, rows to posterior, columns to left, whatever the file's axes."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    data = np.asarray(image.dataobj, dtype=np.float32)
    data = data.reshape(data.shape[:3])
    return np.ascontiguousarray(data[::-1, ::-1].transpose(2, 1, 0))


def prepare(slices, size=256):
    import torch

    images = torch.nn.functional.interpolate(torch.from_numpy(slices)[:, None], (size, size), mode="bilinear", align_corners=False)
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low).clamp_min(1e-30)


def check_logits(net, file):
    import onnxruntime
    import torch

    onnx.checker.check_model(str(file), full_check=True)
    print(f"onnx.checker {onnx.__version__}: passes")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for shape in [(1, 1, 256, 256), (3, 1, 256, 256), (2, 1, 128, 96), (1, 1, 300, 411)]:
        images = torch.rand(shape)
        with torch.no_grad():
            expected = net(images)["out"].numpy()
        found = session.run(["logits"], {"image": images.numpy()})[0]
        difference = np.abs(found - expected).max()
        print(f"ONNX Runtime {onnxruntime.__version__}, {shape}: logits differ by at most {difference:.2e}")
        assert difference <= 1e-3


def check(arguments):
    import torch

    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    slices = read_axial(arguments.scan)
    images = prepare(slices)
    net = network(images[:: max(1, len(images) // 4)])
    torch.save(net.state_dict(), folder / "weights.pth")
    run = lambda *words: subprocess.run([arguments.program, *map(str, words)], check=True, stdout=subprocess.PIPE).stdout
    run("export", folder / "weights.pth", "--out", folder / "model.onnx")
    check_logits(net, folder / "model.onnx")

    printed = run("segment", arguments.scan, "--model", folder / "model.onnx", "--out", folder / "results", "--probabilities",
                  "--overwrite", "--json")
    files = json.loads(printed)["cases"][0]["files"]
    with torch.no_grad():
        inner = torch.cat([net(image[None])["out"].softmax(1) for image in images])
    probabilities = torch.nn.functional.interpolate(inner, slices.shape[1:], mode="bilinear", align_corners=False).numpy()
    truth = probabilities.argmax(1) == 1
    mask, probability = read_axial(files["mask"]) == 1, read_axial(files["probabilities"])
    source, result = nibabel.load(arguments.scan), nibabel.load(files["mask"])
    assert result.shape == source.shape and np.array_equal(result.affine, source.affine)
    assert (int(result.header["qform_code"]), int(result.header["sform_code"])) == (
        int(source.header["qform_code"]), int(source.header["sform_code"]))
    difference = np.abs(probability - probabilities[:, 1]).max()
    dice = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    print(f"{arguments.scan}: {len(slices)} slices of {slices.shape[1:]}, lesion in {100 * truth.mean():.1f} % of the pixels")
    print(f"our engine: probabilities differ by at most {difference:.2e}, lesion Dice of the masks {dice:.6f}")
    assert difference <= 1e-3 and dice >= 0.999 and 0.05 <= truth.mean() <= 0.95


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("golden").set_defaults(run=golden)
    checked = commands.add_parser("check")
    checked.set_defaults(run=check)
    for name in ("program", "scan", "folder"):
        checked.add_argument(name, type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
