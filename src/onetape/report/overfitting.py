"""Test whether the best of many tries is better than luck: pure functions on the tries' profits over time.

`pieces` are returns on the starting money, an array of (times, tries), all tries over the same times.

Sources: D. Bailey, J. Borwein, M. Lopez de Prado, Q. Zhu, "The Probability of Backtest Overfitting" (Journal of
Computational Finance, 2017) for combinatorially symmetric cross-validation; H. White, "A Reality Check for Data
Snooping" (Econometrica, 2000) with the stationary bootstrap of D. Politis and J. Romano (1994).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from onetape.report.deflate import expected_maximum, moments, probabilistic_sharpe

__all__ = [
    "Overfit",
    "groups_of",
    "judge",
    "monte_carlo",
    "pieces_of",
    "probability_of_overfitting",
    "questions",
    "reality_check",
]

Floats = NDArray[np.float64]

PIECES: Final = 256  # equal parts of a run's time
BLOCKS: Final = 16  # each split uses half of these blocks: 12,870 splits
ALIKE: Final = 0.7  # correlation from which tries count as one: half of the variance is shared
DRAWS: Final = 1000
_DIGITS: Final = 10
_CHUNK: Final = 512  # splits processed at a time


def pieces_of(ts: NDArray[np.int64], equity: Floats, count: int = PIECES) -> list[float]:
    """Returns a run's profit in each of `count` equal pieces of its time, relative to its starting money."""
    if len(ts) < 2 or equity[0] <= 0:
        return []
    edges = np.linspace(int(ts[0]), int(ts[-1]), count + 1)
    level = equity[np.maximum(np.searchsorted(ts, edges, side="right") - 1, 0)]
    return [float(f"{each:.{_DIGITS}g}") for each in np.diff(level) / equity[0]]


def _sharpe(total: Floats, squares: Floats, count: int) -> Floats:
    """Returns mean over deviation, from sums and sums of squares; 0 without deviation."""
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0)
    return np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 1e-18 * squares)


def probability_of_overfitting(pieces: Floats, blocks: int = BLOCKS) -> tuple[float, float] | None:
    """Returns (probability that the best in one half of the blocks is below the median in the other half,
    probability that it loses money there), over all ways to halve them. None with fewer than two tries or two pieces
    a block. Among equal tries the first counts as best, and gets their middle rank."""
    length = len(pieces) // blocks
    if pieces.ndim != 2 or pieces.shape[1] < 2 or length < 2:
        return None
    cut = pieces[: length * blocks].reshape(blocks, length, -1)
    total, squares = cut.sum(axis=1), (cut**2).sum(axis=1)
    half = blocks // 2 * length
    worse = losses = count = 0.0
    splits = combinations(range(blocks), blocks // 2)
    while chunk := list(islice(splits, _CHUNK)):
        inside = np.zeros((len(chunk), blocks))
        inside[np.arange(len(chunk))[:, None], np.array(chunk)] = 1
        best = np.argmax(_sharpe(inside @ total, inside @ squares, half), axis=1)
        outside = _sharpe((1 - inside) @ total, (1 - inside) @ squares, half)
        chosen = outside[np.arange(len(chunk)), best][:, None]
        below, equal = (outside < chosen).sum(axis=1), (outside == chosen).sum(axis=1)
        rank = (below + (equal + 1) / 2) / (pieces.shape[1] + 1)  # 0 to 1, the median is a half
        worse += float((rank < 0.5).sum() + 0.5 * (rank == 0.5).sum())
        losses += float((chosen < 0).sum())
        count += len(chunk)
    return worse / count, losses / count


def reality_check(pieces: Floats, draws: int = DRAWS, seed: int = 0) -> float:
    """Returns the probability that the best of equally many tries without expected profit earns as much as the best
    of these. Method: each try less its mean, times resampled in blocks of random length, the same for all tries."""
    count = len(pieces)
    means = pieces.mean(axis=0)
    best = means.max()
    chance = np.random.default_rng(seed)
    restart = 1 / max(round(count ** (1 / 3)), 1)
    centred = pieces - means
    above = 0
    for _ in range(draws):
        weights = np.bincount(stationary(count, restart, chance), minlength=count).astype(np.float64)
        above += bool((weights @ centred / count).max() >= best)
    return (above + 1) / (draws + 1)


def stationary(count: int, restart: float, chance: np.random.Generator) -> NDArray[np.int64]:
    """Returns indices of one sample of the stationary bootstrap: each follows the one before, wrapping at the end,
    or starts a new block."""
    begins = chance.random(count) < restart
    begins[0] = True
    starts = chance.integers(0, count, count)
    at = np.arange(count)
    last = np.maximum.accumulate(np.where(begins, at, 0))
    return (starts[last] + at - last) % count


def groups_of(pieces: Floats, alike: float = ALIKE) -> NDArray[np.int64]:
    """Returns the group number of each try, from 0. In descending order of Sharpe ratios each try joins the first
    group whose best try it correlates with (above `alike`), else it starts a group."""
    total, squares = pieces.sum(axis=0), (pieces**2).sum(axis=0)
    order = np.argsort(-_sharpe(total, squares, len(pieces)), kind="stable")
    centred = pieces - pieces.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    found = np.full(pieces.shape[1], -1, dtype=np.int64)
    number = 0
    for leader in order:
        if found[leader] < 0:
            joins = (unit.T @ unit[:, leader] >= alike) & (found < 0)
            joins[leader] = True
            found[joins] = number
            number += 1
    return found


def monte_carlo(gains: Floats, draws: int = DRAWS, seed: int = 0) -> dict[str, list[float]]:
    """Returns the 5 %, 50 % and 95 % quantiles of `profit` and of the deepest `drawdown` of resampled gains, in the
    gains' unit. gains: of trades or days, drawn with replacement."""
    chance = np.random.default_rng(seed)
    profits, falls = np.empty(draws), np.empty(draws)
    for at in range(draws):
        level = np.concatenate([[0.0], np.cumsum(gains[chance.integers(0, len(gains), len(gains))])])
        profits[at], falls[at] = level[-1], (np.maximum.accumulate(level) - level).max()
    return {
        name: np.quantile(values, [0.05, 0.5, 0.95]).tolist()
        for name, values in (("profit", profits), ("drawdown", falls))
    }


@dataclass(frozen=True, slots=True)
class Overfit:
    """The overfitting tests of a sweep. tries: number made; groups: number of groups of correlated tries;
    odds_of_luck: probability that the best try's true Sharpe ratio is not above that of the luckiest of so many
    groups; monte_carlo: distribution of its resampled results."""

    tries: int
    groups: int
    odds_of_luck: float | None
    overfitting: float | None
    loses_later: float | None
    reality_check: float | None
    monte_carlo: dict[str, list[float]]

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """Returns the tests' results as one sentence."""
        if self.odds_of_luck is None:
            return "nothing was earned or lost: there is nothing to judge"
        words = [
            f"{self.tries:,} tries form {self.groups:,} groups that differ; the best is luck with a probability of "
            f"{self.odds_of_luck:.0%}"
        ]
        if self.overfitting is not None and self.loses_later is not None:
            words.append(
                "the best of one half of the time was below the median of the other half in "
                f"{self.overfitting:.0%} of all splits, and lost money there in {self.loses_later:.0%}"
            )
        if self.reality_check is not None:
            words.append(
                f"tries without expected profit earn as much as the best in {self.reality_check:.0%} of the resamples"
            )
        low, middle, high = self.monte_carlo["drawdown"]
        words.append(
            f"resampled in another order, the deepest fall is {middle:.1%} of the starting money, in nine of ten cases "
            f"{low:.1%} to {high:.1%}"
        )
        return "; ".join(words)


_QUESTIONS: Final = (
    (
        "odds_of_luck",
        "How likely is it that the best is only the luckiest of so many tries?",
        0.05,
        0.25,
        "Deflated Sharpe ratio: tries that move together count as one.",
    ),
    (
        "overfitting",
        "How often was the winner of one half of the time below average in the other half?",
        0.2,
        0.45,
        "Probability of overfitting (PBO), over all ways to halve the time. Near 50 % this ranking chooses "
        "no better than chance.",
    ),
    (
        "loses_later",
        "How often did the winner of one half lose money in the other half?",
        0.1,
        0.35,
        "Over the same splits.",
    ),
    (
        "reality_check",
        "How often do tries without any profit look as good as the best one?",
        0.05,
        0.2,
        "White's reality check: the tries' returns less their means, resampled in blocks.",
    ),
)


def questions(found: Overfit) -> list[dict[str, Any]]:
    """Returns a row for each test; `reads`: good, doubtful or bad; with the value that would be good."""
    rows = []
    for key, question, good, bad, how in _QUESTIONS:
        value = getattr(found, key)
        if value is not None:
            reads = "good" if value <= good else "doubtful" if value < bad else "bad"
            row = {"question": question, "value": value, "reads": reads, "wanted": f"{good:.0%} or less", "how": how}
            rows.append(row)
    return rows


def judge(pieces: Floats, chosen: int, tries: int) -> Overfit:
    """Run the tests. pieces: of the tries that have them; chosen: column of the best try; tries: number made. Failed
    tries count, each as its own group."""
    groups = groups_of(pieces)
    count = int(groups.max()) + 1 + tries - pieces.shape[1]
    ratios = [moments(pieces[:, at]).sharpe or 0.0 for at in range(pieces.shape[1])]
    means = [
        float(np.mean([ratios[at] for at in np.flatnonzero(groups == group)])) for group in range(groups.max() + 1)
    ]
    spread = float(np.var(means, ddof=1)) if len(means) > 1 else 1 / max(len(pieces) - 1, 1)
    best = moments(pieces[:, chosen])
    surely = None
    if best.sharpe is not None:
        surely = probabilistic_sharpe(
            best.sharpe,
            count=best.count,
            skewness=best.skewness,
            kurtosis=best.kurtosis,
            benchmark=expected_maximum(spread, count),
        )
    halves = probability_of_overfitting(pieces)
    return Overfit(
        tries,
        count,
        None if surely is None else 1 - surely,
        halves[0] if halves else None,
        halves[1] if halves else None,
        reality_check(pieces) if best.sharpe is not None else None,
        monte_carlo(pieces[:, chosen]),
    )
