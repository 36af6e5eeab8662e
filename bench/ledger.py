"""Postings a second with the journal, and how long a million of them take to be read again.

A posting is one entry: a spot fill with its fee, five legs, as a gateway books it: looked at for
what explains it, packed, appended to a journal, booked. Processor time of the one thread that does
this: what else the machine runs does not count, nor does a wait for the disk, of which there is
none unless memory is short.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.accounts.ledger import Ledger
from onetape.accounts.slots import Slots, SubAccounts
from onetape.accounts.statement import Statements
from onetape.accounts.unexplained import Unexplained
from onetape.model.money import MONEY_DECIMALS
from onetape.tape.journal import JournalReader, JournalWriter, type_id

POSTINGS = 1_000_000
ROUND = 100_000
UNIT = 10**MONEY_DECIMALS
MARKET, FEES = int(Outside.MARKET), int(Outside.FEES)  # plain, as `Booking` has them


def entries(first: int) -> list[Entry]:
    """Fills of eight sub-accounts, made before the clock runs."""
    made = []
    for number in range(first, first + ROUND):
        slot, sign = 2 + number % 8, 1 - 2 * (number % 2)
        paid, fee = sign * 60_123 * UNIT // 100, UNIT * 48 // 100
        bought = sign * UNIT // 100
        legs = (
            Leg(slot, "BTC", bought),
            Leg(MARKET, "BTC", -bought),
            Leg(slot, "USD", -paid - fee),
            Leg(MARKET, "USD", paid),
            Leg(FEES, "USD", fee),
        )
        made.append(Entry(number, Cause.FILL, legs, f"kraken:BTC/USD {number} buy", number))
    return made


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    writer = JournalWriter(folder / "j", durable=False)
    append, type_ = writer.append_raw, type_id("entry")
    ledger = Ledger()
    statements = Statements(SubAccounts(ledger, Slots()), Unexplained())
    book = Bookkeeper(ledger, statements, lambda entry: append(type_, pack(entry), 0, 0, 1)).book
    rates = []
    for first in range(0, POSTINGS, ROUND):
        made = entries(first)
        begin = time.thread_time_ns()
        for entry in made:
            book(entry)
        rates.append(ROUND / (time.thread_time_ns() - begin) * 1e9)
    writer.close()
    begin = time.thread_time_ns()
    rebuilt = Ledger()
    statements = Statements(SubAccounts(rebuilt, Slots()), Unexplained())
    read = Bookkeeper(rebuilt, statements, lambda entry: None).read
    with JournalReader(folder / "j") as reader:
        for frame in reader.frames(["entry"]):
            read(frame.payload)
    seconds = (time.thread_time_ns() - begin) / 1e9
    assert rebuilt.to_record() == ledger.to_record()
    shutil.rmtree(folder)
    figures = [
        {
            "name": "ledger postings with journal",
            "value": round(max(rates)),
            "unit": "1/s",
            "better": "more",
            "reach": 200_000,
        },
        {
            "name": "ledger rebuilt, a million postings",
            "value": round(seconds, 2),
            "unit": "s",
            "better": "less",
            "reach": 5,
        },
    ]
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()
