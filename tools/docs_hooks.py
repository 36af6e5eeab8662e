"""What the documentation is put together from: its order, and pages made from the tree itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# In reading order; what a folder has beside these follows by name.
ORDER: list[tuple[str, list[str]]] = [
    ("Start", ["index.md", "tutorial/first-ten-minutes.md", "tutorial/*.md"]),
    ("Concepts", ["concepts/one-tape.md", "concepts/strategy.md", "concepts/*.md"]),
    ("Reference", ["reference/commands.md", "reference/*.md", "format.md", "errors.md"]),
    ("Project", ["roadmap.md", "performance.md", "dependencies.md", "changelog.md", "*.md"]),
    ("Decisions", ["adr/index.md", "adr/*.md"]),
]


def on_config(config: Any) -> Any:
    """Build the navigation from the pages that exist."""
    seen: set[str] = set()
    nav: list[dict[str, list[str]]] = []
    for title, patterns in ORDER:
        pages: list[str] = []
        for pattern in patterns:
            for path in sorted(DOCS.glob(pattern)):
                page = str(path.relative_to(DOCS))
                if page not in seen:
                    seen.add(page)
                    pages.append(page)
        if pages:
            nav.append({title: pages})
    config["nav"] = nav
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill in what is kept elsewhere: the change log, the list of decisions, the commands, the errors, the handbook."""
    name = page.file.src_uri
    if name == "changelog.md":
        text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        return re.sub(r"\[([^]]+)\]\((?!docs/)[\w.-]+\)", r"\1", text).replace("](docs/", "](")
    if name == "adr/index.md":
        return markdown + "\n" + "\n".join(_decisions()) + "\n"
    if name == "reference/commands.md":
        return markdown + "\n" + _commands()
    if name == "errors.md":
        return markdown + "\n" + "\n".join(_errors()) + "\n"
    if name == "concepts/handbook.md":
        return markdown + "\n" + "\n".join(_handbook()) + "\n"
    return markdown


def _decisions() -> list[str]:
    rows = ["| | Decision |", "|---|---|"]
    for path in sorted((DOCS / "adr").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        title = re.sub(r"^(ADR )?\d{4}[:.]?\s*", "", title)
        rows.append(f"| {path.name[:4]} | [{title}]({path.name}) |")
    return rows


def _errors() -> list[str]:
    """Every number with its name, the exit code of a command that ends with it, and what it means."""
    from onetape.model.errors import BY_CODE

    rows = (
        f"| [{code}](concepts/handbook.md#error-{code}) | {kind.name} | {kind.exit_code} | {kind.__doc__} |"
        for code, kind in BY_CODE.items()
    )
    return ["| number | name | exit code | meaning |", "|---|---|---|---|", *rows]


def _handbook() -> list[str]:
    """A section for each kind of alert and each number of an error, below a table of all alerts."""
    from onetape.model.errors import BY_CODE
    from onetape.notify.handbook import Entry, anchor_of, read_handbook

    alerts, errors = read_handbook()
    lines = ["## Alerts", "", "| alert | severity | from |", "|---|---|---|"]
    lines += [f"| [{kind}](#{anchor_of(kind)}) | {e.severity} | {e.source} |" for kind, e in alerts.items()]

    def section(title: str, anchor: str, entry: Entry) -> None:
        lines.extend(("", f"### {title} {{: #{anchor} }}", "", entry.means, ""))
        lines.append(f"- **By itself.** {entry.automatic}")
        lines.append(f"- **Look at** {', '.join(f'`{command}`' for command in entry.look)}")
        lines.append(f"- **What to do.** {entry.todo}")
        if entry.page:
            lines.append(f"- [The rules]({entry.page})")

    for kind, entry in alerts.items():
        section(kind, anchor_of(kind), entry)
    lines += ["", "## Errors", "", "[All numbers with their exit codes](../errors.md)."]
    for code, entry in errors.items():
        section(f"{code} {BY_CODE[code].name}", f"error-{code}", entry)
    return lines


def _commands() -> str:
    """Every verb's own help, so that the page cannot grow old."""
    import click

    from onetape.cli.main import group

    parts: list[str] = []

    def describe(command: click.Command, context: click.Context, level: int) -> None:
        parts.append(f"{'#' * level} {context.command_path}\n")
        parts.append(f"```text\n{command.get_help(context)}\n```\n")
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                if inner is not None:
                    describe(inner, click.Context(inner, info_name=name, parent=context), level + 1)

    for name in group.list_commands(click.Context(group)):
        parent = click.Context(group, info_name="onetape")
        command = group.get_command(parent, name)
        if command is not None:
            describe(command, click.Context(command, info_name=name, parent=parent), 2)
    return "\n".join(parts)
