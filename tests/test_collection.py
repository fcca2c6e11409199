"""Collection and search: exact, whatever the order, the block size and the ties."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.faces import collection, enrolment

METRICS = ("cosine", "euclidean")
MEMORY = """
import resource, sys
import numpy as np
from helpers.faces import collection

rng = np.random.default_rng(0)
about = {"configuration": {"metric": sys.argv[1]}, "weights_sha256": {}}
def make(n):
    ids = np.array([f"{i:06d}" for i in range(n)])
    return collection.Collection(ids, rng.normal(size=(n, 128)), about)
probes, gallery = make(535), make(23_000)
found = collection.search(probes, gallery, threshold=float(sys.argv[2]), top=100)
assert 535 <= len(found) <= 53_500, len(found)
if sys.platform == "linux":  # ru_maxrss would count the process that started this one
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(peak)
"""


def make(ids, vectors, metric="cosine", weights="a" * 64, **configuration):
    description = {
        "configuration": {"model": "Tiny", "metric": metric} | configuration,
        "weights_sha256": {"tiny.onnx": weights},
    }
    faces = pd.DataFrame({"id": list(ids), "embedding": [np.asarray(v) for v in vectors]})
    faces.attrs = description
    return collection.make_collection(faces)


def naive_search(probes, gallery, threshold=None, top=None, exclude_same_id=False):
    """What `search` has to give, by two loops."""
    rows = []
    for probe_id, a in zip(probes.ids, probes.embeddings, strict=True):
        found = []
        for gallery_id, b in zip(gallery.ids, gallery.embeddings, strict=True):
            if probes.metric == "cosine":
                score = 1 - sum(a * b) / (sum(a * a) ** 0.5 * sum(b * b) ** 0.5)
            else:
                score = sum((a - b) ** 2) ** 0.5
            score = round(float(score), 4) + 0.0
            if threshold is not None and score > threshold + 1e-9:
                continue
            if exclude_same_id and probe_id == gallery_id:
                continue
            found.append((score, gallery_id))
        found.sort()
        ranked = list(enumerate(found, 1))[:top]
        rows += [(probe_id, gallery_id, score, rank) for rank, (score, gallery_id) in ranked]
    return pd.DataFrame(rows, columns=["probe_id", "gallery_id", "score", "rank"])


def assert_same(a, b):
    assert list(a.columns) == list(b.columns)
    assert a.to_numpy().tolist() == b.to_numpy().tolist()


# Small whole numbers: their products are exact, equal scores abound, and no score lies half way
# between two roundings. So search and loop must agree to the last digit.
numbers = st.integers(-2, 2)
vectors = st.tuples(numbers, numbers, numbers).filter(any)
names = st.text("ab0é", max_size=3)


def collections(least=1):
    return st.dictionaries(names, vectors, min_size=least, max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    probes=collections(),
    gallery=collections(),
    metric=st.sampled_from(METRICS),
    threshold=st.none() | st.sampled_from([0, 0.2, 0.2929, 0.5, 1, 1.4142, 2, 3]),
    top=st.none() | st.integers(1, 13),
    exclude=st.booleans(),
    block=st.integers(1, 40),
    order=st.randoms(use_true_random=False),
)
def test_search_is_the_naive_search(probes, gallery, metric, threshold, top, exclude, block, order):
    a = make(probes, probes.values(), metric)
    b = make(gallery, gallery.values(), metric)
    expected = naive_search(a, b, threshold, top, exclude)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collection, "BLOCK", block)
        assert_same(collection.search(a, b, threshold, top, exclude), expected)
        # the order of the gallery does not matter
        shuffled = list(gallery.items())
        order.shuffle(shuffled)
        b = make([k for k, _ in shuffled], [v for _, v in shuffled], metric)
        assert_same(collection.search(a, b, threshold, top, exclude), expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), metric=st.sampled_from(METRICS), top=st.integers(1, 30))
def test_search_of_any_numbers_is_within_a_rounding(seed, metric, top):
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.01, 100)
    a = make([f"p{i}" for i in range(7)], size * rng.normal(size=(7, 16)), metric)
    b = make([f"g{i}" for i in range(25)], size * rng.normal(size=(25, 16)), metric)
    found, expected = collection.search(a, b, top=top), naive_search(a, b, top=top)
    assert found[["probe_id", "rank"]].equals(expected[["probe_id", "rank"]])
    assert np.abs(found["score"] - expected["score"]).max() < 1.01e-4
    assert (found["score"] == found["score"].round(4)).all()
    assert found.groupby("probe_id")["score"].is_monotonic_increasing.all()


@pytest.mark.parametrize("metric", METRICS)
def test_the_size_of_a_block_changes_nothing(monkeypatch, metric):
    rng = np.random.default_rng(1)
    a = make([f"p{i:02d}" for i in range(31)], rng.normal(size=(31, 128)), metric)
    b = make([f"g{i:03d}" for i in range(200)], rng.normal(size=(200, 128)), metric)
    whole = collection.search(a, b, top=5)
    for block in (1, 199, 200, 201, 1234):
        monkeypatch.setattr(collection, "BLOCK", block)
        assert max(len(s) for _, s in collection.score_blocks(a, b)) == max(1, block // 200)
        other = collection.search(a, b, top=5)
        assert np.abs(other["score"] - whole["score"]).max() < 1.01e-4
        assert (other["gallery_id"] == whole["gallery_id"]).mean() > 0.99


def test_a_threshold_includes_its_own_score():
    a, b = make("p", [[1.0, 0.0]]), make("xy", [[0.93, (1 - 0.93**2) ** 0.5], [0.0, 1.0]])
    assert collection.search(a, b, threshold=0.07)["gallery_id"].tolist() == ["x"]
    assert len(collection.search(a, b, threshold=0.0699)) == 0
    # nothing found is a table, too
    assert list(collection.search(a, b, threshold=-1).columns) == [
        "probe_id",
        "gallery_id",
        "score",
        "rank",
    ]


def test_ties_are_ranked_by_gallery_id():
    a = make(["p"], [[1.0, 0.0]])
    b = make(["d", "b", "c", "a"], [[2.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    found = collection.search(a, b, top=2)
    assert found["gallery_id"].tolist() == ["b", "c"]
    assert found["score"].tolist() == [0.0, 0.0] and found["rank"].tolist() == [1, 2]


@pytest.mark.parametrize("metric", METRICS)
def test_a_probe_in_the_gallery_finds_itself_first(metric):
    rng = np.random.default_rng(2)
    ids, vectors = [f"m{i:02d}" for i in range(40)], rng.normal(size=(40, 128))
    members = make(ids, vectors, metric)
    found = collection.search(members, members, top=1)
    assert found["gallery_id"].tolist() == found["probe_id"].tolist() == ids
    assert (found["score"] == 0).all() and (found["rank"] == 1).all()
    assert not np.signbit(found["score"]).any()
    others = collection.search(members, members, top=1, exclude_same_id=True)
    assert (others["gallery_id"] != others["probe_id"]).all()
    assert (others["score"] > 0).all() and (others["rank"] == 1).all()


@pytest.mark.parametrize(("metric", "threshold"), [("cosine", 0.75), ("euclidean", 14)])
def test_memory_is_bounded(metric, threshold):
    """All members against a gallery of 23,000, in a process of its own, libraries included."""
    command = [sys.executable, "-c", MEMORY, metric, str(threshold)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 500, "megabytes"


# ---- what cannot be searched


@pytest.mark.parametrize("bad", [[np.nan, 1.0], [np.inf, 1.0], [0.0, 0.0]])
def test_an_embedding_that_is_none_is_named(bad):
    with pytest.raises(UserError, match="the embedding of 'b' is zero or not finite"):
        make("abc", [[1.0, 0.0], bad, [0.0, 1.0]])


def test_ids_must_differ_and_lengths_must_not():
    with pytest.raises(UserError, match="an id occurs twice"):
        make("aba", np.eye(3))
    with pytest.raises(UserError, match="unequal lengths"):
        make("ab", [[1.0, 0.0], [1.0, 0.0, 0.0]])


def test_an_empty_collection_cannot_be_searched():
    empty, one = make([], []), make("a", [[1.0, 0.0]])
    assert len(empty.ids) == 0
    with pytest.raises(UserError, match="the gallery is empty"):
        collection.search(one, empty)
    with pytest.raises(UserError, match="the probe set is empty"):
        collection.search(empty, one)


def test_only_like_is_compared_with_like():
    a = make("a", [[1.0, 0.0]])
    for other, message in (
        (make("b", [[1.0, 0.0]], weights="b" * 64), r"tiny\.onnx: a{64} / b{64}"),
        (make("b", [[1.0, 0.0]], metric="euclidean"), "metric: cosine / euclidean"),
        (make("b", [[1.0, 0.0]], model="Big"), "model: Tiny / Big"),
        (make("b", [[1.0, 0.0]], detector="dlib"), "detector: None / dlib"),
    ):
        for pair in ((a, other), (other, a)):
            with pytest.raises(UserError, match="enrolled differently"):
                collection.search(*pair)
        with pytest.raises(UserError, match=message):
            collection.search(a, other)
    with pytest.raises(UserError, match="different length"):
        collection.search(a, make("b", [[1.0, 0.0, 0.0]]))


@pytest.mark.parametrize("threshold", [np.nan, np.inf, -np.inf])
def test_a_threshold_is_a_number(threshold):
    a = make("a", [[1.0, 0.0]])
    with pytest.raises(UserError, match="is no number"):
        collection.search(a, a, threshold=threshold)


def test_top_is_at_least_one():
    a = make("a", [[1.0, 0.0]])
    for top in (0, -1):
        with pytest.raises(UserError, match="top must be at least 1"):
            collection.search(a, a, top=top)
    assert len(collection.search(a, a, top=99)) == 1


# ---- what is kept in a file


def test_a_collection_comes_back_from_its_file(tmp_path):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(5, 128)).astype(np.float32)
    row = dict.fromkeys(enrolment.COLUMNS)
    rows = [row | {"id": f"é{i}", "embedding": v} for i, v in enumerate(vectors)]
    table = pa.Table.from_pylist(rows, schema=pa.schema(enrolment.COLUMNS))
    description = {"configuration": {"metric": "cosine"}, "weights_sha256": {"é": "0" * 64}}
    enrolment.write_faces(table, tmp_path / "faces" / "a.parquet", description)
    loaded = collection.load_collection(tmp_path / "faces" / "a.parquet")
    assert loaded.ids.tolist() == [f"é{i}" for i in range(5)]
    assert np.array_equal(loaded.embeddings, vectors.astype(np.float64))
    assert loaded.description == description and loaded.metric == "cosine"
    # the same rows are the same bytes
    enrolment.write_faces(table, tmp_path / "b.parquet", description)
    written = (tmp_path / "b.parquet").read_bytes()
    assert written == (tmp_path / "faces" / "a.parquet").read_bytes()
    enrolment.write_faces(table.slice(0, 0), tmp_path / "none.parquet", description)
    assert len(collection.load_collection(tmp_path / "none.parquet").ids) == 0


def test_a_subset_keeps_the_order():
    whole = make("dbca", np.eye(4))
    part = collection.subset(whole, ["a", "d", "zz"])
    assert part.ids.tolist() == ["d", "a"]
    assert np.array_equal(part.embeddings, np.eye(4)[[0, 3]])
    assert part.description == whole.description
