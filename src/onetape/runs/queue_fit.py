"""Fit a queue model to a run's own fills and their market, for `--queue FILE`.

A venue does not show who left a level. The queue before an order is therefore a hidden state, and the fitted model is
the one under which the orders' outcomes are most likely. The exchange of a backtest or of a paper run is itself a
model: there the fitted one has the smallest errors of queue positions at the fills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onetape import _core
from onetape.engine.plan import read_plan, to_toml
from onetape.engine.queue_model import CONSERVATIVE, QUEUE_MODELS, Queue
from onetape.model.errors import BadConfig, BadInput
from onetape.replay.resampling import interval_of, resampled
from onetape.runs.queue_episodes import Episode, episodes_of
from onetape.tape.durable import SHARED, write_durably

__all__ = ["FAMILIES", "QueueFit", "fit_episodes", "fit_queue"]

FAMILIES: Final = (CONSERVATIVE, "power", "power2", "power3", "log", "log2")
EPISODES_MAX: Final = 5_000  # of more episodes so many are drawn, always the same ones
EXPONENTS: Final = np.geomspace(0.1, 20.0, 70)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QueueFit:
    """The result of a fit. low, high: 95 % interval of the exponent from resampled orders, None for a model without
    exponent. fills: fills that occurred; expected: fills that the model predicts from the trades; error: standard
    error of `expected`; both None when the exchange is itself a model. place, conservative: median error of the queue
    position at a fill, as a share of the joined queue, of this model and of the conservative one."""

    model: str
    low: float | None
    high: float | None
    orders: int
    fills: int
    expected: float | None
    error: float | None
    place: float
    conservative: float

    def __str__(self) -> str:
        interval = "" if self.low is None else f", exponent {self.low:.3g} to {self.high:.3g}"
        expected = "" if self.expected is None else f" ({self.expected:,.1f} +- {self.error:.1f} expected)"
        return (
            f"{self.model}{interval}, fitted to {self.orders:,} orders: {self.fills:,} fills{expected}; at a fill the "
            f"queue position is off by {self.place:.1%} of the queue (conservative: {self.conservative:.1%})"
        )


def fit_queue(run: Path, out: Path, *, family: str | None = None) -> QueueFit:
    """Write the file for `--queue FILE` with the best model of all families, or of one. Raises BadInput if no trade
    filled an order at a displayed level, BadConfig for an unknown family.
    """
    if family is not None and family not in FAMILIES:
        raise BadConfig(f"queue model {family!r}", location="--model", todo=f"use one of {', '.join(FAMILIES)}")
    episodes = episodes_of(run)
    if not any(each.is_filled for each in episodes):
        raise BadInput(
            f"no trade filled one of the {len(episodes)} orders that rested at a displayed level",
            location=str(run),
            todo="name a run with depth or quotes, and trades, whose limit orders filled",
        )
    at_venue = read_plan(run)[0].is_at_gateway
    fit = fit_episodes(episodes, FAMILIES if family is None else (family,), at_venue=at_venue)
    facts = {name: getattr(fit, name) for name in QueueFit.__slots__ if getattr(fit, name) is not None}
    write_durably(out, to_toml({"queue": {**facts, "run": str(run), "words": str(fit)}}), mode=SHARED)
    return fit


def fit_episodes(episodes: Sequence[Episode], families: Sequence[str] = FAMILIES, *, at_venue: bool) -> QueueFit:
    """Returns the best of some families. Raises BadInput when no fill can be used."""
    if len(episodes) > EPISODES_MAX:
        # when the exchange is a model, only episodes with fills carry information
        kept = [each for each in episodes if at_venue or each.is_filled]
        drawn = np.random.default_rng(0).permutation(len(kept))[:EPISODES_MAX]
        episodes = [kept[n] for n in np.sort(drawn)]
    if not any(each.is_filled for each in episodes):
        raise BadInput(f"no trade filled one of the {len(episodes)} orders to fit", todo="name another run")
    found = []
    for family in families:
        takes_one = QUEUE_MODELS[family][1] > 0
        exponents = EXPONENTS if takes_one else np.ones(1)
        scores = (
            _likelihoods(episodes, family, exponents)[:, :, 0] if at_venue else _scores(episodes, family, exponents)
        )
        # A model with an exponent must fit better by Akaike's criterion.
        found.append((float(scores.sum(axis=0).max()) - takes_one, family, exponents, scores))
    _, family, exponents, scores = max(found, key=lambda each: each[0])
    best = _peak(exponents, scores.sum(axis=0))
    queue = Queue(family, QUEUE_MODELS[family][0], float(f"{best:.4g}"))
    low, high = _interval(exponents, scores) if len(exponents) > 1 else (None, None)
    expected = error = None
    if at_venue:
        _, expected, variance = _likelihoods(episodes, family, np.array([best]))[:, 0].sum(axis=0).tolist()
        error = variance**0.5
    place, conservative = (
        float(np.median(np.abs(_place_errors(episodes, name, np.array([exponent])))))
        for name, exponent in ((family, best), (CONSERVATIVE, 1.0))
    )
    fills = sum(each.is_filled for each in episodes)
    return QueueFit(str(queue), low, high, len(episodes), fills, expected, error, place, conservative)


def _likelihoods(episodes: Sequence[Episode], family: str, exponents: Floats) -> Floats:
    """Returns (log-likelihood, expected fills, variance of the fills), each by episode and exponent."""
    number, each_exponent = QUEUE_MODELS[family][0], exponents.tolist()
    return np.array([_core.queue_likelihood(number, each_exponent, each.coins, each.steps) for each in episodes])


def _scores(episodes: Sequence[Episode], family: str, exponents: Floats) -> Floats:
    """Returns the score of each episode and exponent where the exchange is a model itself: minus the root of the
    error. The right model matches most positions exactly; the root keeps a few large errors from deciding."""
    return -np.sqrt(np.abs(_place_errors(episodes, family, exponents)))


def _place_errors(episodes: Sequence[Episode], family: str, exponents: Floats) -> Floats:
    """Returns the errors of queue positions, as shares of the joined queue, by exponent and episode with a fill."""
    number = QUEUE_MODELS[family][0]
    return np.array(
        [
            [_core.queue_place_error(number, n, each.lot, each.coins, each.steps) for n in exponents.tolist()]
            / np.maximum(each.steps[0, 1], 1)
            for each in episodes
            if each.is_filled
        ]
    )


def _peak(exponents: Floats, scores: Floats) -> float:
    """Returns the exponent at the top of the parabola through the best three points."""
    at = int(np.argmax(scores))
    if not 0 < at < len(scores) - 1:
        return float(exponents[at])
    left, middle, right = scores[at - 1 : at + 2]
    bend = left - 2 * middle + right
    off = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(exponents[at] * (exponents[at + 1] / exponents[at]) ** off)


def _interval(exponents: Floats, scores: Floats) -> tuple[float, float]:
    """Returns the 95 % interval of exponents fitted to resampled orders, at least as wide as a grid step."""
    found = interval_of(np.array([_peak(exponents, each) for each in resampled(scores)]))
    assert found is not None
    low, high = found
    best, half_step = _peak(exponents, scores.sum(axis=0)), float(exponents[1] / exponents[0]) ** 0.5
    return min(low, best / half_step), max(high, best * half_step)
