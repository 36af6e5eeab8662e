"""Choose trials from the results of earlier ones: Optuna's samplers over the points of a grid.

A trial is a variant of a sweep: pages, --resume and compare work as for sweeps. The next trial depends on
the results of all trials but the last few that may still run (as many as there are processes), never on the order in
which they ended: the same seed and number of processes give the same trials. A resumed search repeats its proposals,
and finds their results in the saved rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Final

from onetape.engine.grid import Grid
from onetape.model.errors import NotAvailable
from onetape.report.sweep_results import LESS_IS_BETTER, metric_of

__all__ = ["SAMPLERS", "proposals", "require_optuna"]

SAMPLERS: Final = ("tpe", "random")
_PROPOSALS_MAX: Final = 20  # after so many proposals of known variants one is drawn at random


def require_optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise NotAvailable(
            "searching parameters needs optuna", location="optimize", todo="pip install 'onetape[optimize]'"
        ) from None
    return optuna


def proposals(
    grid: Grid,
    rows: Mapping[str, Mapping[str, Any]],
    job: Callable[[int], dict[str, Any]],
    *,
    metric: str,
    trials: int,
    ahead: int,
    sampler: str,
    seed: int,
) -> Iterator[dict[str, Any] | None]:
    """Yields jobs of variants that are not in `rows` yet; None: wait for a result first. No variant is tried twice.

    ahead: number that may run at once. A failed variant tells the sampler only that it was tried.
    """
    optuna = require_optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=ahead > 1),
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        }[sampler]()
    study = optuna.create_study(sampler=made, direction="minimize" if metric in LESS_IS_BETTER else "maximize")
    space = {
        name: optuna.distributions.IntDistribution(0, len(values) - 1)
        if all(type(value) in (int, float) for value in values)
        else optuna.distributions.CategoricalDistribution(range(len(values)))
        for name, values in grid.axes.items()
    }
    chance, tried = Random(seed), set[int]()
    proposed: list[tuple[Any, int]] = []

    def tell(trial: Any, variant: int) -> None:
        value = metric_of(rows[job(variant)["key"]], metric)
        if trial is not None:
            study.tell(trial, value, state=None if value is not None else optuna.trial.TrialState.FAIL)
        elif value is not None:
            places = dict(zip(grid.axes, _places(grid, variant), strict=True))
            study.add_trial(optuna.trial.create_trial(params=places, distributions=space, value=value))

    def ask() -> tuple[Any, int]:
        for _ in range(_PROPOSALS_MAX):
            trial = study.ask(space)
            variant = _variant(grid, [trial.params[name] for name in grid.axes])
            if variant not in tried:
                return trial, variant
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if len(grid) < 4 * trials:
            return None, chance.choice([each for each in range(len(grid)) if each not in tried])
        while True:
            variant = chance.randrange(len(grid))
            if variant not in tried:
                return None, variant

    for number in range(min(trials, len(grid))):
        if number >= ahead:
            while job(proposed[number - ahead][1])["key"] not in rows:
                yield None
            tell(*proposed[number - ahead])
        proposed.append(ask())
        tried.add(proposed[-1][1])
        made_job = job(proposed[-1][1])
        if made_job["key"] not in rows:
            yield made_job


def _variant(grid: Grid, places: list[int]) -> int:
    """Returns the number of the variant at these indices of the axes."""
    number = 0
    for values, at in zip(grid.axes.values(), places, strict=True):
        number = number * len(values) + at
    return number


def _places(grid: Grid, variant: int) -> list[int]:
    found = []
    for values in reversed(grid.axes.values()):
        variant, at = divmod(variant, len(values))
        found.append(at)
    return found[::-1]
