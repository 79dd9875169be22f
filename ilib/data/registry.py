"""The registry of public data sets, data/registry.yaml: sources, sizes, checksums, terms, and what uses them."""

import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..project import project_folder

REGISTRY = "data/registry.yaml"
ACCESS = ("open", "hand")


@dataclass(frozen=True)
class File:
    """One file at its source: bytes and checksum ("md5:..." or "sha256:...") are None where none is published.

    unpack: an archive, unpacked into the folder `into` of its set.  source: who publishes the checksum.
    """

    name: str
    url: str | None
    bytes: int | None
    checksum: str | None
    source: str = ""
    unpack: bool = False
    into: str = ""


@dataclass(frozen=True)
class Source:
    """One data set: where it comes from, what it holds, on which terms, what reads it and what uses it."""

    name: str
    title: str
    home: str
    access: str
    folder: str
    files: tuple[File, ...]
    contents: str
    split: str
    terms: str
    cite: str
    used: tuple[str, ...]
    loads: tuple[str, ...]
    functions: tuple[str, ...] = ()
    how: str = ""

    @property
    def size(self) -> int | None:
        """All bytes to download, or None where a file's are not published."""
        sizes = [file.bytes for file in self.files]
        return sum(b for b in sizes if b) if sizes and None not in sizes else None


def registry_path() -> Path:
    """Return where the registry lies: in the project's folder, or where pip has put it without a copy of the project.

    FileNotFoundError where there is neither.
    """
    installed = Path(sysconfig.get_path("data")) / "share" / "ilib" / Path(REGISTRY).name
    try:
        path = project_folder(Path(__file__).parent) / REGISTRY
    except FileNotFoundError:
        path = installed
    if path.is_file():
        return path
    raise FileNotFoundError(f"The registry is neither at {path} nor at {installed}: clone the repository.")


def registry(path: str | Path | None = None) -> dict[str, Source]:
    """Read and check the registry.  -> name -> Source.  ValueError names the entry and what is wrong with it."""
    path = Path(path) if path is not None else registry_path()
    return _registry(path, path.stat().st_mtime_ns)


@cache
def _registry(path: Path, changed: int) -> dict[str, Source]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _source(name, block) for name, block in content.items()}


def source_named(name: str, path: str | Path | None = None) -> Source:
    """Return one entry of the registry; ValueError that lists the names."""
    sources = registry(path)
    if name not in sources:
        raise ValueError(f"The registry has no set {name!r}; it has {', '.join(sources)}.")
    return sources[name]


def _source(name: str, block: dict[str, Any]) -> Source:
    """Build one entry; ValueError where its form is wrong."""
    try:
        files = tuple(made for file in block.get("files", []) for made in _files(name, file))
        lists = {key: tuple(block.get(key, ())) for key in ("used", "loads", "functions")}
        source = Source(**{**block, **lists, "name": name, "files": files})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"registry: {name}: {error}") from error
    if source.access not in ACCESS:
        raise ValueError(f"registry: {name}: access is {source.access!r}; it must be one of {', '.join(ACCESS)}.")
    if source.access == "hand" and not source.how:
        raise ValueError(f"registry: {name}: a set that is fetched by hand needs `how`.")
    return source


def _files(name: str, block: dict[str, Any]) -> list[File]:
    """One file, or as many as `count` says, numbered from 1 in the address."""
    count, url = block.get("count"), block.get("url")
    rest = {"bytes": None, "checksum": None} | {k: v for k, v in block.items() if k not in ("count", "url", "name")}
    if rest["checksum"] is not None and not rest["checksum"].startswith(("md5:", "sha256:")):
        raise ValueError(f"registry: {name}: the checksum {rest['checksum']!r} must begin with md5: or sha256:")
    urls = [url] if count is None else [url.format(i) for i in range(1, count + 1)]
    return [File(name=block.get("name") or _last(u), url=u, **rest) for u in urls]


def _last(url: str | None) -> str:
    """The file's name at the end of its address."""
    if not url:
        raise TypeError("a file needs an address or a name")
    return url.rpartition("/")[2]
