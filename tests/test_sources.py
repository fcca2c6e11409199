"""Fault tests of fetching: a wrong, partial or hostile file never becomes a project file."""

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.files import sha256
from helpers.sources import fetch

HASH = "0" * 64


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project of its own: empty cache and manifests, no mirror; nothing reaches outside."""
    for name in ("cache", "mirror", "manifests", "site"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CONGRESS_TEST_MIRROR", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fetch, "MANIFESTS", tmp_path / "manifests")
    monkeypatch.setattr(fetch, "TIMEOUT", (2, 2))
    return tmp_path


def write_manifest(place, files, dataset="probes"):
    """files: id -> (url, content)."""
    rows = [(i, url, digest(data), len(data)) for i, (url, data) in sorted(files.items())]
    table = pd.DataFrame(rows, columns=["id", "url", "sha256", "bytes"])
    table.to_csv(place / "manifests" / f"{dataset}.csv", index=False)


def put(root, url, data):
    path = root / fetch.location(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


@pytest.fixture
def server(place):
    """A web server on the loopback: serves place/site, counts requests, cuts /cut/ short."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            if self.path.startswith("/cut/"):
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"half of it")
                return
            super().do_GET()

        def log_message(self, *_):
            pass

    seen = []
    handler = functools.partial(Handler, directory=place / "site")
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", seen
    httpd.shutdown()
    httpd.server_close()


def test_order_is_cache_then_mirror_then_network(place, server, monkeypatch):
    host, seen = server
    files = {n: (f"{host}/{n}.jpg", n.encode()) for n in ("a", "b", "c")}
    write_manifest(place, files)
    monkeypatch.setenv("CONGRESS_TEST_MIRROR", str(place / "mirror"))
    put(place / "cache", *files["a"])
    for name in "ab":
        put(place / "mirror", *files[name])
    for name in "abc":
        (place / "site" / f"{name}.jpg").write_bytes(name.encode())
    report = fetch.fetch("probes", progress=False).set_index("id")
    assert report.status.to_dict() == {"a": "cached", "b": "mirror", "c": "network"}
    assert seen == ["/c.jpg"]
    assert [p.read_bytes() for p in report.path] == [b"a", b"b", b"c"]
    again = fetch.fetch("probes", progress=False)
    assert again.status.eq("cached").all() and seen == ["/c.jpg"]


def test_a_truncated_download_leaves_nothing_behind(place, server):
    host, _ = server
    whole = b"x" * 1000
    write_manifest(place, {"a": (f"{host}/cut/a.jpg", whole), "b": (f"{host}/b.jpg", b"b")})
    (place / "site" / "b.jpg").write_bytes(b"b")
    report = fetch.fetch("probes", progress=False).set_index("id")
    assert report.status.to_dict() == {"a": "failed", "b": "network"}
    assert "/cut/a.jpg" in report.message["a"]
    assert [Path(f).name for f in files_below(place / "cache")] == ["b.jpg"]


def test_a_wrong_download_is_refused_by_name_and_hash_and_the_rest_goes_on(place, server):
    host, _ = server
    write_manifest(place, {"a": (f"{host}/a.jpg", b"right"), "b": (f"{host}/b.jpg", b"b")})
    (place / "site" / "a.jpg").write_bytes(b"wrong")
    (place / "site" / "b.jpg").write_bytes(b"b")
    report = fetch.fetch("probes", progress=False).set_index("id")
    assert report.status.to_dict() == {"a": "failed", "b": "network"}
    for part in (f"{host}/a.jpg", digest(b"right"), digest(b"wrong")):
        assert part in report.message["a"]
        assert part in fetch.summary(report.reset_index())
    assert [Path(f).name for f in files_below(place / "cache")] == ["b.jpg"]


def test_a_missing_page_is_one_failure_not_a_lost_network(place, server):
    host, _ = server
    names = [f"n{i}" for i in range(8)]
    write_manifest(place, {n: (f"{host}/{n}.jpg", n.encode()) for n in names})
    (place / "site" / "n7.jpg").write_bytes(b"n7")
    report = fetch.fetch("probes", workers=1, progress=False).set_index("id")
    assert report.status.value_counts().to_dict() == {"failed": 7, "network": 1}
    assert "404" in report.message["n0"]


@pytest.mark.parametrize("where", ["cache", "mirror"])
def test_a_wrong_copy_is_named_and_the_next_source_used(place, server, monkeypatch, where):
    host, _ = server
    files = {"a": (f"{host}/a.jpg", b"right")}
    write_manifest(place, files)
    (place / "site" / "a.jpg").write_bytes(b"right")
    wrong = put(place / where, files["a"][0], b"wrong")
    monkeypatch.setenv("CONGRESS_TEST_MIRROR", str(place / "mirror"))
    row = fetch.fetch("probes", progress=False).iloc[0]
    assert row.status == "network" and str(wrong) in row.message
    assert digest(b"wrong") in row.message and digest(b"right") in row.message
    assert row.path.read_bytes() == b"right"


def test_without_network_and_mirror_the_message_says_what_to_do(place):
    # a port on which nothing listens
    write_manifest(place, {f"n{i}": (f"http://127.0.0.1:9/{i}.jpg", b"x") for i in range(40)})
    report = fetch.fetch("probes", progress=False)
    assert report.status.eq("failed").sum() == 40
    text = fetch.summary(report)
    assert text.count("CONGRESS_TEST_MIRROR") == 1 and "40 failed" in text


def test_after_some_failures_in_a_row_it_stops_trying(place, monkeypatch):
    tried = []

    def refuse(url, file):
        tried.append(url)
        raise fetch.requests.ConnectionError("no route")

    monkeypatch.setattr(fetch, "_download", refuse)
    write_manifest(place, {f"n{i:02d}": (f"http://x.invalid/{i}", b"x") for i in range(40)})
    report = fetch.fetch("probes", workers=1, progress=False)
    assert len(tried) == fetch.GIVE_UP_AFTER and report.status.eq("failed").all()


def test_a_killed_copy_is_no_file_and_is_cleared_away(place, monkeypatch):
    files = {"a": ("http://x.invalid/a.jpg", b"a" * 100)}
    write_manifest(place, files)
    monkeypatch.setenv("CONGRESS_TEST_MIRROR", str(place / "mirror"))
    put(place / "mirror", *files["a"])

    def die(copy, file):
        file.write(b"a" * 50)
        file.flush()
        os._exit(9)

    child = os.fork()
    if child == 0:
        fetch._copy = die
        fetch.fetch("probes", workers=1, progress=False)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = files_below(place / "cache")
    assert len(left) == 1 and Path(left[0]).name.startswith(".partial-")
    monkeypatch.setattr(fetch, "STALE", 0)
    report = fetch.fetch("probes", progress=False)
    assert report.status.tolist() == ["mirror"]
    assert [Path(f).name for f in files_below(place / "cache")] == ["a.jpg"]


def test_local_files_are_checked_and_name_the_command(place, monkeypatch):
    files = {n: (f"http://x.invalid/{n}.jpg", n.encode()) for n in ("a", "b")}
    write_manifest(place, files)
    with pytest.raises(UserError, match="congress-test fetch probes"):
        fetch.local_files("probes")
    put(place / "cache", *files["a"])
    mirrored = put(place / "mirror", *files["b"])
    monkeypatch.setenv("CONGRESS_TEST_MIRROR", str(place / "mirror"))
    found = fetch.local_files("probes")
    assert found.id.tolist() == ["a", "b"] and found.path[1] == mirrored
    put(place / "cache", files["b"][0], b"wrong")  # must not hide the right copy
    assert fetch.local_files("probes").path[1] == mirrored
    mirrored.write_bytes(b"wrong")
    with pytest.raises(UserError, match=r"1 of 2 .*first: b"):
        fetch.local_files("probes")


@pytest.mark.parametrize(
    "url", ["http://x/../../etc/passwd", "http://x/%2e%2e/y", "file:///etc/passwd", "http:///a"]
)
def test_an_address_cannot_point_outside(url):
    with pytest.raises(ValueError, match="not the address"):
        fetch.location(url)


@pytest.mark.parametrize(
    "text",
    [
        f"id,url,sha256\na,http://x/a,{HASH}\n",
        f"id,url,sha256,bytes\na,http://x/a,{HASH},1\na,http://x/b,{HASH},1\n",
        f"id,url,sha256,bytes\nb,http://x/b,{HASH},1\na,http://x/a,{HASH},1\n",
        "id,url,sha256,bytes\na,http://x/a,abc,1\n",
    ],
)
def test_a_damaged_manifest_is_refused(place, text):
    (place / "manifests" / "probes.csv").write_text(text)
    with pytest.raises(ValueError, match=r"probes\.csv"):
        fetch.load_manifest("probes")


def test_an_unknown_dataset_lists_the_known():
    with pytest.raises(UserError, match="legislators"):
        fetch.load_manifest("mugshots")


# UTKFace

FACES = {
    "20_0_1_20170101000000000.jpg.chip.jpg": b"one",
    "30_1_0_20170101000000001.jpg.chip.jpg": b"two",
    "61_1_20170109142408075.jpg.chip.jpg": b"three",  # lacks a field
}


@pytest.fixture
def utkface(place):
    hashes = sorted(map(digest, FACES.values()))
    table = pd.DataFrame({"id": [f"u{i:05d}" for i in (1, 2, 3)], "sha256": hashes})
    table.to_csv(place / "manifests" / "utkface.csv", index=False)
    return place


def tar(path, members):
    """members: (name, bytes) or a TarInfo."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def copy_of(place, kind):
    if kind == "tar":
        text = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(200))
        return tar(
            place / "u.tar.gz",
            [(f"UTKFace/{n}", d) for n, d in FACES.items()] + [("UTKFace/readme.txt", text)],
        )
    if kind == "zip":
        with zipfile.ZipFile(place / "u.zip", "w") as archive:
            for name, data in FACES.items():
                archive.writestr(f"UTKFace/{name}", data)
        return place / "u.zip"
    for name, data in FACES.items():
        (place / "folder" / "deep").mkdir(parents=True, exist_ok=True)
        (place / "folder" / "deep" / name).write_bytes(data)
    return place / "folder"


@pytest.mark.parametrize("kind", ["tar", "zip", "folder"])
def test_any_copy_of_utkface_will_do(utkface, kind):
    with pytest.raises(UserError, match="congress-test fetch utkface"):
        fetch.local_files("utkface")
    counts = fetch.fetch_utkface(copy_of(utkface, kind), progress=False)
    assert counts == {
        "matched": 3, "unknown": 0, "missing": 0, "duplicates": 0, "malformed": 1, "disputed": 0,
    }  # fmt: skip
    files = fetch.local_files("utkface")
    assert {p.read_bytes() for p in files.path} == set(FACES.values())
    labels = pd.read_csv(utkface / "cache" / "utkface" / "labels.csv").set_index("id")
    of = {row.path.read_bytes(): labels.loc[row.id] for row in files.itertuples()}
    assert (of[b"one"].age, of[b"one"].gender, of[b"one"].race) == (20, "male", "Black")
    assert (of[b"two"].age, of[b"two"].gender, of[b"two"].race) == (30, "female", "White")
    assert of[b"three"][["age", "gender", "race"]].isna().all()
    assert not any(name in p for p in files_below(utkface / "cache") for name in FACES)


def test_names_and_links_in_an_archive_lead_nowhere(utkface):
    outside = utkface / "outside.jpg"
    members = [
        ("../../outside.jpg", b"one"),
        (str(outside), b"two"),
        link("UTKFace/link.jpg", "/etc/passwd"),
        link("UTKFace/hard.jpg", "../../outside.jpg", tarfile.LNKTYPE),
        ("UTKFace/stranger.jpg", b"stranger"),
        ("UTKFace/huge.jpg", b"\0" * (fetch.LARGEST_FACE + 1)),
        ("UTKFace/readme.txt", b"text"),
    ]
    counts = fetch.fetch_utkface(tar(utkface / "evil.tar.gz", members), progress=False)
    assert (counts["matched"], counts["unknown"], counts["missing"]) == (2, 2, 1)
    assert not outside.exists()
    names = files_below(utkface / "cache")
    assert len(names) == 2 and all(n.startswith("utkface/u0000") for n in names)


def test_a_folder_with_links_out_of_it_is_read_without_them(utkface):
    folder = copy_of(utkface, "folder")
    secret = utkface / "secret.jpg"
    secret.write_bytes(b"secret")
    (folder / "link.jpg").symlink_to(secret)
    assert fetch.fetch_utkface(folder, progress=False)["unknown"] == 0


def test_names_that_disagree_leave_the_label_out(utkface):
    names = ["20_0_1_20170101000000000.jpg", "26_0_1_20170101000000009.jpg"]
    rest = list(FACES.items())[1:]
    archive = tar(utkface / "u.tar.gz", [(n, b"one") for n in names] + rest)
    counts = fetch.fetch_utkface(archive, progress=False)
    assert (counts["duplicates"], counts["disputed"], counts["missing"]) == (1, 1, 0)
    labels = pd.read_csv(utkface / "cache" / "utkface" / "labels.csv")
    row = labels[labels.disputed].iloc[0]
    assert pd.isna(row.age) and (row.gender, row.race, row.files) == ("male", "Black", 2)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_truncated_archive_keeps_what_was_read_and_a_whole_one_finishes(utkface, kind):
    whole = copy_of(utkface, kind)
    broken = utkface / f"broken{whole.suffix}"
    broken.write_bytes(whole.read_bytes()[: -300 if kind == "zip" else -2000])
    with pytest.raises(UserError, match="damaged"):
        fetch.fetch_utkface(broken, progress=False)
    assert not (utkface / "cache" / "utkface" / "labels.csv").exists()
    assert fetch.fetch_utkface(whole, progress=False)["matched"] == 3
    assert len(fetch.local_files("utkface")) == 3


def test_an_incomplete_copy_is_never_taken_for_the_set(utkface):
    archive = tar(utkface / "u.tar.gz", list(FACES.items())[:2])
    assert fetch.fetch_utkface(archive, progress=False)["missing"] == 1
    with pytest.raises(UserError, match="1 of 3"):
        fetch.local_files("utkface")


def test_utkface_comes_from_the_mirror_or_says_how_to_get_it(utkface, monkeypatch):
    report = fetch.fetch("utkface", progress=False)
    assert report.status.eq("failed").all()
    assert fetch.summary(report).count("--from") == 1
    archive = utkface / "mirror" / fetch.UTKFACE_ARCHIVE
    archive.parent.mkdir()
    copy_of(utkface, "tar").rename(archive)
    monkeypatch.setenv("CONGRESS_TEST_MIRROR", str(utkface / "mirror"))
    assert fetch.fetch("utkface", progress=False).status.eq("mirror").all()
    assert fetch.fetch("utkface", progress=False).status.eq("cached").all()


def test_a_missing_source_is_an_error_for_the_user(utkface):
    with pytest.raises(UserError, match="no such file"):
        fetch.fetch_utkface(utkface / "nothing.tar.gz", progress=False)


# the manifests that ship

COUNTS = {
    "probes": 529, "second-portraits": 263, "same-photographs": 142, "returning": 23,
    "delegates": 6, "legislators": 5831, "rosters": 9, "utkface": 23317,
    "newcomers": 169, "newcomers-second-portraits": 104, "newcomers-same-photographs": 16,
}  # fmt: skip


@pytest.mark.parametrize("dataset", COUNTS)
def test_manifests_hold_each_file_once_and_no_name_of_a_private_person(dataset):
    manifest = fetch.load_manifest(dataset)
    assert len(manifest) == COUNTS[dataset] and not manifest.sha256.duplicated().any()
    if dataset == "utkface":
        assert manifest.id.tolist() == [f"u{i:05d}" for i in range(1, len(manifest) + 1)]
        assert manifest.sha256.is_monotonic_increasing
    else:
        assert manifest.url.str.startswith("https://").all()


@pytest.mark.mirror
@pytest.mark.parametrize("dataset", [d for d in COUNTS if d not in ("legislators", "utkface")])
def test_every_file_of_the_mirror_is_the_one_in_the_manifest(mirror, dataset):
    files = fetch.local_files(dataset)
    assert len(files) == COUNTS[dataset] and all(p.is_file() for p in files.path)


@pytest.mark.mirror
def test_a_sample_of_the_former_legislators_is_the_one_in_the_manifest(mirror):
    manifest = fetch.load_manifest("legislators").iloc[::40]
    paths = [mirror / fetch.location(url) for url in manifest.url]
    assert [sha256(p) for p in paths] == manifest.sha256.tolist()
