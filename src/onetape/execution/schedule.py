"""Schedule a parent order: clips with times, along a profile of the quantity."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onetape.model.time import MINUTE

__all__ = ["Profile", "Schedule", "clips_of", "even", "front_loaded", "make_schedule", "profiled"]

# share of the time passed (0 to 1) -> share of the quantity due (0 to 1)
Profile = Callable[[float], float]
CLIP_NS = MINUTE  # default interval of clips
CLIPS_LEAST, CLIPS_MOST = 10, 200


@dataclass(frozen=True, slots=True)
class Schedule:
    """The clips of a parent order. times: when each clip is due, ns, rising; lots: cumulative lots due from that time
    on."""

    times: tuple[int, ...]
    lots: tuple[int, ...]

    def due(self, now: int) -> int:
        """Returns the lots due by `now` (ns)."""
        reached = bisect_right(self.times, now)
        return self.lots[reached - 1] if reached else 0

    def next_after(self, now: int) -> int | None:
        """Returns when the next clip is due (ns)."""
        reached = bisect_right(self.times, now)
        return self.times[reached] if reached < len(self.times) else None


def even(done: float) -> float:
    """Returns the uniform profile (TWAP)."""
    return done


def front_loaded(urgency: float) -> Profile:
    """Returns the profile whose remainder falls as sinh(urgency * (1 - t)): the schedule that trades impact against
    the risk of waiting (Almgren and Chriss, Optimal Execution of Portfolio Transactions, 2000). urgency > 0: how
    much earlier than uniform; near 0 it is uniform."""
    if not 0 < urgency <= 50:
        raise ValueError(f"urgency is above 0 and at most 50, not {urgency!r}")
    return lambda done: 1 - math.sinh(urgency * (1 - done)) / math.sinh(urgency)


def profiled(volumes: Sequence[float]) -> Profile:
    """Returns the profile of the market's volume over equal parts of the time (VWAP)."""
    if not volumes or any(not math.isfinite(each) or each < 0 for each in volumes) or not sum(volumes) > 0:
        raise ValueError("a profile needs volumes of 0 or more, at least one above 0")
    total, sums = float(sum(volumes)), [0.0]
    for each in volumes:
        sums.append(sums[-1] + each)

    def share(done: float) -> float:
        place = min(max(done, 0.0), 1.0) * len(volumes)
        index = min(int(place), len(volumes) - 1)
        return (sums[index] + volumes[index] * (place - index)) / total

    return share


def clips_of(total: int, duration: int, clip: int | None, least: int) -> int:
    """Returns the number of clips. total, clip, least: lots (least: of one order); duration: ns."""
    if clip is not None:
        return max(1, math.ceil(total / max(clip, least)))
    by_time = min(max(round(duration / CLIP_NS), CLIPS_LEAST), CLIPS_MOST)
    return max(1, min(by_time, total // max(least, 1)))


def make_schedule(
    profile: Profile, total: int, start: int, duration: int, clips: int, draw: Callable[[], float], spread: float
) -> Schedule:
    """Returns a schedule. The time is divided into equal parts, one per clip. A clip is due up to `spread` (0 to 1)
    of a part after its beginning, at random (draw: returns a random number from 0 to 1); the quantity due is the
    profile's at the part's end. Times: ns; total: lots."""
    times, lots = [], []
    for each in range(clips):
        begin = start + duration * each // clips
        times.append(begin + int(duration / clips * spread * draw()))
        lots.append(round(total * profile((each + 1) / clips)))
    lots[-1] = total
    return Schedule(tuple(times), tuple(lots))
