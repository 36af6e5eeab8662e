"""The topics to which a simulated exchange's connections have subscribed."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from typing import Generic, TypeVar

from onetape.exchange.dialect import Connection

__all__ = ["Subscriptions"]

Topic = TypeVar("Topic", bound=Hashable)


class Subscriptions(Generic[Topic]):
    """Keeps connections by topic, in the order of subscribing, and topics by connection. It contains, and iterates
    over, only topics with a subscriber."""

    def __init__(self) -> None:
        self._connections: dict[Topic, dict[int, Connection]] = {}
        self._topics: dict[int, dict[Topic, None]] = {}

    def __contains__(self, topic: Topic) -> bool:
        return topic in self._connections

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._connections)

    def __bool__(self) -> bool:
        return bool(self._connections)

    def has_any(self, *topics: Topic) -> bool:
        """Tells whether any of the topics has a subscriber."""
        return not self._connections.keys().isdisjoint(topics)

    def add(self, connection: Connection, topic: Topic, *, is_heard: bool = True) -> bool:
        """Adds a subscription; returns False if it exists. is_heard: False if it is accepted but gets no messages."""
        topics = self._topics.setdefault(connection.id, {})
        if topic in topics:
            return False
        topics[topic] = None
        if is_heard:
            self._connections.setdefault(topic, {})[connection.id] = connection
        return True

    def drop(self, connection: Connection, topic: Topic) -> bool:
        """Ends a subscription; returns False if there is none."""
        topics = self._topics.get(connection.id, {})
        if topic not in topics:
            return False
        del topics[topic]
        if not topics:
            del self._topics[connection.id]
        there = self._connections.get(topic, {})
        there.pop(connection.id, None)
        if not there:
            self._connections.pop(topic, None)
        return True

    def leave(self, connection: Connection) -> None:
        """Ends all subscriptions of a connection."""
        for topic in list(self.of(connection)):
            self.drop(connection, topic)

    def of(self, connection: Connection) -> Collection[Topic]:
        """Returns the topics of a connection, in the order of subscribing."""
        return self._topics.get(connection.id, ())

    def to(self, *topics: Topic) -> Collection[Connection]:
        """Returns the subscribers of any of the topics, each once; for several topics in the order of their connection
        numbers."""
        if len(topics) == 1:
            there = self._connections.get(topics[0])
            return there.values() if there is not None else ()
        found = {number: each for topic in topics for number, each in self._connections.get(topic, {}).items()}
        return [found[number] for number in sorted(found)]
