"""A frame whose checksum is right and whose payload is not is bad data, never a fault of ours."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from fuzz.fuzz_mutate import mutate
from long_form import LONG
from onetape.model.enums import EventType
from onetape.tape.fits import misfit
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.supervised import ALLOCATE, CONFIG, Home

ROUNDS = 100 if LONG else 4
STREAMS = (0, 1, 2, 99, 2**32 - 1)
MAKER = Path(__file__).parents[2] / "strategies" / "market_maker.py"
CROSS = MAKER.with_name("cross.py")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A market's tape and a run over it."""
    from onetape.cli.main import run

    folder = tmp_path_factory.mktemp("made")
    tape, out = folder / "tape", folder / "run"
    home = ["--home", str(folder / "home"), "--json"]
    assert run(["sample", "--out", str(tape), "--events", "1500", *home]) == 0
    words = ["backtest", str(MAKER), "--data", str(tape), "--out", str(out)]
    assert run([*words, *home]) == 0
    return tape, out


def damaged(source: Path, target: Path, rng: random.Random, count: int) -> None:
    """A copy with some frames changed, of rare types as often as of common ones."""
    with JournalReader(source) as reader:
        uuid, frames = reader.uuid, list(reader.frames())
    by_type = defaultdict(list)
    for at, frame in enumerate(frames):
        by_type[frame.type].append(at)
    chosen = {rng.choice(by_type[rng.choice(sorted(by_type))]) for _ in range(count)}
    with JournalWriter(target, durable=False, uuid=uuid) as writer:
        for at, frame in enumerate(frames):
            kind, stream, payload = frame.type, frame.stream, frame.payload
            if at in chosen:
                match rng.randrange(8):
                    case 0:
                        kind = rng.randrange(1, 35)
                    case 1:
                        stream = rng.choice(STREAMS)
                    case _:
                        payload = mutate(payload, rng)[:4096]
            if kind == EventType.INSTRUMENT.id:
                writer.append_instrument(stream, frame.time, payload)
            else:
                writer.append(kind, payload, flags=frame.flags, stream=stream, time=frame.time)


def verbs(tape: Path, run: Path, sound: Path, out: Path):
    yield "journal", "cat", run / "journal", "--jsonl"
    yield "journal", "cat", tape
    yield "journal", "ls", run / "journal"
    yield "journal", "market", tape
    for form in ("csv", "jsonl", "parquet"):
        yield "export", run / "journal", "--format", form, "--out", out / form
    yield "replay", run
    yield "replay", run, "--verify"
    for mode in ("decisions", "orders", "money"):
        yield "parity", sound, run, "--mode", mode
    yield "analyze", run, "--db", f"sqlite:///{out / 'run.db'}"
    yield "compare", sound, run
    yield "backtest", CROSS, "--data", tape


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_every_reading_verb_names_bad_data(made, onetape, tmp_path, seed):
    rng = random.Random(f"payload {seed}")
    tape, run = tmp_path / "tape", tmp_path / "run"
    run.mkdir()
    for each in made[1].iterdir():
        if each.is_file():
            (run / each.name).write_bytes(each.read_bytes())
    damaged(made[0], tape, rng, rng.choice([1, 3]))
    damaged(made[1] / "journal", run / "journal", rng, rng.choice([1, 3, 10]))
    for words in verbs(tape, run, made[1], tmp_path):
        done = onetape(*words, "--home", tmp_path / "home")
        assert "INVARIANT_VIOLATION" not in done.err, f"{words}: {done.err}"
        assert "Traceback" not in done.err


def test_what_we_write_is_what_it_may_say(made):
    assert misfit([made[0], made[1] / "journal"]) is None


def test_what_a_whole_system_writes_is_what_it_may_say(tmp_path):
    collector = '[collectors.a]\nkind = "venue"\nvenue = "x"\n'
    sections = f"{CONFIG}[hub]\n[guardian]\n[recorder]\n[control]\nport = 0\n{collector}"
    with Home(tmp_path, sections) as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(lambda: len(home.fills()) > 2)
        home.run("send", "robot:mm", "stop")
        home.run("send", "gateway:main", "kill", "reason=lunch")
        home.run("down")
        tapes = [path for path in home.home.rglob("*") if path.is_dir() and list(path.glob("*.tape"))]
        assert {path.name.partition("-")[0] for path in tapes} >= {"journal", "gateway", "robot", "guardian", "control"}
        assert [str(error) for path in tapes if (error := misfit([path])) is not None] == []


@pytest.mark.parametrize(
    ("event", "payload", "stream", "why"),
    [
        ("health", b"\xc1", 0, "health: "),
        ("health", msgspec.msgpack.encode({"kind": 7}), 0, "kind is int, not text"),
        ("health", msgspec.msgpack.encode({"kimd": "x"}), 0, "'kimd' is no key of it"),
        ("health", msgspec.msgpack.encode([1]), 0, "a map, not list"),
        ("health", b"\x81\xa4kind\xa2\xff\xfe", 0, "health: "),
        ("health", b"\x81\xa4kind" + b"\x91" * 5000, 0, "health: "),
        ("trade", b"x" * 8, 1, "trade: a trade payload has 8 bytes"),
        ("trade", bytes(48) + b"\x77" + bytes(15), 1, "side is 119, which has no name"),
        ("quote", bytes(64), 5, "no frame before it names instrument 5"),
        ("instrument", b"\x80", 5, "not an instrument record"),
    ],
)
def test_the_frame_and_what_is_wrong_with_it_are_named(tmp_path, event, payload, stream, why):
    with JournalWriter(tmp_path / "tape", durable=False) as writer:
        writer.append("log", msgspec.msgpack.encode({"text": "sound"}))
        writer.append(event, payload, stream=stream)
    error = misfit([tmp_path / "tape"])
    assert error is not None and (error.name, error.exit_code) == ("SCHEMA_MISMATCH", 3)
    assert why in error.message and "frame 2, " in error.message
