"""docs/reference/events.md, from what an editor shows (`onetape/_core.pyi`, the source) and the table of statistics."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from pathlib import Path
from typing import NamedTuple

from onetape.model import funding, instrument
from onetape.report import run
from onetape.report.metrics import STATISTICS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "events.md"
CORE = ("Quote", "Trade", "Bar", "Bars", "LiveBook", "Mark", "Funding", "Liquidation", "MarketByOrder")
OWN = ("Order", "Fill", "Position", "Health")
MODEL = ("FundingRates", "Instrument", "Run")
# Of a statistic's form: type, unit. Amounts of the result are exact, the others are floats.
FORMS = {
    "money": ("float", "the run's currency"),
    "gain": ("float", "the run's currency"),
    "part": ("float", "share"),
    "gain_part": ("float", "share"),
    "number": ("float", "number"),
    "count": ("int", ""),
    "time": ("int", "ms UTC"),
    "span": ("float", "s"),
    "milli": ("float", "ms"),
    "text": ("str", ""),
}
EXACT = {"pnl", "fees", "funding", "final_equity", "max_drawdown_amount"}
_DOC = re.compile(r"(?P<what>.*?)(?: \[(?P<unit>[^]]+)\])?\.(?: None: (?P<none>.*)\.)?", re.S)

BEFORE = """# Events and objects

Look up each field of the objects that callbacks receive and services return. An editor shows the same
texts, from `onetape/*.pyi`. `make docs` generates this page.

| unit | meaning |
|---|---|
| price | quote currency per unit of base currency |
| qty | base currency; contracts for an inverse contract |
| price units, size units | integers: the value times 10 to the instrument's `price_decimals` or `size_decimals` |
| share | a fraction: 0.0001 is 0.01 % |
| ns UTC | nanoseconds since 1970-01-01 |

A field always has a value, unless the last column says when it is None.
"""


class Field(NamedTuple):
    """One row. unit: "" where the value has none; none: when it is None, "": never."""

    name: str
    type: str
    unit: str
    what: str
    none: str


class Table(NamedTuple):
    name: str
    what: str
    fields: list[Field]


def tables() -> list[Table]:
    core = importlib.util.find_spec("onetape._core")
    assert core is not None and core.origin is not None
    stub = ast.parse((Path(core.origin).parent / "_core.pyi").read_text(encoding="utf-8"))
    found = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    for module in (funding, instrument, run):
        found |= {
            node.name: node
            for node in ast.parse(inspect.getsource(module)).body
            if isinstance(node, ast.ClassDef) and node.name in MODEL
        }
    return [*(_table(found[name]) for name in (*CORE, *OWN, *MODEL)), _statistics()]


def _statistics() -> Table:
    fields = []
    for each in STATISTICS:
        type_, unit = FORMS[each.form]
        meaning = f"{each.name.removeprefix('… ')}. {each.note}".rstrip(".")
        fields.append(Field(each.key, "str" if each.key in EXACT else type_, unit, meaning, ""))
    what = (
        "The keys of `run.stats`. A statistic that a run does not define (no loss, no deviation, too little data) has "
        "no key. A `str` is an exact decimal. `run.stats` also has what `backtest --json` prints."
    )
    return Table("Run.stats", what, fields)


def _table(node: ast.ClassDef) -> Table:
    fields = []
    for each, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            doc = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            fields.append(_field(each.target.id, ast.unparse(each.annotation), str(doc)))
        elif (
            isinstance(each, ast.FunctionDef)
            and not each.name.startswith("_")
            and any(ast.unparse(d) in ("property", "cached_property") for d in each.decorator_list)
        ):
            fields.append(_field(each.name, ast.unparse(each.returns or ast.Name("?")), ast.get_docstring(each) or ""))
    return Table(node.name, " ".join((ast.get_docstring(node) or "").split()), fields)


def _field(name: str, type_: str, doc: str) -> Field:
    read = _DOC.fullmatch(" ".join(doc.split()))
    if read is None:
        raise SystemExit(f"{name}: its text is not `What [unit]. None: when.`: {doc!r}")
    short = re.sub(r"numpy\.typing\.NDArray\[numpy\.(\w+)\]", r"array of \1", type_)
    return Field(name, short, read["unit"] or "", read["what"], read["none"] or "")


def page() -> str:
    parts = [BEFORE]
    for table in tables():
        parts.append(
            f"\n## {table.name}\n\n{table.what}\n\n| field | type | unit | meaning | None if |\n|---|---|---|---|---|\n"
        )
        for each in table.fields:
            type_ = each.type.replace("|", "\\|")
            parts.append(f"| `{each.name}` | `{type_}` | {each.unit} | {each.what} | {each.none} |\n")
    return "".join(parts)


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
