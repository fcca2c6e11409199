"""What ships in data/, made again from the images and compared: what `congress-test verify` does.

Metadata made with other weights than those at hand are not compared, and do not count as agreement.
"""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from helpers.errors import UserError
from helpers.experiments.the_people import tables as people
from helpers.faces import collection, enrolment, pipelines, same_person
from helpers.paths import DATA, cache_dir
from helpers.protocol import scores as score_store
from helpers.protocol import shipping
from helpers.protocol.shipping import COSINE_TOLERANCE, PUBLIC, SCORE_TOLERANCE
from helpers.rebuild import comparison, tables
from helpers.sources import fetch, galleries, rosters
from helpers.statistics.rates import reach

SEED = 115
# of 1, relative: an embedding this near has at least COSINE_TOLERANCE and the same length
DISTANCE_TOLERANCE = (2 * (1 - COSINE_TOLERANCE)) ** 0.5
# Boxes and what is measured in them may move by a rounding step on another processor.
PLACES = [f"{a}_{b}" for a in ("box", "left_eye", "right_eye") for b in "xy"] + ["box_w", "box_h"]
PLACE_TOLERANCE = 2  # pixels
EXACT = ["image_sha256", "width", "height", "faces_found"]
MEASURED = {"detector_score": 0.01, "face_size": 0.03, "sharpness": 0.05, "brightness": 0.02}
PORTRAIT_TOLERANCE = 0.05  # of a correlation: an alignment can end elsewhere with another OpenCV


def verify(sample: int | None = None, workers: int | None = None) -> pd.DataFrame:
    """Make again what ships, from the images, and compare: one row a check.

    sample: so many images of each public dataset, drawn with a fixed seed, failures to enrol
    included; of `utkface` as many, half of them faces that have candidates in what ships. None:
    everything, which takes hours; only then are second portraits, strata, counts, calibration and
    the whole of the scores made again. Columns: what, checked (images, scores or rows), agrees
    (bool), detail (the largest difference, or why nothing was compared).
    Raises UserError when images of the public datasets can be found nowhere.
    """
    rows = [check_rosters()]
    ships = [m for m in pipelines.MODELS if (DATA / "scores" / f"utkface-{m}").is_dir()]
    stored = {model: score_store.load_scores(f"utkface-{model}") for model in ships}
    rows += [check_consistency(model, scores) for model, scores in stored.items()]
    rows += [
        comparison._row(f"results/{what}", 1, not problem, problem or "as in the scores that ship")
        for what, problem in tables.disagreements().items()
    ]
    drawn = {dataset: _draw(dataset, sample) for dataset in PUBLIC}
    files = {dataset: _files(dataset, ids) for dataset, ids in drawn.items()}
    try:
        drawn["utkface"] = _draw_private(stored, sample)
        files["utkface"] = _files("utkface", drawn["utkface"])
    except UserError as error:
        rows.append(comparison._row("scores of utkface", 0, False, f"not compared: {error}"))
    if sample is None:
        rows.append(check_second_portraits())
    with _workplace(sample) as folder:
        again = enrol_again(files, folder, sample is not None, workers)
        for dataset in PUBLIC:
            for model in pipelines.MODELS:
                rows.append(check_faces(dataset, model, again(dataset, model), drawn[dataset]))
        if "utkface" not in files:
            return pd.DataFrame(rows, columns=comparison.REPORT)
        rows += _check_private(stored, again, drawn["utkface"], sample is None)
        if sample is None:
            shipping.ship(tuple(stored), folder / "data", again)
            people.write_utkface_tables(folder / "data", again)
            tables.provide_faces(again)
            tables.make(folder / "data" / "results")
            rows += comparison.compare_folders(DATA, folder / "data")
    return pd.DataFrame(rows, columns=comparison.REPORT)


def _draw(dataset, sample) -> list[str]:
    ids = fetch.load_manifest(dataset)["id"].to_numpy()
    if sample is None or sample >= len(ids):
        return list(ids)
    return sorted(np.random.default_rng(SEED).choice(ids, sample, replace=False))


def _draw_private(stored, sample) -> list[str]:
    """Ids of `utkface`: half of those with candidates, half of all; and who was left out."""
    if sample is None:
        return _draw("utkface", None)
    rng = np.random.default_rng(SEED)
    near = sorted(set().union(*(set(s.candidates["gallery_id"]) for s in stored.values())))
    chosen = set(rng.choice(near, min(len(near), (sample + 1) // 2), replace=False))
    chosen |= set(_draw("utkface", max(1, sample // 2)))
    for scores in stored.values():  # and one at least that has a candidate in this model
        chosen |= {*scores.same_person["cluster"], *scores.candidates["gallery_id"].iloc[:1]}
    return sorted(chosen)


def _files(dataset, ids) -> pd.DataFrame:
    """Local files of some ids, fetched where they are not here yet."""
    try:
        return fetch.local_files(dataset, ids)
    except UserError:
        report = fetch.fetch(dataset, progress=False, ids=ids)
        if (report["status"] == "failed").any():
            why = "; ".join(line.strip() for line in fetch.summary(report).splitlines())
            needed = f"the images of {dataset} are needed to verify what was made from them"
            raise UserError(f"{needed} ({why})") from None
        return fetch.local_files(dataset, ids)


@contextlib.contextmanager
def _workplace(sample):
    """A folder to enrol in; without `sample` one that a killed run finds again."""
    if sample is None:
        folder = cache_dir() / "verify"
        for path in folder.glob("*.parquet"):
            path.unlink()  # finished ones are made again, unfinished ones resumed
        yield folder
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def enrol_again(files: dict, folder: Path, together: bool, workers: int | None):
    """Enrol datasets with every model, together in one run or each; return path(dataset, model)."""

    def path(dataset, model):
        return folder / f"{dataset}-{model}.parquet"

    if not together:
        for model in pipelines.MODELS:
            for dataset, images in files.items():
                enrolment.enrol(images, path(dataset, model), model, workers=workers)
        return path
    every = pd.concat([f.assign(id=dataset + "/" + f["id"]) for dataset, f in files.items()])
    for model in pipelines.MODELS:
        out = path("all", model)
        enrolment.enrol(every, out, model, workers=workers)
        table = pq.read_table(out)
        failures = enrolment.read_failures(out)
        ids = pd.Series(table["id"].to_pylist(), dtype=str)
        for dataset in files:
            mine = ids.str.startswith(dataset + "/").to_numpy()
            part = table.filter(mine)
            names = ids[mine].str.removeprefix(dataset + "/").to_list()
            part = part.set_column(0, "id", pa.array(names, pa.string()))
            enrolment.write_faces(part, path(dataset, model), enrolment.read_description(out))
            failed = failures[failures["id"].str.startswith(dataset + "/")]
            failed = failed.assign(id=failed["id"].str.removeprefix(dataset + "/"))
            failed.to_csv(enrolment.failures_path(path(dataset, model)), index=False)
    return path


def check_faces(dataset: str, model: str, again: Path, drawn) -> dict:
    """Compare shipped face metadata with those of the file `again` for the ids `drawn`: a row."""
    shipped = shipping.faces_path(dataset, model)
    what = f"faces/{shipped.name}"
    if not shipped.exists():
        return comparison._row(what, 0, False, "the file is missing")
    old, new = enrolment.read_faces(shipped), enrolment.read_faces(again)
    old_failed, new_failed = enrolment.read_failures(shipped), enrolment.read_failures(again)
    if other := comparison._unlike(old.attrs, new.attrs):
        return comparison._row(what, 0, False, f"not compared: {other}")
    problems = _against_manifest(dataset, old, old_failed)
    faces = (old, new, old_failed, new_failed)
    old, new, old_failed, new_failed = (t[t["id"].isin(set(drawn))].set_index("id") for t in faces)
    old = old[~old.index.duplicated()]  # said above already
    problems += _sets("enrolled", old.index, new.index)
    reasons = (table.index + ": " + table["reason"] for table in (old_failed, new_failed))
    problems += _sets("failed", *reasons)
    both = old.index.intersection(new.index)
    old, new = old.loc[both], new.loc[both]
    near = {column: (old[column] == new[column]).to_numpy() for column in EXACT}
    for column in PLACES:
        a, b = old[column].astype(float), new[column].astype(float)
        near[column] = np.isclose(a, b, rtol=0, atol=PLACE_TOLERANCE, equal_nan=True)
    for column, tolerance in MEASURED.items():
        near[column] = np.isclose(old[column], new[column], rtol=tolerance, atol=tolerance)
    cosine, distance = _embeddings_apart(old["embedding"], new["embedding"])
    near["the embedding"] = (cosine >= COSINE_TOLERANCE) & (distance <= DISTANCE_TOLERANCE)
    for what_differs, alike in near.items():
        problems += _differ(what_differs, both[~alike])
    detail = f"lowest cosine {cosine.min(initial=1):.6f}, {len(new_failed)} failures to enrol"
    if problems:
        detail = "; ".join([*problems, detail, *comparison._versions(old.attrs, new.attrs)])
    return comparison._row(what, len(both) + len(new_failed), not problems, detail)


def _against_manifest(dataset, faces, failures) -> list[str]:
    """Is every image of the manifest, and no other, enrolled or failed, and is it that image?"""
    manifest = fetch.load_manifest(dataset).set_index("id")["sha256"]
    here = pd.concat([faces[["id", "image_sha256"]], failures[["id", "image_sha256"]]])
    if here["id"].duplicated().any():
        return [f"{here.loc[here['id'].duplicated(), 'id'].iloc[0]} occurs twice"]
    problems = _sets("listed", manifest.index, here["id"])
    here = here.set_index("id")["image_sha256"].reindex(manifest.index).dropna()
    wrong = here.index[here != manifest.reindex(here.index)]
    return problems + [f"{len(wrong)} rows of another image (first: {i})" for i in wrong[:1]]


def _sets(what, old, new) -> list[str]:
    """Differences of two sets of ids in words, none if they are equal."""
    old, new = set(old), set(new)
    return [
        f"{len(some)} {what} {where} (first: {min(some)})"
        for some, where in ((old - new, "only before"), (new - old, "only now"))
        if some
    ]


def _differ(what, ids) -> list[str]:
    more = f", as do {len(ids) - 1} more" if len(ids) > 1 else ""
    return [f"{what} of {ids[0]} differs{more}"] if len(ids) else []


def _embeddings_apart(old, new) -> tuple[np.ndarray, np.ndarray]:
    """Cosine, and distance relative to the length, of each pair of embeddings."""
    if len(old) == 0:
        return np.zeros(0), np.zeros(0)
    a, b = (np.stack(x.to_list()).astype(np.float64) for x in (old, new))
    length = np.linalg.norm(b, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / length
    return cosine, np.linalg.norm(a - b, axis=1) / length


def check_rosters() -> dict:
    """Build the roster and the list of former legislators again from what is published."""
    what = "roster/members.csv, roster/disagreements.csv, galleries/legislators.csv"
    try:
        _files("rosters", None)
        members = rosters.build_members()
        others = rosters.cross_check(members)
        former = galleries.build_legislators()
    except (UserError, ValueError) as error:
        return comparison._row(what, 0, False, f"not compared: {error}")
    pairs = {
        "members.csv": (members, rosters.read(rosters.ROSTER / "members.csv", rosters.MEMBERS)),
        "disagreements.csv": (others, pd.read_csv(rosters.ROSTER / "disagreements.csv")),
        "legislators.csv": (former, galleries.load_legislators()),
    }
    wrong = [name for name, (a, b) in pairs.items() if not _as_text(a).equals(_as_text(b))]
    detail = f"another {' and '.join(wrong)} was built" if wrong else "the same rows were built"
    return comparison._row(what, len(members) + len(others) + len(former), not wrong, detail)


def check_second_portraits() -> dict:
    """Compare the two portraits of each member again: which are one photograph."""
    what = "roster/second_portraits.csv"
    try:
        _files("same-photographs", None)
        built = rosters.build_second_portraits(rosters.load_members())
    except (UserError, ValueError) as error:
        return comparison._row(what, 0, False, f"not compared: {error}")
    stored = rosters.load_second_portraits()
    if not _as_text(built.drop(columns="score")).equals(_as_text(stored.drop(columns="score"))):
        return comparison._row(what, len(built), False, "another second_portraits.csv was built")
    apart = float((built["score"] - stored["score"]).abs().max())
    detail = f"the same decisions, scores within {apart:.3f}"
    return comparison._row(what, len(built), apart <= PORTRAIT_TOLERANCE, detail)


def _as_text(table) -> pd.DataFrame:
    return table.astype("string").fillna("").astype(object).reset_index(drop=True)


def check_consistency(model: str, scores: score_store.Scores) -> dict:
    """Do the shipped tables of one model fit each other? Needs no image."""
    what, candidates = f"scores/utkface-{model}, in itself", scores.candidates
    try:
        probes = enrolment.read_faces(shipping.faces_path("probes", model))["id"]
    except UserError as error:
        return comparison._row(what, 0, False, f"not compared: {error}")
    first = scores.best[scores.best["portrait"] == "first"].set_index("probe_id")
    of_faces = candidates["gallery_id"].value_counts()
    nearest = candidates.groupby("probe_id")["score"].min()
    stored = first["rule"].reindex(nearest.index)
    with_one = first.loc[first["rule"] <= reach(scores.upto)].index.intersection(probes)
    left_out = set(scores.same_person.query("same_person")["cluster"])
    below, pairs = score_store.pairs_at(scores, scores.upto), scores.histogram["pairs"].sum()
    # the cap can take a probe's best candidate away, but only that of a face with all 16
    capped = (of_faces == score_store.PER_FACE).any()
    covered = (nearest.reindex(with_one) <= reach(stored.reindex(with_one))).all()
    order = [("rule", "any"), ("strict", "rule"), ("p90", "any")]
    beyond = first["p90"] > scores.description["genuine_p90"]
    tests = {
        "a probe has no best score": set(probes) <= set(first.index),
        "a best score improves when faces are left out": all(
            (first[fewer] >= first[more]).all() for fewer, more in order
        ),
        "a best score within the 90th genuine percentile is among p90": beyond.all(),
        "the histogram does not add up to all comparisons": pairs == len(probes) * scores.faces,
        "a candidate is beyond the limit": (candidates["score"] <= reach(scores.upto)).all(),
        "a candidate occurs twice": not candidates.duplicated(["probe_id", "gallery_id"]).any(),
        "a candidate was left out as a same person": not candidates["cluster"].isin(left_out).any(),
        "a face has more candidates than may ship": (of_faces <= score_store.PER_FACE).all(),
        "a candidate is nearer than its probe's best score": (stored <= reach(nearest)).all(),
        "a best score lacks its candidate": covered or capped,
        "the histogram and the candidates disagree": (
            len(candidates) == below or (len(candidates) < below and capped)
        ),
    }
    problems = [problem for problem, good in tests.items() if not good]
    detail = "; ".join(problems) or "best scores, candidates and histogram fit each other"
    return comparison._row(what, len(candidates), not problems, detail)


def _check_private(stored, again, drawn, everything) -> list[dict]:
    """The checks of the scores of `utkface` for each model."""
    labels = galleries.load_utkface().set_index("id")
    made = {m: collection.load_collection(again("utkface", m)) for m in pipelines.MODELS}
    clusters = same_person.identity_clusters([made[m] for m in pipelines.PRIMARY_MODELS])
    adults = labels.index[labels["adult"]]
    rows = []
    for model, scores in stored.items():
        gallery = collection.subset(made[model], adults.intersection(drawn))
        rows += _check_scores(model, scores, gallery, clusters, drawn, everything)
    return rows


def _check_scores(model, scores, gallery, clusters, drawn, everything: bool) -> list[dict]:
    """The shipped scores against those of the drawn adults enrolled again: two rows.

    Candidates: each has the score found again, and no other is clearly below `upto` unless a cap or
    the same-person rule left it out. Best scores: none is worse than what these faces give.
    """
    what = f"scores/utkface-{model}"
    if other := comparison._unlike(scores.description, gallery.description):
        return [comparison._row(what, 0, False, f"not compared: {other}")]
    found = {}
    for name in ("probes", "delegates", "second-portraits"):
        try:
            side = shipping.load_dataset(name, model)
        except UserError as error:
            return [comparison._row(what, 0, False, f"not compared: {error}")]
        scored = np.concatenate([block for _, block in collection.score_blocks(side, gallery)])
        found[name] = pd.DataFrame(scored, index=side.ids, columns=gallery.ids)
    kept, sure = score_store.left_in(clusters.reindex(gallery.ids).to_numpy(), scores.same_person)
    return [
        _check_candidates(what, scores, found["probes"], kept, drawn),
        _check_best(what, scores, found, kept, sure, everything),
    ]


def _check_candidates(what, scores, found, kept, drawn) -> dict:
    shipped = scores.candidates[scores.candidates["gallery_id"].isin(set(drawn))]
    row = found.index.get_indexer(shipped["probe_id"])
    column = found.columns.get_indexer(shipped["gallery_id"])
    again = np.where((row >= 0) & (column >= 0), found.to_numpy()[row, column], np.nan)
    apart = np.abs(again - shipped["score"].to_numpy())
    wrong = shipped[~(apart <= SCORE_TOLERANCE)]
    near = found.loc[:, kept].stack()
    near = near[near < scores.upto - SCORE_TOLERANCE]
    listed = pd.MultiIndex.from_frame(shipped[["probe_id", "gallery_id"]])
    missing = near[~near.index.isin(listed)]
    by_face = shipped.groupby("gallery_id")["score"].agg(["size", "max"])
    limits = by_face.reindex(missing.index.get_level_values(1))
    capped = (limits["size"] >= score_store.PER_FACE).to_numpy() & (
        limits["max"].to_numpy() <= missing.to_numpy() + SCORE_TOLERANCE
    )
    missing = missing[~capped]
    problems = _differ("the score", (wrong["probe_id"] + " and " + wrong["gallery_id"]).to_list())
    for p, g in missing.index[:1]:
        problems.append(f"{len(missing)} candidates are missing (first: {p} and {g})")
    if len(shipped) == 0:
        problems.append("none of these faces has a candidate")
    largest = np.nanmax(apart, initial=0)
    detail = f"largest difference {largest:.4f} in the candidates of {found.shape[1]} faces"
    said = "; ".join([*problems, detail])
    return comparison._row(f"{what}: candidates", len(shipped), not problems, said)


def _check_best(what, scores, found, kept, sure, everything) -> dict:
    problems, checked = [], 0
    limit = scores.description["genuine_p90"] + SCORE_TOLERANCE
    sides = {"first": ("probes", "delegates"), "second": ("second-portraits",)}
    for portrait, names in sides.items():
        matrix = pd.concat([found[name] for name in names])
        mine = scores.best[scores.best["portrait"] == portrait].set_index("probe_id")
        problems += _sets(f"{portrait} portraits", mine.index, matrix.index)
        mine = mine.reindex(matrix.index)
        values = matrix.to_numpy()
        again = {
            "any": values.min(axis=1, initial=np.inf),
            "rule": values[:, kept].min(axis=1, initial=np.inf),
            "strict": values[:, sure].min(axis=1, initial=np.inf),
            "p90": np.where(values > limit, values, np.inf).min(axis=1, initial=np.inf),
        }
        for variant, best in again.items():
            better = mine[variant].to_numpy() > best + SCORE_TOLERANCE
            # a score at the percentile itself can fall on either side
            exact = everything and variant != "p90"
            worse = exact & (mine[variant].to_numpy() < best - SCORE_TOLERANCE)
            problems += _differ(variant, matrix.index[better | worse])
        checked += len(matrix)
    well = "found again" if everything else "none is worse than the drawn faces give"
    detail = "; ".join(problems) or well
    return comparison._row(f"{what}: best scores", checked, not problems, detail)
