"""What the documents say can be typed, and where they point there is something."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from onetape.cli.main import group

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.S)
QUOTE = re.compile(r'```\w+ title="([^"]+)"\n(.*?)```', re.S)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def command_lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for language, body in FENCE.findall(page.read_text()):
            for line in body.splitlines() if language == "sh" else ():
                for part in re.split(r"&&|\||;", re.sub(r"(^|\s)#.*", "", line)):
                    words = part.strip().removeprefix(".venv/bin/")
                    if words.startswith("onetape "):
                        found.append((name(page), words))
    return found


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_in_the_documents_parses(page, line):
    words = shlex.split(line)[1:]
    command: click.Command = group
    context = click.Context(group, info_name="onetape")
    while isinstance(command, click.Group):
        inner = command.get_command(context, words[0])
        assert inner is not None, f"{page}: {line}"
        command, words = inner, words[1:]
    command.make_context(command.name, words)


def examples() -> list[tuple[str, str]]:
    from onetape.cli.verbs import VERBS

    context = click.Context(group, info_name="onetape")
    found = []
    for entry in VERBS:
        command = group.get_command(context, entry.name)
        inner = [*command.commands.values()] if isinstance(command, click.Group) else [command]
        for each in inner:
            found += [(entry.name, line.strip()) for line in each.example.strip().splitlines()]
    return found


@pytest.mark.parametrize(("verb", "line"), examples())
def test_every_example_in_a_help_parses(verb, line):
    test_every_command_in_the_documents_parses(verb, line)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_in_the_documents_is_python(page):
    for language, body in FENCE.findall(page.read_text()):
        if language == "python":
            ast.parse(body)


@pytest.mark.parametrize("page", [each for each in PAGES if QUOTE.search(each.read_text())], ids=name)
def test_what_a_page_quotes_of_a_file_is_there(page):
    quotes = QUOTE.findall(page.read_text())
    assert len(quotes) > 10
    for file, body in quotes:
        text, at = (ROOT / file).read_text(), 0
        for part in re.split(r"^\.\.\.\n", body, flags=re.M):
            assert (at := text.find(part, at)) >= 0, f"{file} does not have, or not in this order:\n{part}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_files_lead_somewhere(page):
    text = FENCE.sub("", page.read_text())
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    broken = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert broken == []


def test_the_readme_begins_with_the_two_commands():
    blocks = [body for language, body in FENCE.findall((ROOT / "README.md").read_text()) if language == "sh"]
    assert [line.split("#")[0].strip() for line in blocks[0].splitlines()] == ["make demo", "make test"]


def test_the_readme_is_read_in_three_minutes():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    words = sum(len(re.sub(r"\]\([^)]*\)|<[^>]*>", "", line).split()) for line in lines)
    assert words <= 1_200


def test_readme_and_pages_show_the_same_strategy():
    pages = (ROOT / "README.md", ROOT / "docs" / "concepts" / "strategy.md")
    blocks = [FENCE.findall(page.read_text()) for page in pages]
    shown = [next(body for language, body in found if language == "python") for found in blocks]
    assert shown[0] == shown[1]


def test_decisions_are_one_page_with_their_parts():
    for page in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        text = page.read_text().lower()
        for part in ("context", "decision", "alternatives", "consequences", "status"):
            assert part in text, f"{name(page)} lacks {part}"
        assert len(text.splitlines()) <= 120, f"{name(page)} is no page"


def test_each_decision_is_listed_by_a_room_that_there_is():
    index = (DOCS / "adr" / "index.md").read_text()
    listed = re.findall(r"\[(\d{4})\]\((\d{4}-[\w-]+\.md)\)", index)
    assert {file for _, file in listed} == {each.name for each in (DOCS / "adr").glob("[0-9]*.md")}
    assert all(file.startswith(number) for number, file in listed)
    rooms = re.findall(r"`([\w/]+)`", index)
    assert rooms and all((ROOT / ("" if "/" in room else "src/onetape") / room).is_dir() for room in rooms)
