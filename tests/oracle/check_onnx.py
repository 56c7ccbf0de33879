"""Oracle for src/pulmoseg/onnx: ONNX files by the onnx package (golden), and what our own files do elsewhere (check).

golden      writes tests/data/onnx/*.onnx, each a few hundred bytes, which tests/onnx/onnx_test.cpp reads
"""

import argparse
import pathlib

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("golden").set_defaults(run=golden)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
