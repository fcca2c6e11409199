"""How false matches, misses and failures to enrol change when the searched photo is worse.

Portraits are scaled to one face size, degraded, enrolled and searched at the thresholds of the
originals. Needs portraits and enrolled `utkface`, ten minutes; a killed run goes on.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.experiments.what_the_officer_sees.tables import faces_searched
from helpers.faces import collection, enrolment, pipelines
from helpers.faces.collection import Collection
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.files import write_atomically
from helpers.paths import cache_dir
from helpers.protocol import congress_test, shipped, shipping
from helpers.sources import fetch
from helpers.statistics.rates import at_or_below

EYES = 60  # pixels between the eyes of every portrait before it is degraded
# size of YuNet's box / distance of the eyes; the median of the members' portraits is 2.46 with the
# black border that deepface adds, 2.50 without: the eyes come to lie 59 pixels apart
FACE_PER_EYES = 2.46
EYES_IN_PORTRAIT = (0.5, 0.42)  # where they are assumed where no face was found

# From mild to strong. Fixed on six portraits by whether a face is still found and how far the score
# with the second portrait moves, before any false match was counted.
LEVELS = {
    "resolution": (16, 10, 6),  # pixels between the eyes
    "blur": (2, 4, 6),  # standard deviation in pixels
    "jpeg": (20, 10, 5),  # quality
    "noise": (10, 20, 30),  # standard deviation in grey levels
    "dark": (3, 6),  # stops of under-exposure
    "bright": (1, 2),  # stops of over-exposure
    "cover": (1, 2, 3),  # see COVERS
}
UNDEGRADED, SCALED = "none", "scaled"  # the portrait as published; only scaled to EYES
# Top and bottom of an opaque rectangle, and half its width, in eye distances from between the eyes
COVERS = {1: (0.85, 2.2, 1.3), 2: (0.35, 2.2, 1.3), 3: (-0.35, 0.35, 1.2)}
COVER_COLOUR = {1: (205, 175, 140), 2: (205, 175, 140), 3: (20, 20, 20)}  # BGR

POLICIES = {"at_28": shipped.PRIMARY, "at_default": "default", "at_fmr_1e_4": "fmr:1e-4"}
ROWS = "photo-quality.parquet"


def conditions() -> list[tuple[str, float]]:
    """Every (kind, level), the undegraded portrait and the scaled one first."""
    degraded = [(kind, float(level)) for kind, levels in LEVELS.items() for level in levels]
    return [(UNDEGRADED, 0.0), (SCALED, 0.0), *degraded]


class Frame(NamedTuple):
    """A portrait with EYES pixels between the eyes: (h, w, 3) uint8 BGR, the point between them."""

    image: np.ndarray
    between_eyes: tuple[float, float]


def scale(image: np.ndarray, face_size: float, between_eyes: tuple[float, float]) -> Frame:
    """Scale a portrait to EYES pixels between the eyes, judged by the face's box: faces are turned.

    face_size: square root of the box's area. between_eyes: a point. Both in pixels of `image`.
    """
    factor = EYES * FACE_PER_EYES / face_size
    size = tuple(max(1, round(side * factor)) for side in image.shape[1::-1])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    x, y = between_eyes
    return Frame(cv2.resize(image, size, interpolation=how), (x * factor, y * factor))


def resolution(image: np.ndarray, eyes: float) -> np.ndarray:
    """A sensor with `eyes` pixels between the eyes, enlarged again: detail goes, framing stays."""
    size = image.shape[1::-1]
    small = tuple(max(1, round(side * eyes / EYES)) for side in size)
    small = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """A lens out of focus: Gaussian of standard deviation `sigma` pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    """Saved as JPEG of this quality (1 to 100; libjpeg's scale, colour at half resolution)."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value]


def exposure(image: np.ndarray, stops: float) -> np.ndarray:
    """The light times 2 ** `stops`, clipped at white; grey levels are sRGB (IEC 61966-2-1)."""
    level = np.arange(256) / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    light = np.minimum(light * 2.0**stops, 1)
    level = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * level).astype(np.uint8)[image]


def noise(image: np.ndarray, sd: float, seed: int) -> np.ndarray:
    """Normal noise, independent in pixel and colour, `sd` in grey levels; a seed a pattern."""
    pattern = np.random.default_rng(seed).standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.round(image + np.float32(sd) * pattern), 0, 255).astype(np.uint8)


def cover(image: np.ndarray, which: int, between_eyes: tuple[float, float]) -> np.ndarray:
    """Part of the face behind an opaque rectangle, see COVERS."""
    top, bottom, half_width = COVERS[which]
    x, y = between_eyes
    rows = slice(max(0, round(y + top * EYES)), max(0, round(y + bottom * EYES)))
    columns = slice(max(0, round(x - half_width * EYES)), max(0, round(x + half_width * EYES)))
    covered = image.copy()
    covered[rows, columns] = COVER_COLOUR[which]
    return covered


def seed_of(probe_id: str, kind: str) -> int:
    """The seed of an image and a kind of degradation."""
    return int.from_bytes(hashlib.sha256(f"{probe_id}|{kind}".encode()).digest()[:8], "big")


def degrade(frame: Frame, kind: str, level: float, seed: int) -> np.ndarray:
    """One scaled portrait, degraded: (h, w, 3) uint8 BGR of the same size. Raises KeyError."""
    image = frame.image
    return {
        SCALED: lambda: image,
        "resolution": lambda: resolution(image, level),
        "blur": lambda: blur(image, level),
        "jpeg": lambda: jpeg(image, level),
        "noise": lambda: noise(image, level, seed),
        "dark": lambda: exposure(image, -level),
        "bright": lambda: exposure(image, level),
        "cover": lambda: cover(image, int(level), frame.between_eyes),
    }[kind]()


def framed(path: Path, face) -> Frame:
    """Read and scale one portrait; face: its face metadata, or None where no face was found.

    Then the median size and place of the other members' faces are assumed.
    """
    image = enrolment.read_image(path)
    height, width = image.shape[:2]
    if face is None:
        x, y = EYES_IN_PORTRAIT
        return scale(image, height / 2, (x * width, y * height))
    between = (face.left_eye_x + face.right_eye_x) / 2, (face.left_eye_y + face.right_eye_y) / 2
    return scale(image, float(face.face_size), between)


def enrol_one(image: np.ndarray, detect, networks: dict) -> dict:
    """Embeddings of the largest face, a model each, as `faces.enrolment` takes it; {} if none.

    Detection is shared by the models; networks: (crop, embed) of each.
    """
    try:
        faces = detect(image)
        face = min(faces, key=lambda f: (-f.box[2] * f.box[3], -f.score, f.box))
        found = {m: embed([crop(image, face)])[0] for m, (crop, embed) in networks.items()}
    except Exception:  # no face, or whatever a library raises for a spoilt one: a failure to enrol
        return {}
    return found if all(map(enrolment.usable, found.values())) else {}


def measure(folder: Path) -> dict[tuple[str, float], pd.DataFrame]:
    """Degrade and enrol all members' portraits: by condition, the embeddings of each probe.

    Columns probe_id, and one embedding a model (missing for a failure to enrol). A file a condition
    is kept in `folder`; its name tells the models and weights that made it.
    """
    made_with = [enrolment.describe(pipelines.configuration(m)) for m in PRIMARY_MODELS]
    key = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()[:12]
    paths = {c: folder / f"{c[0]}-{c[1]:g}-{key}.parquet" for c in conditions()[1:]}
    todo = [condition for condition, path in paths.items() if not path.exists()]
    if todo:
        folder.mkdir(parents=True, exist_ok=True)
        faces = enrolment.read_faces(shipping.faces_path("probes", PRIMARY_MODELS[0]))
        faces = {face.id: face for face in faces.itertuples()}
        files = fetch.local_files("probes").sort_values("id")
        loaded = {m: pipelines.load(pipelines.configuration(m)) for m in PRIMARY_MODELS}
        detect = loaded[PRIMARY_MODELS[0]][0]
        networks = {m: functions[1:] for m, functions in loaded.items()}
    for kind, level in todo:
        rows = []
        for id, path in tqdm(files[["id", "path"]].to_numpy(), kind, disable=None):
            image = degrade(framed(path, faces.get(id)), kind, level, seed_of(id, kind))
            rows.append({"probe_id": id} | enrol_one(image, detect, networks))
        with write_atomically(paths[kind, level]) as half:
            pd.DataFrame(rows).to_parquet(half, index=False)
    return {condition: pd.read_parquet(path) for condition, path in paths.items()}


class Galleries(NamedTuple):
    """One model's galleries: `utkface` adults after the same-person rule; former legislators; the
    members' second portraits."""

    private: Collection
    legislators: Collection
    second: Collection


def search_one(probes: Collection, galleries: Galleries) -> pd.DataFrame:
    """Search probes of one condition: one row an enrolled probe.

    Columns probe_id, best (score of the nearest face of the private gallery), legislators (best
    score there), genuine (score of the member's own second portrait, NaN without one), rank (its
    place among all second portraits and the private gallery, 1 = nearest, 0 without one). All
    scores are distances, rounded to 4 decimals.
    """
    if len(probes.ids) == 0:
        return pd.DataFrame(columns=["probe_id", "best", "legislators", "genuine", "rank"])
    near = [b.min(axis=1) for _, b in collection.score_blocks(probes, galleries.legislators)]
    mates = np.concatenate([b for _, b in collection.score_blocks(probes, galleries.second)])
    own = pd.Index(galleries.second.ids).get_indexer(probes.ids)
    genuine = np.where(own >= 0, mates[np.arange(len(own)), own], np.nan)
    rank = np.where(own >= 0, 1 + (mates < genuine[:, None]).sum(axis=1), 0)
    best = []
    for rows, block in collection.score_blocks(probes, galleries.private):
        best.append(block.min(axis=1))
        rank[rows] += (block < genuine[rows, None]).sum(axis=1)
    found = {"best": np.concatenate(best), "legislators": np.concatenate(near)}
    return pd.DataFrame({"probe_id": probes.ids, **found, "genuine": genuine, "rank": rank})


def make(out: Path) -> None:
    """Measure, search, and write ROWS into the folder `out`. Deterministic.

    From the private gallery no score of a single probe is written, only whether it lies within a
    threshold: best scores of many known variants of one portrait would locate the face behind them.
    """
    measured = measure(cache_dir() / "photo-quality")
    rows = []
    for model in PRIMARY_MODELS:
        faces, _, kept = faces_searched("utkface", model)
        others = (shipping.load_dataset(d, model) for d in ("legislators", "second-portraits"))
        galleries = Galleries(collection.subset(faces, faces.ids[kept]), *others)
        limits, whole = thresholds(model), shipping.load_dataset("probes", model)
        for kind, level in conditions():
            one = (kind, level)
            probes = _as_collection(measured[one], model, whole) if one in measured else whole
            found = everyone(search_one(probes, galleries))
            flags = {c: at_or_below(found["best"], limits[c]) for c in POLICIES}
            rows.append(found.assign(kind=kind, level=level, model=model, **flags))
    columns = ["probe_id", "kind", "level", "model", "enrolled", *POLICIES]
    table = pd.concat(rows, ignore_index=True)[[*columns, "legislators", "genuine", "rank"]]
    table.to_parquet(out / ROWS, index=False, compression="zstd")


def _as_collection(measured: pd.DataFrame, model: str, like: Collection) -> Collection:
    """The enrolled faces of one condition, as a collection of that model."""
    found = measured[["probe_id", model]].dropna().sort_values("probe_id")
    embeddings = np.array(found[model].to_list(), dtype=float).reshape(-1, like.embeddings.shape[1])
    return like._replace(ids=found["probe_id"].to_numpy(dtype=str), embeddings=embeddings)


def everyone(found: pd.DataFrame) -> pd.DataFrame:
    """One row for each member searched: `enrolled`; best scores inf where not enrolled.

    `genuine` is inf for an enrolled second portrait whose member failed to enrol, and NaN for
    members without a second portrait that enrolled.
    """
    members = congress_test.people_searched()[["member_id"]].set_axis(["probe_id"], axis=1)
    table = members.merge(found, on="probe_id", how="left")
    table["enrolled"] = table["best"].notna()
    table[["best", "legislators"]] = table[["best", "legislators"]].fillna(np.inf).astype(float)
    mates = shipping.load_dataset("second-portraits", PRIMARY_MODELS[0]).ids
    lost = ~table["enrolled"] & table["probe_id"].isin(mates)
    table["genuine"] = table["genuine"].astype(float).mask(lost, np.inf)
    table["rank"] = table["rank"].fillna(0).astype(np.int32)
    return table


@cache
def thresholds(model: str) -> dict[str, float]:
    """The thresholds of POLICIES with the gallery `utkface`."""
    found = {c: shipped.result("utkface", model, p) for c, p in POLICIES.items()}
    return {c: result.summary["threshold"] for c, result in found.items()}
