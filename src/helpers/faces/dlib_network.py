"""Reads dlib's face recognition network from dlib's own file format, into nodes of ONNX.

Layers stand in the file from the input on, each behind a name with its length in front; numbers and
tensors are as `serialize` in dlib/serialize.h and dlib/dnn/ writes them.
"""

import re
from typing import NamedTuple

import numpy as np
from onnx import NodeProto, helper

SIZE = 150  # pixels a side of the chip
NAMES = (b"input_rgb_image_sized", b"con_4", b"affine_", b"relu_", b"max_pool_2", b"avg_pool_2")
NAMES += (b"add_prev_", b"fc_2")


class Layer(NamedTuple):
    """A layer as it stands in the file: its name, its integers, its parameters (n,) float32."""

    name: str
    numbers: list
    parameters: np.ndarray


def layers(data: bytes) -> list[Layer]:
    """The layers of the network in the order of the file, input first."""
    tag = b"|".join(re.escape(bytes([1, len(name)]) + name) for name in NAMES)
    found = []
    for match in re.finditer(tag, data):
        name, at = match.group()[2:].decode(), match.end()
        numbers: list[float] = []
        parameters = np.zeros(0, np.float32)
        if name in ("con_4", "affine_"):
            parameters, at = _tensor(data, at)
        count = {"con_4": 7, "max_pool_2": 6, "avg_pool_2": 6, "fc_2": 2}.get(name, 0)
        for _ in range(count):
            number, at = _integer(data, at)
            numbers.append(number)
        if name == "fc_2":
            parameters, at = _tensor(data, at)
        if name == "input_rgb_image_sized":
            for _ in range(3):
                number, at = _real(data, at)
                numbers.append(number)
        found.append(Layer(name, numbers, parameters))
    return found


def _integer(data: bytes, at: int) -> tuple[int, int]:
    # of the first byte the low nibble counts those that follow, the high bit is the sign
    size, negative = data[at] & 0x0F, data[at] & 0x80
    value = int.from_bytes(data[at + 1 : at + 1 + size], "little")
    return (-value if negative else value), at + 1 + size


def _real(data: bytes, at: int) -> tuple[float, int]:
    mantissa, at = _integer(data, at)
    exponent, at = _integer(data, at)
    return mantissa * 2.0**exponent, at


def _tensor(data: bytes, at: int) -> tuple[np.ndarray, int]:
    version, at = _integer(data, at)
    if version != 2:
        raise ValueError(f"a tensor of version {version}, not 2")
    count = 1
    for _ in range(4):
        size, at = _integer(data, at)
        count *= size
    return np.frombuffer(data, "<f4", count, at), at + 4 * count


def graph(data: bytes) -> tuple[list[NodeProto], dict[str, np.ndarray]]:
    """Nodes from "rgb" (n, 150, 150, 3) uint8 to "embedding" (n, 128), and their constants.

    Each affine layer is folded into the convolution before it. Raises ValueError where the layers
    are not those of this network.
    """
    found = layers(data)
    if not found or found[0].name != "input_rgb_image_sized" or found[-1].name != "fc_2":
        raise ValueError("this is not dlib's face recognition network")
    arrays = {
        "mean": np.array(found[0].numbers, dtype=np.float32).reshape(3, 1, 1),
        "scale": np.array(1 / 256, dtype=np.float32),  # input_rgb_image of dlib/dnn/input.h
    }
    nodes = [
        helper.make_node("Cast", ["rgb"], ["rgb/float"], to=1),
        helper.make_node("Transpose", ["rgb/float"], ["rgb/channels"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["rgb/channels", "mean"], ["rgb/centred"]),
        helper.make_node("Mul", ["rgb/centred", "scale"], ["input"]),
    ]
    now, shape = "input", (3, SIZE, SIZE)
    start = shortcut = (now, shape)  # of the residual block; what is added at its end
    for i, layer in enumerate(found[1:], 1):
        out = f"{i}_{layer.name}"
        if layer.name == "con_4":
            node, shape = _convolution(layer, found[i + 1], now, shape, out, arrays)
        elif layer.name == "affine_":
            continue  # is in the convolution
        elif layer.name == "relu_":
            node = helper.make_node("Relu", [now], [out])
        elif layer.name == "fc_2":
            arrays["fc"] = layer.parameters.reshape(-1, 128)
            nodes.append(helper.make_node("Flatten", [now], ["flat"]))
            nodes.append(helper.make_node("MatMul", ["flat", "fc"], ["embedding"]))
            return nodes, arrays
        elif layer.name == "add_prev_":
            added, shape = _sum((now, shape), shortcut, out)
            nodes += added
            now = out
            continue
        elif layer.name == "avg_pool_2" and layer.numbers[0] == 0:
            node = helper.make_node("GlobalAveragePool", [now], [out])
        elif layer.name == "avg_pool_2":  # of the block's input, beside the block
            node, pooled = _pool(layer, start[0], start[1], out)
            nodes.append(node)
            shortcut = (out, pooled)
            continue
        else:
            node, shape = _pool(layer, now, shape, out)
        nodes.append(node)
        now = out
        if found[i - 1].name == "add_prev_" or layer.name == "max_pool_2":  # a block ends
            start = shortcut = (now, shape)
    raise ValueError("the last layer is missing")


def _convolution(layer, affine, now, shape, out, arrays):
    filters, *window = layer.numbers
    rows, columns = window[:2]
    count = filters * shape[0] * rows * columns
    if affine.name != "affine_" or len(layer.parameters) != count + filters:
        raise ValueError(f"{out}: not a convolution of this network")
    scale, shift = affine.parameters.astype(float).reshape(2, filters)
    kernel = layer.parameters[:count].reshape(filters, shape[0], rows, columns)
    arrays[f"{out}/kernel"] = np.float32(kernel * scale[:, None, None, None])
    arrays[f"{out}/bias"] = np.float32(layer.parameters[count:] * scale + shift)
    inputs = [now, f"{out}/kernel", f"{out}/bias"]
    return _windows("Conv", inputs, (filters, *shape[1:]), out, *window)


def _pool(layer, now, shape, out):
    kind = "MaxPool" if layer.name == "max_pool_2" else "AveragePool"
    return _windows(kind, [now], shape, out, *layer.numbers, kernel_shape=layer.numbers[:2])


def _windows(kind, inputs, shape, out, rows, columns, down, right, above, beside, **how):
    """A node that slides a window, and the shape of what it gives."""
    pads = [above, beside, above, beside]
    node = helper.make_node(kind, inputs, [out], strides=[down, right], pads=pads, **how)
    height = (shape[1] + 2 * above - rows) // down + 1
    width = (shape[2] + 2 * beside - columns) // right + 1
    return node, (shape[0], height, width)


def _sum(one, other, out):
    """Add two layers as dlib does: where channels, rows or columns differ, zero is added."""
    shape = tuple(max(a, b) for a, b in zip(one[1], other[1], strict=True))
    nodes, names = [], []
    for k, (name, has) in enumerate((one, other)):
        if has != shape:
            padded = f"{out}/padded_{k}"
            missing = [0, *(a - b for a, b in zip(shape, has, strict=True))]
            pads = helper.make_tensor(f"{padded}/pads", 7, [8], [0, 0, 0, 0, *missing])
            nodes.append(helper.make_node("Constant", [], [f"{padded}/pads"], value=pads))
            nodes.append(helper.make_node("Pad", [name, f"{padded}/pads"], [padded]))
            name = padded
        names.append(name)
    nodes.append(helper.make_node("Add", names, [out]))
    return nodes, shape
