"""What holds for every kind of table: wrappings, refusals, rejects, equal tapes."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from kind_files import BINARY, GOOD, MOEX_TRADES, MS, TARDIS_TRADES, VISION_KLINE, reasons

from onetape.data.importing import import_files
from onetape.data.sniff import sniff
from onetape.model.errors import BadInput, OnetapeError, UsageError


@pytest.mark.parametrize("kind", GOOD)
def test_every_wrapping_gives_the_same_events_twice(kind: str, tmp_path: Path, read: Any) -> None:
    name, content, symbol, want = GOOD[kind]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    seen = []
    for wrap, data in {
        name: content,
        f"{name}.gz": gzip.compress(content),
        f"{name}.zst": zstandard.ZstdCompressor().compress(content),
        f"{name}.zip": packed.getvalue(),
    }.items():
        path = tmp_path / wrap
        path.write_bytes(data)
        first, second = tmp_path / f"{wrap}.1", tmp_path / f"{wrap}.2"
        for out in (first, second):
            assert import_files(kind, [path], symbol=symbol, out=out).by_type == want
        assert [p.read_bytes() for p in sorted(first.glob("*.tape"))] == [
            p.read_bytes() for p in sorted(second.glob("*.tape"))
        ]
        assert sniff(path) == kind
        seen.append([(r.type, r.time, r.data) for r in read(first).of(*want)])
    assert all(events == seen[0] for events in seen)


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: b"\n\n  \n",
        lambda raw: gzip.compress(raw * 50)[:-12],
        lambda raw: gzip.compress(raw)[:30],
        lambda raw: zstandard.ZstdCompressor().compress(raw)[:-3],
        lambda raw: b"PK\x03\x04" + raw,
        lambda raw: b"PAR1" + raw,
        lambda raw: b"FEA1\0\0" + raw,
        lambda raw: b"ARROW1\0\0" + raw,
        lambda raw: b"\x93NUMPY\x01\x00\xff\xff" + raw,
        lambda raw: raw.decode("latin-1").encode("utf-16")[:-1],
        lambda raw: raw.decode("latin-1").encode("utf-16-be"),
        lambda raw: b"\xff\xd8\xff\xe0 JFIF" + bytes(range(256)) * 4,
        lambda raw: b"<html><body>404 Not Found</body></html>\n",
        lambda raw: b'{"retCode": 10001, "retMsg": "bad request"}',
        lambda raw: b"[" * 100_000,
        lambda raw: b"a,b,c\n1,2,3\n",
    ],
)
def test_what_is_not_of_the_kind_is_refused_by_name(
    kind: str, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    name, content, symbol, _ = GOOD[kind]
    path = tmp_path / name
    path.write_bytes(damage(content))
    with pytest.raises(OnetapeError) as caught:
        import_files(kind, [path], symbol=symbol, out=tmp_path / "tape")
    assert caught.value.exit_code == 3
    shown = str(caught.value)
    assert name in shown and "\n" not in shown and len(shown) < 700
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", GOOD)
def test_bombs_and_hostile_archives_are_refused(kind: str, tmp_path: Path) -> None:
    name, content, symbol, _ = GOOD[kind]
    bomb = gzip.compress(content + b"\0" * (64 << 20))
    (tmp_path / "bomb.gz").write_bytes(bomb)
    blank = zstandard.ZstdCompressor().compress(content + b" " * (64 << 20))
    (tmp_path / "bomb.zst").write_bytes(blank)
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../" + name, content)
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as archive:
        archive.writestr("data.npy" if kind == "hftbacktest" else name, gzip.compress(content))
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for file in ("bomb.gz", "bomb.zst", "out.zip", "nested.zip", "empty.zip"):
        with pytest.raises(BadInput, match=file.replace(".", r"\.")):
            import_files(kind, [tmp_path / file], symbol=symbol, out=tmp_path / "tape")
    assert not (tmp_path / "tape").exists()


@pytest.mark.parametrize("kind", [kind for kind in GOOD if kind not in BINARY])
def test_a_cut_last_row_is_rejected_counted_and_named(kind: str, load: Any, tmp_path: Path) -> None:
    name, content, symbol, want = GOOD[kind]
    text = content.decode().rstrip()
    row = f",[{MS + 120_000},1" if text.endswith("]]") else "\n" + text.rsplit("\n", 1)[-1][:20]
    result, _ = load(kind, {name: text.removesuffix("]") + row}, symbol)
    assert (result.by_type, result.rejected) == (want, 1)
    [(_, reason)] = reasons(tmp_path / "tape")
    assert "truncated" in reason


@pytest.mark.parametrize("kind", [kind for kind in GOOD if kind not in BINARY])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nan", "not finite"),
        ("-inf", "not finite"),
        ("NaN", "not finite"),
        ("1e308", "too large"),
        ("abc", "not a number"),
        ("", "is empty"),
        ("1'000", "thousands"),
    ],
)
def test_senseless_prices_are_rejected_with_reason(
    kind: str, value: str, reason: str, load: Any, tmp_path: Path
) -> None:
    name, content, symbol, want = GOOD[kind]
    text = content.decode()
    row, old = {
        "binance-vision": (VISION_KLINE, "42005"),
        "tardis": (TARDIS_TRADES.splitlines(keepends=True)[1], "42000.1"),
        "ccxt": (f"[{MS + 120_000}, 1, 2, 0.5, 42005, 10]", "42005"),
        "freqtrade": (f'[{MS + 9},"15",null,"buy",42005,2,2]', "42005"),
        "moex": (MOEX_TRADES.splitlines(keepends=True)[1], "65585000"),
    }[kind]
    bad = row.replace(old, value)
    if kind in {"ccxt", "freqtrade"}:
        if value == "":
            bad = row.replace(old, '""')
        text = text[:-1] + "," + bad + "]"
    else:
        text = text.rstrip("\n") + "\n" + bad
    result, _ = load(kind, {name: text}, symbol)
    assert (result.by_type, result.rejected) == (want, 1)
    [(_, why)] = reasons(tmp_path / "tape")
    assert reason in why or (value == "1'000" and "not a number" in why)


@pytest.mark.parametrize("kind", [kind for kind in GOOD if kind not in BINARY])
def test_bom_crlf_and_latin_1_do_no_harm(kind: str, load: Any) -> None:
    name, content, symbol, want = GOOD[kind]
    result, _ = load(kind, {name: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")}, symbol)
    assert (result.by_type, result.rejected) == (want, 0)
    if kind == "tardis":
        with_latin = content.replace(b"binance-futures", "börse".encode("latin-1"))
        result, _ = load(kind, {name: with_latin}, symbol)
        assert (result.by_type, result.rejected) == (want, 0)


def test_options_that_mean_nothing_are_wrong_usage(load: Any) -> None:
    for kind, options in [
        ("tardis", {"period": "1m"}),
        ("binance-vision", {"columns": "a,b"}),
        ("moex", {"tz": "Europe/Moscow"}),
        ("hftbacktest", {"bar_time": "close"}),
        ("ccxt", {"seed_book": Path("x")}),
    ]:
        name, content, symbol, _ = GOOD[kind]
        with pytest.raises(UsageError):
            load(kind, {name: content}, symbol, **options)
