"""A robot at a gateway: its journal, the progress on it, and its positions."""

from __future__ import annotations

from dataclasses import dataclass, field

from onetape.accounts.entries import MAIN
from onetape.model.enums import PositionSide
from onetape.model.ids import EPOCH_BITS, client_id_of_order, robot_tag
from onetape.model.sections import OPERATOR

__all__ = ["RobotLife"]


@dataclass(slots=True)
class RobotLife:
    """A robot that is or was attached, with its journal and the progress on it."""

    number: int
    name: str
    epoch: int
    journal: str
    taken: int = 0  # sequence of its last processed request
    symbols: dict[int, str] = field(default_factory=dict)  # by its journal's streams
    venue: str = ""  # the venue of the symbols that it trades at this gateway, "": all, it has no other gateway
    leads: bool = True  # this is the first of its gateways: its progress is a place on this gateway's tape
    is_lost: bool = False  # its process has ended, and that was handled
    uuid: bytes = b""  # of its journal
    slot: int = MAIN  # the sub-account that it trades with
    rate: int = 0  # orders a second that it may send, 0: no limit beside its account's
    denied: set[int] = field(default_factory=set)  # order ids denied by a gateway that died before it wrote `input`
    # Its positions from its own orders: symbol -> position side -> signed quantity, in units.
    held: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def base(self) -> int:
        return self.epoch << EPOCH_BITS

    @property
    def is_operator(self) -> bool:
        """Tells whether it is the operator, who trades by hand."""
        return self.name.partition(":")[0] == OPERATOR

    def note_fill(self, symbol: str, side: PositionSide, qty: int) -> None:
        """Adds a fill of its order. qty: signed, in units."""
        of = self.held.setdefault(symbol, {})
        of[side] = of.get(side, 0) + qty

    def next_life(self, journal: str, *, taken: int, slot: int, rate: int, epoch: int) -> RobotLife:
        """Returns the robot's next incarnation. epoch: its lowest epoch."""
        epoch = max(self.epoch + 1, epoch)
        return RobotLife(self.number, self.name, epoch, journal, taken=taken, slot=slot, rate=rate, held=self.held)

    def sit(self, record: object, account: str) -> None:
        """Sets its gateways from its journal. account: this one's."""
        if isinstance(record, dict) and "life" in record:
            seats = [record, *record.get("more", ())]
            found = next((seat for seat in seats if seat.get("account") == account), record)
            self.venue, self.leads = str(found.get("venue", "")), found is record

    def trades(self, stream: int) -> bool:
        """Tells whether its requests for that symbol go to this gateway."""
        return not self.venue or self.symbols.get(stream, "").partition(":")[0] == self.venue

    def client_id(self, order_id: int) -> str:
        """Makes the client id of an order, of any length: a venue may allow fewer letters. Returns "" for order 0."""
        return client_id_of_order(robot_tag(self.name), order_id) if order_id else ""
