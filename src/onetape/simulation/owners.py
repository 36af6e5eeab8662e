"""Who owns the money of a simulated world: robots and their operator send random commands through
the gateway's door, some wrong, some another's, some twice. Each answer and each movement is
compared with `accounts.command_model`."""

from __future__ import annotations

import random
from typing import Any

from onetape.accounts.entries import Outside
from onetape.model.money import money
from onetape.simulation.command_model import OPERATOR, POOL, Book, CommandModel, Said
from onetape.simulation.gateway_life import SLOTS, Died
from onetape.simulation.invariants import check

SECOND = 1_000_000_000
EVERY_S = 3.0
SHARE = 3  # of the pool, one part at a time
WRONG = ("nan", "inf", "", "1e400", "0.0000000000000000001", True, -5, 0, "12,5")
TOKENS = 0.03  # how often somebody tries to be somebody else
RETRY_S = 15 * SECOND


class Owners:
    def __init__(self, world: Any) -> None:
        self.world = world
        self.random = random.Random(world.seed * 13 + 5)
        self.count = 0
        self.done: dict[str, Any] = {}  # ids, what was asked and answered
        self.done_at: dict[str, int] = {}  # last frame of the journal then
        self.sent: list[tuple[str, str, dict[str, Any], str]] = []
        self.doubtful: tuple[Any, ...] | None = None  # the gateway died over it
        self.doubts: set[str] = set()  # all of these, by id

    def forget_after(self, sequence: int) -> None:
        """Another host continues with what stands on the journal up to a frame."""
        for id_, at in list(self.done_at.items()):
            if at > sequence:
                del self.done[id_], self.done_at[id_]
                self.doubts.add(id_)

    def act(self) -> None:
        world, rng = self.world, self.random
        if world.stopping:
            return
        every = EVERY_S if self.has_begun() else 1.0
        world.at(world.now + int(rng.expovariate(1 / every) * SECOND), self.act)
        if self.doubtful is not None:
            request, self.doubtful = self.doubtful, None
        elif self.sent and rng.random() < 0.1:
            request = rng.choice(self.sent[-20:])
            if rng.random() < 0.3 and request[3] not in self.doubts:  # whose words are known
                actor, name, fields, id_ = request
                request = (actor, name, {**fields, "amount": "17"}, id_)
        else:
            request = self.wish()
        self.send(*request)

    def has_begun(self) -> bool:
        """Both robots have something to trade with."""
        rows = self.world.money_invariants.slots().get(self.world.quote)
        return rows is not None and all(rows[2:4])

    def wish(self) -> tuple[str, str, dict[str, Any], str]:
        world, rng = self.world, self.random
        self.count += 1
        id_ = f"{rng.choice(('c', 'command ', 'Ä'))}{self.count}"
        seen = world.money_invariants.slots()
        poor = [
            (name, currency)
            for currency, rows in seen.items()
            for name, slot in SLOTS.items()
            if slot < 4 and rows[slot] * 8 < rows[1]
        ]
        if poor and rng.random() < 0.5:
            name, currency = rng.choice(poor)
            amount = seen[currency][1] // SHARE
            actor = rng.choice((OPERATOR, name))
            fields = {"currency": currency, "index": SLOTS[name], "amount": str(money(amount))}
            return actor, "allocate", fields, id_
        actor = rng.choice((*SLOTS, OPERATOR))
        rare = ("set", "reset") if world.is_open or actor != OPERATOR else ("set",)
        name = rng.choice(("allocate", "release", "allocate", "release", "adjust", rng.choice(rare)))
        if name == "reset" and rng.random() < 0.7:
            name = "release"
        currency = rng.choice((*seen, world.quote, world.quote.lower(), "DOGE"))
        slot: int | str = SLOTS[actor] if actor in SLOTS else rng.choice((2, 3, 4))
        if rng.random() < 0.1:
            slot = rng.choice((0, 1, 2, 3, 4, 5, 64, "two", "main", "nobody", "3"))
        fields = {"currency": currency, "amount": self.amount(currency, name)}
        if name in ("allocate", "release") or (name == "set" and rng.random() < 0.7):
            fields["index"] = slot
        if name in ("adjust", "reset", "set") and "index" not in fields and not world.is_open:
            name, fields["index"] = "release", slot  # nothing of which the venue does not know
        if rng.random() < 0.1:
            fields["strategy"] = rng.choice((*SLOTS, actor))
        if name == "adjust" and rng.random() < 0.5:
            fields["transfer_id"] = f"t{rng.randrange(6)}"
        return actor, name, fields, id_

    def amount(self, currency: str, name: str) -> Any:
        rng = self.random
        rows = self.world.money_invariants.slots().get(currency.upper())
        if rows is None or rng.random() < 0.06:
            return rng.choice(WRONG)
        if name in ("reset", "set"):
            most = rows[0] // (1 if name == "reset" else 4)
            return str(money(rng.randint(most // 2, max(most, 1))))
        most = max(rows[1] if name == "allocate" else rows[rng.choice((2, 3, 4))], 10**18)
        if name == "adjust":
            return str(money(rng.choice((1, -1)) * rng.randint(1, max(most // 50, 1))))
        return str(money(rng.randint(1, int(most * rng.choice((0.05, 0.3, 1.2))) + 1)))

    def send(self, actor: str, name: str, fields: dict[str, Any], id_: str) -> None:
        world, rng = self.world, self.random
        is_proven = rng.random() >= TOKENS
        token = world.home.tokens[actor if is_proven else rng.choice([*{*SLOTS} - {actor}])]
        world.core.stamp(world.moment())
        world.core.carry_out()
        before = self.books()
        model = CommandModel(SLOTS, self.books(), self.done, set(world.money_invariants.transfers))
        request = {
            "id": id_,
            "target": "gateway:main",
            "command": name,
            "actor": actor,
            "fields": fields,
            "token": token,
        }
        is_done = id_ in self.done
        want = model.answer(actor, name, fields, id_, is_proven=is_proven)
        has_begun = any(Outside.OPENING in of for of in world.money_invariants.sums.values())
        if want.status == "applied" and not has_begun:
            want = Said("refused", "VENUE_UNAVAILABLE")
            self.done[id_] = self.done[id_][0], want
        try:
            reply = world.life.commands.door.answer(request)
        except Died:
            if is_proven and not is_done:
                self.done.pop(id_, None)
                self.doubtful = actor, name, fields, id_
                self.doubts.add(id_)
            raise
        world.seen[f"command {reply['status']}"] += 1
        if id_ in self.done:
            self.done_at.setdefault(id_, world.life.writer.published)
        got = Said(reply["status"], reply["error"]["name"] if reply["error"] else "")
        what = f"{actor} {name} {fields} {id_!r}"
        if id_ in self.doubts and got.status == "duplicate" and want.status != "duplicate":
            # It had been done, to the end or up to its entry.
            booked = any(reference == id_ for _, reference in world.money_invariants.references)
            check(bool(got.code) or booked or name == "adjust", f"{what}: {got}, and nothing of it")
            words = self.done[id_][0]
            self.done[id_] = words, Said("refused" if got.code else "applied", got.code)
            want = got
        if got != want:
            check(False, f"{what}: {got}, not {want}")
        if got.status == "applied" or (got.status == "refused" and is_proven):
            self.sent.append((actor, name, fields, id_))
        after = self.books()
        moves = model.books if want.status == "applied" else before
        if name == "adjust" and want.status == "applied":
            # What the venue has told of, or a correction has taken up, does not count again.
            is_open = [after[c].slots == before[c].slots for c in after]
            moves = before if all(is_open) else moves
        for currency in after:
            got_, want_ = (
                {slot: amount for slot, amount in books[currency].slots.items() if amount} for books in (after, moves)
            )
            check(got_ == want_, f"{what}: {currency} {got_}, not {want_}")

    def books(self) -> dict[str, Book]:
        """As the tape has them now, which is what readers see."""
        world = self.world
        world.money_invariants.check()
        found = {name: Book({}, credit=int(text) * 10**18) for name, text in world.credit.items()}
        for currency, of in world.money_invariants.sums.items():
            netting = of.get(int(Outside.NETTING), 0)
            slots = {slot: amount for slot, amount in of.items() if slot > 0 and amount}
            if netting:
                slots[POOL] = slots.get(POOL, 0) + netting
            held = {slot: world.money.reserves.held(currency, slot) for slot in (1, *SLOTS.values())}
            credit = int(world.credit.get(currency, "0")) * 10**18
            found[currency] = Book(slots, held, credit, netting)
        return found
