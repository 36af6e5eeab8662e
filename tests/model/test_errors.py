"""The numbers and names that scripts hold on to, and the one line a person reads."""

import pickle
import re
from pathlib import Path

import pytest

from onetape.model import errors
from onetape.model.errors import (
    BY_CODE,
    BY_NAME,
    BadConfig,
    BadInput,
    InvariantViolation,
    OnetapeError,
    TornTape,
    UsageError,
    VenueProtocolError,
    check,
    problem_text,
)

# CONTRACT.md, "Error numbers", and the exit code of "Command line".
CONTRACT = """
1001 INVALID_ACCOUNT 2 | 1002 DELTA_DEVIATION_EXCEEDED 5 | 1003 HEDGE_FAILED 1
1004 BLOCKED_BY_RISK_ALERT 5 | 1005 MARKET_DATA_UNAVAILABLE 6 | 2001 SERVICE_TIMEOUT 6
2002 PROXY_FAILED 6 | 3001 PERMISSION_DENIED 5 | 3002 RATE_LIMITED 5
4101 ORDER_INVALID 5 | 4102 ORDER_BELOW_MIN_NOTIONAL 5 | 4103 ORDER_WOULD_CROSS 5
4104 ORDER_UNKNOWN 5 | 4105 ORDER_OUTCOME_UNKNOWN 1 | 4106 REDUCE_ONLY_VIOLATED 5
4107 DUPLICATE_CLIENT_ID 5 | 4108 SELF_TRADE 5 | 4109 ORDER_WOULD_TRIGGER 5
4201 INSUFFICIENT_FUNDS 5 | 4202 FUNDS_LOCKED 5 | 4203 INVALID_AMOUNT 2
4204 UNKNOWN_CURRENCY 2 | 4205 UNKNOWN_SUBACCOUNT 2 | 4206 NOT_OWNER 5
4301 POSITION_LIMIT 5 | 4302 BANNED_SYMBOL 5 | 4303 LOSS_HALT 5 | 4304 STALE_DATA 5
4305 KILLED 5 | 4306 PRICE_BAND 5 | 4307 ORDER_RATE 5 | 4308 ACCOUNT_MODE 5 | 4309 HALTED_ACCOUNT 5
4310 NO_GUARDIAN 5 | 4311 NOT_PROTECTED 5
4401 VENUE_REJECTED 5 | 4402 VENUE_UNAVAILABLE 6 | 4403 VENUE_RATE_LIMIT 5
4404 CLOCK_SKEW 1 | 4405 BAD_SIGNATURE 5 | 4406 SEQUENCE_GAP 1 | 4407 VENUE_CLOSED 6
4501 BAD_INPUT 3 | 4502 UNKNOWN_FORMAT 3 | 4503 UNKNOWN_SYMBOL 3 | 4504 TORN_TAPE 3
4505 JOURNAL_LOCKED 1 | 4506 SCHEMA_MISMATCH 3 | 4507 DISK_FULL 1
4601 NOT_AVAILABLE 1 | 4602 BAD_CONFIG 2 | 4603 STRATEGY_ERROR 1 | 4604 DIVERGENCE 4
4605 DUPLICATE_COMMAND 5 | 4606 PROCESS_DOWN 6
"""
ADDED = {
    4312: ("TRADING_STOPPED", 5),
    4313: ("NO_LEASE", 5),
    4314: ("NOT_REPLICATED", 5),
    4408: ("VENUE_PROTOCOL", 1),
    4508: ("IO_FAILED", 1),
    4607: ("INVARIANT_VIOLATION", 1),
}
CORE = Path(__file__).resolve().parents[2] / "core"


def contract() -> dict[int, tuple[str, int]]:
    rows = (row.split() for row in CONTRACT.replace("\n", "|").split("|") if row.strip())
    return {int(code): (name, int(exit_code)) for code, name, exit_code in rows}


def test_the_tree_is_the_contract_and_its_additions() -> None:
    assert {code: (kind.name, kind.exit_code) for code, kind in BY_CODE.items()} == {**contract(), **ADDED}
    assert {kind.name for kind in BY_CODE.values()} == set(BY_NAME)


def test_the_core_calls_every_number_by_its_name() -> None:
    text = (CORE / "exchange" / "errors.hpp").read_text(encoding="utf-8")
    received = dict(re.findall(r"constexpr std::uint16_t (\w+) = (\d+);", text))
    assert received.pop("none") == "0"
    assert len(received) > 15
    assert {n.upper(): int(c) for n, c in received.items()} == {n.upper(): BY_NAME[n.upper()].code for n in received}


@pytest.mark.parametrize("code", sorted(contract()))
def test_a_class_is_named_like_its_error(code: int) -> None:
    kind = BY_CODE[code]
    camel = "".join(part.capitalize() for part in kind.name.split("_"))
    assert kind.__name__ == camel
    assert getattr(errors, camel) is kind


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BadInput("no price"), "error BAD_INPUT(4501): no price"),
        (BadInput("no price", location="a.csv:3"), "error BAD_INPUT(4501): no price, a.csv:3"),
        (
            BadInput("no price", location="a.csv:3", todo="give --columns"),
            "error BAD_INPUT(4501): no price, a.csv:3, give --columns",
        ),
        (BadInput("two\nlines", todo="x"), "error BAD_INPUT(4501): two lines, x"),
        (UsageError("no such verb"), "error BAD_CONFIG(4602): no such verb"),
        (
            VenueProtocolError("kraken", "book message without checksum", "{}"),
            "error VENUE_PROTOCOL(4408): book message without checksum, kraken sent {}",
        ),
    ],
)
def test_an_error_is_one_line(error: OnetapeError, line: str) -> None:
    assert str(error) == line


def test_json_has_the_three_keys() -> None:
    assert TornTape("bad frame", location="0000000001.tape").as_json() == {
        "error": {"code": 4504, "name": "TORN_TAPE", "message": "bad frame, 0000000001.tape"}
    }


def test_usage_is_a_kind_of_bad_configuration() -> None:
    assert issubclass(UsageError, BadConfig)
    assert UsageError.exit_code == 2
    assert BY_CODE[4602] is BadConfig


def test_long_evidence_is_cut_in_the_line_and_kept_whole_beside_it() -> None:
    error = VenueProtocolError("kraken", "rule", "x" * 1000)
    assert len(str(error)) < 300
    assert error.evidence == "x" * 1000


@pytest.mark.parametrize(
    "error",
    [BadInput("a", location="b", todo="c"), VenueProtocolError("kraken", "rule", "text"), InvariantViolation("x")],
)
def test_errors_cross_processes(error: OnetapeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_check_raises_with_its_rule() -> None:
    check(True, "never shown")
    with pytest.raises(InvariantViolation, match="debits equal credits, transfer 7"):
        check(False, "debits equal credits", location="transfer 7")


def _raised(code: str) -> Exception:
    with pytest.raises(Exception) as caught:
        exec(code)
    return caught.value


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("'text'.uper()", "AttributeError: 'str' object has no attribute 'uper', did you mean upper?"),
        ("'text'.zzz()", "AttributeError: 'str' object has no attribute 'zzz'"),
        ("class A\n    pass", "SyntaxError: expected ':'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_of_python_is_said_with_the_name_that_may_have_been_meant(code, words):
    assert problem_text(_raised(code)) == words
