"""A real browser, driven over two pipes by its own debugging protocol: no package, no port."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onetape.supervisor.fork_server import is_readable
from waiting import PATIENCE_S, wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless --hide-scrollbars --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --remote-debugging-pipe"
)

KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, "")}  # the system's number, and what it writes


class Chromium:
    """One page in one browser. Used as a context; the browser ends with it."""

    def __init__(
        self,
        page: Path | str,
        folder: Path,
        *,
        width: int = 1280,
        height: int = 900,
        ready: str = 'document.documentElement?.dataset.ready === "yes"',
        first: str = "",
        flags: Sequence[str] = (),
    ) -> None:
        """page: a file or an address; ready: what is true once it is there; first: a script before all others."""
        self.url, self.folder, self.size = page if isinstance(page, str) else page.as_uri(), folder, (width, height)
        self.ready, self.first, self.flags = ready, first, flags
        self.number, self.rest, self.console = 0, b"", list[str]()

    def __enter__(self) -> Chromium:
        to_read, self.out = os.pipe()
        self.inward, to_write = os.pipe()
        # The protocol is spoken on file numbers 3 and 4, which bash gives it; ours are others.
        ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (to_read, to_write)]
        call = [str(CHROMIUM), *FLAGS.split(), *self.flags, f"--user-data-dir={self.folder}/profile"]
        source, sink = ends
        redirect = f'exec "$@" 3<&{source} 4>&{sink} {source}<&- {sink}>&-'
        self.process = subprocess.Popen(
            ["bash", "-c", redirect, "bash", *call, "about:blank"],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for each in (to_read, to_write, *ends):
            os.close(each)
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Page", "Log"):
            self.call(f"{domain}.enable")
        self.resize(*self.size)
        if self.first:
            self.call("Page.addScriptToEvaluateOnNewDocument", source=self.first)
        self.open()
        return self

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def open(self) -> None:
        """The page, afresh."""
        self.console.clear()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=self.url)
        self.wait(self.ready)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        os.close(self.out)
        os.close(self.inward)

    def wait(self, expression: str) -> None:
        wait_for(lambda: self.js(expression), lambda: f"never true: {expression}")

    def js(self, expression: str) -> Any:
        """The value of an expression in the page; of a promise, what it comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, *, held: bool = False, count: int = 1) -> None:
        button = "left" if held or kind != "mouseMoved" else "none"
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=1 if held else 0, clickCount=count
        )

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, held=True)
        for part in (0.25, 0.5, 0.75, 1):
            x = start[0] + (end[0] - start[0]) * part
            self.mouse("mouseMoved", x, start[1], held=True)
        self.mouse("mouseReleased", *end)

    def key(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            letters = KEYS.get(key, (0, key if len(key) == 1 else ""))
            text = {"text": letters[1]} if letters[1] and kind == "keyDown" else {}
            code = {"windowsVirtualKeyCode": letters[0]} if letters[0] else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **code, **text)

    def write(self, text: str) -> None:
        """As if it was typed, to what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def call(self, method: str, **params: Any) -> Any:
        return self.send(method, session=self.session, **params)

    def send(self, method: str, *, session: str | None = None, **params: Any) -> Any:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.console.append(json.dumps(answer["params"]))

    def _next(self) -> Any:
        while b"\0" not in self.rest:
            assert is_readable(self.inward, PATIENCE_S), "the browser does not answer"
            data = os.read(self.inward, 1 << 20)
            assert data, "the browser has gone"
            self.rest += data
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)
