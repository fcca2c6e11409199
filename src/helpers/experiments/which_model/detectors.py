"""The members and a sample of the strangers enrolled with other detectors, and another framing.

`make` needs the images of `probes` and `utkface` and the latter's face metadata; twelve minutes.
"""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.faces import collection, enrolment, pipelines, same_person
from helpers.paths import DATA
from helpers.protocol import scores as score_store
from helpers.protocol import shipping
from helpers.sources import fetch, galleries

RESULTS = DATA / "results"
DETECTORS = ("yunet", "opencv", "dlib")  # those of deepface whose weights are at hand
FRAMINGS = ("as published", "as UTKFace")
SEED = 20180726
SAMPLE = 1200  # faces of `utkface`, in whole identity clusters
CHIP = 200  # pixels, the side of a UTKFace image
KEYS = ["gallery", "detector", "framing", "model"]


def make(out: Path = RESULTS) -> None:
    """Write detectors.parquet and detectors-{settings,failures}.csv to `out`. Deterministic."""
    private = [shipping.load_dataset("utkface", m) for m in pipelines.PRIMARY_MODELS]
    clusters = same_person.identity_clusters(private)
    labels = galleries.load_utkface().set_index("id")
    ids = labels.index[labels["adult"]]
    adults = pd.Series(ids, index=ids)
    sample = draw_clusters(clusters.reindex(adults.index).fillna(adults), SAMPLE)
    wanted = {"probes": list(fetch.load_manifest("probes")["id"]), "utkface": sorted(sample)}
    published, tight = FRAMINGS
    whole = _stored("utkface", list(adults.index))
    faces = {("yunet", published): {d: _stored(d, ids) for d, ids in wanted.items()}}
    read = _tight_reader(faces["yunet", published]["probes"], typical_framing(whole))
    again = _enrolled("probes", wanted["probes"], "yunet", read)
    faces["yunet", tight] = {"probes": again}
    for detector in DETECTORS[1:]:
        faces[detector, published] = {
            d: _enrolled(d, ids, detector, lambda _, path: enrolment.read_image(path))
            for d, ids in wanted.items()
        }
    best, settings = _search_all(faces, whole, clusters)
    best.to_parquet(out / "detectors.parquet", index=False, compression="zstd")
    settings.to_csv(out / "detectors-settings.csv", index=False)
    _failures(faces, labels).to_csv(out / "detectors-failures.csv", index=False)


def draw_clusters(clusters: pd.Series, faces: int) -> list:
    """Ids of whole identity clusters, drawn at random until the next would pass `faces`."""
    sizes = clusters.value_counts().sort_index()
    sizes = sizes.iloc[np.random.default_rng(SEED).permutation(len(sizes))]
    chosen = sizes.index[sizes.cumsum() <= faces]
    return list(clusters.index[clusters.isin(chosen)])


def _stored(dataset: str, ids) -> pd.DataFrame:
    """Faces of all models from the face metadata at hand: as `_enrolled` gives them."""
    boxes = ["id", "width", "height", "box_x", "box_y", "box_w", "box_h"]
    table = pd.DataFrame({"id": sorted(ids)})
    for model in pipelines.MODELS:
        faces = enrolment.read_faces(shipping.faces_path(dataset, model))
        columns = boxes if model == pipelines.MODELS[0] else ["id"]
        faces = faces[[*columns, "embedding"]].rename(columns={"embedding": model})
        table = table.merge(faces, on="id", how="left")
    return table


def models_with(detector: str) -> list[str]:
    """The pipelines that can take a detector: SFace's own crop needs YuNet's five landmarks."""
    return [m for m in pipelines.MODELS if m != "sface-native" or detector == "yunet"]


def _enrolled(dataset, ids, detector, read) -> pd.DataFrame:
    """A row an image: its size, the native feed's box, an embedding a model (missing: failed)."""
    files, title = fetch.local_files(dataset, ids), f"{detector}, {dataset}"
    functions = _functions(detector)
    bar = tqdm(files.itertuples(), title, len(files), disable=None)
    rows = [_enrol_one(row.id, row.path, read, functions) for row in bar]
    columns = ["id", "width", "height", "box_x", "box_y", "box_w", "box_h"]
    return pd.DataFrame(rows).reindex(columns=[*columns, *pipelines.MODELS])


def _functions(detector) -> list[tuple]:
    """(detect, {model: (crop, embed)}) for each detection that differs, the native feed's first."""
    groups: dict[str, tuple] = {}
    for model in models_with(detector):
        detect, *network = pipelines.load(pipelines.configuration(model, detector))
        feed = pipelines.PIPELINES[model].feed if detector == "yunet" else detector
        groups.setdefault(feed, (detect, {}))[1][model] = network
    return list(groups.values())


def _enrol_one(name, path, read, functions) -> dict:
    try:
        image = read(name, path)
    except enrolment.Unreadable:
        return {"id": name}
    row = {"id": name, "height": image.shape[0], "width": image.shape[1]}
    for number, (detect, networks) in enumerate(functions):
        try:
            faces = detect(image)
        except Exception:  # each detector has its own kinds
            continue
        if not faces:
            continue
        # as in `enrolment`: ties go to the surer, then to the one further left
        face = min(faces, key=lambda f: (-f.box[2] * f.box[3], -f.score, f.box))
        if number == 0:
            row |= zip(["box_x", "box_y", "box_w", "box_h"], face.box, strict=True)
        for model, (crop, embed) in networks.items():
            try:
                embedding = embed([crop(image, face)])[0]
            except Exception:  # each recogniser has its own kinds
                continue
            if enrolment.usable(embedding):
                row[model] = embedding
    return row


def typical_framing(faces: pd.DataFrame) -> dict:
    """Medians of side (root of the box's area), centre_x, centre_y, over the image's width."""
    columns = ["box_x", "box_y", "box_w", "box_h", "width"]
    x, y, w, h, width = faces.dropna(subset=["box_w"])[columns].astype(float).to_numpy().T
    parts = {"side": np.sqrt(w * h), "centre_x": x + w / 2, "centre_y": y + h / 2}
    return {name: float(np.median(part / width)) for name, part in parts.items()}


def crop_like(image: np.ndarray, box, framing: dict) -> np.ndarray:
    """The square around `box` (x, y, w, h) framed as `framing`, CHIP pixels; edges repeated."""
    x, y, w, h = (float(v) for v in box)
    side = max(2, round((w * h) ** 0.5 / framing["side"]))
    left = round(x + w / 2 - framing["centre_x"] * side)
    top = round(y + h / 2 - framing["centre_y"] * side)
    height, width = image.shape[:2]
    beyond = max(0, -left, -top, left + side - width, top + side - height)
    padded = cv2.copyMakeBorder(image, beyond, beyond, beyond, beyond, cv2.BORDER_REPLICATE)
    square = padded[top + beyond : top + beyond + side, left + beyond : left + beyond + side]
    return cv2.resize(square, (CHIP, CHIP), interpolation=cv2.INTER_AREA)


def _tight_reader(faces: pd.DataFrame, framing: dict):
    boxes = faces.set_index("id")

    def read(name, path):
        box = boxes.loc[name, ["box_x", "box_y", "box_w", "box_h"]]
        if box.isna().any():
            raise enrolment.Unreadable("no face found")
        return crop_like(enrolment.read_image(path), box, framing)

    return read


def _collection(faces, model, detector) -> collection.Collection:
    found = faces.dropna(subset=[model])[["id", model]].rename(columns={model: "embedding"})
    found.attrs = enrolment.describe(pipelines.configuration(model, detector))
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
    """Images in which a detector found no face, by dataset and part (all, or published label)."""
    rows = []
    for (detector, framing), sets in faces.items():
        for dataset, table in sets.items():
            failed = table.set_index("id")["box_w"].isna()
            parts = {"all": pd.Series(True, index=failed.index)}
            if dataset == "utkface":
                for column in ("gender", "race"):
                    label = labels[column].reindex(failed.index)
                    parts |= {v: label.eq(v) for v in sorted(label.unique())}
            for part, mask in parts.items():
                if dataset == "utkface" and mask.sum() < shipping.SMALLEST:
                    raise ValueError(f"{part}: too few people to tell of")
                counts = int(mask.sum()), int((failed & mask).sum())
                rows.append((dataset, detector, framing, part, *counts))
    columns = ["dataset", "detector", "framing", "part", "images", "failures"]
    return pd.DataFrame(rows, columns=columns)
