"""Unpack zip and tar archives so that nothing lands outside the folder, and nothing half-written inside it."""

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from tqdm import tqdm


class UnpackError(RuntimeError):
    """The archive is damaged, or it would write outside its folder."""


def unpack(archive: Path, into: Path, progress: bool = False) -> int:
    """Unpack a zip or tar archive into a folder, completely or not at all.  -> number of files.

    A single folder of the same name inside the archive is left out of the paths.  UnpackError where a member has
    an absolute path, a path with "..", or is a link that leads outside, and where the archive is damaged; links
    inside are skipped.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=into.parent) as temporary:
        inside = Path(temporary) / "files"
        inside.mkdir()
        try:
            count = _zip(archive, inside, progress) if zipfile.is_zipfile(archive) else _tar(archive, inside, progress)
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
            reason = str(error).partition(":")[0]
            raise UnpackError(f"{archive.name} is damaged or no archive ({reason}).") from error
        _merge(_without_top(inside, into.name), into)
    return count


def safe_path(name: str) -> PurePosixPath:
    """A member's path inside the archive; UnpackError where it would lead outside."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts or "\0" in name:
        raise UnpackError(
            f"the archive holds {name!r}, which would be written outside its folder; nothing was unpacked."
        )
    return path


def _check_link(name: str, target: str) -> None:
    """Raise UnpackError unless a link stays inside the archive."""
    base = PurePosixPath(name).parent
    inside = os.path.normpath(base / target.replace("\\", "/"))
    if PurePosixPath(target).is_absolute() or PureWindowsPath(target).drive or inside.startswith(".."):
        raise UnpackError(
            f"the archive holds the link {name!r} to {target!r}, outside its folder; nothing was unpacked."
        )


def _zip(archive: Path, folder: Path, progress: bool) -> int:
    with zipfile.ZipFile(archive) as opened:
        wanted = []
        for info in opened.infolist():
            safe_path(info.filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                _check_link(info.filename, opened.read(info).decode(errors="replace"))
            elif not info.is_dir():
                wanted.append(info)
        _check_space(folder, sum(info.file_size for info in wanted), archive)
        for info in _shown(wanted, archive, progress):
            with opened.open(info) as member:
                _write(member, folder / safe_path(info.filename))
    return len(wanted)


def _tar(archive: Path, folder: Path, progress: bool) -> int:
    with tarfile.open(archive) as opened:
        wanted = []
        for info in opened.getmembers():
            safe_path(info.name)
            if info.issym():
                _check_link(info.name, info.linkname)
            elif info.islnk():
                safe_path(info.linkname)
            elif info.isfile():
                wanted.append(info)
            elif not info.isdir():
                raise UnpackError(f"the archive holds {info.name!r}, which is a device; nothing was unpacked.")
        _check_space(folder, sum(info.size for info in wanted), archive)
        for info in _shown(wanted, archive, progress):
            member = opened.extractfile(info)
            if member is not None:
                _write(member, folder / safe_path(info.name))
    return len(wanted)


def _shown(members: list, archive: Path, progress: bool) -> Iterator:
    return iter(tqdm(members, desc=f"unpacking {archive.name}", unit="file", disable=not progress))


def _write(member: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(member, file, 1 << 20)


def _check_space(folder: Path, needed: int, archive: Path) -> None:
    """Raise OSError where the disk has no room for what an archive holds."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{archive.name} unpacks to {needed / 1e9:.1f} GB, and only {free / 1e9:.1f} GB are free at "
                      f"{folder.parent.parent}. Make room, and give the same command again.")  # fmt: skip


def _without_top(folder: Path, name: str) -> Path:
    """The folder itself, or the one inside it that bears the wanted name and stands alone."""
    children = [child for child in folder.iterdir() if child.name != "__MACOSX"]
    alone = len(children) == 1 and children[0].is_dir() and children[0].name.lower() == name.lower()
    return children[0] if alone else folder


def _merge(folder: Path, into: Path) -> None:
    """Move a folder into place: at once where there is none yet, else file by file."""
    if not into.exists():
        os.replace(folder, into)
        return
    for child in sorted(folder.iterdir()):
        place = into / child.name
        if child.is_dir() and place.is_dir():
            _merge(child, place)
        else:
            os.replace(child, place)
