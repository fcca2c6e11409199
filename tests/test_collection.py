"""Collection and search: exact, whatever the order, the block size and the ties."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.faces import collection, enrolment, exact

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
        patch.setattr(exact, "BLOCK", block)
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


# ---- the float64 product that search was made of before, which has to find the same


def product_scores(probes, gallery):
    """Scores (n, m), not rounded, by one product of float64, and how far they may be off."""
    a, b = (x.embeddings.astype(np.float64) for x in (probes, gallery))
    eps = 1e-15 * a.shape[1]
    if probes.metric == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        return 1 - a @ b.T, np.full((len(a), len(b)), eps)
    lengths = [np.linalg.norm(x, axis=1) for x in (a, b)]
    squared = (lengths[0] ** 2)[:, None] + lengths[1] ** 2 - 2 * a @ b.T
    error = eps * np.add.outer(*lengths) ** 2
    middle = np.sqrt(np.maximum(squared, 0))
    return middle, np.sqrt(np.maximum(squared, 0) + error) - np.sqrt(np.maximum(squared - error, 0))


def product_search(scores, probes, gallery, threshold, top, exclude_same_id):
    """Candidates of rounded scores (n, m), as `search` returns them."""
    rows = []
    for at, probe_id in enumerate(probes.ids):
        found = pd.DataFrame({"gallery_id": gallery.ids, "score": scores[at]})
        if exclude_same_id:
            found = found[found["gallery_id"] != probe_id]
        if threshold is not None:
            found = found[found["score"] <= threshold + 1e-9]
        found = found.sort_values(["score", "gallery_id"]).head(top or len(found))
        rows.append(found.assign(probe_id=probe_id, rank=np.arange(len(found)) + 1))
    return pd.concat(rows)[["probe_id", "gallery_id", "score", "rank"]]


@st.composite
def hard_collections(draw):
    """Probes and a gallery with ties, near ties, lengths of all sizes, and a threshold on a score.

    Many faces lie within 1e-7 of the threshold or of where a score is rounded up.
    """
    metric = draw(st.sampled_from(METRICS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d, n, m = draw(st.sampled_from([2, 3, 128])), draw(st.integers(1, 5)), draw(st.integers(1, 40))
    size = draw(st.sampled_from([1e-30, 1e-3, 1.0, 1.0, 1e3] + [1e20] * (metric == "cosine")))
    a = rng.normal(size=(n, d))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    # each face at a chosen score of a probe: a step of the fourth decimal, or the middle of two
    wanted = rng.choice([0.0, 0.1234, 0.12345, 0.5, 0.50005, 0.7], m)
    wanted += rng.choice([0, 0, 1e-7, -1e-7, 1e-9, 3e-8], m)
    near = a[rng.integers(n, size=m)]
    aside = rng.normal(size=(m, d))
    aside -= (aside * near).sum(axis=1, keepdims=True) * near
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    if metric == "cosine":
        cos = 1 - wanted[:, None]
        b = cos * near + np.sqrt(np.maximum(1 - cos**2, 0)) * aside
        a, b = a * size, b * size ** rng.choice([-1.0, 0.0, 1.0], m)[:, None]
    else:
        b = near * size + wanted[:, None] * aside
        a = a * size
    b[rng.random(m) < 0.3] = b[0]  # the same face several times
    # half of the galleries hold what float32 can hold, as enrolled faces do
    if draw(st.booleans()):
        a, b = (x.astype(np.float32) for x in (a, b))
    ids = rng.permutation([f"{i:02d}" for i in range(m)])
    threshold = draw(
        st.none() | st.sampled_from([0.0, 0.1234, 0.1235, 0.5, 0.5001, 0.7, 5.0, -1.0])
    )
    return make([f"{i:02d}" for i in range(n)], a, metric), make(ids, b, metric), threshold


@settings(max_examples=300, deadline=None)
@given(
    hard=hard_collections(),
    top=st.none() | st.integers(1, 45),
    exclude=st.booleans(),
    block=st.sampled_from([1, 7, 60, 10**6]),
    many=st.sampled_from([1, exact.MANY]),
)
def test_search_is_the_float64_product(hard, top, exclude, block, many):
    a, b, threshold = hard
    scores, error = product_scores(a, b)
    rounded = np.round(np.maximum(scores, 0), 4) + 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK", block)
        patch.setattr(collection, "BLOCK", block)
        patch.setattr(exact, "MANY", many)
        found = collection.search(a, b, threshold, top, exclude)
        every = np.concatenate([s for _, s in collection.score_blocks(a, b)])
    # where the product's own last digits decide how a score is rounded, either may be right
    unsure = np.abs(np.maximum(scores, 0) * 1e4 % 1 - 0.5) < 2e4 * error + 1e-9
    assert (every == rounded)[~unsure].all()
    assert np.abs(every - rounded).max() < 1.01e-4 + error.max()
    # and then one is right everywhere: in all scores and in any search
    assert_same(found, product_search(every, a, b, threshold, top, exclude))
    if not unsure.any():
        assert_same(found, product_search(rounded, a, b, threshold, top, exclude))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 3, 128])
def test_the_score_of_two_faces_depends_on_nothing_else(metric, d):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(7, d)), rng.normal(size=(50, d))
    b[::5] = a[0]
    a, b = (exact.normalised(x, metric) for x in (a, b))
    together = exact.distances(a, b, metric)
    for i in range(len(a)):
        for j in range(len(b)):
            one, other = a[i : i + 1], b[j : j + 1]
            assert exact.pair_scores(one, other, metric)[0] == together[i, j]
            assert exact.distances(one, other, metric)[0, 0] == together[i, j]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "lengths", [(1e-44, 1e-40), (1e-14, 1e14), (1e8, 1e30), (1e17, 1.00000001e17), (1e45, 1e60)]
)
def test_what_float32_cannot_hold_is_found_without_it(metric, lengths):
    rng = np.random.default_rng(5)
    b = rng.normal(size=(60, 16))
    b *= (np.geomspace(*lengths, 60) / np.linalg.norm(b, axis=1))[:, None]
    gallery = make([f"{i:02d}" for i in range(60)], b, metric)
    probes = make(["a", "b", "c", "d"], [*b[[0, 30, 59]], 1e30 * np.eye(16)[0]], metric)
    every = np.concatenate([s for _, s in collection.score_blocks(probes, gallery)])
    for threshold, top in ((None, 3), (None, 20), (float(np.median(every)), None)):
        found = collection.search(probes, gallery, threshold, top)
        assert len(found)
        assert_same(found, product_search(every, probes, gallery, threshold, top, False))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("block", [8_000, 300])
def test_many_equal_scores_at_the_last_place(monkeypatch, metric, block):
    """Thirty faces a step of a score: who is last of the best is decided by roundings and ids."""
    rng = np.random.default_rng(9)
    monkeypatch.setattr(exact, "BLOCK", block)
    score = rng.uniform(0.5, 0.51, size=(3000, 1))
    aside = rng.normal(size=(3000, 15))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    b = np.hstack([1 - score, np.sqrt(1 - (1 - score) ** 2) * aside])
    if metric == "euclidean":
        b = np.hstack([np.ones((3000, 1)), score * aside])
    gallery = make(rng.permutation([f"{i:04d}" for i in range(3000)]), b, metric)
    probes = make("ab", [np.eye(16)[0], np.eye(16)[0] * 1.00001], metric)
    every = np.concatenate([s for _, s in collection.score_blocks(probes, gallery)])
    for top in range(1, 100, 7):
        found = collection.search(probes, gallery, top=top)
        assert_same(found, product_search(every, probes, gallery, None, top, False))


def test_the_error_of_a_product_in_float32_is_within_its_bound():
    """And not far within: a bound that is too large would only cost time, one too small faces."""
    rng = np.random.default_rng(6)
    for metric in METRICS:
        a = exact.normalised(rng.uniform(0.5, 1, size=(40, 128)), metric)
        b = rng.uniform(0.5, 1, size=(500, 128))
        ready = collection.prepare(make([f"{i:03d}" for i in range(500)], b, metric))
        rough = np.empty(40 * 500, np.float32)
        rough = exact._rough(-a.astype(np.float32), ready.screen, ready.lengths, metric, rough)
        rough = rough.astype(float)
        meaning = exact._meaning(a, ready.longest, metric, np.float32)
        score, error = meaning.read(rough)
        b = exact.normalised(b, metric)
        true = 1 - a @ b.T if metric == "cosine" else np.linalg.norm(a[:, None] - b, axis=2)
        assert (np.abs(score - true) <= error).all()
        assert (np.abs(score - true) >= error / 1000).any()


def test_vectors_far_from_zero_are_compared_from_their_middle(monkeypatch):
    """As many probes search as one, the same; fewer pairs are left to float64."""
    rng = np.random.default_rng(7)
    faces = (3 + rng.normal(size=(2_000, 128)) / 20).astype(np.float32)
    a = make([f"p{i:02d}" for i in range(exact.MANY)], faces[: exact.MANY], "euclidean")
    b = make([f"g{i:04d}" for i in range(2_000)], faces, "euclidean")
    pairs, scores = [], exact.pair_scores
    monkeypatch.setattr(exact, "pair_scores", lambda *x: pairs.append(len(x[0])) or scores(*x))
    moved = collection.search(a, b, top=20)
    few = sum(pairs)
    pairs.clear()
    monkeypatch.setattr(exact, "MANY", exact.MANY + 1)
    assert_same(moved, collection.search(a, b, top=20))
    assert few < sum(pairs) / 4


@pytest.mark.parametrize("metric", METRICS)
def test_the_size_of_a_block_changes_nothing(monkeypatch, metric):
    rng = np.random.default_rng(1)
    a = make([f"p{i:02d}" for i in range(31)], rng.normal(size=(31, 128)), metric)
    b = make([f"g{i:03d}" for i in range(200)], rng.normal(size=(200, 128)), metric)
    whole = collection.search(a, b, top=5)
    every = np.concatenate([s for _, s in collection.score_blocks(a, b)])
    for block in (1, 199, 200, 201, 1234):
        monkeypatch.setattr(exact, "BLOCK", block)
        monkeypatch.setattr(collection, "BLOCK", block)
        blocks = [s for _, s in collection.score_blocks(a, b)]
        assert max(len(s) for s in blocks) == max(1, block // 200)
        assert np.array_equal(np.concatenate(blocks), every)
        assert_same(collection.search(a, b, top=5), whole)


# ---- a gallery prepared once


@pytest.mark.parametrize("metric", METRICS)
def test_a_gallery_is_prepared_once_for_many_searches(metric):
    rng = np.random.default_rng(7)
    ids = [f"{i:03d}" for i in range(300)]
    gallery = make(rng.permutation(ids), rng.normal(size=(300, 16)), metric)
    ready = collection.prepare(gallery)
    for i in (0, 150, 299):
        probe = collection.subset(gallery, [ids[i]])
        for exclude in (False, True):
            found = collection.search(probe, ready, top=4, exclude_same_id=exclude)
            assert_same(found, collection.search(probe, gallery, None, 4, exclude))
            assert (ids[i] in set(found["gallery_id"])) is not exclude
    with pytest.raises(UserError, match="enrolled differently"):
        collection.search(make("a", [np.ones(16)], metric, model="Big"), ready)


@pytest.mark.parametrize("metric", METRICS)
def test_a_gallery_may_stay_in_its_file(tmp_path, monkeypatch, metric):
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(500, 16)).astype(np.float32)
    vectors[100] = vectors[400]
    np.save(tmp_path / "gallery.npy", vectors)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    ids = rng.permutation([f"{i:03d}" for i in range(500)])
    inside = make(ids, vectors, metric)
    ready = collection.prepare(inside._replace(embeddings=mapped))
    assert np.shares_memory(ready.screen, mapped) and np.shares_memory(ready.embeddings, mapped)
    probes = make("abc", vectors[[0, 100, 200]], metric)
    monkeypatch.setattr(exact, "BLOCK", 100)
    assert_same(collection.search(probes, ready, top=7), collection.search(probes, inside, top=7))


@pytest.mark.parametrize("metric", METRICS)
def test_a_search_for_one_face_needs_little_memory(metric):
    """Many searches at a time must not hold a gallery of scores each."""
    vectors = np.random.default_rng(9).normal(size=(400_000, 4)).astype(np.float32)
    ready = collection.prepare(make(np.arange(400_000), vectors, metric))
    tracemalloc.start()
    exact.nearest(vectors[:1], ready, None, 80)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # bytes


def test_what_cannot_be_prepared():
    gallery = make("abc", np.eye(3))
    for wrong in (0.0, np.nan, np.inf):
        embeddings = np.eye(3)
        embeddings[1] = wrong
        with pytest.raises(UserError, match="the embedding of 'b' is zero or not finite"):
            collection.prepare(gallery._replace(embeddings=embeddings))
    with pytest.raises(UserError, match="an id occurs twice"):
        collection.prepare(gallery._replace(ids=np.array(["c", "a", "c"])))


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
