"""The progress bar: how far, how fast, how long still; nothing in a pipe."""

from __future__ import annotations

import time

import pytest

from onetape.cli.progress import Progress


@pytest.mark.parametrize(
    ("done", "total", "seconds", "says"),
    [
        (16, 64, 8, ["25%", "2/s", "0:24 left"]),
        (1, 4, 100, ["0.01/s", "5:00 left"]),
        (100, 1000, 1000, ["0.1/s", "2:30:00 left"]),
        (500_000, 1_000_000, 2, ["50%", "250,000/s", "0:02 left"]),
        (7, None, 1, ["sweep 7"]),
    ],
)
def test_a_bar_says_how_long_it_takes_still(monkeypatch, capsys, done, total, seconds, says):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("sweep", shown=True) as progress:
        now[0] += seconds
        progress(done, total)
    line = capsys.readouterr().err
    assert all(word in line for word in says), line
    assert ("left" in line) == (total is not None)


def test_at_the_end_and_in_a_pipe_nothing_is_left_to_say(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("sweep", shown=True) as progress:
        now[0] += 5
        progress(4, 4)
    assert "100%" in (line := capsys.readouterr().err) and "left" not in line
    with Progress("sweep", shown=False) as progress:
        now[0] += 5
        progress(1, 4)
    assert capsys.readouterr().err == ""


def test_nothing_done_yet_has_no_end_in_sight(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("sweep", shown=True) as progress:
        now[0] += 5
        progress(0, 4)
    assert "left" not in capsys.readouterr().err
