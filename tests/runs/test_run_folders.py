"""Each run has a folder of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from onetape.runs.recording import run_folder


def test_runs_that_begin_in_one_second_each_have_a_folder(tmp_path):
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: run_folder(None, tmp_path, "X"), range(20)))
    assert len(set(made)) == 20
