from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from onetape.cli import main
from onetape.cli.frame import Shell
from onetape.cli.main import group
from onetape.cli.output import to_json
from onetape.cli.verbs import VERBS
from waiting import PATIENCE_S

CONTRACT_VERBS = (
    "demo init doctor sample import fetch export backtest run up down status restart replay parity "
    "journal accounts orders positions fills buy sell cancel close flatten send params alerts "
    "variants sim analyze sweep compare chaos bench logs scan feeds stops halts record probe "
    "ledger trips equity risk tca attribution optimize delta hedge rebalance token mcp failover deploy"
)
GROUPS = {"journal": ["ls", "cat", "tail", "verify", "repair", "prune"], "delta": ["status", "control", "auto"]}
ALONE = [entry.name for entry in VERBS if entry.name not in GROUPS]
SUB_VERBS = [[group, name] for group, names in GROUPS.items() for name in names]


def test_verbs_are_those_of_the_contract():
    assert {entry.name for entry in VERBS} == {
        *CONTRACT_VERBS.split(),
        "trace",
        "activity",
        "leverage",
        "top",
    }  # the last are our own


@pytest.mark.parametrize("words", [[n] for n in ALONE] + SUB_VERBS)
def test_every_verb_has_an_example_and_the_four_options_in_its_help(words):
    import click

    command: click.Command = group
    context = click.Context(group, info_name="onetape")
    for word in words:
        command = command.get_command(context, word)
        context = click.Context(command, info_name=word, parent=context)
    text = command.get_help(context)
    assert "Example:\n  onetape " in text
    for option in ("--json", "--home", "--config", "--debug"):
        assert option in text
    assert f"onetape {' '.join(words)}" in text.partition("Example:")[2]


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "--headless", "--seconds"],
        ["probe", "kraken", "--seconds"],
        ["rebalance", "--symbol", "BTC-USD", "--target"],
        ["journal", "verify", "x", "--market", "--silence"],
    ],
)
def test_an_option_that_is_a_number_is_not_nan(onetape, words):
    done = onetape(*words, "nan", "--json")
    assert (done.code, done.value["error"]["name"]) == (2, "BAD_CONFIG")
    assert "nan" in done.value["error"]["message"] and words[-1] in done.value["error"]["message"]


def test_help_lists_every_verb(onetape):
    done = onetape("--help")
    assert done.code == 0
    for entry in VERBS:
        assert re.search(rf"^  {entry.name} ", done.out, re.M)


def test_alone_it_names_the_next_steps(onetape):
    done = onetape()
    assert done.code == 0
    assert "onetape demo" in done.out and "onetape init" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("backtest",),
        ("backtest", "x.py"),
        ("backtest", "x.py", "--data", "y", "--nope"),
        ("backtest", "x.py", "--data", "y", "--leverage", "much"),
        ("run", "x.py"),
        ("run", "x.py", "--paper", "--live"),
        ("run", "x.py", "--paper", "--param", "nothing"),
        ("export", "tape", "--format", "xml", "--out", "d"),
        ("journal", "prune", "tape"),
        ("journal", "wat"),
        ("journal", "tail", "x", "--follow"),
        ("journal", "tail", "x", "--latest"),
        ("doctor", "--config", "missing.toml", "extra"),
    ],
)
def test_wrong_usage_is_exit_2_also_as_json(onetape, arguments):
    done = onetape(*arguments, "--json")
    assert done.code == 2
    assert done.value["error"]["code"] == 4602
    assert "Traceback" not in done.err
    if arguments[-1] == "--follow":
        return
    plain = onetape(*arguments)
    assert plain.code == 2
    assert plain.out == ""
    assert re.fullmatch(r"error BAD_CONFIG\(4602\): .+\n", plain.err)


def test_an_error_is_one_line_without_traceback(onetape, tmp_path):
    (tmp_path / "onetape.toml").write_text("[hub]\nenabld = true\n")
    done = onetape("doctor")
    assert done.code == 2
    assert "unknown key `enabld`" in done.out and "onetape.toml:2" in done.out
    assert "Traceback" not in done.out + done.err


PRINTING = """
    import os, subprocess
    import onetape.cli.doctor as doctor
    from onetape.cli.main import run
    def noisy():
        print("from python")
        subprocess.run(["echo", "from a child"])
        os.write(1, b"from C\\n")
        return iter(())
    doctor._python = noisy
    raise SystemExit(run({arguments}))
"""


def script(text: str, **kw) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)], capture_output=True, text=True, timeout=PATIENCE_S, **kw
    )


def test_under_json_only_the_value_reaches_standard_output():
    done = script(PRINTING.replace("{arguments}", "['doctor', '--json']"))
    assert done.stdout.count("\n") == 1 and done.stdout.startswith('{"ok"')
    for line in ("from python", "from a child", "from C"):
        assert line in done.stderr


BROKEN = """
    import onetape.cli.doctor as doctor
    from onetape.cli.main import run
    def fail():
        raise {what}
    doctor._python = fail
    raise SystemExit(run(['doctor', *{extra}]))
"""


@pytest.mark.parametrize(
    ("what", "code", "name"),
    [
        ("ZeroDivisionError('x')", 1, "INVARIANT_VIOLATION"),
        ("MemoryError()", 1, "INVARIANT_VIOLATION"),
        ("SystemExit(0)", 1, "INVARIANT_VIOLATION"),
        ("KeyboardInterrupt()", 1, "INTERRUPTED"),
        ("OSError(28, 'No space left on device', 'tape')", 1, "DISK_FULL"),
        ("FileNotFoundError(2, 'No such file', 'x.csv')", 3, "BAD_INPUT"),
        ("PermissionError(13, 'Permission denied', 'x.csv')", 5, "PERMISSION_DENIED"),
        ("ModuleNotFoundError('no', name='polars')", 1, "NOT_AVAILABLE"),
    ],
)
def test_every_end_has_a_name(what, code, name):
    done = script(BROKEN.format(what=what, extra=[]))
    assert done.returncode == code
    assert re.fullmatch(rf"error {name}\(\d+\): .+\n", done.stderr)


def test_debug_shows_the_traceback():
    done = script(BROKEN.format(what="ZeroDivisionError('x')", extra=["--debug"]))
    assert "Traceback" in done.stderr and "error INVARIANT_VIOLATION" in done.stderr


SLOW = """
    import time
    import onetape.cli.doctor as doctor
    from onetape.cli.main import run
    def wait():
        try:
            print("ready", flush=True)
            time.sleep(3600)
        finally:
            print("tidied", flush=True)
            {after}
        return iter(())
    doctor._python = wait
    raise SystemExit(run(['doctor']))
"""


def started(after: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW.replace("{after}", after))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_unwinds_and_is_exit_1(number):
    process = started("pass")
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (1, "tidied\n")
    assert err.startswith("error INTERRUPTED(4608)")


def test_a_second_ctrl_c_stops_at_once():
    process = started("time.sleep(3600)")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "tidied\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGINT


IMPORTED = """\
import os, signal, sys
class Stops:
    def find_spec(self, name, path, target=None):
        if name == "onetape.cli.main":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stops())
from onetape.__main__ import main
main()
"""


def test_ctrl_c_while_the_command_line_is_loaded_ends_without_a_word():
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_closed_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "onetape", "--help"], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_socket_that_breaks_within_a_command_is_no_closed_pipe(monkeypatch, capfd):
    def breaks(arguments):
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours:
            ours.sendall(b"a request")

    monkeypatch.setattr(main, "_invoke", breaks)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    assert main.run(["status"]) == 3
    assert capfd.readouterr().err == "error BAD_INPUT(4501): broken pipe\n"


def test_home_is_the_option_else_the_environment_else_beside_the_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONETAPE_HOME", raising=False)
    (tmp_path / "conf").mkdir()
    config = tmp_path / "conf" / "onetape.toml"
    config.touch()
    assert Shell().home == tmp_path / ".onetape"
    assert Shell(config_option=config).home == tmp_path / "conf" / ".onetape"
    monkeypatch.setenv("ONETAPE_HOME", "elsewhere")
    assert Shell(config_option=config).home == tmp_path / "elsewhere"
    assert Shell(home_option=tmp_path / "h", config_option=config).home == tmp_path / "h"


def test_json_has_no_nan_and_money_stays_text():
    from decimal import Decimal

    import numpy as np

    value = {"a": float("nan"), "b": Decimal("1.10"), "c": np.int64(3), "d": np.array([1.5]), 1: (2,)}
    assert to_json(value) == '{"a": null, "b": "1.10", "c": 3, "d": [1.5], "1": [2]}'


IMPORTS = """
    import sys
    import onetape
    early = set(sys.modules)
    from onetape.cli.main import run
    run(['--help'])
    heavy = {'numpy', 'polars', 'rich', 'msgspec', 'pandas', 'json', 'onetape._core'}
    print(sorted(heavy & early), sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def test_help_imports_nothing_heavy():
    done = script(IMPORTS)
    assert done.stderr == "[] []\n"
