"""Oracle for src/pulmoseg/model: torchvision's DeepLabV3-ResNet50 and files written by torch.save and safetensors.

golden                writes tests/data/model/: network.json (names, shapes, logits, gradients, losses) and small weight files
theirs FILE.pth       saves torchvision's network with the weights of the formula below, for `pulmoseg export FILE.pth`
check FILE            FILE (.pth or .safetensors) opens in PyTorch, fits torchvision strictly and has the formula's weights
check-onnx FILE       onnx.checker, and logits of ONNX Runtime against torchvision for several batch and image sizes

Weights, images and labels come from an integer hash of the element's index (formula() here, tests/model/formula.hpp there),
so both sides have the same bits without a file of 160 MB.
"""

import argparse
import json
import pathlib
import pickle
import zipfile

import numpy as np
import torch
import torchvision
from torchvision.models.segmentation import deeplabv3_resnet50

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data" / "model"
IMAGES, LABELS = 1_000_000, 2_000_000  # keys of the hash beyond those of the tensors


def formula(key, count):
    """`count` values in [-1, 1): lowbias32 of the index, offset by the key."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(key) * np.uint64(0x9E3779B9)).astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2**31 - 1


def formula_tensor(key, name, shape):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    values = formula(key, int(np.prod(shape))).reshape(shape)
    if len(shape) == 4:  # He's law, so that activations keep their size
        values *= (6 / np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight"):  # of a BatchNorm; small at the end of a block, so that 16 blocks do not add up to much
        values = (0.4 if ".bn3." in name else 1.0) * (1 + 0.3 * values)
    elif name.endswith("running_var"):
        values = 1 + 0.4 * values
    else:
        values *= 0.2
    return torch.from_numpy(values.astype(np.float32))


def network(classes=2):
    net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=classes)
    net.backbone.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return net


def formula_network():
    net = network()
    net.load_state_dict({name: formula_tensor(key, name, tuple(tensor.shape))
                         for key, (name, tensor) in enumerate(net.state_dict().items())}, strict=True)
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return net


def images(batch, rows, columns):
    """Noise in [0, 1] that is brighter from image to image: the pooled branch's BatchNorm needs means that differ."""
    noise = formula(IMAGES, batch * rows * columns).reshape(batch, 1, rows, columns)
    level = np.arange(1, batch + 1).reshape(batch, 1, 1, 1) / batch
    return torch.from_numpy((level * (0.5 + 0.5 * noise)).astype(np.float32))


def labels(batch, rows, columns):
    return torch.from_numpy((formula(LABELS, batch * rows * columns) > 0.4).astype(np.int64).reshape(batch, rows, columns))


def samples(tensor, count=16):
    """Evenly spread values of a tensor and where they lie."""
    flat = tensor.detach().flatten()
    places = [int(i) for i in np.linspace(0, flat.numel() - 1, min(count, flat.numel())).round()]
    return {"index": places, "value": [float(flat[i]) for i in places]}


def describe_logits(tensor):
    return {"shape": list(tensor.shape), "norm": tensor.detach().double().norm().item(), **samples(tensor, 64)}


def initialisation():
    """Spread of every fresh parameter: standard deviation and largest value tell normal from uniform and both from others."""
    torch.manual_seed(0)
    net = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=2)  # conv1 for 3 channels, as torchvision draws it
    return {name: {"std": float(p.detach().std(correction=0)), "largest": float(p.detach().abs().max()), "mean": float(p.detach().mean())}
            for name, p in net.named_parameters()}


def adam_losses(dtype, size, steps):
    """Rounding grows from step to step (see deeplabv3_test.cpp): many steps only in float64."""
    net = formula_network().train().to(dtype)
    batch, truth = images(2, size, size).to(dtype), labels(2, size, size)
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=1e-4), []
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(net(batch)["out"], truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def network_golden():
    torch.set_num_threads(2)
    net = formula_network()
    result = {
        "made_by": f"torch {torch.__version__}, torchvision {torchvision.__version__}, numpy {np.__version__}",
        "parameters": sum(p.numel() for p in net.parameters()),
        "tensors": [[name, list(t.shape), str(t.dtype).removeprefix("torch.")] for name, t in net.state_dict().items()],
        "parameter_names": [name for name, _ in net.named_parameters()],
        "initialisation": initialisation(),
    }
    net.eval()
    with torch.no_grad():
        result["eval"] = describe_logits(net(images(2, 64, 64))["out"])
        result["eval_72x56"] = describe_logits(net(images(1, 72, 56))["out"])
    net.train()
    batch, truth = images(2, 64, 64), labels(2, 64, 64)
    out = net(batch)["out"]
    loss = torch.nn.functional.cross_entropy(out, truth)
    loss.backward()
    result["train"] = describe_logits(out)
    result["running_mean_after"] = samples(net.backbone.layer4[2].bn3.running_mean)
    result["running_var_after"] = samples(net.backbone.layer4[2].bn3.running_var)
    result["batches_after"] = int(net.backbone.bn1.num_batches_tracked)
    result["loss"] = loss.item()
    result["gradients"] = {name: {"norm": float(p.grad.double().norm()), **samples(p.grad, 4)} for name, p in net.named_parameters()}

    result["adam_losses_float32"] = adam_losses(torch.float32, 64, 2)
    result["adam_losses_float64"] = adam_losses(torch.float64, 32, 10)
    print("eval logits", result["eval"]["value"][:4], "adam", result["adam_losses_float64"])
    return result


class Malicious:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def small_state():
    """Two tensors whose values the tests know: weight[i] = i / 2, bias[i] = -i."""
    return {"layer.weight": torch.arange(6.0).reshape(2, 3) / 2, "layer.bias": -torch.arange(2.0)}


def module_state():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    for tensor in module.state_dict().values():
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) + 1)
    return module


def pth_golden():
    import collections
    import os

    def save(name, value, **options):
        torch.save(value, GOLDEN / name, **options)

    state = small_state()
    save("plain_dict.pth", state)
    save("ordered_dict.pth", collections.OrderedDict(state))
    save("module_state.pth", module_state().state_dict())
    module = module_state()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 1, 2, 2)).sum().backward()
    optimizer.step()
    save("checkpoint_model.pth", {"epoch": 3, "loss": 0.25, "model": state, "optimizer": optimizer.state_dict(), "big": 2**40})
    save("checkpoint_state_dict.pth", {"state_dict": collections.OrderedDict(state), "best": True, "name": None})
    save("checkpoint_model_state_dict.pth", {"model_state_dict": {"model": state}, "history": [1.5, 2], "pair": (1, 2)})
    save("parallel.pth", {"module." + k: v for k, v in state.items()})
    save("parallel_compiled.pth", {"module._orig_mod." + k: v for k, v in state.items()})
    save("parameters.pth", {k: torch.nn.Parameter(v) for k, v in state.items()})
    save("formats.pth", {str(dtype).removeprefix("torch."): torch.tensor([0, 1, 1.5, 100]).to(dtype) for dtype in (
        torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)})
    numbers = torch.arange(24.0)
    save("views.pth", {"transposed": numbers.reshape(4, 6).t(), "every_second": numbers[1::2], "tail": numbers[20:],
                       "channels_last": numbers.reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
                       "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)})
    save("legacy.pth", state, _use_new_zipfile_serialization=False)
    save("tensor.pth", state["layer.weight"])
    save("no_tensor.pth", {"epoch": 3, "name": "x"})
    save("expanded.pth", {"x": torch.zeros(1).expand(1 << 40)})
    save("whole_module.pth", module_state())
    save("runs_os_system.pth", {"x": Malicious(os.system, "echo RUN > pulmoseg_was_here")})
    save("runs_eval.pth", {"state_dict": state, "x": Malicious(eval, "1")})
    save("protocol_4.pth", state, pickle_protocol=4)
    rewrite("ordered_dict.pth", "big_endian.pth", lambda name, data: b"big" if name.endswith("byteorder") else data)
    rewrite("ordered_dict.pth", "storage_missing.pth", lambda name, data: None if name.endswith("data/1") else data)
    rewrite("ordered_dict.pth", "storage_short.pth", lambda name, data: data[:-4] if name.endswith("data/1") else data)
    rewrite("ordered_dict.pth", "code.pt", lambda name, data: data, extra={"archive/constants.pkl": pickle.dumps((), 2)})


def rewrite(source, target, change, extra=None):
    with zipfile.ZipFile(GOLDEN / source) as old, zipfile.ZipFile(GOLDEN / target, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
        for name, data in (extra or {}).items():
            new.writestr(name.replace("archive", old.namelist()[0].split("/")[0]), data)


def safetensors_golden():
    from safetensors.torch import save_file

    save_file(small_state(), GOLDEN / "small.safetensors", metadata={"format": "pt", "note": "x"})
    save_file({str(dtype).removeprefix("torch."): torch.tensor([0, 1, 1.5, 100]).to(dtype) for dtype in (
        torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
        torch.uint8, torch.bool)} | {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}, GOLDEN / "formats.safetensors")


def golden(_):
    GOLDEN.mkdir(parents=True, exist_ok=True)
    pth_golden()
    safetensors_golden()
    (GOLDEN / "network.json").write_text(json.dumps(network_golden()) + "\n")


def theirs(arguments):
    torch.save(formula_network().state_dict(), arguments.file)


def load(file):
    if file.endswith(".safetensors"):
        from safetensors.torch import load_file
        return load_file(file)
    return torch.load(file, weights_only=True)


def check(arguments):
    state = load(arguments.file)
    net = network()
    print(type(state).__name__, len(state), net.load_state_dict(state, strict=True))
    reference = formula_network().state_dict()
    if arguments.file.endswith(".pth"):
        assert list(state) == list(reference), "another order of names"
    for name, tensor in reference.items():
        assert state[name].dtype == tensor.dtype and torch.equal(state[name], tensor), name
    print("equal to the formula's weights:", len(reference), "tensors, torch", torch.__version__)


def check_onnx(arguments):
    import onnx
    import onnxruntime

    onnx.checker.check_model(arguments.file, full_check=True)
    session = onnxruntime.InferenceSession(arguments.file, providers=["CPUExecutionProvider"])
    print("onnx", onnx.__version__, "checker passed; metadata", session.get_modelmeta().custom_metadata_map)
    net = formula_network().eval()
    for shape in ((1, 64, 64), (2, 64, 64), (3, 96, 80), (1, 57, 131), (1, 256, 256)):
        batch = images(*shape)
        with torch.no_grad():
            expected = net(batch)["out"].numpy()
        found = session.run(["logits"], {"image": batch.numpy()})[0]
        difference = float(np.abs(found - expected).max())
        masks = expected.argmax(1), found.argmax(1)
        dice = 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum())
        print(shape, f"largest difference {difference:.2e}, logits up to {np.abs(expected).max():.2f},",
              f"lesion share {masks[0].mean():.3f}, Dice {dice:.5f}, onnxruntime {onnxruntime.__version__}")
        assert found.shape == expected.shape and difference < 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, function in (("golden", golden), ("theirs", theirs), ("check", check), ("check-onnx", check_onnx)):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        if name != "golden":
            command.add_argument("file")
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
