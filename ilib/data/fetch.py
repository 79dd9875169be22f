"""Fetch public data sets: resumed downloads (pooch asks, requests carries), checksums, unpacking, receipts.

pooch itself starts a broken download from the beginning, so it is given a downloader that goes on with HTTP's Range.
Proxies are taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY; ILIB_MIRROR names a server that is asked first, for
MIRROR/FOLDER/FILE.
"""

import errno
import fnmatch
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock, Timeout
from tqdm import tqdm

from ..files import write_text
from ..project import project_folder
from .folders import ENVIRONMENT, data_root
from .registry import File, Source
from .sets import available
from .unpack import UnpackError, unpack

MIRROR = "ILIB_MIRROR"
RECEIPT = ".ilib-fetched.json"  # in a set's folder: what was fetched into it
DOWNLOADS = ".ilib-downloads"  # below the root: what is on its way, by folder of the set
MARGIN = 50_000_000  # bytes that are left free on the disk
CHUNK = 1 << 16  # what a broken connection can lose
pooch.get_logger().setLevel("WARNING")


class FetchError(RuntimeError):
    """A file could not be fetched; the message says what to do."""


class NotThere(FetchError):
    """The server does not have the file, or cannot be reached: the next address may."""


@dataclass
class Resuming:
    """A downloader for pooch that goes on where an earlier one stopped.

    part: where the bytes gather, beside them what the server called that version of the file; bytes: how many are
    expected (None: unknown); attempts: connections before giving up, each of which goes on from the last byte.
    """

    part: Path
    bytes: int | None = None
    attempts: int = 4
    wait: float = 1.0
    progress: bool = False
    timeout: tuple[float, float] = (20.0, 60.0)
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self, url: str, output_file: Any, pooch: Any = None, check_only: bool = False) -> bool | None:
        if check_only:
            return self.session.head(url, timeout=self.timeout, allow_redirects=True).ok
        for attempt in range(self.attempts):
            try:
                self._once(url)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if attempt == self.attempts - 1:
                    raise NotThere(self._broken(url, error)) from error
                time.sleep(self.wait * 2**attempt)
        os.replace(self.part, output_file)
        self._version.unlink(missing_ok=True)
        return None

    @property
    def _version(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _broken(self, url: str, error: Exception) -> str:
        return (
            f"the connection to {url} broke after {self._have():,} bytes ({type(error).__name__}). What has come is "
            "kept: give the same command again and it goes on from there."
        )

    def _once(self, url: str) -> None:
        """One connection: the whole file, or what is missing of it."""
        have, headers = self._have(), {"Accept-Encoding": "identity"}
        version = json.loads(self._version.read_text()) if have and self._version.is_file() else {}
        if have and version.get("url") == url:
            headers["Range"] = f"bytes={have}-"
            if version.get("tag"):
                headers["If-Range"] = version["tag"]
        with self.session.get(url, headers=headers, stream=True, timeout=self.timeout) as reply:
            if reply.status_code == 416 and _total(reply) == have:
                return
            if reply.status_code == 416:  # more bytes here than there: another file
                self.part.unlink()
                raise requests.ConnectionError("the file at its source is shorter than what had come")
            _check_status(reply, url)
            start = _start(reply, have)
            self._check(reply, url, _total(reply))
            self._keep_version(url, reply)
            self._stream(reply, start, _total(reply))

    def _check(self, reply: requests.Response, url: str, total: int | None) -> None:
        """Raise FetchError where this cannot be the file: another size, or a page in its place."""
        if self.bytes is not None and total is not None and total != self.bytes:
            raise FetchError(
                f"{url} has {total:,} bytes where the registry says {self.bytes:,}: the file has changed at its "
                "source, or a page was sent in its place. Nothing was kept."
            )
        if reply.headers.get("Content-Type", "").startswith("text/html") and not url.endswith((".html", ".txt")):
            raise FetchError(
                f"{url} answers with a web page, not a file: open it in a browser; a login or a form may be needed."
            )
        if total is not None:
            check_space(self.part.parent, total - self._have())

    def _keep_version(self, url: str, reply: requests.Response) -> None:
        tag = reply.headers.get("ETag") or reply.headers.get("Last-Modified")
        tag = None if tag and tag.startswith("W/") else tag  # a weak tag does not promise the same bytes
        write_text(self._version, json.dumps({"url": url, "tag": tag}))

    def _stream(self, reply: requests.Response, start: int, total: int | None) -> None:
        name = self.part.name.removesuffix(".part")
        with (
            self.part.open("r+b" if start else "wb") as file,
            tqdm(total=total, initial=start, desc=name, unit="B", unit_scale=True, disable=not self.progress) as bar,
        ):
            file.seek(start)
            for chunk in reply.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        if total is not None and self._have() < total:
            raise requests.ConnectionError(f"{self._have():,} of {total:,} bytes")


def _total(reply: requests.Response) -> int | None:
    """The size of the whole file, as the reply states it."""
    if "Content-Range" in reply.headers:
        total = reply.headers["Content-Range"].rpartition("/")[2]
    else:
        total = reply.headers.get("Content-Length", "") if "Content-Encoding" not in reply.headers else ""
    return int(total) if total.isdigit() else None


def _start(reply: requests.Response, have: int) -> int:
    """Where the bytes of a reply begin: at what is here, or at 0 where the server sends the whole file."""
    if reply.status_code != 206:
        return 0
    if reply.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0] != str(have):
        raise FetchError(f"{reply.url} sent another part than was asked for; give the same command again.")
    return have


def _check_status(reply: requests.Response, url: str) -> None:
    if reply.status_code in (404, 410):
        raise NotThere(f"{url} is not there any more ({reply.status_code}).")
    if reply.status_code in (401, 403):
        raise FetchError(f"{url} is not open ({reply.status_code}): a login or a form may be needed.")
    if reply.status_code >= 500:
        raise requests.ConnectionError(f"the server answers {reply.status_code}")
    if reply.status_code not in (200, 206):
        raise FetchError(f"{url} answers {reply.status_code}, which is no file.")


def check_space(folder: Path, needed: int) -> None:
    """Raise FetchError where the disk has not this many bytes free (and some more)."""
    free = shutil.disk_usage(folder).free
    if free < needed + MARGIN:
        raise FetchError(
            f"{needed / 1e9:.2f} GB are needed at {folder} and {free / 1e9:.2f} GB are free: make room, or set "
            f"{ENVIRONMENT} (or --root) to a larger disk, and give the same command again."
        )


def fetch_root(root: str | Path | None = None) -> Path:
    """The folder to fetch into: the argument, ILIB_DATA, or data/downloads in the project."""
    chosen = data_root(root)
    return chosen if chosen is not None else project_folder() / "data" / "downloads"


def places(source: Source, root: Path) -> dict[str, str]:
    """What the loaders find of a set: name -> folder."""
    found = available(root)
    return {name: str(found[name]) for name in source.loads if found.get(name)}


def receipts(folder: Path) -> dict[str, dict[str, Any]]:
    """What was fetched into a set's folder: file -> url, bytes, sha256, whether it was unpacked."""
    path = folder / RECEIPT
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def fetch(
    source: Source,
    root: str | Path | None = None,
    only: str = "*",
    mirror: str | None = None,
    keep: bool = False,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Fetch a set into its folder below root, and return that folder.

    What the loaders find already is used as it is.  only: a pattern for the files' names.  mirror: asked before the
    sources (default: ILIB_MIRROR).  keep: keep archives after unpacking, in .ilib-downloads.  say: what prints
    messages, with progress bars beside; None: quiet.
    FetchError says what to do; a second process waits for the first.
    """
    home = fetch_root(root)
    job = _Job(source, home, mirror or os.environ.get(MIRROR), keep, say)
    found = sorted(set(places(source, home).values()))
    if only == "*" and found and not receipts(job.folder) and (source.access == "open" or not source.files):
        job.tell(f"{source.name}: found, and used as it is: {', '.join(found)}")
        return Path(found[0])
    job.get_all(only)
    if source.access == "hand" and not places(source, home):
        raise FetchError(f"{source.name} is fetched by hand. {source.how} Home: {source.home}")
    return job.folder


@dataclass(frozen=True)
class _Job:
    """One set on its way."""

    source: Source
    home: Path
    mirror: str | None
    keep: bool
    say: Callable[[str], None] | None

    @property
    def folder(self) -> Path:
        return self.home / self.source.folder

    def tell(self, text: str) -> None:
        if self.say:
            self.say(text)

    def get_all(self, only: str) -> None:
        """Bring the wanted files, while no other process does."""
        wanted = [file for file in self.source.files if fnmatch.fnmatch(file.name, only)]
        if self.source.files and not wanted:
            names = ", ".join(file.name for file in self.source.files)
            raise FetchError(f"{self.source.name} has no file {only!r}; it has {names}.")
        if not wanted:
            return
        (self.home / DOWNLOADS).mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.home / DOWNLOADS / f"{self.source.name}.lock", timeout=24 * 3600):
                for file in wanted:
                    self.get(file)
        except Timeout as error:
            raise FetchError(
                f"another process has been fetching {self.source.name} for a day: end it, and give the same "
                "command again."
            ) from error

    def get(self, file: File) -> None:
        """Bring one file into the set's folder, unless a receipt says that it is there."""
        if file.name in receipts(self.folder):
            self.tell(f"{file.name}: already here")
            return
        lying = self.folder / file.name
        path = lying if lying.is_file() else self._download(file)
        digest, size = _digest(path, "sha256"), path.stat().st_size
        self._check(file, path, size)
        if file.unpack:
            self._unpack(file, path)
        elif path != lying:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.replace(path, lying)
        entry = {"url": file.url, "bytes": size, "sha256": digest, "unpacked": file.unpack}
        write_text(self.folder / RECEIPT, json.dumps(receipts(self.folder) | {file.name: entry}, indent=1))

    def _check(self, file: File, path: Path, size: int) -> None:
        """Check what was put there by hand, or came without pooch's check."""
        wrong = file.bytes is not None and size != file.bytes
        if file.checksum is not None and not wrong:
            kind, _, expected = file.checksum.partition(":")
            wrong = _digest(path, kind) != expected
        if wrong:
            raise FetchError(f"{path} is not the file that the registry describes ({size:,} bytes, "
                             f"{file.bytes or 'an unknown number'} expected; checksum {file.checksum}): delete it, and "
                             "give the same command again.")  # fmt: skip

    def _unpack(self, file: File, path: Path) -> None:
        try:
            count = unpack(path, self.folder / file.into if file.into else self.folder, progress=self.say is not None)
        except UnpackError as error:
            path.unlink()
            raise FetchError(f"{error} {file.name} was deleted: give the same command again; if it happens again, the "
                             f"file at its source is damaged, see {self.source.home}.") from error  # fmt: skip
        except OSError as error:
            raise FetchError(_disk(error, path.parent)) from error
        self.tell(f"{file.name}: {count} files unpacked into {self.folder}")
        if not self.keep:
            path.unlink()

    def _download(self, file: File) -> Path:
        """Download from the mirror or the source, whichever has it.  -> the file, complete and checked."""
        urls = [f"{self.mirror.rstrip('/')}/{self.source.folder}/{file.name}"] if self.mirror else []
        urls += [file.url] if file.url else []
        if not urls:
            raise FetchError(f"{self.source.name} is fetched by hand, and {self.folder / file.name} is missing. "
                             f"{self.source.how} Home: {self.source.home}")  # fmt: skip
        problems = []
        for url in urls:
            try:
                return self._from(url, file)
            except NotThere as error:
                problems.append(str(error))
        raise FetchError(
            f"{' '.join(problems)} Look at {self.source.home} for a new address; a file that you have is used when it "
            f"lies at {self.folder / file.name}; {MIRROR} or --mirror names another server."
        )

    def _from(self, url: str, file: File) -> Path:
        """One address, by way of pooch, which compares the checksum."""
        folder = self.home / DOWNLOADS / self.source.folder
        folder.mkdir(parents=True, exist_ok=True)
        if file.bytes is not None:
            check_space(folder, file.bytes * (2 if file.unpack else 1))
        downloader = Resuming(folder / f"{file.name}.part", file.bytes, progress=self.say is not None)
        try:
            return Path(pooch.retrieve(url, file.checksum, file.name, folder, downloader=downloader))
        except ValueError as error:  # pooch's, when the checksum differs; it has deleted the file
            raise FetchError(
                f"{url}: {error} It was deleted: give the same command again; if it happens again, the file has "
                f"changed at its source, see {self.source.home}."
            ) from error
        except requests.RequestException as error:
            raise NotThere(f"{url}: {error}.") from error
        except OSError as error:
            raise FetchError(_disk(error, folder)) from error


def _disk(error: OSError, folder: Path) -> str:
    """What to say when writing fails."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):  # Windows knows no quota
        return (
            f"the disk at {folder} is full. What has come is kept: make room, and give the same command again; it goes "
            "on from there."
        )
    return f"writing to {folder} failed: {error}"


def _digest(path: Path, kind: str) -> str:
    """The checksum of a file: md5 or sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
