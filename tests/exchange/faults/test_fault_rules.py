"""Files of faults: what is wrong in one is said with its line, and nothing half is taken."""

from __future__ import annotations

import pytest

from exchange.venue_client import Virtual
from onetape.exchange.faults import ACTIONS, ActiveRule, parse_faults
from onetape.model.errors import BadConfig, OnetapeError

GOOD = """
[[fault]]            # 2
purpose = "place"
action = "drop_answer"
"""


@pytest.mark.parametrize(
    ("second", "line", "word"),
    [
        ('action = "drop_answer"\npath = "x"\nwiat = "2s"', 8, "unknown key `wiat`"),
        ('action = "fly"', 6, "unknown action 'fly'"),
        ('purpose = "place"\naction = "delay"', 7, "needs `wait`"),
        ('purpose = "place"\naction = "delay"\nwait = "2"', 8, "not a duration"),
        ('purpose = "place"\naction = "gap"', 7, "gap is not about request"),
        ('action = "delay"\nwait = "1s"', 6, "delay is not about time"),
        ('purpose = "place"\nevent = "x"\naction = "disconnect"', 7, "not both"),
        ('purpose = "place"\naction = "drop_answer"\nstatus = 500', 8, "does not apply to"),
        ('purpose = "place"\naction = "error"', 7, "error needs"),
        ('purpose = "x"\naction = "drop_answer"\nprobability = 1.5', 8, "between 0 and 1"),
        ('purpose = "x"\naction = "drop_answer"\nprobability = nan', 8, "between 0 and 1"),
        ('purpose = "x"\naction = "drop_answer"\nnth = [1, 0]', 8, "not 1 or more"),
        ('purpose = "x"\naction = "drop_answer"\ncount = "many"', 8, "expected `int`"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(second, line, word):
    with pytest.raises(BadConfig) as caught:
        parse_faults(f"{GOOD}[[fault]]\n{second}\n", name="f.toml")
    assert word in str(caught.value)
    assert f"f.toml:{line}," in str(caught.value) or str(caught.value).endswith(f":{line}")


@pytest.mark.parametrize("text", ["[fault", "other = 1", "fault = 3", "[[faults]]"])
def test_what_is_no_file_of_faults_is_refused(text):
    with pytest.raises(BadConfig):
        parse_faults(text)


@pytest.mark.parametrize(
    "text",
    [
        'action = "error"\npurpose = "place"\nerror = "-9999"',
        'action = "halt"\nsymbol = "NOSUCH"',
        'action = "drop_request"\npurpose = "place"\naccount = "nobody"',
        'action = "balance"\naccount = "main"\ncurrency = "XXX"\namount = "1"',
        'action = "balance"\naccount = "main"\ncurrency = "USDT"\namount = "nan"',
        'action = "filter"\nsymbol = "BTCUSDT"\nchanges = {tick = "0.03"}',
        'action = "filter"\nsymbol = "BTCUSDT"\nchanges = {colour = "1"}',
    ],
)
def test_what_the_exchange_does_not_have_is_refused_and_no_rule_is_taken(text):
    there = Virtual("binance-usdm", faults=GOOD)
    with pytest.raises(OnetapeError):
        there.give(f"{GOOD}[[fault]]\n{text}\n")
    assert len(there.dialect.active_rules) == 1


def test_listen_keys_are_binances():
    with pytest.raises(BadConfig):
        Virtual("kraken", faults='[[fault]]\naction = "expire_listen_key"')


def test_a_rule_counts_what_fits_it():
    text = '[[fault]]\npurpose = "place"\naction = "drop_answer"\nnth = [2, 3, 5]\ncount = 2'
    (rule,) = parse_faults(text + '\nfrom = "1s"\nto = "10s"')
    active = ActiveRule(rule, number=0, seed=1, since=0)
    second = 1_000_000_000
    assert [active.takes(n) for n in (0, *[second] * 5)] == [False, False, True, True, False, False]
    assert not active.is_open(10 * second)


def test_every_action_is_tried_in_the_tests_of_actions():
    from pathlib import Path

    tried = Path(__file__).with_name("test_fault_actions.py").read_text()
    assert [name for name in ACTIONS if f'fault("{name}"' not in tried] == []
