"""The members and a sample of the strangers enrolled with other detectors, and another framing.

What data/results/detectors*.{parquet,csv} holds is made here, by `python -m helpers.rebuild.tables
07-which-model`. YuNet finds each face once a feed, another detector once for all pipelines. Needs
the images of `probes` and `utkface` and the face metadata of `utkface`. Twelve minutes on one core;
a killed run goes on from where it was.
"""

import hashlib
import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.faces import collection, enrolment, pipelines, same_person
from helpers.files import write_atomically
from helpers.paths import DATA, cache_dir
from helpers.protocol import scores as score_store
from helpers.protocol import shipping
from helpers.sources import fetch, galleries

RESULTS = DATA / "results"
DETECTORS = ("yunet", "opencv", "dlib")  # those of deepface whose weights are at hand
FRAMINGS = ("as published", "as UTKFace")
SEED = 20180726
SAMPLE = 1200  # faces of `utkface`, in whole identity clusters
CHUNK = 100  # images enrolled between two writes
CHIP = 200  # pixels, the side of a UTKFace image
KEYS = ["gallery", "detector", "framing", "model"]


def make(out: Path = RESULTS, progress: bool = True) -> None:
    """Write detectors.parquet and detectors-{settings,failures,framing}.csv to `out`.

    Deterministic; the enrolled faces are kept in the cache.
    """
    adults, clusters, labels = _strangers()
    sample = draw_clusters(clusters.reindex(adults.index).fillna(adults), SAMPLE)
    wanted = {"probes": list(fetch.load_manifest("probes")["id"]), "utkface": sorted(sample)}
    published, tight = FRAMINGS
    whole = _stored("utkface", list(adults.index))
    framing = typical_framing(whole)
    faces = {("yunet", published): {d: _stored(d, ids) for d, ids in wanted.items()}}
    boxes = faces["yunet", published]["probes"]
    read = _tight_reader(boxes.set_index("id"), framing)
    again = _enrolled("probes", wanted["probes"], "yunet", read, progress, "-tight")
    faces["yunet", tight] = {"probes": again}
    for detector in DETECTORS[1:]:
        faces[detector, published] = {
            d: _enrolled(d, ids, detector, _as_published, progress) for d, ids in wanted.items()
        }
    out.mkdir(parents=True, exist_ok=True)
    best, settings = _search_all(faces, whole, clusters)
    best.to_parquet(out / "detectors.parquet", index=False, compression="zstd")
    settings.to_csv(out / "detectors-settings.csv", index=False)
    _failures(faces, labels).to_csv(out / "detectors-failures.csv", index=False)
    seen = {"utkface": whole, "members": boxes, "members as UTKFace": again}
    table = pd.DataFrame([{"images": name, **typical_framing(t)} for name, t in seen.items()])
    table.to_csv(out / "detectors-framing.csv", index=False, float_format="%.4g")


def _strangers():
    """Adults of `utkface` (a series of ids by id), their clusters, their labels by id."""
    private = [shipping.load_dataset("utkface", m) for m in pipelines.PRIMARY_MODELS]
    clusters = same_person.identity_clusters(private)
    labels = galleries.load_utkface().set_index("id")
    ids = labels.index[labels["adult"]]
    return pd.Series(ids, index=ids), clusters, labels


def draw_clusters(clusters: pd.Series, faces: int, seed: int = SEED) -> list:
    """Ids of whole identity clusters, drawn at random until the next would pass `faces`."""
    sizes = clusters.value_counts().sort_index()
    sizes = sizes.iloc[np.random.default_rng(seed).permutation(len(sizes))]
    chosen = sizes.index[sizes.cumsum() <= faces]
    return list(clusters.index[clusters.isin(chosen)])


def _stored(dataset: str, ids) -> pd.DataFrame:
    """Faces of all models from the face metadata at hand: as `_enrolled` gives them."""
    table: pd.DataFrame = None
    for model in pipelines.MODELS:
        path = shipping.faces_path(dataset, model)
        faces = enrolment.read_faces(path).rename(columns={"embedding": model})
        if table is None:
            columns = ["id", "width", "height", "box_x", "box_y", "box_w", "box_h", model]
            failed = enrolment.read_failures(path)[["id", "reason"]]
            table = pd.concat([faces[columns], failed], ignore_index=True)
        else:
            table = table.merge(faces[["id", model]], on="id", how="left")
    return table[table["id"].isin(set(ids))].sort_values("id", ignore_index=True)


def models_with(detector: str) -> list[str]:
    """The pipelines that can take a detector: SFace's own crop needs YuNet's five landmarks."""
    return [m for m in pipelines.MODELS if m != "sface-native" or detector == "yunet"]


def _enrolled(dataset, ids, detector, read, progress, suffix="") -> pd.DataFrame:
    """Faces of some images with all pipelines that take a detector; kept in the cache.

    read: (id, path) -> image. One row an image: id, width, height, box_x, .. (of the native feed's
    face), one embedding a model (missing where it failed), reason (of the native feed's failure).
    """
    files = fetch.local_files(dataset, ids)
    about = {m: _about(m, detector) for m in models_with(detector)}
    folder = cache_dir() / "detectors"
    folder.mkdir(parents=True, exist_ok=True)
    tables, functions = [], None
    bar = tqdm(
        total=len(files), desc=f"{detector}, {dataset}{suffix}", disable=not progress or None
    )
    for start in range(0, len(files), CHUNK):
        part = files.iloc[start : start + CHUNK]
        what = json.dumps([about, list(part["id"])], sort_keys=True)
        key = hashlib.sha256(what.encode()).hexdigest()[:12]
        path = folder / f"{dataset}{suffix}-{detector}-{key}.parquet"
        if not path.exists():
            functions = functions or _functions(detector)
            rows = []
            for row in part.itertuples():
                rows.append(_enrol_one(row.id, row.path, read, functions))
                bar.update()
            with write_atomically(path) as half:
                pd.DataFrame(rows).to_parquet(half, index=False)
        tables.append(pd.read_parquet(path))
    bar.close()
    columns = ["id", "width", "height", "box_x", "box_y", "box_w", "box_h", "reason"]
    return pd.concat(tables, ignore_index=True).reindex(columns=[*columns, *pipelines.MODELS])


@cache
def _about(model, detector) -> dict:
    return enrolment.describe(pipelines.configuration(model, detector))


def _functions(detector) -> list[tuple]:
    """A (detect, {model: embed}) for each detection that differs, the native feed's first.

    Only YuNet is read in two ways: with five landmarks for the native feeds, through deepface else.
    """
    groups: dict[str, tuple] = {}
    for model in models_with(detector):
        detect, embed = pipelines.load(pipelines.configuration(model, detector))
        feed = pipelines.PIPELINES[model].feed if detector == "yunet" else detector
        groups.setdefault(feed, (detect, {}))[1][model] = embed
    return list(groups.values())


def _enrol_one(name, path, read, functions) -> dict:
    try:
        image = read(name, path)
    except enrolment.Unreadable as error:
        return {"id": name, "reason": error.reason}
    row = {"id": name, "height": image.shape[0], "width": image.shape[1]}
    for number, (detect, embeds) in enumerate(functions):
        face, reason = _largest(detect, image)
        if number == 0:
            row["reason"] = reason
        if face is None:
            continue
        if number == 0:
            row |= zip(["box_x", "box_y", "box_w", "box_h"], face.box, strict=True)
        for model, embed in embeds.items():
            try:
                embedding = embed(image, face)
            except Exception:  # each recogniser has its own kinds
                continue
            if enrolment.usable(embedding):
                row[model] = embedding
    return row


def _largest(detect, image) -> tuple:
    """The face that is enrolled and None, or None and the reason."""
    try:
        faces = detect(image)
    except Exception:  # each detector has its own kinds
        return None, "detector failed"
    if not faces:
        return None, "no face found"
    # as in `enrolment`: ties go to the surer, then to the one further left
    return min(faces, key=lambda f: (-f.box[2] * f.box[3], -f.score, f.box)), None


def typical_framing(faces: pd.DataFrame) -> dict:
    """How faces lie in their images: medians of the box's side and centre, as parts of the width.

    Returns faces (how many), side (square root of the box's area), centre_x, centre_y.
    """
    found = faces.dropna(subset=["box_w"])
    width = found["width"].astype(float)
    return {
        "faces": len(found),
        "side": float((np.sqrt(found["box_w"] * found["box_h"]) / width).median()),
        "centre_x": float(((found["box_x"] + found["box_w"] / 2) / width).median()),
        "centre_y": float(((found["box_y"] + found["box_h"] / 2) / width).median()),
    }


def crop_like(image: np.ndarray, box, framing: dict, size: int = CHIP) -> np.ndarray:
    """The square of an image in which the face lies as `framing` says, at size x size pixels.

    box: x, y, width, height of the face. Beyond the image its edge is repeated.
    """
    import cv2

    x, y, w, h = (float(v) for v in box)
    side = max(2, round((w * h) ** 0.5 / framing["side"]))
    left = round(x + w / 2 - framing["centre_x"] * side)
    top = round(y + h / 2 - framing["centre_y"] * side)
    height, width = image.shape[:2]
    beyond = max(0, -left, -top, left + side - width, top + side - height)
    padded = cv2.copyMakeBorder(image, beyond, beyond, beyond, beyond, cv2.BORDER_REPLICATE)
    square = padded[top + beyond : top + beyond + side, left + beyond : left + beyond + side]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)


def _as_published(_, path):
    return enrolment.read_image(path)


def _tight_reader(boxes: pd.DataFrame, framing: dict):
    def read(name, path):
        box = boxes.loc[name, ["box_x", "box_y", "box_w", "box_h"]]
        if box.isna().any():
            raise enrolment.Unreadable("no face found")
        return crop_like(enrolment.read_image(path), box, framing)

    return read


def _collection(faces, model, detector) -> collection.Collection:
    found = faces.dropna(subset=[model])[["id", model]].rename(columns={model: "embedding"})
    found.attrs = _about(model, detector)
    return collection.make_collection(found)


def _search_all(faces, whole, clusters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Search the members in every setting: best scores, and the settings."""
    decisions = pd.read_csv(DATA / "scores" / "same-person.csv")
    best, settings = [], []
    for ((detector, framing), sets), model in itertools.product(faces.items(), pipelines.MODELS):
        if model not in models_with(detector):
            continue
        name = "utkface sample" if "utkface" in sets else "utkface"
        probes = _collection(sets["probes"], model, detector)
        gallery = _collection(sets.get("utkface", whole), model, detector)
        key = dict(zip(KEYS, (name, detector, framing, model), strict=True))
        cluster = clusters.reindex(gallery.ids).fillna("").to_numpy()
        kept, sure = score_store.left_in(cluster, decisions)
        table, _ = score_store.best_and_histogram(probes, gallery, kept, sure, 0.0)
        best.append(table.assign(**key))
        config = probes.description["configuration"]
        about = {k: config[k] for k in ("metric", "default_threshold")}
        settings.append({**key, **about, "faces": kept.sum(), "removed": (~kept).sum()})
    columns = [*KEYS, "probe_id", "any", "rule", "strict"]
    return pd.concat(best, ignore_index=True)[columns], pd.DataFrame(settings)


def _failures(faces, labels) -> pd.DataFrame:
    """Images in which a detector found no face, by dataset and, for `utkface`, published label.

    YuNet as the native feeds read it.

    Columns dataset, detector, framing, part (all, or a published gender or race), images, failures,
    elsewhere (the face enrolled lies with its centre outside the face that YuNet found).
    """
    rows = []
    reference = faces["yunet", FRAMINGS[0]]
    for (detector, framing), sets in faces.items():
        for dataset, table in sets.items():
            table = table.set_index("id")
            known = reference[dataset].set_index("id").reindex(table.index)
            failed, away = table["box_w"].isna(), ~_inside(table, known)
            away &= ~failed & known["box_w"].notna() & (framing == FRAMINGS[0])
            parts = {"all": pd.Series(True, index=table.index)}
            if dataset == "utkface":
                for column in ("gender", "race"):
                    label = labels[column].reindex(table.index)
                    parts |= {v: label.eq(v) for v in sorted(label.unique())}
            for part, mask in parts.items():
                if dataset == "utkface" and mask.sum() < shipping.SMALLEST:
                    raise ValueError(f"{part}: too few people to tell of")
                counts = [int(x.sum()) for x in (mask, failed & mask, away & mask)]
                rows.append((dataset, detector, framing, part, *counts))
    columns = ["dataset", "detector", "framing", "part", "images", "failures", "elsewhere"]
    return pd.DataFrame(rows, columns=columns)


def _inside(boxes, around) -> pd.Series:
    """Does the centre of each box lie in the other box?"""
    x, y = boxes["box_x"] + boxes["box_w"] / 2, boxes["box_y"] + boxes["box_h"] / 2
    right, bottom = around["box_x"] + around["box_w"], around["box_y"] + around["box_h"]
    return x.between(around["box_x"], right) & y.between(around["box_y"], bottom)
