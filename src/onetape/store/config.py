"""Reads the configuration file; what it may say is in `onetape.model.sections`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.sections import Config


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Returns the file with the environment over it; without a file the defaults with the environment."""
    if path is None:
        return parse_config("", environ=environ, name="the environment")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadConfig("not UTF-8 text", location=str(path)) from error
    except OSError as error:
        raise BadConfig(
            f"cannot read the configuration: {(error.strerror or '').lower()}",
            location=str(path),
            todo="onetape init writes one",
        ) from error
    return parse_config(text, environ=environ, name=str(path))
