"""Gender classifiers: the conversion computes what the carried graph says, faces are cut and scaled
as the publishers do, and both classifiers make sense on portraits."""

import base64
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from helpers.errors import UserError
from helpers.faces import conversion, enrolment, gender_classifiers, pipelines, weights
from helpers.protocol import shipping
from helpers.sources import fetch, rosters

rng = np.random.default_rng(20180726)
TINY = 6  # pixels, the side of the made-up graph's input


# ---- TensorFlow.js to ONNX


def tfjs_model(folder: Path, change=lambda nodes: nodes) -> tuple[Path, dict]:
    """A small graph with every kind of node that faceres has, and its float16 weights."""
    arrays = {
        "conv": rng.normal(0, 0.5, (3, 3, 3, 4)),
        "bias": rng.normal(0, 0.5, 4),
        "six": np.array(1.5),
        "zero": np.array(0.0),
        "dw": rng.normal(0, 0.5, (3, 3, 4, 1)),
        "scale": rng.normal(1, 0.2, 4),
        "pw": rng.normal(0, 0.5, (1, 1, 4, 5)),
        "feats/k": rng.normal(0, 0.5, (5, 7)),
        "feats/b": rng.normal(0, 0.5, 7),
        "g/k": rng.normal(0, 0.5, (7, 1)),
        "g/b": rng.normal(0, 0.5, 1),
        "a/k": rng.normal(0, 0.5, (7, 100)),
        "a/b": rng.normal(0, 0.5, 100),
    }
    arrays = {name: a.astype(np.float16).astype(np.float32) for name, a in arrays.items()}

    def coded(text):
        return base64.b64encode(text.encode()).decode()

    def node(op, name, inputs=(), **attributes):
        return {"op": op, "name": name, "input": list(inputs), "attr": attributes}

    def conv(op, name, inputs, stride, padding="SAME"):
        sides = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
        return node(op, name, inputs, strides=sides, padding={"s": coded(padding)})

    def dense(name, inputs, *fused):
        ops = {"list": {"s": [coded(f) for f in fused]}}
        return node("_FusedMatMul", name, inputs, fused_ops=ops)

    nodes = [node("Const", name) for name in [*arrays, "axes"]]
    nodes += [
        node("Placeholder", "input_1"),
        conv("Conv2D", "c", ["input_1", "conv"], 2),
        node("Add", "c/b", ["c", "bias"]),
        node("Relu", "c/r", ["c/b"]),
        node("Minimum", "c/min", ["c/r", "six"]),
        node("Maximum", "c/max", ["c/min", "zero"]),
        conv("DepthwiseConv2dNative", "d", ["c/max", "dw"], 1),
        node("Mul", "d/m", ["d", "scale"]),
        conv("Conv2D", "p", ["d/m", "pw"], 1, "VALID"),
        node("Mean", "mean", ["p", "axes"]),
        dense("feats", ["mean", "feats/k", "feats/b"], "BiasAdd", "Relu"),
        dense("g", ["feats", "g/k", "g/b"], "BiasAdd"),
        dense("a", ["feats", "a/k", "a/b"], "BiasAdd"),
        node("Sigmoid", "gender_pred/Sigmoid", ["g"]),
        node("Softmax", "age_pred/Softmax", ["a"]),
    ]
    half = {"dtype": "float16", "original_dtype": "float32"}
    weights = [
        {"name": n, "shape": list(a.shape), "dtype": "float32", "quantization": half}
        for n, a in arrays.items()
    ]
    # an int32 in the middle: what follows is found only if its size was right
    weights.insert(3, {"name": "axes", "shape": [2], "dtype": "int32"})
    parts = [a.astype("<f2").tobytes() for a in arrays.values()]
    parts.insert(3, np.array([1, 2], dtype="<i4").tobytes())
    (folder / "tiny.bin").write_bytes(b"".join(parts))
    model = {
        "modelTopology": {"node": change(nodes)},
        "weightsManifest": [{"paths": ["tiny.bin"], "weights": weights}],
    }
    (folder / "tiny.json").write_text(json.dumps(model))
    return folder / "tiny.json", arrays


def convolve(x, kernel, stride, padding, depthwise=False):
    """TensorFlow's convolution by its definition, loop by loop: (h, w, in) -> (h', w', out)."""
    size, (h, w) = kernel.shape[0], x.shape[:2]
    if padding == "SAME":
        out = [-(-n // stride) for n in (h, w)]
        pads = [max((o - 1) * stride + size - n, 0) for o, n in zip(out, (h, w), strict=True)]
        x = np.pad(x, [(p // 2, p - p // 2) for p in pads] + [(0, 0)])
    else:
        out = [(n - size) // stride + 1 for n in (h, w)]
    y = np.zeros((*out, kernel.shape[2 if depthwise else 3]))
    for i in range(out[0]):
        for j in range(out[1]):
            patch = x[i * stride : i * stride + size, j * stride : j * stride + size]
            how = "hwc,hwcm->c" if depthwise else "hwc,hwco->o"
            y[i, j] = np.einsum(how, patch, kernel)
    return y


def by_definition(x, a):
    """The small graph in numpy, without ONNX."""
    x = np.clip(np.maximum(convolve(x, a["conv"], 2, "SAME") + a["bias"], 0), 0, a["six"])
    x = convolve(x, a["dw"], 1, "SAME", depthwise=True) * a["scale"]
    x = convolve(x, a["pw"], 1, "VALID").mean((0, 1))
    x = np.maximum(x @ a["feats/k"] + a["feats/b"], 0)
    age = np.exp(x @ a["a/k"] + a["a/b"])
    return 1 / (1 + np.exp(-(x @ a["g/k"] + a["g/b"]))), age / age.sum()


def run_tiny(path, images):
    import onnx

    model = onnx.load(path)
    for axis in (1, 2):  # the real graph takes 224 x 224
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = TINY
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["male", "age"], {"images": images})


def test_converted_graph_computes_what_its_nodes_say(tmp_path):
    source, arrays = tfjs_model(tmp_path)
    conversion.convert_faceres(source, tmp_path / "tiny.onnx")
    images = rng.normal(0, 1, (3, TINY, TINY, 3)).astype(np.float32)
    male, age = run_tiny(tmp_path / "tiny.onnx", images)
    assert male.shape == (3, 1) and age.shape == (3, 100)
    for i, image in enumerate(images):
        expected = by_definition(image.astype(np.float64), arrays)
        assert np.abs(male[i] - expected[0]).max() < 1e-5
        assert np.abs(age[i] - expected[1]).max() < 1e-5
    assert np.ptp(male) > 1e-3  # the images do make a difference


def test_a_node_or_weights_without_a_conversion_are_refused(tmp_path):
    def with_another(nodes):
        return [dict(n, op="Tanh") if n["op"] == "Sigmoid" else n for n in nodes]

    source, _ = tfjs_model(tmp_path, with_another)
    with pytest.raises(ValueError, match="kind 'Tanh' has no conversion"):
        conversion.convert_faceres(source, tmp_path / "tiny.onnx")
    source, _ = tfjs_model(tmp_path)
    with (tmp_path / "tiny.bin").open("ab") as file:
        file.write(b"xx")
    with pytest.raises(ValueError, match="bytes"):
        conversion.convert_faceres(source, tmp_path / "tiny.onnx")
    assert not (tmp_path / "tiny.onnx").exists()


def test_faceres_gives_what_tensorflow_js_computed(mirror):
    """The numbers are TensorFlow.js 4's (its own CPU code) from the carried, unconverted files."""
    images = np.random.default_rng(7).uniform(-120, 150, (3, 224, 224, 3)).astype(np.float32)
    male, age = gender_classifiers._session("faceres").run(["male", "age"], {"images": images})
    assert male.ravel() == pytest.approx([0.63887227, 0.63375133, 0.63923264], abs=1e-5)
    assert age.argmax(1).tolist() == [29, 29, 29]
    assert age.max(1) == pytest.approx([0.0313609, 0.03087815, 0.03227936], abs=1e-5)


# ---- what goes into the networks


def test_a_chip_is_centred_and_scaled_as_dlibs_examples_do():
    chip = np.zeros((32, 32, 3), dtype=np.uint8)
    chip[0, 1] = (255, 10, 20)  # RGB
    batch = gender_classifiers.cydral_input(chip)
    assert batch.shape == (1, 3, 32, 32) and batch.dtype == np.float32
    expected = [(255 - 122.782) / 256, (10 - 117.001) / 256, (20 - 104.298) / 256]
    assert batch[0, :, 0, 1] == pytest.approx(expected, abs=1e-6)
    assert batch[0, :, 1, 0] == pytest.approx([-122.782 / 256, -117.001 / 256, -104.298 / 256])


def test_the_box_grows_by_a_tenth_and_keeps_the_order_of_colours():
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    image[18:82, 26:74] = (200, 100, 50)  # BGR: the box 30, 20, 40, 60 made larger by 4 and 6 ..
    image[14:86, 26:74] = (200, 100, 50)
    inside = gender_classifiers.hse_input(image, (30, 20, 40, 60))
    assert inside.shape == (1, 224, 224, 3) and inside.dtype == np.float32
    expected = np.array([200, 100, 50]) - [103.939, 116.779, 123.68]
    assert np.abs(inside - expected).max() < 1e-4  # .. is just what is cut out
    image[13], image[:, 25] = 0, 0
    assert np.abs(gender_classifiers.hse_input(image, (30, 20, 40, 60)) - expected).max() < 1e-4
    image[14] = 0
    assert np.abs(gender_classifiers.hse_input(image, (30, 20, 40, 60)) - expected).max() > 50


def test_a_box_at_the_edge_is_cut_and_one_outside_refused():
    image = rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)
    whole = gender_classifiers.hse_input(image, (0, 0, 60, 50))
    assert np.array_equal(whole, gender_classifiers.hse_input(image, (-5, -5, 70, 60)))
    for box in ((80, 5, 10, 10), (-40, 5, 20, 10), (5, 5, 0, 10)):
        with pytest.raises(ValueError, match="outside the image"):
            gender_classifiers.hse_input(image, box)


def test_age_is_the_weighted_mean_of_the_two_likeliest_years():
    p = np.zeros(100)
    p[[30, 40, 70]] = 0.3, 0.1, 0.05
    assert gender_classifiers.hse_age(p) == pytest.approx(1 + (30 * 0.3 + 40 * 0.1) / 0.4)
    p[[30, 40]] = 0.2, 0.2
    assert gender_classifiers.hse_age(p) == pytest.approx(36)


# ---- names and weights


def test_an_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(UserError, match="'rekognition'; known are gender-v1, faceres"):
        gender_classifiers.load("rekognition")


@pytest.mark.parametrize("name", gender_classifiers.CLASSIFIERS)
def test_missing_weights_are_named(tmp_path, monkeypatch, name):
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEPFACE_HOME_USER", str(tmp_path / "user"))
    monkeypatch.setattr(weights, "DATA", tmp_path)
    (tmp_path / "manifests").mkdir()
    source = {"installed": "no-such-package", "member": "x", "sha256": "0" * 64}
    manifest = {f"{name}.onnx": [source]}
    (tmp_path / "manifests" / "weights.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=f"the weights file {name}.onnx is missing"):
        gender_classifiers.load(name)


# ---- portraits


@pytest.fixture(scope="module")
def guesses(mirror):
    """Both classifiers on eight portraits: recorded gender and age on the day, guess by name."""
    members = rosters.load_members().set_index("member_id")
    chosen = members.groupby("gender").head(4).index
    faces = enrolment.read_faces(shipping.faces_path("probes", "SFace")).set_index("id")
    functions = {name: gender_classifiers.load(name) for name in gender_classifiers.CLASSIFIERS}
    rows = []
    for file in fetch.local_files("probes", chosen).itertuples():
        box = tuple(int(faces.loc[file.id, f"box_{c}"]) for c in "xywh")
        face = pipelines.Face(box, None, None, 1.0, np.empty(0))
        image = enrolment.read_image(file.path)
        found = {name: guess(image, face) for name, guess in functions.items()}
        born = int(members.loc[file.id, "date_of_birth"][:4])
        rows.append((file.id, members.loc[file.id, "gender"], 2018 - born, found))
    return rows


def test_both_make_sense_on_portraits(guesses):
    assert len(guesses) == 8
    for _, gender, _, found in guesses:
        for name, guess in found.items():
            assert 0 <= guess.p_female <= 1, name
            assert (guess.p_female > 0.5) == (gender == "female"), name
            assert 15 < guess.age < 90, name


def test_the_two_are_different_networks(guesses):
    apart = [abs(f["gender-v1"].age - f["faceres"].age) for *_, f in guesses]
    assert np.median(apart) > 1
    assert len({f["gender-v1"].p_female for *_, f in guesses}) == len(guesses)
