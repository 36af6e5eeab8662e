"""Who listens to what, against a set of pairs."""

from __future__ import annotations

import random

import pytest

from onetape.exchange.dialect import Connection
from onetape.exchange.subscriptions import Subscriptions


@pytest.mark.parametrize("seed", range(50))
def test_subscriptions_are_pairs_of_connections_and_topics(seed):
    chance, made = random.Random(seed), Subscriptions[str]()
    connections = [Connection(number, "", "", "", 0) for number in range(4)]
    held: list[tuple[int, str]] = []
    silent: set[tuple[int, str]] = set()
    for _ in range(200):
        connection, topic = chance.choice(connections), chance.choice("abcd")
        pair = connection.id, topic
        match chance.randrange(5):
            case 0 | 1:
                is_heard = chance.random() < 0.8
                assert made.add(connection, topic, is_heard=is_heard) == (pair not in held)
                if pair not in held:
                    held.append(pair)
                    silent |= set() if is_heard else {pair}
            case 2 | 3:
                assert made.drop(connection, topic) == (pair in held)
                held, silent = [each for each in held if each != pair], silent - {pair}
            case _:
                made.leave(connection)
                held = [each for each in held if each[0] != connection.id]
                silent = {each for each in silent if each[0] != connection.id}
        heard = [each for each in held if each not in silent]
        for each in connections:
            assert list(made.of(each)) == [topic for number, topic in held if number == each.id]
        for topic in "abcd":
            assert [each.id for each in made.to(topic)] == [number for number, name in heard if name == topic]
            assert (topic in made) == any(name == topic for _, name in heard)
        assert [each.id for each in made.to("a", "b")] == sorted({number for number, name in heard if name in "ab"})
        assert made.has_any("a", "c") == any(name in "ac" for _, name in heard)
        assert set(made) == {name for _, name in heard} and bool(made) == bool(heard)
