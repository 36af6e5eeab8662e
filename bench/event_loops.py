"""What waiting for a socket costs: the bare client of `tick_to_order` over four loops.

Each is asleep until a tick is there, finds its price and writes a request that was built before: uvloop with picows,
as a gateway waits; uvloop with plain sockets that it only watches; `select.epoll` of Python, without an event loop; and
epoll in C, which is what a loop in the core would have at best. None speaks TLS, as venues do. The venue and both
stamps are those of `tick_to_order`. The C program is compiled by `cc`.

    python bench/event_loops.py [--ticks 2000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import select
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from tick_to_order import GET, HEAD, TAIL, Ticker, connected, middle, own_cores, samples_of, sleeping, venue

# A frame is read with one call: ticks come one at a time. What is answered is read and dropped.
PROGRAM = r"""
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static int connected(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, found = socket(AF_INET, SOCK_STREAM, 0);
    if (found < 0 || connect(found, (struct sockaddr*)&at, sizeof at) != 0) exit(1);
    setsockopt(found, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return found;
}

int main(int count, char** words) {
    if (count != 5) return 2;
    const char *get = words[2], *head = words[3], *tail = words[4];
    const int market = connected(atoi(words[1])), orders = connected(atoi(words[1]));
    char data[65536], request[1024];
    if (write(market, get, strlen(get)) < 0 || read(market, data, sizeof data) <= 0) return 1;
    const int poller = epoll_create1(0);
    struct epoll_event each = {.events = EPOLLIN, .data = {.fd = market}};
    epoll_ctl(poller, EPOLL_CTL_ADD, market, &each);
    each.data.fd = orders;
    epoll_ctl(poller, EPOLL_CTL_ADD, orders, &each);
    for (;;) {
        if (epoll_wait(poller, &each, 1, -1) != 1) continue;
        const ssize_t size = read(each.data.fd, data, sizeof data - 1);
        if (size <= 0) return 0;
        if (each.data.fd == orders) continue;
        data[size] = 0;
        char* price = strstr(data + (data[1] == 126 ? 4 : 2), "\"b\":\"");
        if (price == NULL) continue;
        price += 5;
        const int digits = (int)strcspn(price, "\"");
        const int length = snprintf(request, sizeof request, "%s%.*s%s", head, digits, price, tail);
        if (write(orders, request, (size_t)length) < 0) return 1;
    }
}
"""

Client = Callable[[subprocess.Popen[str], int], dict[str, list[int]]]


def answer(market: socket.socket, orders: socket.socket, decode: Callable[[bytes], Ticker]) -> None:
    data = market.recv(4096)
    price = decode(data[4:] if data[1] == 126 else data[2:]).b
    orders.send(b"%b%b%b" % (HEAD, price.encode(), TAIL))


async def watched(child: subprocess.Popen[str], port: int) -> dict[str, list[int]]:
    """The samples of plain sockets that uvloop watches."""
    loop = asyncio.get_running_loop()
    market, orders = connected(port)
    decode = msgspec.json.Decoder(Ticker).decode
    with market, orders:
        loop.add_reader(market.fileno(), answer, market, orders, decode)
        loop.add_reader(orders.fileno(), orders.recv, 65536)
        samples = await loop.run_in_executor(None, samples_of, child)
        loop.remove_reader(market.fileno())
        loop.remove_reader(orders.fileno())
    return {"seen": samples}


def in_python(child: subprocess.Popen[str], port: int) -> dict[str, list[int]]:
    """The samples of a loop in Python around `select.epoll`."""
    market, orders = connected(port)
    decode = msgspec.json.Decoder(Ticker).decode
    assert child.stdout is not None
    heard, answered, end = market.fileno(), orders.fileno(), child.stdout.fileno()
    with select.epoll() as poller, market, orders:
        for number in (heard, answered, end):
            poller.register(number, select.EPOLLIN)
        while True:
            for number, _ in poller.poll():
                if number == heard:
                    answer(market, orders, decode)
                elif number == answered:
                    orders.recv(65536)
                else:  # the venue has had all of its orders
                    return {"seen": samples_of(child)}


def in_c(folder: Path) -> Client:
    """Compiles the loop in C. Returns what measures it."""
    source, program = folder / "waiting.c", folder / "waiting"
    source.write_text(PROGRAM)
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)

    def measured(child: subprocess.Popen[str], port: int) -> dict[str, list[int]]:
        command = [str(program), str(port), GET.decode(), HEAD.decode(), TAIL.decode()]
        client = subprocess.Popen(command)
        try:
            return {"seen": samples_of(child)}
        finally:
            client.terminate()
            client.wait(20)

    return measured


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--ticks", type=int, default=2000)
    options.add_argument("--every-us", type=int, default=500, help="from an order to the next tick")
    options.add_argument("--rounds", type=int, default=5)
    inputs = options.parse_args()
    own_cores()
    with tempfile.TemporaryDirectory() as place:
        clients: dict[str, Client] = {
            "uvloop and picows": lambda child, port: uvloop.run(sleeping(child, port)),
            "uvloop that watches plain sockets": lambda child, port: uvloop.run(watched(child, port)),
            "epoll of Python": in_python,
        }
        if shutil.which("cc"):
            clients["epoll in C"] = in_c(Path(place))
        measured: dict[str, list[dict[str, list[int]]]] = {}
        for _ in range(inputs.rounds):
            for name, client in clients.items():
                with venue(inputs) as (child, reported):
                    measured.setdefault(name, []).append(client(child, reported["port"]))
    rows: list[dict[str, Any]] = [
        {"name": f"{name}, {title}", "unit": "us", "better": "less", "value": middle(rounds, "seen", which)}
        for name, rounds in measured.items()
        for which, title in ((50, "p50"), (99, "p99"))
    ]
    print(json.dumps({"figures": rows}))


if __name__ == "__main__":
    main()
