"""Checkpoints as often as can be, so that short runs have many."""

from __future__ import annotations

import pytest

from onetape.replay import checkpoints

FRAMES = 200  # between two


def often(monkeypatch: pytest.MonkeyPatch, frames: int = FRAMES) -> None:
    """A checkpoint at each look at the clock, and a look after each so many frames."""
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.0)
    monkeypatch.setattr(checkpoints, "COST_SHARE", 1e9)
    monkeypatch.setattr(checkpoints, "FRAMES_FIRST", frames)
    monkeypatch.setattr(checkpoints, "FRAMES_MAX", frames)
