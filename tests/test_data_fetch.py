"""Fetching against a server on loopback that breaks in every way that servers break."""

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from ilib import data
from ilib.data import __main__ as command
from ilib.data import fetch as fetching
from ilib.data.fetch import DOWNLOADS, RECEIPT, FetchError, Resuming, fetch, receipts
from ilib.data.registry import File, Source, registry, source_named
from ilib.data.sets import available
from ilib.data.unpack import UnpackError, unpack
from ilib.results.grids import Grid, TrainSpec, load_grid, table_ids

ROOT = Path(__file__).resolve().parents[1]
CONTENT = np.random.default_rng(0).bytes(300_000)


@dataclass
class Behaviour:
    """What the server does: break after some bytes (so many times), know no Range, redirect, answer with a status."""

    files: dict[str, bytes] = field(default_factory=dict)
    break_after: int | None = None
    breaks: int = 0
    ranges: bool = True
    status: dict[str, int] = field(default_factory=dict)
    html: bool = False
    pause: float = 0.0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    tag: str = '"one"'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        b: Behaviour = self.server.behaviour
        b.asked.append((self.path, self.headers.get("Range")))
        if self.path in b.status:
            return self._answer(b.status[self.path], b"no")
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved/", "/"))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        content = b.files.get(self.path)
        if content is None:
            return self._answer(404, b"gone")
        self._send(b, content)

    def _answer(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _send(self, b: Behaviour, content: bytes) -> None:
        wanted, start = self.headers.get("Range"), 0
        if wanted and b.ranges and self.headers.get("If-Range") in (None, b.tag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "text/html" if b.html else "application/octet-stream")
        self.send_header("Content-Length", str(len(content) - start))
        if b.ranges:
            self.send_header("ETag", b.tag)
        self.end_headers()
        self._body(b, content[start:])

    def _body(self, b: Behaviour, rest: bytes) -> None:
        if b.break_after is not None and b.breaks > 0:
            b.breaks -= 1
            self.wfile.write(rest[: b.break_after])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        for i in range(0, len(rest), 20_000):
            self.wfile.write(rest[i : i + 20_000])
            time.sleep(b.pause)


@pytest.fixture
def server() -> Iterator[tuple[str, Behaviour]]:
    behaviour = Behaviour({"/set/a.bin": CONTENT})
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.behaviour = behaviour
    threading.Thread(target=partial(running.serve_forever, 0.02), daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", behaviour
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts, small chunks, no mirror and no proxy from outside."""
    monkeypatch.setattr(fetching, "CHUNK", 10_000)
    monkeypatch.setattr(fetching, "Resuming", partial(Resuming, wait=0.01))
    for name in ("ILIB_MIRROR", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(data.ENVIRONMENT, raising=False)


def source(url: str, checksum: str | None = None, size: int | None = None, **more: object) -> Source:
    file = File("a.bin", f"{url}/set/a.bin", size, checksum)
    entry = Source("toy", "Toy", "http://home.test", "open", "Toy", (file,), "", "", "none", "nah2017deep", (), ())
    return replace(entry, **more)


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def archive_of(files: dict[str, bytes], kind: str = "zip") -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def half_written(root: Path) -> list[str]:
    """What a broken fetch has left where the loaders look."""
    return sorted(str(f.relative_to(root)) for f in root.rglob("*") if f.is_file() and DOWNLOADS not in f.parts)


def test_complete(server, tmp_path):
    url, b = server
    folder = fetch(source(url, sha256(CONTENT), len(CONTENT)), tmp_path)
    assert (folder / "a.bin").read_bytes() == CONTENT
    assert receipts(folder)["a.bin"]["sha256"] == sha256(CONTENT)[7:]
    assert not list((tmp_path / DOWNLOADS).rglob("*.part*"))
    fetch(source(url, sha256(CONTENT), len(CONTENT)), tmp_path)
    assert len(b.asked) == 1  # the second time nothing is asked for


def test_redirect(server, tmp_path):
    url, b = server
    entry = source(f"{url}/moved", sha256(CONTENT))
    assert (fetch(entry, tmp_path) / "a.bin").read_bytes() == CONTENT


def test_broken_connection_goes_on_with_range(server, tmp_path):
    url, b = server
    b.break_after, b.breaks = 100_000, 2
    assert (fetch(source(url, sha256(CONTENT)), tmp_path) / "a.bin").read_bytes() == CONTENT
    assert [r for _, r in b.asked] == [None, "bytes=100000-", "bytes=200000-"]


def test_given_up_and_resumed_by_the_next_command(server, tmp_path):
    url, b = server
    b.break_after, b.breaks = 50_000, 4
    with pytest.raises(FetchError, match="kept: give the same command again"):
        fetch(source(url, sha256(CONTENT)), tmp_path)
    assert half_written(tmp_path) == []
    b.breaks = 0
    assert (fetch(source(url, sha256(CONTENT)), tmp_path) / "a.bin").read_bytes() == CONTENT
    assert b.asked[-1][1] == "bytes=200000-"


def test_killed_process_resumes(server, tmp_path):
    """A process killed in the middle leaves the bytes that came, and the next one asks for the rest."""
    url, b = server
    b.pause = 0.1
    entry = {"toy": {"title": "Toy", "home": "x", "access": "open", "folder": "Toy", "contents": "", "split": "",
                     "terms": "", "cite": "", "files": [{"url": f"{url}/set/a.bin"}]}}  # fmt: skip
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(entry))
    program = (
        "import sys; from ilib.data import fetch as f, registry as r; f.CHUNK = 10_000; "
        f"f.fetch(r.source_named('toy', {str(tmp_path / 'registry.yaml')!r}), {str(tmp_path / 'data')!r})"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    part = tmp_path / "data" / DOWNLOADS / "Toy" / "a.bin.part"
    limit = time.monotonic() + 120
    while not (part.is_file() and part.stat().st_size >= 60_000):
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert half_written(tmp_path / "data") == []
    have, b.pause = part.stat().st_size, 0.0
    fetch(source_named("toy", tmp_path / "registry.yaml"), tmp_path / "data")
    assert (tmp_path / "data/Toy/a.bin").read_bytes() == CONTENT
    assert b.asked[-1][1] == f"bytes={have}-" and 0 < have < len(CONTENT)


def test_server_without_range_starts_again(server, tmp_path):
    url, b = server
    b.ranges, b.break_after, b.breaks = False, 100_000, 1
    assert (fetch(source(url, sha256(CONTENT)), tmp_path) / "a.bin").read_bytes() == CONTENT


def test_changed_file_is_not_glued_to_the_old_half(server, tmp_path):
    url, b = server
    b.break_after, b.breaks = 50_000, 4
    with pytest.raises(FetchError):
        fetch(source(url), tmp_path)
    other = CONTENT[::-1]
    b.files["/set/a.bin"], b.tag, b.breaks = other, '"two"', 0
    assert (fetch(source(url), tmp_path) / "a.bin").read_bytes() == other


def test_complete_part_of_a_killed_process(server, tmp_path):
    url, b = server
    folder = tmp_path / DOWNLOADS / "Toy"
    folder.mkdir(parents=True)
    (folder / "a.bin.part").write_bytes(CONTENT)
    (folder / "a.bin.part.json").write_text(json.dumps({"url": f"{url}/set/a.bin", "tag": b.tag}))
    assert (fetch(source(url, sha256(CONTENT)), tmp_path) / "a.bin").read_bytes() == CONTENT


def test_wrong_checksum(server, tmp_path):
    url, b = server
    with pytest.raises(FetchError, match="deleted: give the same command again.*home.test"):
        fetch(source(url, sha256(b"something else")), tmp_path)
    assert half_written(tmp_path) == [] and not list((tmp_path / DOWNLOADS).rglob("a.bin*"))
    assert (fetch(source(url, sha256(CONTENT)), tmp_path) / "a.bin").read_bytes() == CONTENT


def test_wrong_size_is_refused_before_the_download(server, tmp_path):
    url, b = server
    with pytest.raises(FetchError, match="300,000 bytes where the registry says 299,999"):
        fetch(source(url, None, len(CONTENT) - 1), tmp_path)
    assert half_written(tmp_path) == []


def test_web_page_in_place_of_a_file(server, tmp_path):
    url, b = server
    b.html = True
    with pytest.raises(FetchError, match="web page.*login or a form"):
        fetch(source(url), tmp_path)


@pytest.mark.parametrize(("status", "message"), [(404, "home.test for a new address"), (403, "login or a form")])
def test_not_there(server, tmp_path, status, message):
    url, b = server
    b.status["/set/a.bin"] = status
    with pytest.raises(FetchError, match=message):
        fetch(source(url), tmp_path)
    assert half_written(tmp_path) == []


def test_no_server(tmp_path):
    with pytest.raises(FetchError, match="give the same command again"):
        fetch(source("http://127.0.0.1:9"), tmp_path)


def test_server_error_is_tried_again(server, tmp_path):
    url, b = server
    b.status["/set/a.bin"] = 503
    with pytest.raises(FetchError):
        fetch(source(url), tmp_path)
    assert len(b.asked) == 4


def test_mirror_is_asked_first_and_the_source_next(server, tmp_path, monkeypatch):
    url, b = server
    b.files["/m/Toy/a.bin"] = CONTENT
    fetch(source(url, sha256(CONTENT)), tmp_path / "one", mirror=f"{url}/m/")
    assert [p for p, _ in b.asked] == ["/m/Toy/a.bin"]
    monkeypatch.setenv("ILIB_MIRROR", f"{url}/empty")
    fetch(source(url, sha256(CONTENT)), tmp_path / "two")
    assert [p for p, _ in b.asked][1:] == ["/empty/Toy/a.bin", "/set/a.bin"]


def test_proxy_is_respected(server, tmp_path, monkeypatch):
    """The request goes to the proxy, with the whole address in its first line."""
    url, b = server
    b.files["http://far.test/set/a.bin"] = CONTENT
    monkeypatch.setenv("HTTP_PROXY", url)
    monkeypatch.setenv("http_proxy", url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert (fetch(source("http://far.test", sha256(CONTENT)), tmp_path) / "a.bin").read_bytes() == CONTENT


def test_disk_space_is_checked_first(server, tmp_path, monkeypatch):
    url, b = server
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 60_000_000})())
    with pytest.raises(FetchError, match="are free: make room"):
        fetch(source(url, None, 20_000_000), tmp_path)
    assert b.asked == []


def test_disk_that_fills_up_keeps_what_has_come(server, tmp_path, monkeypatch):
    url, b = server
    stream = Resuming._stream

    def full(self, reply, start, total):
        with self.part.open("ab") as file:
            file.write(next(reply.iter_content(120_000)))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Resuming, "_stream", full)
    with pytest.raises(FetchError, match="is full. What has come is kept"):
        fetch(source(url, sha256(CONTENT)), tmp_path)
    assert half_written(tmp_path) == []
    monkeypatch.setattr(Resuming, "_stream", stream)
    assert (fetch(source(url, sha256(CONTENT)), tmp_path) / "a.bin").read_bytes() == CONTENT
    assert b.asked[-1][1] is not None


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs Linux")
def test_a_really_small_quota(server, tmp_path):
    """A process that may write 100 kB a file (ulimit -f) is told what to do, and leaves no half-written set."""
    url, _ = server
    program = (
        "import resource, signal, sys; from ilib.data import fetch as f, registry as r\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"file = r.File('a.bin', {url + '/set/a.bin'!r}, None, None)\n"
        "toy = r.Source('toy', '', 'http://home.test', 'open', 'Toy', (file,), '', '', '', '', (), ())\n"
        f"try: f.fetch(toy, {str(tmp_path)!r})\nexcept f.FetchError as e: print(e)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert "writing to" in done.stdout and half_written(tmp_path) == [], done.stderr


def test_two_processes_at_once(server, tmp_path):
    """Both end well, and the file was asked for once."""
    url, b = server
    b.pause = 0.02
    problems: list[Exception] = []

    def one() -> None:
        try:
            fetch(source(url, sha256(CONTENT)), tmp_path)
        except Exception as error:  # reported below
            problems.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert problems == [] and len(b.asked) == 1
    assert (tmp_path / "Toy/a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_unpacked_and_removed(server, tmp_path, kind):
    url, b = server
    b.files["/set/a.bin"] = archive_of({"Toy/x/1.txt": b"one", "Toy/2.txt": b"two"}, kind)
    file = File("a.bin", f"{url}/set/a.bin", None, None, unpack=True)
    folder = fetch(source(url, files=(file,)), tmp_path)
    assert (folder / "x/1.txt").read_bytes() == b"one"  # the folder of the same name is left out
    assert half_written(tmp_path) == [f"Toy/{RECEIPT}", "Toy/2.txt", "Toy/x/1.txt"]
    assert receipts(folder)["a.bin"]["unpacked"] and not list((tmp_path / DOWNLOADS).rglob("a.bin*"))


def test_archives_of_one_set_come_together(server, tmp_path):
    url, b = server
    b.files |= {"/set/1.zip": archive_of({"a/1.txt": b"1"}), "/set/2.zip": archive_of({"a/2.txt": b"2", "b.txt": b"3"})}
    files = tuple(File(f"{k}.zip", f"{url}/set/{k}.zip", None, None, unpack=True) for k in (1, 2))
    folder = fetch(source(url, files=files), tmp_path)
    assert sorted(f.name for f in folder.rglob("*.txt")) == ["1.txt", "2.txt", "b.txt"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_truncated_archive(server, tmp_path, kind):
    url, b = server
    whole = archive_of({f"{i}.bin": np.random.default_rng(i).bytes(5000) for i in range(20)}, kind)
    b.files["/set/a.bin"] = whole[: len(whole) // 2]
    file = File("a.bin", f"{url}/set/a.bin", None, None, unpack=True)
    with pytest.raises(FetchError, match="damaged.*deleted"):
        fetch(source(url, files=(file,)), tmp_path)
    assert half_written(tmp_path) == [] and not list(tmp_path.rglob(".unpacking*"))
    b.files["/set/a.bin"] = whole
    assert len(list(fetch(source(url, files=(file,)), tmp_path).glob("*.bin"))) == 20


EVIL = ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "C:\\out.txt"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_outside_are_refused(tmp_path, name, kind):
    (tmp_path / "a").write_bytes(archive_of({"good.txt": b"good", name: b"evil"}, kind))
    with pytest.raises(UnpackError, match="outside its folder"):
        unpack(tmp_path / "a", tmp_path / "in/to")
    assert [f.name for f in tmp_path.rglob("*") if f.is_file()] == ["a"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret"])
@pytest.mark.parametrize("hard", [False, True])
def test_links_outside_are_refused_in_tar(tmp_path, target, hard):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.LNKTYPE if hard else tarfile.SYMTYPE, target
        archive.addfile(link)
        inside = tarfile.TarInfo("link/out.txt")
        archive.addfile(inside, io.BytesIO(b""))
    with pytest.raises(UnpackError, match="outside its folder"):
        unpack(tmp_path / "a.tar", tmp_path / "to")


def test_links_outside_are_refused_in_zip_and_links_inside_skipped(tmp_path):
    def write(target: str) -> Path:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("x.txt", "x")
            info = zipfile.ZipInfo("link")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
        return tmp_path / "a.zip"

    with pytest.raises(UnpackError, match="outside its folder"):
        unpack(write("../../secret"), tmp_path / "one")
    assert unpack(write("x.txt"), tmp_path / "two") == 1 and [f.name for f in (tmp_path / "two").iterdir()] == ["x.txt"]


def test_devices_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        pipe = tarfile.TarInfo("pipe")
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(pipe)
    with pytest.raises(UnpackError, match="device"):
        unpack(tmp_path / "a.tar", tmp_path / "to")


def test_no_room_to_unpack(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(archive_of({"x.bin": bytes(1000)}))
    monkeypatch.setattr("ilib.data.unpack.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(OSError, match="Make room"):
        unpack(tmp_path / "a.zip", tmp_path / "to")
    assert not (tmp_path / "to").exists() and not list(tmp_path.glob(".unpacking*"))


def test_what_the_reader_has_is_used_as_it_is(tmp_path):
    """No request, and nothing is written: the folder may be read-only."""
    (tmp_path / "set5").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "set5/a.png")
    said: list[str] = []
    assert fetch(source_named("set5"), tmp_path, say=said.append) == tmp_path / "set5"
    assert "used as it is" in said[0] and half_written(tmp_path) == ["set5/a.png"]
    assert not (tmp_path / DOWNLOADS).exists()


def test_by_hand_says_what_to_do_and_checks_what_lies_there(tmp_path):
    celeba = source_named("celeba")
    with pytest.raises(FetchError, match="img_align_celeba.zip is missing. Google Drive"):
        fetch(celeba, tmp_path)
    (tmp_path / "CelebA").mkdir()
    (tmp_path / "CelebA/img_align_celeba.zip").write_bytes(b"half of it")
    with pytest.raises(FetchError, match="is not the file that the registry describes"):
        fetch(celeba, tmp_path)
    with pytest.raises(FetchError, match="unrar or 7-Zip"):
        fetch(source_named("levin09"), tmp_path)


def test_only_some_files(server, tmp_path):
    url, b = server
    files = tuple(File(f"{k}.bin", f"{url}/set/a.bin", None, None) for k in "xy")
    fetch(source(url, files=files), tmp_path, only="y*")
    assert half_written(tmp_path) == [f"Toy/{RECEIPT}", "Toy/y.bin"]
    with pytest.raises(FetchError, match="it has x.bin, y.bin"):
        fetch(source(url, files=files), tmp_path, only="z*")


def test_registry_is_complete_and_points_at_what_exists():
    sources = registry()
    wanted = {"gopro", "reds", "set5", "set14", "bsds500", "kodak24", "svhn", "celeba", "zappos", "text", "coco", "nyu",
              "make3d", "ohaze", "rain800", "levin09", "kohler", "lai16", "cid22", "odcnn"}  # fmt: skip
    assert set(sources) == wanted
    bibliography = (ROOT / "book/references.bib").read_text()
    for s in sources.values():
        assert f"{{{s.cite}," in bibliography, s.cite
        assert set(s.loads) <= set(available()), s.name
        assert all(hasattr(data, name) for name in s.functions), s.name
        assert s.terms and s.used and s.split and s.contents and s.home.startswith("http"), s.name
        assert s.access == "hand" or all(f.url for f in s.files), s.name
        for f in s.files:
            assert f.checksum is None or (f.source and len(f.checksum) in (4 + 32, 7 + 64)), f
    assert [f.name for f in sources["kodak24"].files][::23] == ["kodim01.png", "kodim24.png"]


def families_of(grid: Grid) -> set[str]:
    """The families of data sets that a table tests and trains on: "bsds500" of "bsds500/train+test"."""
    tested = [block for column in grid.columns.values() for block in column.data.values()]
    tested += [profile.data for profile in grid.profiles.values()]
    trains = [row.train for row in grid.rows.values() if isinstance(row.train, TrainSpec)]
    trained = [block for train in trains for profile in train.profiles.values() for block in profile.data]
    return {part.split("/")[0] for block in tested + trained for part in block["name"].split("+")}


def test_registry_says_which_tables_use_a_set():
    grids = {table: families_of(load_grid(table)) for table in table_ids()}
    for name, source in registry().items():
        families = {name, *(load.split("/")[0] for load in source.loads)}
        using = {table for table, found in grids.items() if found & families}
        assert using <= {use.split()[0] for use in source.used}, name


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"access": "perhaps"}, "must be one of"),
        ({"access": "hand"}, "needs `how`"),
        ({"colour": 1}, "colour"),
        ({"files": [{"url": "http://x/y", "checksum": "1234"}]}, "md5: or sha256:"),
        ({"files": [{"bytes": 1}]}, "address or a name"),
    ],
)
def test_wrong_registry(block, message, tmp_path):
    empty = dict.fromkeys(("title", "home", "contents", "split", "terms", "cite"), "")
    good = {**empty, "access": "open", "folder": "F"}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"x": good | block}))
    with pytest.raises(ValueError, match=message):
        registry(tmp_path / "r.yaml")


def test_command_lists_informs_and_checks(tmp_path, capsys):
    (tmp_path / "set5").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "set5/a.png")
    (tmp_path / "set14").mkdir()
    (tmp_path / "set14/b.png").write_bytes(b"no picture")
    root = ["--root", str(tmp_path)]
    assert command.main(["list", *root]) == 0 and command.main(["info", "nyu", *root]) == 0
    printed = capsys.readouterr().out
    assert "nyu_depth_v2_labeled.mat" in printed and "silberman2012indoor" in printed
    assert command.main(["check", *root]) == 1
    assert "set14 does not read" in capsys.readouterr().out
    assert command.main(["info", "nothing", *root]) == 1 and "it has gopro" in capsys.readouterr().err
    assert command.main(["fetch", "lai16", *root]) == 1 and "wslai.net" in capsys.readouterr().err
    assert command.main(["fetch", "set5", "--quiet", *root]) == 0 and "set5" in capsys.readouterr().out


def test_check_sees_that_a_fetched_file_changed(server, tmp_path, monkeypatch, capsys):
    url, b = server
    entry = source(url, sha256(CONTENT))
    fetch(entry, tmp_path)
    monkeypatch.setattr(command, "registry", lambda: {"toy": entry})
    assert command.check(tmp_path) == []
    (tmp_path / "Toy/a.bin").write_bytes(b"other")
    assert "has changed" in command.check(tmp_path)[0]
    (tmp_path / "Toy/a.bin").unlink()
    assert "is gone" in command.check(tmp_path)[0]
