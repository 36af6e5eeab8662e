"""Recompute the account of a gateway's tape: balances, positions and orders.

Written from docs/format.md ("The journal of an account"); `read_tape.py` reads the frames. Money and values are
integers of 1e-18, quantities are integers of the instrument's size decimals.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from read_tape import Frame

Row = dict[str, Any]
MAIN, NETTING, ONE = 1, -9, 10**18
HASHED, INTERNAL, RECENT = 1 << 62, 1 << 63, 256
HELD, REISSUED = 16, 32  # flags of an order request
WORKING = {"SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_UPDATE", "TRIGGERED", "UNKNOWN"}
UNANSWERED = {"SUBMITTED", "PENDING_CANCEL", "PENDING_UPDATE"}


class Account:
    """The fold of a gateway's frames. Balances come from entries, positions from fills, orders from all about them."""

    def __init__(self) -> None:
        self.facts: dict[int, Row] = {}
        self.slots: dict[str, int] = {"main": MAIN}
        self.robots: dict[int, Row] = {}
        self.balances: dict[str, Counter[int]] = defaultdict(Counter)
        self.positions: dict[tuple[str, str], Position] = defaultdict(Position)
        self.orders: dict[tuple[int, int], Row] = {}
        self._unbooked: dict[int, tuple[Row, int, Row]] = {}
        self._has_begun = False

    def take(self, frame: Frame) -> None:
        if frame.type in ("instrument", "params", "entry", "position", "health"):
            getattr(self, f"_{frame.type}")(frame, frame.fields())
        elif frame.type in ("order_request", "order_event", "fill"):
            fields = frame.fields()
            # Robots that started in the same second count the same ids.
            order = self.orders.setdefault((fields["robot"], fields["order_id"]), _order(self.facts[frame.stream]))
            getattr(self, f"_{frame.type}")(frame, fields, order)

    def _instrument(self, frame: Frame, fields: Row) -> None:
        self.facts[frame.stream] = fields

    def _params(self, _: Frame, fields: Row) -> None:
        self.slots |= fields.get("slots", {})
        if "robot" in fields:
            self.robots[fields["robot"]] = fields
        if "opened" in fields:  # nobody answers what the gateway before it sent
            for order in self.orders.values():
                if order["state"] in UNANSWERED and not order["is_held"]:
                    order["state"] = "UNKNOWN"

    def _health(self, _: Frame, fields: Row) -> None:
        if (fields["kind"], fields["state"]) == ("exchange", "new"):
            self.orders.clear()
            self.positions.clear()

    def _position(self, frame: Frame, fields: Row) -> None:
        if fields["source"] == "ledger":
            held = self.positions[fields["symbol"], fields["side"]]
            held.facts = next(each for each in self.facts.values() if each["symbol"] == fields["symbol"])
            held.adopt(fields["qty"], fields["price"])

    def _entry(self, _: Frame, entry: Row) -> None:
        for holder, currency, amount, wallet in entry["legs"]:
            self.balances[currency][holder] += 0 if wallet else int(amount)
        self._has_begun = True
        while entry["of"] in self._unbooked:
            sequence = min(self._unbooked)
            facts, slot, fields = self._unbooked.pop(sequence)
            held = self.positions[facts["symbol"], fields["position_side"]]
            held.facts = facts
            held.fill(fields, slot, is_forced=sequence == entry["of"] and entry["note"] == "forced")

    def _fill(self, frame: Frame, fields: Row, order: Row) -> None:
        slot = self.robots.get(fields["robot"], {}).get("slot", MAIN)
        if self._has_begun:
            self._unbooked[frame.sequence] = self.facts[frame.stream], slot, fields
        order["filled"] += fields["size"]
        wanted, state = max(order["qty"], order["amended"]), order["state"]
        if order["filled"] >= wanted and state not in ("DENIED", "REJECTED"):
            if order["filled"] == wanted or state not in ("CANCELED", "EXPIRED"):
                order["state"], order["qty"] = "FILLED", wanted
        elif state in ("SUBMITTED", "ACCEPTED", "TRIGGERED", "UNKNOWN"):
            is_unsure = state == "UNKNOWN" and (order["amended"] or order["is_canceling"])
            order["state"] = state if is_unsure else "PARTIALLY_FILLED"

    def _order_event(self, _: Frame, fields: Row, order: Row) -> None:
        news, was_unknown = fields["news"], order["state"] == "UNKNOWN"
        order["state"], order["qty"] = fields["state"], fields["size"]
        if news in ("updated", "update_rejected") or (news == "found" and was_unknown):
            order["amended"] = 0
        if news == "cancel_rejected" or (news == "found" and was_unknown):
            order["is_canceling"] = False

    def _order_request(self, frame: Frame, fields: Row, order: Row) -> None:
        kind, state, flags = fields["kind"], order["state"], fields["flags"]
        if kind == "place":
            order |= _order(self.facts[frame.stream]) | {"state": "SUBMITTED", "qty": fields["size"]}
            order["is_held"] = bool(flags & HELD)
        elif kind == "amend" and flags & REISSUED and state in WORKING:
            order |= {"state": "PENDING_UPDATE", "is_held": False, "is_canceling": False, "amended": order["qty"]}
        elif kind == "cancel" and state in WORKING:
            order["is_canceling"] = True
            order["state"] = "UNKNOWN" if state == "UNKNOWN" else "PENDING_CANCEL"
        elif kind == "amend" and state in WORKING - UNANSWERED - {"UNKNOWN"} | {"SUBMITTED"}:
            order["state"], order["amended"] = "PENDING_UPDATE", fields["size"]

    def rows(self, account: str) -> dict[str, list[Row]]:
        """Return what `onetape accounts`, `positions` and `orders` print with --json, as far as the tape has it."""
        names = {slot: name for name, slot in self.slots.items()}
        accounts = []
        for currency, sums in sorted(self.balances.items()):
            slots = {slot: amount for slot, amount in sorted(sums.items()) if slot > 0}
            # What sub-accounts' profits and the account's differ by is counted with the pool.
            slots[MAIN] = slots.get(MAIN, 0) + sums[NETTING]
            parts = {names.get(each, str(each)): {"index": each, "total": text(slots[each])} for each in sorted(slots)}
            row = {"account": account, "currency": currency, "total": text(sum(slots.values())), "subaccounts": parts}
            accounts.append(row)
        positions = []
        for (symbol, side), held in sorted(self.positions.items()):
            slots = {each: 0 for _, move in held.moves for each in move if each}
            parts = {names.get(each, str(each)): {"index": each, **held.figures(each)} for each in sorted(slots)}
            row = {"account": account, "symbol": symbol, "side": side, **held.figures(0), "subaccounts": parts}
            positions.append(row)
        orders = []
        for (robot, number), order in self.orders.items():
            facts, name = order["facts"], self.robots.get(robot, {}).get("name", "")
            sizes = {each: size_text(order[each], facts) for each in ("qty", "filled")}
            place: Row = {"account": account, "robot": name, "id": number, "symbol": facts["symbol"]}
            orders.append(place | {"state": order["state"]} | sizes)
        return {"accounts": accounts, "positions": positions, "orders": orders}


def _order(facts: Row) -> Row:
    return {"facts": facts, "state": "", "qty": 0, "filled": 0, "amended": 0, "is_canceling": False, "is_held": False}


def half_even(value: int, by: int) -> int:
    whole, rest = divmod(value, by)
    return whole + (2 * rest > by or (2 * rest == by and whole & 1))


def shares(amount: int, weights: dict[int, int]) -> dict[int, int]:
    """Return parts in proportion; the largest weight's part takes what rounding leaves."""
    found = {slot: half_even(amount * weight, sum(weights.values())) for slot, weight in weights.items()}
    found[max(weights, key=lambda slot: weights[slot])] += amount - sum(found.values())
    return found


def split(size: int, held: dict[int, int], lot: int) -> dict[int, int]:
    """Return what each slot gives of a forced close: whole lots in proportion, then a lot to who is furthest below."""
    total = sum(held.values())
    found = {slot: size * qty // total // lot * lot for slot, qty in held.items()}
    while left := size - sum(found.values()):
        able = [slot for slot in held if found[slot] < held[slot]]
        slot = min(able, key=lambda slot: (found[slot] * total - size * held[slot], slot))
        found[slot] += min(lot, left, held[slot] - found[slot])
    return found


class Position:
    """One instrument and side of an account. A move has the change of quantity and the value of each slot; slot 0 is
    the account."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.moves: list[tuple[tuple[int, int, int], dict[int, tuple[int, int]]]] = []
        self.floor = 0  # no late fill goes before this move

    def value(self, price: int, size: int) -> int:
        facts = self.facts
        amount = Fraction(facts["multiplier"]) * size / 10 ** facts["size_decimals"]
        rate = Fraction(price, 10 ** facts["price_decimals"])
        exact = (amount / rate if facts["kind"] == "inverse" else amount * rate) * ONE
        return half_even(exact.numerator, exact.denominator)

    def adopt(self, qty: int, price: int) -> None:
        """Begin with a position from before the tape."""
        self.moves.append(((0, 0, 0), dict.fromkeys((0, MAIN), (qty, self.value(price, qty)))))
        self.floor = len(self.moves)

    def fill(self, fill: dict[str, Any], slot: int, is_forced: bool) -> None:
        sign, is_spot, at = 1 if fill["side"] == "buy" else -1, self.facts["kind"] == "spot", len(self.moves)
        size, number, sweep = fill["size"], fill["trade_id"], 0
        if HASHED <= number < INTERNAL:
            sweep = fill["price"] if (sign < 0) == (fill["liquidity"] == "maker") else -fill["price"]
        key, parts = (fill["ts_event"], number, sweep), {slot: size}
        if not is_spot:
            if at - self.floor >= RECENT and is_before(key, self.moves[at - RECENT][0]):
                self.floor = at
            while at > self.floor and is_before(key, self.moves[at - 1][0]):
                at -= 1
            if is_forced:
                sums: Counter[int] = Counter()
                for _, move in self.moves[:at]:
                    sums.update({each: -sign * change for each, (change, _) in move.items() if each})
                held = {each: qty for each, qty in sorted(sums.items()) if qty > 0}
                if sum(held.values()) >= size:
                    lot = int(Decimal(self.facts["lot"]).scaleb(self.facts["size_decimals"]))
                    parts, self.floor = split(size, held, max(lot, 1)), at + 1
        value = self.value(fill["price"], sign * size)
        move = {each: (sign * parts[each], part) for each, part in shares(value, parts).items()}
        if number < INTERNAL:
            move[0] = sign * size, value
        self.moves.insert(at, (key, move))

    def figures(self, slot: int) -> dict[str, Any]:
        qty = cost = realized = 0
        for change, value in (move[slot] for _, move in self.moves if slot in move):
            # Of a fill that closes, cost and value of the closed part round half to even; the last part takes the rest.
            closed = min(abs(qty), abs(change)) if qty * change < 0 else 0
            part, ended = half_even(cost * closed, abs(qty) or 1), half_even(value * closed, abs(change))
            qty, cost, realized = qty + change, cost - part + value - ended, realized - part - ended
        facts, is_inverse = self.facts, self.facts["kind"] == "inverse"
        decimals, entry = facts["size_decimals"], None
        if qty and cost:
            amount = Fraction(facts["multiplier"]) * qty / 10**decimals
            rate = amount / Fraction(cost, ONE) if is_inverse else Fraction(cost, ONE) / amount
            entry = rounded(rate, facts["price_decimals"] + 2)
        profit = rounded(Fraction(-realized if is_inverse else realized, ONE), 12)
        return {"qty": size_text(qty, facts), "entry_price": entry, "realized": profit}


def is_before(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    """Tell whether a fill came first at the venue; ids from hashes have no order, so prices decide there."""
    if one[0] != other[0] or not HASHED <= one[1] < INTERNAL:
        return one[:2] < other[:2]
    return one[2] < other[2] and one[2] * other[2] > 0


def text(units: int, decimals: int = 18) -> str:
    """Return decimal text without trailing zeros."""
    return f"{Decimal(units).scaleb(-decimals).normalize():f}"


def rounded(value: Fraction, decimals: int) -> str:
    exact = value * 10**decimals
    return text(half_even(exact.numerator, exact.denominator), decimals)


def size_text(size: int, facts: Row) -> str:
    return f"{Decimal(size).scaleb(-facts['size_decimals']):.{facts['size_decimals']}f}"


def described(found: Row) -> list[str]:
    """Return the account in lines."""
    lines = []
    for row in found.get("accounts", ()):
        parts = (f"{name} {part['total']}" for name, part in row["subaccounts"].items())
        lines.append(f"  {row['currency']} {row['total']}: {', '.join(parts)}")
    for row in found.get("positions", ()):
        parts = (f"{name} {part['qty']}" for name, part in row["subaccounts"].items())
        price = f" at {row['entry_price']}" if row["entry_price"] else ""
        lines.append(f"  {row['symbol']} {row['side']} {row['qty']}{price}: {', '.join(parts)}")
    states = Counter(row["state"] for row in found.get("orders", ()))
    return lines + [f"  {count} orders {state}" for state, count in states.most_common()]


def differences(mine: dict[str, list[Row]], theirs: dict[str, list[Row]], account: str) -> list[str]:
    """Compare with what onetape prints, where both have a figure. A row of the tape that holds nothing may be missing
    there."""
    keys = {"accounts": ("currency",), "positions": ("symbol", "side"), "orders": ("robot", "id")}
    found = []
    for kind, rows in theirs.items():
        left = {tuple(row[key] for key in keys[kind]): row for row in rows if row["account"] == account}
        for row in mine[kind]:
            place = tuple(row[key] for key in keys[kind])
            is_held = row["state"] in WORKING if kind == "orders" else bool(Decimal(row.get("qty") or row["total"]))
            if place in left:
                found += _different(row, left.pop(place), f"{kind} {' '.join(map(str, place))}")
            elif is_held:
                found.append(f"{kind} {' '.join(map(str, place))}: only on the tape: {row}")
        found += [f"{kind} {' '.join(map(str, place))}: not on the tape: {row}" for place, row in left.items()]
    return found


def _different(mine: Any, theirs: Any, place: str) -> list[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return [line for key in mine if key in theirs for line in _different(mine[key], theirs[key], f"{place} {key}")]
    try:
        is_same = mine == theirs or Decimal(mine) == Decimal(theirs)
    except (ArithmeticError, TypeError, ValueError):
        is_same = False
    return [] if is_same else [f"{place}: {mine} by the tape, {theirs} by onetape"]
