"""The pages of a home in a real browser: where one goes, what is there, what is pressed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from onetape.dashboard.options import link_of
from worlds.chromium_pipe import Chromium
from worlds.supervised import Home

__all__ = [
    "AXE",
    "HOSTILE",
    "MANY",
    "PAGES",
    "POISON",
    "confirm",
    "faults_of_access",
    "fill_in",
    "go",
    "page_of",
    "press",
    "text",
]

PAGES = ("overview", "market", "portfolio", "robots", "guardian", "delta", "time", "backtests", "system")
HOSTILE = (
    "<script>taken=1</script><img src=x onerror=taken=1>\"' onmouseover=taken=1 autofocus onfocus=taken=1 x='"
    "--></style></title></textarea><svg/onload=taken=1><style>*{display:none}</style><a href=javascript:taken=1>"
    "{{constructor.constructor('taken=1')()}}${taken=1}&lt;b&gt;%0a\x00\x1b[31m\u202edesrever\u2066"
)
POISON = Path(__file__).with_name("poison.js").read_text().replace("POISON", json.dumps(HOSTILE + "W" * 10_000))
MANY = Path(__file__).with_name("many.js").read_text()  # with COUNT rows for each
# axe-core, in a package that drives browsers of its own.
AXE = Path(getattr(find_spec("axe_core_python"), "origin", None) or "axe").with_name("axe.min.js")
TABLE = "!!document.querySelector('main table')"


@contextmanager
def page_of(
    home: Home, folder: Path, *, width: int = 1280, height: int = 900, poison: str = "", ready: str = TABLE
) -> Iterator[Chromium]:
    """poison: runs in each document before its own scripts."""
    with Chromium(link_of(home.home), folder, ready=ready, width=width, height=height, first=poison) as browser:
        yield browser
        wrong = (each for each in browser.console if '"network"' not in each and '"level": "info"' not in each)
        assert not list(wrong)


def faults_of_access(page: Chromium) -> list[str]:
    """What axe finds serious on the page as it stands, with where."""
    if not page.js("'axe' in window"):
        page.js(AXE.read_text(encoding="utf-8"))
    # A report in its frame is a page of its own.
    found = page.js("axe.run({exclude: ['iframe']}, {resultTypes: ['violations']}).then(all => all.violations)")
    return [
        f"{each['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:400]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def go(page: Chromium, place: str) -> None:
    page.js(f"location.hash = {place!r}")


def text(page: Chromium, what: str = "main") -> str:
    return page.js(f"document.querySelector({what!r})?.innerText ?? ''")


def press(page: Chromium, words: str, within: str = "main") -> None:
    """Presses the first button of these words, once it is there."""
    page.wait(
        f"[...document.querySelectorAll({within + ' button'!r})].some(b => b.innerText === {words!r} && !b.disabled"
        f" && (b.click(), true))"
    )


def fill_in(page: Chromium, what: str, value: str) -> None:
    page.wait(f"!!document.querySelector({what!r})")
    page.js(
        f"(() => {{ const e = document.querySelector({what!r}); e.value = {value!r};"
        f" e.dispatchEvent(new Event('input', {{bubbles: true}})) }})()"
    )


def confirm(page: Chromium, words: str, typed: str = "") -> None:
    page.wait("!!document.querySelector('dialog[open]')")
    if typed:
        fill_in(page, "#word", typed)
    press(page, words, "dialog")
