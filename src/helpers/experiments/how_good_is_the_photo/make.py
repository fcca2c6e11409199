"""How false matches, misses and failures to enrol change when the searched photo is worse.

Each member's portrait is scaled to one face size, degraded as a camera or a file format would, then
detected, embedded and searched like the original; the gallery stays as it is. The thresholds are
those of the undegraded portraits.

`python -m helpers.rebuild.tables 08-how-good-is-the-photo` makes data/results/photo-quality.parquet
and photo-quality-scores.csv. It needs the portraits (`congress-test fetch`), the enrolled faces of
`utkface` (`congress-test rebuild`) and about half an hour on one core; a killed run goes on where
it stopped.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from helpers.faces import collection, enrolment, pipelines
from helpers.faces.collection import DECIMALS, Collection
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.files import write_atomically
from helpers.paths import cache_dir
from helpers.protocol import congress_test, shipped, shipping
from helpers.statistics.auc import auc_best_scores
from helpers.statistics.paired import auc_change
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
ROWS, SUMMARY = "photo-quality.parquet", "photo-quality-scores.csv"


def conditions() -> list[tuple[str, float]]:
    """Every (kind, level), the undegraded portrait and the scaled one first."""
    degraded = [(kind, float(level)) for kind, levels in LEVELS.items() for level in levels]
    return [(UNDEGRADED, 0.0), (SCALED, 0.0), *degraded]


# ---------------------------------------------------------------- what a camera does


class Frame(NamedTuple):
    """A portrait with EYES pixels between the eyes: (h, w, 3) uint8 BGR, the point between them."""

    image: np.ndarray
    between_eyes: tuple[float, float]


def scale(image: np.ndarray, face_size: float, between_eyes: tuple[float, float]) -> Frame:
    """Scale a portrait to EYES pixels between the eyes, judged by the size of the face's box.

    face_size: square root of the box's area in pixels; by the box, because the eyes of a face that
    is turned lie close together. between_eyes: the point between them, in pixels of `image`.
    """
    import cv2

    factor = EYES * FACE_PER_EYES / face_size
    size = tuple(max(1, round(side * factor)) for side in image.shape[1::-1])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    x, y = between_eyes
    return Frame(cv2.resize(image, size, interpolation=how), (x * factor, y * factor))


def resolution(image: np.ndarray, eyes: float) -> np.ndarray:
    """A sensor with `eyes` pixels between the eyes, enlarged again: detail goes, framing stays."""
    import cv2

    height, width = image.shape[:2]
    small = tuple(max(1, round(side * eyes / EYES)) for side in (width, height))
    small = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """A lens out of focus: Gaussian of standard deviation `sigma` pixels."""
    import cv2

    return cv2.GaussianBlur(image, (0, 0), sigma)


def jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    """Saved as JPEG of this quality (1 to 100; libjpeg's scale, colour at half resolution)."""
    import cv2

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
    """A sensor's noise: normal, independent in each pixel and colour, `sd` in grey levels of 255.

    One seed gives one pattern, only its strength differs between levels.
    """
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


# ---------------------------------------------------------------- measuring


def portraits(files: pd.DataFrame, faces: pd.DataFrame) -> pd.DataFrame:
    """What `scale` needs of each portrait: id, path, face_size, x, y (between the eyes, pixels).

    files: id, path. faces: face metadata of the undegraded portraits; where there is none (no face
    found) the last three are missing.
    """
    place = pd.DataFrame(
        {
            "id": faces["id"],
            "face_size": faces["face_size"].astype(float),
            "x": (faces["left_eye_x"] + faces["right_eye_x"]) / 2,
            "y": (faces["left_eye_y"] + faces["right_eye_y"]) / 2,
        }
    )
    table = files[["id", "path"]].merge(place, on="id", how="left")
    return table.sort_values("id", ignore_index=True)


def framed(portrait) -> Frame:
    """Read and scale one portrait (a row of `portraits`).

    Where no face was found, the median size and place of the other members' faces are assumed.
    """
    image = enrolment.read_image(portrait.path)
    height, width = image.shape[:2]
    if np.isnan(portrait.face_size):
        x, y = EYES_IN_PORTRAIT
        return scale(image, height / 2, (x * width, y * height))
    return scale(image, portrait.face_size, (portrait.x, portrait.y))


def enrol_one(image: np.ndarray, detect, embed: dict) -> dict:
    """Embeddings of the largest face, a model each, as `faces.enrolment` takes it; {} if none.

    Detection is shared by the models.
    """
    try:
        faces = detect(image)
        face = min(faces, key=lambda f: (-f.box[2] * f.box[3], -f.score, f.box))
        found = {model: embed_one(image, face) for model, embed_one in embed.items()}
    except Exception:  # no face, or whatever a library raises for a spoilt one: a failure to enrol
        return {}
    usable = all(np.isfinite(e).all() and e.any() for e in found.values())
    return found if usable else {}


def measure(folder: Path, progress: bool = True, some: int | None = None) -> None:
    """Degrade and enrol all members' portraits; one file for each kind and level in `folder`.

    A file that was made with the same models and levels is kept. Columns probe_id, and one
    embedding a model (missing for a failure to enrol). some: that many portraits only.
    """
    from helpers.sources import fetch

    folder.mkdir(parents=True, exist_ok=True)
    faces = enrolment.read_faces(shipping.faces_path("probes", PRIMARY_MODELS[0]))
    table = portraits(fetch.local_files("probes"), faces).iloc[:some]
    wanted = {"some": some} | {
        m: enrolment.describe(pipelines.configuration(m)) for m in PRIMARY_MODELS
    }
    todo = [c for c in conditions() if c[0] != UNDEGRADED and not _is_made(folder, c, wanted)]
    if not todo:
        return
    loaded = {m: pipelines.load(pipelines.configuration(m)) for m in PRIMARY_MODELS}
    detect = loaded[PRIMARY_MODELS[0]][0]
    embed = {m: functions[1] for m, functions in loaded.items()}
    with tqdm(total=len(todo) * len(table), unit="image", disable=not progress or None) as bar:
        for kind, level in todo:
            bar.set_description(f"{kind} {level:g}")
            rows = []
            for portrait in table.itertuples():
                image = degrade(framed(portrait), kind, level, seed_of(portrait.id, kind))
                rows.append({"probe_id": portrait.id} | enrol_one(image, detect, embed))
                bar.update()
            _write(_part(folder, kind, level), rows, wanted)


def _part(folder: Path, kind: str, level: float) -> Path:
    return folder / f"{kind}-{level:g}.parquet"


SCHEMA = pa.schema(
    [("probe_id", pa.string()), *((m, pa.list_(pa.float32())) for m in PRIMARY_MODELS)]
)


def _write(path: Path, rows: list[dict], made_with: dict) -> None:
    described = SCHEMA.with_metadata({"made_with": json.dumps(made_with, sort_keys=True)})
    with write_atomically(path) as half:
        pq.write_table(pa.Table.from_pylist(rows, schema=described), half)


def _is_made(folder: Path, condition, made_with: dict) -> bool:
    path = _part(folder, *condition)
    if not path.exists():
        return False
    stored = (pq.read_schema(path).metadata or {}).get(b"made_with", b"")
    return stored.decode() == json.dumps(made_with, sort_keys=True)


# ---------------------------------------------------------------- searching


class Galleries(NamedTuple):
    """One model's galleries: `utkface` adults after the same-person rule, with their identities;
    former legislators; the members' second portraits."""

    private: Collection
    clusters: np.ndarray
    legislators: Collection
    second: Collection


def search_one(probes: Collection, galleries: Galleries) -> pd.DataFrame:
    """Search probes of one condition: one row an enrolled probe.

    Columns probe_id, best (score of the nearest face of the private gallery), identity (whose it
    is; never ships), legislators (best score there), genuine (score of the member's own second
    portrait, NaN without one), rank (its place among all second portraits and the private gallery,
    1 = nearest, 0 without one). All scores are distances, rounded to 4 decimals.
    """
    if len(probes.ids) == 0:
        columns = ["probe_id", "best", "identity", "legislators", "genuine", "rank"]
        return pd.DataFrame(columns=columns)
    near = [b.min(axis=1) for _, b in collection.score_blocks(probes, galleries.legislators)]
    mates = np.concatenate([b for _, b in collection.score_blocks(probes, galleries.second)])
    place = pd.Series(range(len(galleries.second.ids)), index=galleries.second.ids)
    own = place.reindex(probes.ids).to_numpy(dtype=float)
    has = ~np.isnan(own)
    genuine = np.full(len(own), np.nan)
    genuine[has] = mates[has, own[has].astype(int)]
    with np.errstate(invalid="ignore"):
        rank = np.where(has, 1 + (mates < genuine[:, None]).sum(axis=1), 0)
        best, identity = [], []
        for rows, block in collection.score_blocks(probes, galleries.private):
            best.append(block.min(axis=1))
            identity.append(galleries.clusters[block.argmin(axis=1)])
            rank[rows] += (block < genuine[rows, None]).sum(axis=1)
    return pd.DataFrame(
        {
            "probe_id": probes.ids,
            "best": np.concatenate(best),
            "identity": np.concatenate(identity),
            "legislators": np.concatenate(near),
            "genuine": genuine,
            "rank": rank,
        }
    )


def load_galleries(model: str, clusters: pd.Series) -> Galleries:
    """The galleries of one model; the private one from the cache, without probable same persons."""
    from helpers.sources.galleries import load_utkface

    same = shipped.scores("utkface", model).same_person
    left_out = set(same.loc[same["same_person"].astype(bool), "cluster"])
    adults = load_utkface().query("adult")["id"]
    private = collection.subset(shipping.load_dataset("utkface", model), adults)
    identity = clusters.reindex(private.ids).to_numpy()
    kept = ~np.isin(identity, list(left_out))
    private = private._replace(ids=private.ids[kept], embeddings=private.embeddings[kept])
    return Galleries(
        private,
        identity[kept],
        shipping.load_dataset("legislators", model),
        shipping.load_dataset("second-portraits", model),
    )


def make(out: Path, progress: bool = True) -> None:
    """Measure, search, and write ROWS and SUMMARY into the folder `out`. Deterministic.

    From the private gallery no score of a single probe is written, only whether it lies within a
    threshold: best scores of many known variants of one portrait would locate the face behind them.
    """
    from helpers.faces import same_person

    folder = cache_dir() / "photo-quality"
    measure(folder, progress)
    whole = [shipping.load_dataset("utkface", m) for m in PRIMARY_MODELS]
    clusters = same_person.identity_clusters(whole)
    del whole
    rows, summary = [], []
    for model in PRIMARY_MODELS:
        galleries = load_galleries(model, clusters)
        limits = thresholds(model)
        undegraded = None
        for kind, level in conditions():
            probes = _probes(folder, kind, level, model)
            found = everyone(search_one(probes, galleries))
            undegraded = found if undegraded is None else undegraded
            head = {"kind": kind, "level": level, "model": model}
            flags = {c: at_or_below(found["best"], limits[c]) for c in POLICIES}
            rows.append(found.assign(**head, **flags))
            summary.append(head | summarise(found, undegraded, flags["at_28"]))
    out.mkdir(parents=True, exist_ok=True)
    columns = ["probe_id", "kind", "level", "model", "enrolled", *POLICIES]
    columns += ["legislators", "genuine", "rank"]
    table = pd.concat(rows, ignore_index=True)[columns]
    table.to_parquet(out / ROWS, index=False, compression="zstd")
    pd.DataFrame(summary).to_csv(out / SUMMARY, index=False, float_format="%.4f")


def _probes(folder: Path, kind: str, level: float, model: str) -> Collection:
    """The enrolled faces of one condition, as a collection of that model."""
    shipped = shipping.load_dataset("probes", model)
    if kind == UNDEGRADED:
        return shipped
    part = pq.read_table(_part(folder, kind, level), columns=["probe_id", model]).to_pandas()
    part = part.dropna().sort_values("probe_id")
    if part.empty:
        return shipped._replace(ids=shipped.ids[:0], embeddings=shipped.embeddings[:0])
    embeddings = np.stack(part[model].to_list()).astype(np.float64)
    return shipped._replace(ids=part["probe_id"].to_numpy(dtype=str), embeddings=embeddings)


def everyone(found: pd.DataFrame) -> pd.DataFrame:
    """One row for each member searched: `enrolled`, of_colour; best scores inf where not enrolled.

    `genuine` is inf for an enrolled second portrait whose member failed to enrol, and NaN for
    members without a second portrait that enrolled.
    """
    members = congress_test.people_searched()[["member_id", "of_colour"]]
    table = members.rename(columns={"member_id": "probe_id"}).merge(
        found, on="probe_id", how="left"
    )
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
    return {
        c: shipped.result("utkface", model, p).summary["threshold"] for c, p in POLICIES.items()
    }


def summarise(found: pd.DataFrame, undegraded: pd.DataFrame, flagged) -> dict:
    """Scores of one condition, threshold-free, members of colour against white members.

    found, undegraded: as from `everyone`. Returns median_white, median_colour (best impostor scores
    of the enrolled), auc (chance that a member of colour's is nearer than a white member's; a
    failure to enrol is farthest), auc_low, auc_high, auc_change (against the undegraded), with its
    interval; identities: how many different people of the private gallery are the nearest of the
    flagged.
    """
    colour = found["of_colour"].to_numpy(dtype=bool)
    best, before = found["best"].to_numpy(), undegraded["best"].to_numpy()
    enrolled = found["enrolled"].to_numpy()
    auc = auc_best_scores(best[colour], best[~colour])
    change, low, high = auc_change(before[colour], before[~colour], best[colour], best[~colour])
    return {
        "median_white": _median(best[~colour & enrolled]),
        "median_colour": _median(best[colour & enrolled]),
        "auc": auc.auc,
        "auc_low": auc.low,
        "auc_high": auc.high,
        "auc_change": change,
        "auc_change_low": low,
        "auc_change_high": high,
        "identities": int(found.loc[flagged, "identity"].nunique()),
    }


def _median(scores: np.ndarray) -> float:
    return float(np.round(np.median(scores), DECIMALS)) if len(scores) else float("nan")
