"""Which connections of a simulated exchange listen to which topics."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from typing import Generic, TypeVar

from onetape.exchange.dialect import Connection

__all__ = ["Subscriptions"]

Topic = TypeVar("Topic", bound=Hashable)


class Subscriptions(Generic[Topic]):
    """Keeps connections by topic, in the order in which they came to it, and topics by connection. A topic to which
    nobody listens is not there. `topic in subscriptions`: somebody listens to it; iterated: such topics."""

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
        """Tells whether somebody listens to one of them."""
        return not self._connections.keys().isdisjoint(topics)

    def add(self, connection: Connection, topic: Topic, *, is_heard: bool = True) -> bool:
        """Takes in a subscription. False: it is there already. is_heard: else the venue takes it, and sends nothing."""
        topics = self._topics.setdefault(connection.id, {})
        if topic in topics:
            return False
        topics[topic] = None
        if is_heard:
            self._connections.setdefault(topic, {})[connection.id] = connection
        return True

    def drop(self, connection: Connection, topic: Topic) -> bool:
        """Ends a subscription. False: there is none."""
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
        """Returns the topics of a connection, in the order in which it subscribed to them."""
        return self._topics.get(connection.id, ())

    def to(self, *topics: Topic) -> Collection[Connection]:
        """Returns who listens to any of the topics, each once: of several in the order of their numbers."""
        if len(topics) == 1:
            there = self._connections.get(topics[0])
            return there.values() if there is not None else ()
        found = {number: each for topic in topics for number, each in self._connections.get(topic, {}).items()}
        return [found[number] for number in sorted(found)]
