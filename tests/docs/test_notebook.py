"""The research tutorial runs as it stands, as a user's notebook would: kernel, cells, outputs."""

from __future__ import annotations

import resource
from importlib.util import find_spec
from pathlib import Path

import pytest

from waiting import PATIENCE_S

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "research.ipynb"
SECONDS_MAX = 60  # of a processor: a busy machine takes longer


def seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.skipif(
    find_spec("nbclient") is None or find_spec("ipykernel") is None,
    reason="nbclient and ipykernel are not installed: pip install onetape[dev]",
)
def test_the_research_tutorial_runs_in_under_a_minute(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    # Kernels keep their connection files, and IPython its history, in the home of the user.
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(notebook.cells) >= 25 and not any(cell.outputs for cell in cells)
    before = seconds_of_children()
    NotebookClient(notebook, timeout=PATIENCE_S, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert 1 < seconds_of_children() - before < SECONDS_MAX
    text = "\n".join(
        str(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for cell in cells
        for output in cell.outputs
    )
    assert "16 of 16 variants of Lean" in text
    assert "out of 16 tries" in text and "out of 200 tries" in text
    shown = {cell.source.splitlines()[0]: str(cell.outputs) for cell in cells if cell.outputs}
    assert "taker" in shown["import polars as pl"] and "average_price" in shown["import polars as pl"]
    costs = shown["from onetape.runs.tca import costs_of"]
    assert all(cause in costs for cause in ("shortfall", "spread", "impact", "delay", "fees"))
    assert all(way in shown["pl.DataFrame(costs.latency)"] for way in ("order_to_venue", "venue_to_robot", "both"))
    assert "onetape backtest" in text and "Traceback" not in text
