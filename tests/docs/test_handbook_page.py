"""The failure handbook can be followed: its commands are there and work, and its links lead to a section."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from test_documents import FENCE, test_every_command_in_the_documents_parses

from onetape.notify.handbook import Entry, anchor_of, read_handbook
from worlds.command_lines import command_line
from worlds.supervised import ALLOCATE, CONFIG, Home

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "concepts" / "handbook.md"
BOOK = read_handbook()
ENTRIES = {**BOOK.alerts, **{str(code): each for code, each in BOOK.errors.items()}}
RUNBOOKS = (
    "Gateway dead",
    "Venue away",
    "Disk full",
    "Clock wrong",
    "Kill switch on",
    "Unknown order",
    "Lost or damaged journal",
    "Leverage or position mode changed by hand",
    "Key revoked",
    "Restore from backup",
)
BARE = {"fetch", "send", "delta", "control", "down", "up", "import", "--help"}
COMMAND = re.compile(r"`(onetape [^`]+)`")
LINK = re.compile(r"\]\((?:([\w./-]+\.md))?(?:#([\w-]+))?\)")
# Of a section that the world below does not have.
OTHER_SECTIONS = ("delta status", "feeds", "status --all", "logs hub", "logs control", "logs recorder", "logs telegram")


def in_text(entry: Entry) -> list[str]:
    return COMMAND.findall(" ".join((entry.means, entry.automatic, entry.todo)))


def written() -> set[str]:
    """All commands of the page and of its entries."""
    of_entries = {each for entry in ENTRIES.values() for each in (*entry.look, *in_text(entry))}
    return of_entries | set(COMMAND.findall(PAGE.read_text())) | set(of_runbooks())


def of_runbooks() -> list[str]:
    blocks = (body for language, body in FENCE.findall(PAGE.read_text()) if language == "sh")
    return [re.sub(r"\s+#.*", "", line) for body in blocks for line in body.splitlines()]


def slugs(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", head.lower()).strip()) for head in heads}


@pytest.mark.parametrize("command", sorted(written()))
def test_every_command_of_the_handbook_parses(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".onetape" / "journal" / "gateway-main").mkdir(parents=True)
    if set(command[8:].split()) <= BARE or "VERB" in command:  # a verb's name, no call
        return
    test_every_command_in_the_documents_parses("handbook", command)


def test_every_command_that_is_sent_is_one_of_its_receiver():
    sources = "".join(each.read_text() for each in (ROOT / "src/onetape").rglob("*.py") if each.parent.name != "cli")
    sent = {tuple(shlex.split(each)[2:4]) for each in written() if each.startswith("onetape send ")}
    assert len(sent) > 10
    for target, command in sent:
        is_there = rf'"{command}": (Handler|_moves|self\.)|"{command}",|"{command}"\)'
        assert target.split(":")[0] in ("gateway", "robot") and re.search(is_there, sources), command


def test_the_runbooks_are_there_and_each_has_commands():
    text = PAGE.read_text()
    for title in RUNBOOKS:
        _, _, rest = text.partition(f"\n### {title}\n")
        assert "```sh\nonetape " in rest.partition("\n### ")[0], title


def test_links_of_the_handbook_lead_to_a_section():
    anchors = slugs(PAGE) | {anchor_of(kind) for kind in BOOK.alerts} | {f"error-{code}" for code in BOOK.errors}
    texts = [PAGE.read_text(), *(f"{e.means} {e.automatic} {e.todo} [rules]({e.page})" for e in ENTRIES.values())]
    links = {link for text in texts for link in LINK.findall(text)} - {("", "")}
    assert len(links) > 60
    for file, anchor in links:
        page = PAGE.parent / (file or PAGE.name)
        assert page.exists(), file
        assert not anchor or anchor in (anchors if page == PAGE else slugs(page)), f"{file}#{anchor}"


def test_the_hook_fills_the_page():
    import importlib.util

    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "tools" / "docs_hooks.py")
    assert spec is not None and spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    lines = hooks._handbook()
    found = re.findall(r"^### .* \{: #([\w-]+) \}$", "\n".join(lines), re.M)
    assert found == [*map(anchor_of, BOOK.alerts), *(f"error-{code}" for code in BOOK.errors)]


def test_the_commands_to_look_at_work(tmp_path):
    """On a system that runs, with the names that the handbook uses."""
    config = CONFIG.replace("[venues.x]", "[venues.binance]").replace('venue = "x"', 'venue = "binance"')
    commands = sorted({each for entry in ENTRIES.values() for each in entry.look})
    with Home(tmp_path, f"{config}\n[guardian]\n[recorder]\n") as home:
        home.run("up")
        home.run(*ALLOCATE)
        home.wait_for(home.fills)
        for command in commands:
            if not command[8:].startswith(OTHER_SECTIONS):
                code, _, said = command_line(shlex.split(command)[1:], tmp_path)
                assert code == 0, (command, said)
        home.run("down")
