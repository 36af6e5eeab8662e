"""Alerts: from a frame on a gateway's journal to the webhook that has it, on loopback.

    python bench/alerts.py [--count 60]

Each is another thing that is critical, written at a moment of chance; the sink is a real HTTP server. The first one
waits until apprise has loaded its services, which a supervisor does once when it starts: it is told by itself.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from onetape.model.sections import NotifyConfig
from onetape.supervisor.alert_watch import AlertWatch, routes_of
from onetape.tape.journal import JournalWriter


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    count = parser.parse_args().count
    came: dict[str, float] = {}
    done = threading.Event()

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.setdefault(got["message"].partition(":")[0], time.monotonic())
            if len(came) == count:
                done.set()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    written: dict[str, float] = {}
    rng = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="alerts-") as folder:
        home = Path(folder)
        path = home / "journal" / "gateway-main"
        with JournalWriter(path, process="gateway:main", durable=False) as writer:
            routes = routes_of(NotifyConfig(urls=[f"json://127.0.0.1:{server.server_port}/"]), {}, home)
            journals = {"gateway:main": path}
            watch = AlertWatch(home, lambda: journals, tell=lambda _: None, said=print, routes=routes)
            for number in range(count):
                while number == 1 and not came:
                    time.sleep(0.01)
                time.sleep(rng.random() / 2)
                record = {"kind": "halt", "subject": f"s{number}", "state": "begun", "severity": "critical"}
                written[f"halt s{number}"] = time.monotonic()
                writer.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())
            done.wait(60)
            watch.close()
    server.shutdown()
    first, *spans = [(came[name] - began) * 1000 for name, began in written.items() if name in came]
    spans.sort()
    figures = {
        "alerts": count,
        "came": len(came),
        "first_ms": first,
        "p50_ms": spans[len(spans) // 2],
        "max_ms": spans[-1],
    }
    figures["p99_ms"] = spans[min(len(spans) - 1, len(spans) * 99 // 100)]
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))
    return 0 if len(came) == count else 1


if __name__ == "__main__":
    sys.exit(main())
