"""Run a sweep's jobs on Ray: locally, on the cluster of RAY_ADDRESS, or on one of other machines (ray://HOST).

Machines of the first two read tapes and strategy under the paths of this one. A cluster of other machines has none of
them: they are put into Ray's object store once, and each machine writes them to a folder once, named by their content.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

import onetape
from onetape.engine.latency import curve_file
from onetape.engine.loader import load_strategy, own_modules
from onetape.model.errors import NotAvailable, ProcessDown
from onetape.research.pool import WAIT_S, Batch, Jobs, Row, Waiting
from onetape.security.private import private_folder

__all__ = ["is_address", "run_ray"]

PREFIX: Final = "ray://"
TASK_S: Final = 1.0
SOME_MAX: Final = 16
AHEAD: Final = 2  # tasks for each process: the next one waits beside it
PORT: Final = 10001  # of Ray's client server
UNUSED_S: Final = 7 * 24 * 3600.0  # what no sweep has used for so long is removed from a machine


def is_address(backend: str) -> bool:
    return backend.startswith(PREFIX) and len(backend) > len(PREFIX)


def run_ray(batch: Batch) -> None:
    """Run a batch on Ray: `processes` tasks at once, on a cluster of other machines one for each of its processors if
    those are more. Raises NotAvailable, ProcessDown."""
    try:
        # Imported by name, as ray and its types come only with the extra.
        ray: Any = import_module("ray")
    except ImportError:
        raise NotAvailable(
            "the backend ray needs ray", location="--backend", todo="pip install 'onetape[ray]'"
        ) from None
    with _connected(ray, batch):
        _run(ray, batch)


@contextmanager
def _connected(ray: Any, batch: Batch) -> Iterator[None]:
    if ray.is_initialized():  # by the caller
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if batch.address:
        host = batch.address.removeprefix(PREFIX)
        address = f"{PREFIX}{host}" if ":" in host else f"{PREFIX}{host}:{PORT}"
        try:
            ray.init(address, **quiet)
        except (ConnectionError, RuntimeError, ImportError) as error:
            words = " ".join(str(error).split())[-300:]
            raise ProcessDown(
                f"no Ray cluster at {address}: {words}",
                location="--backend",
                todo="start it; where it wants a token, copy its ~/.ray/auth_token and set RAY_AUTH_MODE=token",
            ) from None
    else:
        # Ray would upload the current folder and take a page's port; a sweep needs neither.
        processors = batch.processes if "RAY_ADDRESS" not in os.environ else None
        ray.init(num_cpus=processors, include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()


def _run(ray: Any, batch: Batch) -> None:
    setup, processes = dict(batch.setup), batch.processes
    if batch.address:
        _check_there(ray)
        processes = max(processes, int(ray.cluster_resources().get("CPU", 1)))
        setup["shipped"] = _shipped(ray, setup)
    remote = ray.remote(max_retries=0)(_ray_jobs)
    setup_there = ray.put(setup)
    waiting = Waiting(batch.jobs)
    running: dict[Any, list[Jobs]] = {}
    size = 1  # lists of jobs for a task, so that it takes about a second: each costs Ray some 10 ms
    try:
        while running or not waiting.is_over:
            while len(running) < AHEAD * processes and (some := _some(waiting, size)):
                running[remote.remote(setup_there, some)] = some
            done = ray.wait([*running], timeout=WAIT_S)[0] if running else []
            for each in done:
                some = running.pop(each)
                jobs = [job for jobs in some for job in jobs]
                try:
                    rows, seconds = ray.get(each)
                    size = max(1, min(SOME_MAX, int(TASK_S * len(some) / max(seconds, 1e-3))))
                except ray.exceptions.RayError as problem:
                    if len(jobs) > 1:
                        waiting.put_back(jobs)
                        continue
                    line = str(problem).strip().splitlines()[-1]
                    rows = [{"key": jobs[0]["key"], "error": f"its Ray task ended: {line}"}]
                for row in rows:
                    batch.take(row)
            batch.idle()
    finally:
        for each in running:
            ray.cancel(each, force=True)


def _some(waiting: Waiting, size: int) -> list[Jobs]:
    found: list[Jobs] = []
    while len(found) < size and (jobs := waiting.next()) is not None:
        found.append([*jobs])
    return found


def _check_there(ray: Any) -> None:
    """Raises NotAvailable for a cluster that does not run this release."""
    try:
        there = ray.get(ray.remote(_release).remote())
    except ray.exceptions.RayError as problem:
        line = str(problem).strip().splitlines()[-1]
        raise NotAvailable(
            f"the cluster cannot run onetape: {line}", location="--backend", todo="install this release on each node"
        ) from None
    if there != onetape.__version__:
        raise NotAvailable(f"the cluster runs onetape {there}, and this is {onetape.__version__}", location="--backend")


def _release() -> str:
    return str(onetape.__version__)


# --- what goes to other machines --------------------------------------------------------------------------------------


def _shipped(ray: Any, setup: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Puts tapes, the strategy with its own modules and files of options into the object store. Returns for each {path
    digest files}: its path here, a name by its content, and objects by path below it ("" for a file itself)."""
    place = setup["reference"].rpartition(":")[0]
    paths = [Path(each["path"]) for each in setup["tapes"]]
    paths += [Path(setup["instruments"])] if setup["instruments"] else []
    latency = setup["options"]["latency"]
    if latency and (curve := curve_file(latency)) is not None:
        paths.append(curve)
    shipped = [_put(ray, path, sorted(path.glob("*.tape*")) if path.is_dir() else [path]) for path in paths]
    if place.endswith((".py", ".toml")):
        beside = {Path(str(each.__file__)).resolve() for each in own_modules(load_strategy(setup["reference"]))}
        main = Path(place).resolve()
        shipped.append(_put(ray, main.parent, sorted({main, *beside})))
    return shipped


def _put(ray: Any, path: Path, files: list[Path]) -> dict[str, Any]:
    digest, objects = hashlib.sha256(), {}
    for file in files:
        # An array's bytes are mapped, not copied, where they are read.
        content = np.fromfile(file, dtype=np.uint8)
        name = "" if file == path else file.relative_to(path).as_posix()
        digest.update(f"{name}:{len(content)}:".encode())
        digest.update(content.data)
        objects[name] = ray.put(content)
    return {"path": str(path), "digest": digest.hexdigest()[:16], "files": objects}


def _ray_jobs(setup: Mapping[str, Any], some: Sequence[Jobs]) -> tuple[list[Row], float]:
    """Run lists of jobs on a Ray worker, which may be on another machine. Returns their rows, and the seconds taken."""
    from onetape.research.variant import run_jobs

    began = time.perf_counter()
    if (shipped := setup.get("shipped")) is None:
        sys.path[:] = [*setup["sys_path"], *(p for p in sys.path if p not in setup["sys_path"])]
        return [row for jobs in some for row in run_jobs(setup, jobs)], time.perf_counter() - began
    root = Path(tempfile.gettempdir()) / f"onetape-{getpass.getuser()}"
    private_folder(root)
    paths = {each["path"]: str(_placed(root, each)) for each in shipped}
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        there = {**_moved({**setup, "shipped": None}, paths), "scratch": scratch}
        rows = [row for jobs in some for row in run_jobs(there, jobs)]
    back = {place: path for path, place in paths.items()}
    return [{**row, "error": _renamed(row["error"], back)} for row in rows], time.perf_counter() - began


def _placed(root: Path, shipped: Mapping[str, Any]) -> Path:
    """Returns the path of something on this machine; the first task writes it."""
    ray: Any = import_module("ray")
    folder = root / shipped["digest"]
    place: Path = folder / Path(shipped["path"]).name
    if not folder.exists():
        _remove_unused(root)
        part = Path(tempfile.mkdtemp(dir=root))
        for name, content in shipped["files"].items():
            file = part / place.name / name if name else part / place.name
            file.parent.mkdir(parents=True, exist_ok=True)
            ray.get(content).tofile(file)
        try:
            part.rename(folder)
        except OSError:  # another task was first
            shutil.rmtree(part)
    os.utime(folder)
    return place


def _remove_unused(root: Path) -> None:
    for each in root.iterdir():
        with suppress(OSError):
            if time.time() - each.stat().st_mtime > UNUSED_S:
                shutil.rmtree(each)


def _moved(value: Any, paths: Mapping[str, str]) -> Any:
    """Returns a set-up with other paths."""
    if isinstance(value, Mapping):
        return {key: _moved(each, paths) for key, each in value.items()}
    if isinstance(value, list):
        return [_moved(each, paths) for each in value]
    return _renamed(value, paths)


def _renamed(text: Any, paths: Mapping[str, str]) -> Any:
    if isinstance(text, str):
        for path in sorted(paths, key=len, reverse=True):  # the longest first: one may be in another
            if path in text:
                return text.replace(path, paths[path])
    return text
