"""The rates of `onetape._core.OrderRates`, in Python."""

from dataclasses import dataclass, field

SECOND = 10**9
BURST_S = 10


@dataclass(slots=True)
class Rates:
    """Counts how many orders have left: of all robots together in this second, and of each."""

    _second: int = 0
    _sent: int = 0
    _messages: tuple[int, int] = (0, 0)  # a second, and how many left in it
    _due: dict[int, int] = field(default_factory=dict)  # by robot, ns

    def sent_this_second(self, now: int) -> int:
        """Returns the number of orders that all robots together have sent in this second."""
        return self._sent if now // SECOND == self._second else 0

    def messages_this_second(self, now: int) -> int:
        second, count = self._messages
        return count if now // SECOND == second else 0

    def message(self, now: int) -> None:
        """Counts one more order, amendment or cancel that leaves."""
        self._messages = now // SECOND, self.messages_this_second(now) + 1

    def ahead_ns(self, robot: int, now: int) -> int:
        """Returns how long it takes at the robot's rate until all that it has sent is paid for, ns."""
        return max(self._due.get(robot, 0) - now, 0)

    def restate(self, step: int) -> None:
        """Takes in that the clock was set by `step`, ns."""
        self._due = {robot: due + step for robot, due in self._due.items()}

    def count(self, robot: int, rate: int, now: int) -> None:
        """Counts one more order. rate: the robot's orders a second, 0: no limit of its own."""
        second = now // SECOND
        if second != self._second:
            self._second, self._sent = second, 0
        self._sent += 1
        if rate:
            self._due[robot] = max(self._due.get(robot, 0), now) + SECOND // rate
