"""What `deploy` brings to a host: the package, the configuration and the strategies; never a secret."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onetape
from onetape.model.errors import BadConfig, NotAvailable, OnetapeError, PermissionDenied
from onetape.model.sections import Config
from onetape.security.redaction import CHARS_MIN
from onetape.security.secret_keys import secret_places
from onetape.security.secrets import read_secret

__all__ = ["CONFIG", "Release", "packed", "release_of", "secret_files", "wheel_of"]

CONFIG: Final = "onetape.toml"  # name of the configuration at the hosts
BYTES_MAX: Final = 64 * 2**20
_OF_AN_INSTALLATION: Final = ("INSTALLER", "REQUESTED", "direct_url.json")  # files that no wheel has
_AGREED: Final = (1980, 1, 1, 0, 0, 0)  # time of the files in a wheel that is packed again: its bytes name it


@dataclass(frozen=True, slots=True)
class Release:
    """wheel: its file name and content. files: content by path below the folder of the release."""

    wheel: tuple[str, bytes]
    files: Mapping[str, bytes]

    @property
    def environment(self) -> str:
        """Returns the name of the environment that the wheel is installed into."""
        return hashlib.sha256(self.wheel[1]).hexdigest()[:12]

    @property
    def name(self) -> str:
        """Returns the name of the release: equal contents have equal names."""
        parts = (part for path in sorted(self.files) for part in (path.encode(), self.files[path]))
        lengths = (b"%d:" % len(part) + part for part in parts)
        return hashlib.sha256(self.environment.encode() + b"".join(lengths)).hexdigest()[:12]

    @property
    def version(self) -> str:
        return self.wheel[0].split("-")[1]


def release_of(config: Config, path: Path, environ: Mapping[str, str], wheel: Path | None) -> Release:
    """Returns what hosts get. path: the configuration's file; wheel: a package's file, None: the package that runs
    here, packed again. Raises BadConfig, NotAvailable, PermissionDenied."""
    folder, files = path.absolute().parent, {CONFIG: path.read_bytes()}
    secrets = {folder / each for each in secret_files(config)}
    for found in _wanted(config, folder):
        if found in secrets:
            raise PermissionDenied(
                "a file with a secret is never deployed", location=str(found), todo="bring it there by hand"
            )
        files[found.relative_to(folder).as_posix()] = found.read_bytes()
    if (size := sum(map(len, files.values()))) > BYTES_MAX:
        todo = "deploy fewer: `files` in [cluster]"
        raise BadConfig(f"{len(files)} files with {size >> 20} MiB", location=str(folder), todo=todo)
    for name, robot in config.robots.items():
        file = robot.strategy.partition(":")[0]
        if file.endswith(".py") and os.path.normpath(file) not in files:
            todo = f"move it below {folder}"
            raise BadConfig(f"{file} is not below the configuration's folder", location=f"robots.{name}", todo=todo)
    _check_open_secrets(config, folder, environ, files)
    return Release(wheel_of(wheel), files)


def _wanted(config: Config, folder: Path) -> Iterator[Path]:
    """Yields all Python files below the folder, but those of hidden folders and environments, and what [cluster] names
    in `files` and `ca`."""
    for parent, folders, names in os.walk(folder):
        own = Path(parent)
        folders[:] = [
            each for each in folders if not each.startswith((".", "__")) and not (own / each / "pyvenv.cfg").exists()
        ]
        yield from (own / name for name in names if name.endswith(".py"))
    ca = config.cluster.ca
    for pattern in (*config.cluster.files, *[ca] * (ca != "" and not Path(ca).is_absolute())):
        found = [each for each in folder.glob(pattern) if each.is_file()]
        if not found:
            raise BadConfig(
                f"no file matches {pattern!r}", location="cluster.files", todo=f"patterns are below {folder}"
            )
        yield from found


def secret_files(config: Config) -> list[str]:
    """Returns the paths of files with secrets, as the configuration names them."""
    return [place.removeprefix("file:") for place in secret_places(config) if place.startswith("file:")]


def _check_open_secrets(config: Config, folder: Path, environ: Mapping[str, str], files: Mapping[str, bytes]) -> None:
    """Raises PermissionDenied for a file in which a secret that this machine can read stands in the open."""
    for place in secret_places(config):
        if not place.startswith(("env:", "file:")):
            continue
        value = ""
        with suppress(OnetapeError, OSError):  # it is not on this machine
            value = read_secret(place, environ, folder=folder).reveal()
        if len(value) < CHARS_MIN:
            continue
        for path, content in files.items():
            if value.encode() in content:
                raise PermissionDenied(
                    f"it contains the secret {place}",
                    location=str(folder / path),
                    todo="remove it; name its place instead",
                )


def wheel_of(path: Path | None) -> tuple[str, bytes]:
    """Returns a wheel's name and content. path: None for the installed package, packed again. Raises NotAvailable."""
    if path is not None:
        if path.suffix != ".whl" or not path.name.startswith("onetape-"):
            raise BadConfig("no wheel of onetape", location=str(path), todo="onetape-VERSION-....whl")
        return path.name, path.read_bytes()
    package = importlib.metadata.distribution("onetape")
    files = [each for each in package.files or [] if ".." not in each.parts and "__pycache__" not in each.parts]
    if not any(each.as_posix() == "onetape/__init__.py" for each in files):
        todo = "--wheel FILE, as `pip wheel --no-deps .` makes it"
        raise NotAvailable(
            "this onetape runs from its sources and has no package", location=onetape.__file__, todo=todo
        )
    tag = next(line[5:] for line in (package.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    own = {each.as_posix(): each for each in files if each.name not in _OF_AN_INSTALLATION}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(own):
            data = own[name].read_binary()
            if name.endswith(".dist-info/RECORD"):
                rows = data.decode().splitlines(keepends=True)
                data = "".join(row for row in rows if row.split(",")[0] in own).encode()
            archive.writestr(zipfile.ZipInfo(name, _AGREED), data, zipfile.ZIP_DEFLATED)
    return f"onetape-{package.version}-{tag}.whl", content.getvalue()


def packed(files: Mapping[str, bytes]) -> bytes:
    """Returns files as a gzipped tar."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()
