"""Render the report: one HTML file that needs no other file, opens at once and makes no requests.

All foreign text (names, tags, symbols, parameters) is embedded as JSON in a
script element of a data type and shown as text nodes. The page's policy forbids every
request and every script but the two whose hashes it names.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from onetape.report.page_data import LINE_POINTS_MAX, page_data, thin
from onetape.report.report_data import ReportData
from onetape.report.report_json import finite, write_whole
from onetape.report.summary import Analysis, analyze

__all__ = ["LINE_POINTS_MAX", "json_for_script", "render_page", "render_report", "thin", "write_report"]


def write_report(data: ReportData, path: Path, analysis: Analysis | None = None) -> Path:
    """Write the page atomically and return its path."""
    return write_whole(render_report(data, analysis), path)


def render_report(data: ReportData, analysis: Analysis | None = None) -> str:
    """Returns the page as text; equal data give equal bytes."""
    value = page_data(data, analysis or analyze(data))
    return render_page("report", data.title, value)


def render_page(
    name: str,
    title: str,
    value: object,
    *,
    styles: Sequence[str] = ("uplot/uPlot.min.css", "report.css"),
    scripts: Sequence[Sequence[str]] = (),
) -> str:
    """Returns page/shell.html filled with page/NAME.html, styles, data and scripts. scripts: groups of files, each
    joined to one script; default: uPlot, then common.js with NAME.js."""
    page = files("onetape.report") / "page"

    def assets(paths: Sequence[str]) -> str:
        return "\n".join((page / path).read_text(encoding="utf-8").strip() for path in paths)

    scripts = scripts or (("uplot/uPlot.iife.min.js",), ("common.js", f"{name}.js"))
    texts = [assets(each) for each in scripts]
    style = assets(styles)
    parts = {
        "title": html.escape(title),
        "policy": (
            f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"script-src {' '.join(map(_hash, texts))}; style-src {_hash(style)}"
        ),
        "style": style,
        "body": assets([f"{name}.html"]),
        "data": json_for_script(value),
        "scripts": "\n".join(f"<script>{text}</script>" for text in texts),
    }
    # One pass, so that markers inside inserted text are not replaced.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], assets(["shell.html"])) + "\n"


def json_for_script(value: object) -> str:
    """Returns JSON that cannot end its script element, whatever its content."""
    text = json.dumps(finite(value), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
