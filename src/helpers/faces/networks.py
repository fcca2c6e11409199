"""The recognition networks, each a function from a crop of its own size to an embedding.

All run on onnxruntime, one thread a process: faster with a process a core, and repeatable.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.faces import weights

# crops a call: a few share what is read of the weights, more leave the caches; measured
TOGETHER = {"Dlib": 8, "SFace": 1, "Facenet": 8}
SIDES = {"Dlib": 150, "SFace": 112, "Facenet": 160}  # pixels of the square input
FILES = {name: weights.FILES[name] for name in ("SFace", "Facenet")} | {
    "Dlib": weights.FILES["Dlib, converted"]
}


def load(name: str) -> Callable[[list[np.ndarray]], np.ndarray]:
    """A network by its name: "Dlib", "SFace" or "Facenet".

    Returns `embed(crops) -> (n, 128) float32`, not normalised, the same bits however many crops
    there are. A crop is (side, side, 3): RGB uint8 for Dlib and SFace, float32 as the pipeline
    normalises it for Facenet. Raises UserError when the weights are missing.
    """
    path = weights.find(FILES[name])
    run = session(without_prelu(path) if name == "SFace" else path.read_bytes())
    source = run.get_inputs()[0].name

    def embed(crops):
        found = []
        for i in range(0, len(crops), TOGETHER[name]):
            some = np.stack(crops[i : i + TOGETHER[name]])
            if name == "SFace":
                some = np.ascontiguousarray(some.transpose(0, 3, 1, 2), dtype=np.float32)
            found.append(run.run(None, {source: some})[0])
        return np.concatenate(found)

    return embed


def session(model: bytes):
    """An onnxruntime session on one thread."""
    import onnxruntime  # here: most commands run no network

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def without_prelu(path: Path | str) -> bytes:
    """An ONNX model with each PRelu(x, slope) written as Relu(x) + (-slope) * Relu(-1 * x).

    The products are depthwise convolutions of one pixel, which onnxruntime computes in the layout
    of the other convolutions: SFace takes a third less time; its numbers differ in the last bit.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        slope = constants.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is None or slope.ndim != 3 or slope.size != len(slope):  # not one a channel
            nodes.append(node)
            continue
        x, out, down = node.input[0], node.output[0], -slope.reshape(-1, 1, 1, 1)
        for name, factor in ((f"{out}_minus", np.full_like(down, -1)), (f"{out}_slope", down)):
            model.graph.initializer.append(numpy_helper.from_array(factor, name))
        conv: dict = {"group": len(down), "kernel_shape": [1, 1]}
        nodes += [
            helper.make_node("Relu", [x], [f"{out}_above"]),
            helper.make_node("Conv", [x, f"{out}_minus"], [f"{out}_negated"], **conv),
            helper.make_node("Relu", [f"{out}_negated"], [f"{out}_below"]),
            helper.make_node("Conv", [f"{out}_below", f"{out}_slope"], [f"{out}_kept"], **conv),
            helper.make_node("Add", [f"{out}_kept", f"{out}_above"], [out]),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()
