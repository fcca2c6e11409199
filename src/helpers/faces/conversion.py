"""Turns weights of other libraries into ONNX files, so that one engine runs every network.

The results are not the official files: they have hashes of their own in the weights manifest.
Nothing that a weights file holds is executed; only its arrays and its JSON are read. dlib's own
file is read by `dlib_network`.

    python -m helpers.faces.conversion sface IN.onnx OUT.onnx
    python -m helpers.faces.conversion facenet IN.h5 OUT.onnx
    python -m helpers.faces.conversion faceres IN.json OUT.onnx
    python -m helpers.faces.conversion dlib IN.dat OUT.onnx
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
        if node.op_type in ("DequantizeLinear", "Reshape") and set(node.input) <= set(constants):
            inputs = {name: constants[name] for name in node.input}
            single = helper.make_model(
                helper.make_graph(
                    [node],
                    "fold",
                    [
                        helper.make_tensor_value_info(
                            name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape
                        )
                        for name, a in inputs.items()
                    ],
                    [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)],
                ),
                opset_imports=model.opset_import,
            )
            found = ReferenceEvaluator(single).run(None, inputs)
            constants[node.output[0]] = found[0]  # type: ignore[index]
        else:
            kept.append(node)
    used = {name for node in kept for name in node.input}
    folded = helper.make_graph(
        kept,
        "sface",
        [i for i in graph.input if i.name == "data"],
        list(graph.output),
        [numpy_helper.from_array(constants[n], n) for n in sorted(used & set(constants))],
    )
    converted = helper.make_model(
        folded, opset_imports=model.opset_import, ir_version=max(model.ir_version, IR_VERSION)
    )
    _save(converted, target)


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

    nodes, initialisers, output_of = [], [], {}

    def constant(name, array):
        initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for layer in layers:
        kind, name, config = layer["class_name"], layer["name"], layer["config"]
        inbound = layer["inbound_nodes"][0] if layer["inbound_nodes"] else []
        inputs = [output_of[i[0]] for i in inbound]
        output = name
        if kind == "InputLayer":
            nodes.append(helper.make_node("Transpose", ["input"], [name], perm=[0, 3, 1, 2]))
        elif kind == "Conv2D":
            weights = [constant(f"{name}/kernel", arrays[name, "kernel"].transpose(3, 2, 0, 1))]
            if config["use_bias"]:
                weights.append(constant(f"{name}/bias", arrays[name, "bias"]))
            padding = "SAME_UPPER" if config["padding"] == "same" else "VALID"
            nodes.append(
                helper.make_node(
                    "Conv", inputs + weights, [output], auto_pad=padding, strides=config["strides"]
                )
            )
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
            nodes.append(
                helper.make_node(
                    "BatchNormalization", inputs + names, [output], epsilon=config["epsilon"]
                )
            )
        elif kind == "Activation" and config["activation"] == "relu":
            nodes.append(helper.make_node("Relu", inputs, [output]))
        elif kind == "Dropout" or (kind == "Activation" and config["activation"] == "linear"):
            output = inputs[0]
        elif kind == "Lambda":
            scale = constant(f"{name}/scale", np.float32(config["arguments"]["scale"]))
            nodes.append(helper.make_node("Mul", [*inputs, scale], [output]))
        elif kind == "Add":
            nodes.append(helper.make_node("Add", inputs, [output]))
        elif kind == "Concatenate":
            nodes.append(helper.make_node("Concat", inputs, [output], axis=1))
        elif kind == "MaxPooling2D":
            padding = "SAME_UPPER" if config["padding"] == "same" else "VALID"
            nodes.append(
                helper.make_node(
                    "MaxPool",
                    inputs,
                    [output],
                    auto_pad=padding,
                    kernel_shape=config["pool_size"],
                    strides=config["strides"],
                )
            )
        elif kind == "GlobalAveragePooling2D":
            nodes.append(helper.make_node("GlobalAveragePool", inputs, [f"{name}/4d"]))
            nodes.append(helper.make_node("Flatten", [f"{name}/4d"], [output]))
        elif kind == "Dense" and not config["use_bias"]:
            kernel = constant(f"{name}/kernel", arrays[name, "kernel"])
            nodes.append(helper.make_node("MatMul", [*inputs, kernel], [output]))
        else:
            raise ValueError(f"layer {name!r} of kind {kind!r} has no conversion")
        output_of[name] = output
    final = output_of[layers[-1]["name"]]
    graph = helper.make_graph(
        nodes,
        "facenet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 160, 160, 3])],
        [helper.make_tensor_value_info(final, TensorProto.FLOAT, ["n", 128])],
        initialisers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    _save(model, target)


def convert_faceres(source: Path, target: Path) -> None:
    """Write the TensorFlow.js graph model HSE-FaceRec (a MobileNet) as ONNX, weights as float32.

    `source` is its JSON; the file of float16 weights that it names lies beside it. Input "images"
    (n, 224, 224, 3) float32, outputs "male" (n, 1), a probability, and "age" (n, 100), one
    probability a year from 1 on. The identity features of the file are left out.
    """
    model = json.loads(source.read_text())
    constants = _tfjs_weights(model["weightsManifest"], source.parent)
    outputs = {"gender_pred/Sigmoid": "male", "age_pred/Softmax": "age"}
    nodes, initialisers = [], {}

    def constant(name, array):
        initialisers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    for node in model["modelTopology"]["node"]:
        kind, name, attributes = node["op"], node["name"], node.get("attr", {})
        inputs, output = node.get("input", []), outputs.get(node["name"], node["name"])
        if kind == "Const":
            continue
        if kind == "Placeholder":
            nodes.append(helper.make_node("Transpose", ["images"], [name], perm=[0, 3, 1, 2]))
        elif kind in ("Conv2D", "DepthwiseConv2dNative"):
            kernel = constants[inputs[1]]
            # TensorFlow's (height, width, in, out), depthwise (height, width, in, 1)
            order = (3, 2, 0, 1) if kind == "Conv2D" else (2, 3, 0, 1)
            padding = base64.b64decode(attributes["padding"]["s"]).decode()
            nodes.append(
                helper.make_node(
                    "Conv",
                    [inputs[0], constant(inputs[1], kernel.transpose(order))],
                    [output],
                    auto_pad={"SAME": "SAME_UPPER"}.get(padding, padding),
                    strides=[int(i) for i in attributes["strides"]["list"]["i"][1:3]],
                    group=1 if kind == "Conv2D" else kernel.shape[2],
                )
            )
        elif kind in ("Add", "Mul", "Minimum", "Maximum"):
            value = constants[inputs[1]]
            operand = constant(inputs[1], value.reshape(-1, 1, 1) if value.ndim else value)
            name = {"Minimum": "Min", "Maximum": "Max"}.get(kind, kind)
            nodes.append(helper.make_node(name, [inputs[0], operand], [output]))
        elif kind == "Relu":
            nodes.append(helper.make_node("Relu", inputs, [output]))
        elif kind == "Mean":
            nodes.append(helper.make_node("GlobalAveragePool", inputs[:1], [f"{name}/4d"]))
            nodes.append(helper.make_node("Flatten", [f"{name}/4d"], [output]))
        elif kind == "_FusedMatMul":
            fused = [base64.b64decode(i).decode() for i in attributes["fused_ops"]["list"]["s"]]
            if fused not in (["BiasAdd"], ["BiasAdd", "Relu"]):
                raise ValueError(f"node {name!r} fuses {fused}, which has no conversion")
            weights = [constant(i, constants[i]) for i in inputs[1:]]
            linear = f"{output}/linear" if "Relu" in fused else output
            nodes.append(helper.make_node("Gemm", [inputs[0], *weights], [linear]))
            if "Relu" in fused:
                nodes.append(helper.make_node("Relu", [linear], [output]))
        elif kind in ("Sigmoid", "Softmax"):
            nodes.append(helper.make_node(kind, inputs, [output]))
        else:
            raise ValueError(f"node {name!r} of kind {kind!r} has no conversion")
    graph = helper.make_graph(
        nodes,
        "faceres",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 224, 224, 3])],
        [
            helper.make_tensor_value_info("male", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("age", TensorProto.FLOAT, ["n", 100]),
        ],
        list(initialisers.values()),
    )
    _save(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        ),
        target,
    )


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
    size = dlib_network.SIZE
    graph = helper.make_graph(
        nodes,
        "dlib",
        [helper.make_tensor_value_info("rgb", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 128])],
        [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in arrays.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    _save(model, target)


def _save(model: onnx.ModelProto, target: Path) -> None:
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
