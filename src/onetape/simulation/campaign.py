"""Many seeds played on all cores of a machine: how long, how fast, which failed, which faults were met."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from onetape.model.errors import BadConfig
from onetape.model.time import HOUR, SECOND
from onetape.security.private import private_folder
from onetape.simulation.fault_rows import rows_of
from onetape.simulation.gateway_life import Home
from onetape.simulation.invariants import check
from onetape.simulation.seeds import KINDS, OPERATIONS, SYSTEM, WORLDS, Game, Played, Seed
from onetape.simulation.tape_checks import problems

__all__ = ["Campaign", "drawn_first", "play_all", "played", "seeds_from", "traced"]

TRACE_LINES: Final = 12
NOT_ALONE: Final = (SYSTEM, OPERATIONS)


@dataclass(slots=True)
class Campaign:
    """The seeds played so far."""

    played: list[Played] = field(default_factory=list)

    @property
    def failures(self) -> list[Played]:
        return [each for each in self.played if each.failure]

    def as_json(self) -> dict[str, Any]:
        """Returns the contract's keys. speed: simulated seconds in a second of one core. faults: by row of
        docs/reliability.md."""
        simulated, cpu = sum(each.simulated for each in self.played), sum(each.cpu for each in self.played)
        seen: Counter[str] = sum((Counter(each.seen) for each in self.played), Counter())
        return {
            "seeds": len(self.played),
            "hours": round(simulated * SECOND / HOUR, 4),
            "speed": round(simulated / max(cpu, 1e-9), 1),
            "failures": [
                {"seed": each.seed.number, "invariant": each.failure, "replay": each.seed.command}
                for each in self.failures
            ],
            "faults": rows_of(seen),
            "hashes": {str(each.seed.number): each.hash for each in self.played},
        }


def seeds_from(first: int, count: int, seconds: float, world: str = "", kind: str = "") -> Iterator[Seed]:
    """Yields consecutive seeds. world, kind: of all; "": each number decides its own. Raises BadConfig for names that
    there are not."""
    for what, name, there in (("--world", world, (SYSTEM, OPERATIONS, *WORLDS)), ("--venue", kind, KINDS)):
        if name and name not in there:
            raise BadConfig(f"there is no {name!r}", location=what, todo=f"choose from {', '.join(there)}")
    if world in NOT_ALONE and kind:
        raise BadConfig(f"{world} draws its venues", location="--venue", todo="leave --venue away")
    for number in range(first, first + count):
        yield Seed.of(number, seconds, world, kind)


def played(seed: Seed) -> Played:
    """Plays one seed to its end, or to what broke."""
    gc.set_threshold(50_000, 20, 50)  # a world makes few cycles and keeps much
    return _played(seed, seed.game())


def _played(seed: Seed, world: Game) -> Played:
    began, failure = time.process_time(), ""
    try:
        world.play(seed.seconds)
        for path in world.journals().values():
            if path.name.startswith("gateway-"):
                check(not (found := problems(path)), f"{path.name}: {found}")
    except Exception as error:
        failure = f"{type(error).__name__} after {world.elapsed:.3f} s: {error}"
        if not isinstance(error, AssertionError):
            failure += "\n" + "".join(traceback.format_exc().splitlines(keepends=True)[-TRACE_LINES:])
    cpu = time.process_time() - began
    return Played(seed, world.elapsed, cpu, failure, dict(world.seen), world.hash())


def play_all(seeds: Iterable[Seed], workers: int, heard: Callable[[Played], None]) -> Campaign:
    """Plays seeds in processes of their own. workers: 0: one a processor. heard: called with each as it ends."""
    campaign, running, left = Campaign(), set[Future[Played]](), iter(seeds)
    workers = workers or os.cpu_count() or 1
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        while True:
            for seed in left:
                running.add(pool.submit(played, seed))
                if len(running) == workers:
                    break
            if not running:
                campaign.played.sort(key=lambda each: each.seed.number)
                return campaign
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                campaign.played.append(future.result())
                heard(campaign.played[-1])


def traced(seed: Seed, folder: Path) -> dict[str, Any]:
    """Plays one seed here and keeps its tapes below a new folder. Returns the contract's keys, with the tapes' paths,
    and the commands that open them. Raises BadConfig if the folder exists."""
    try:
        private_folder(folder.parent)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        todo = "remove it, or choose another --home"
        raise BadConfig("the seed was traced before", location=str(folder), todo=todo) from None
    Home.lasting = folder
    try:
        campaign = Campaign()
        game = seed.game()
        campaign.played.append(_played(seed, game))
        tapes = {name: str(path) for name, path in game.journals().items()}
    finally:
        Home.lasting = None
    runs = [path for path in tapes.values() if Path(path).parent.parent.name == "runs"]
    opened = [f"onetape replay {Path(path).parent}  # the robot at any moment: --until PLACE" for path in runs]
    opened += [f"onetape journal cat {path}" for path in tapes.values() if path not in runs]
    return {**campaign.as_json(), "tapes": tapes, "open": opened}


def drawn_first() -> int:
    """Returns a first seed that nobody has drawn before."""
    return random.SystemRandom().randrange(10**9)
