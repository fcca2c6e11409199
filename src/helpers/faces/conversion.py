"""Turns weights of other libraries into ONNX files, so that one engine runs every network.

The results have hashes of their own in the weights manifest. Nothing that a weights file holds is
executed; only its arrays and its JSON are read.

python -m helpers.faces.conversion sface|facenet|faceres|dlib IN OUT.onnx
"""

import base64
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from helpers.faces import dlib_network

IR_VERSION = 8
OPSET = 13
PADDING = {"same": "SAME_UPPER", "valid": "VALID"}  # Keras's names


def convert_sface(source: Path, target: Path) -> None:
    """Fold the block-dequantised int8 weights of SFace into float32, drop its stale graph inputs.

    The carried file stores each weight as int8 blocks that a `DequantizeLinear` and a `Reshape`
    turn back into float32 at each run. Both are computed once here, exactly as ONNX defines them.
    """
    model = onnx.load(source)
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type not in ("DequantizeLinear", "Reshape") or set(node.input) - set(constants):
            kept.append(node)
            continue
        inputs = {name: constants[name] for name in node.input}
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in inputs.items()
        ]
        out = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
        single = helper.make_graph([node], "fold", infos, [out])
        run = ReferenceEvaluator(helper.make_model(single, opset_imports=model.opset_import)).run
        constants[node.output[0]] = run(None, inputs)[0]  # type: ignore[index]
    used = {name for node in kept for name in node.input}
    arrays = {name: constants[name] for name in sorted(used & set(constants))}
    data = [i for i in graph.input if i.name == "data"]
    how = {"opsets": model.opset_import, "ir": model.ir_version}
    _save(target, "sface", kept, data, list(graph.output), arrays, **how)


def convert_facenet(source: Path, target: Path) -> None:
    """Write the Keras Inception-ResNet-v1 as an ONNX graph with channels-last input.

    Input (n, 160, 160, 3) float32, output (n, 128) float32. The file's `Lambda` layers only scale
    their input; the scale is read from the JSON, the stored bytecode is never loaded.
    """
    with h5py.File(source, "r") as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        arrays = {}

        def keep(name, item):
            if isinstance(item, h5py.Dataset):
                arrays[name.split("/")[0], name.split("/")[-1].split(":")[0]] = item[()]

        file["model_weights"].visititems(keep)

    nodes, constants, output_of = [], {}, {}

    def add(kind, inputs, output, **how):
        nodes.append(helper.make_node(kind, inputs, [output], **how))

    def constant(name, array):
        constants[name] = array
        return name

    for layer in layers:
        kind, name, config = layer["class_name"], layer["name"], layer["config"]
        inbound = layer["inbound_nodes"][0] if layer["inbound_nodes"] else []
        inputs = [output_of[i[0]] for i in inbound]
        output = name
        if kind == "InputLayer":
            add("Transpose", ["input"], name, perm=[0, 3, 1, 2])
        elif kind == "Conv2D":
            weights = [constant(f"{name}/kernel", arrays[name, "kernel"].transpose(3, 2, 0, 1))]
            if config["use_bias"]:
                weights.append(constant(f"{name}/bias", arrays[name, "bias"]))
            how = {"auto_pad": PADDING[config["padding"]], "strides": config["strides"]}
            add("Conv", inputs + weights, output, **how)
        elif kind == "BatchNormalization":
            mean = arrays[name, "moving_mean"]
            gamma = arrays[name, "gamma"] if config["scale"] else np.ones_like(mean)
            parameters = {
                "gamma": gamma,
                "beta": arrays[name, "beta"],
                "mean": mean,
                "variance": arrays[name, "moving_variance"],
            }
            names = [constant(f"{name}/{k}", v) for k, v in parameters.items()]
            add("BatchNormalization", inputs + names, output, epsilon=config["epsilon"])
        elif kind == "Activation" and config["activation"] == "relu":
            add("Relu", inputs, output)
        elif kind == "Dropout" or (kind == "Activation" and config["activation"] == "linear"):
            output = inputs[0]
        elif kind == "Lambda":
            scale = constant(f"{name}/scale", np.float32(config["arguments"]["scale"]))
            add("Mul", [*inputs, scale], output)
        elif kind == "Add":
            add("Add", inputs, output)
        elif kind == "Concatenate":
            add("Concat", inputs, output, axis=1)
        elif kind == "MaxPooling2D":
            how = {"auto_pad": PADDING[config["padding"]], "strides": config["strides"]}
            add("MaxPool", inputs, output, kernel_shape=config["pool_size"], **how)
        elif kind == "GlobalAveragePooling2D":
            add("GlobalAveragePool", inputs, f"{name}/4d")
            add("Flatten", [f"{name}/4d"], output)
        elif kind == "Dense" and not config["use_bias"]:
            kernel = constant(f"{name}/kernel", arrays[name, "kernel"])
            add("MatMul", [*inputs, kernel], output)
        else:
            raise ValueError(f"layer {name!r} of kind {kind!r} has no conversion")
        output_of[name] = output
    final = output_of[layers[-1]["name"]]
    side = [("input", ["n", 160, 160, 3])]
    _save(target, "facenet", nodes, side, [(final, ["n", 128])], constants)


def convert_faceres(source: Path, target: Path) -> None:
    """Write the TensorFlow.js graph model HSE-FaceRec (a MobileNet) as ONNX, weights as float32.

    `source` is its JSON; the file of float16 weights that it names lies beside it. Input "images"
    (n, 224, 224, 3) float32, outputs "male" (n, 1), a probability, and "age" (n, 100), one
    probability a year from 1 on. The identity features of the file are left out.
    """
    model = json.loads(source.read_text())
    constants = _tfjs_weights(model["weightsManifest"], source.parent)
    outputs = {"gender_pred/Sigmoid": "male", "age_pred/Softmax": "age"}
    nodes, arrays = [], {}

    def add(kind, inputs, output, **how):
        nodes.append(helper.make_node(kind, inputs, [output], **how))

    def constant(name, array):
        arrays[name] = array
        return name

    for node in model["modelTopology"]["node"]:
        kind, name, attributes = node["op"], node["name"], node.get("attr", {})
        inputs, output = node.get("input", []), outputs.get(node["name"], node["name"])
        if kind == "Const":
            continue
        if kind == "Placeholder":
            add("Transpose", ["images"], name, perm=[0, 3, 1, 2])
        elif kind in ("Conv2D", "DepthwiseConv2dNative"):
            kernel = constants[inputs[1]]
            # TensorFlow's (height, width, in, out), depthwise (height, width, in, 1)
            order = (3, 2, 0, 1) if kind == "Conv2D" else (2, 3, 0, 1)
            padding = base64.b64decode(attributes["padding"]["s"]).decode()
            add(
                "Conv",
                [inputs[0], constant(inputs[1], kernel.transpose(order))],
                output,
                auto_pad={"SAME": "SAME_UPPER"}.get(padding, padding),
                strides=[int(i) for i in attributes["strides"]["list"]["i"][1:3]],
                group=1 if kind == "Conv2D" else kernel.shape[2],
            )
        elif kind in ("Add", "Mul", "Minimum", "Maximum"):
            value = constants[inputs[1]]
            operand = constant(inputs[1], value.reshape(-1, 1, 1) if value.ndim else value)
            kind = {"Minimum": "Min", "Maximum": "Max"}.get(kind, kind)
            add(kind, [inputs[0], operand], output)
        elif kind in ("Relu", "Sigmoid", "Softmax"):
            add(kind, inputs, output)
        elif kind == "Mean":
            add("GlobalAveragePool", inputs[:1], f"{name}/4d")
            add("Flatten", [f"{name}/4d"], output)
        elif kind == "_FusedMatMul":
            fused = [base64.b64decode(i).decode() for i in attributes["fused_ops"]["list"]["s"]]
            if fused not in (["BiasAdd"], ["BiasAdd", "Relu"]):
                raise ValueError(f"node {name!r} fuses {fused}, which has no conversion")
            weights = [constant(i, constants[i]) for i in inputs[1:]]
            linear = f"{output}/linear" if "Relu" in fused else output
            add("Gemm", [inputs[0], *weights], linear)
            if "Relu" in fused:
                add("Relu", [linear], output)
        else:
            raise ValueError(f"node {name!r} of kind {kind!r} has no conversion")
    found = [("male", ["n", 1]), ("age", ["n", 100])]
    _save(target, "faceres", nodes, [("images", ["n", 224, 224, 3])], found, arrays)


def _tfjs_weights(manifest: list[dict], folder: Path) -> dict[str, np.ndarray]:
    """Arrays of a TensorFlow.js model, in the order in which its files hold them."""
    arrays = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        start = 0
        for weight in group["weights"]:
            stored = np.dtype(weight.get("quantization", weight)["dtype"]).newbyteorder("<")
            count = int(np.prod(weight["shape"], dtype=int))
            array = np.frombuffer(data, stored, count, start).reshape(weight["shape"])
            arrays[weight["name"]] = array.astype(weight["dtype"])
            start += count * stored.itemsize
        if start != len(data):
            raise ValueError(f"{group['paths']} hold {len(data)} bytes, {start} are described")
    return arrays


def convert_dlib(source: Path, target: Path) -> None:
    """Write dlib's face recognition network as ONNX: input "rgb", output "embedding" (n, 128).

    The input is (n, 150, 150, 3) uint8 RGB chips; the network's own normalisation is in the graph.
    Raises ValueError for a file that does not hold the layers of this network.
    """
    nodes, arrays = dlib_network.graph(source.read_bytes())
    shape: list = ["n", dlib_network.SIZE, dlib_network.SIZE, 3]
    rgb = helper.make_tensor_value_info("rgb", TensorProto.UINT8, shape)
    _save(target, "dlib", nodes, [rgb], [("embedding", ["n", 128])], arrays)


def _save(target: Path, name: str, nodes, inputs, outputs, arrays: dict, opsets=None, ir=0) -> None:
    """Write a graph; inputs, outputs: of (name, shape) in float32, or as ONNX has them."""

    def info(value):
        return helper.make_tensor_value_info(value[0], TensorProto.FLOAT, value[1])

    inputs, outputs = (
        [info(v) if isinstance(v, tuple) else v for v in x] for x in (inputs, outputs)
    )
    constants = [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    opsets = opsets or [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=max(ir, IR_VERSION))
    model.producer_name = "congress-test"
    onnx.checker.check_model(model)
    target.write_bytes(model.SerializeToString(deterministic=True))


CONVERSIONS = {
    "sface": convert_sface,
    "facenet": convert_facenet,
    "faceres": convert_faceres,
    "dlib": convert_dlib,
}

if __name__ == "__main__":
    CONVERSIONS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
