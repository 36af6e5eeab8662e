"""The accounts of a simulated exchange: owners, keys, margin settings, and transfers of money.

Money movements enter the account's history and are reported (`credit`), unless they happen in another wallet than
the trading one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, overload

from onetape.exchange.account import AccountTransfer, Income, MarginMove, SimAccount
from onetape.exchange.board import Board
from onetape.exchange.joint import ONE, Collateral, Rates
from onetape.exchange.keys import HMAC, MAIN, ApiKey, new_key, password_of
from onetape.exchange.listing import changed_brackets
from onetape.exchange.reports import CashReport, ModeReport
from onetape.exchange.timeline import CallTerms, Timeline, recorded
from onetape.model.enums import PositionSide
from onetape.model.errors import BadConfig
from onetape.model.money import MONEY_DECIMALS, money_units

__all__ = ["Accounts", "SpotTrade"]

_DOLLARS: Final = ("USD", "USDT", "USDC")  # worth one dollar each: they have no market here
_NOTHING: Final = Rates(0, 0, 0, 0, 0)


class SpotTrade(CallTerms, frozen=True, kw_only=True):
    """A purchase of a coin on the spot market, for an account that trades futures. base, quote: currencies; amounts are
    decimal text, the fee is in the bought coin."""

    symbol: str
    base: int
    quote: int
    bought: str
    spent: str
    fee: str
    time: int


class Accounts(Sequence[SimAccount]):
    """All accounts of an exchange, in the order of opening.

    keyring: seed and kind of venue, from which keys and secrets are derived. isolates: isolated positions have margin
    of their own, and are liquidated alone. collateral: rates of joint margin. has_passwords, spot_money: as in `Rules`.
    """

    def __init__(
        self,
        timeline: Timeline,
        board: Board,
        *,
        keyring: tuple[int, str],
        isolates: bool,
        collateral: dict[str, Collateral],
        has_passwords: bool = False,
        spot_money: str = "",
    ) -> None:
        self.timeline = timeline
        self.board = board
        self.keyring = keyring
        self.isolates = isolates
        self.collateral = collateral
        self.has_passwords = has_passwords
        self.spot_money = spot_money
        self.account_transfers: list[AccountTransfer] = []  # oldest first
        self.spot_trades: dict[tuple[int, str], tuple[int, SpotTrade]] = {}  # (account, client id) -> purchase
        self.by_key: dict[str, SimAccount] = {}
        self.keys: dict[str, ApiKey] = {}  # key -> its permissions
        self._all: list[SimAccount] = []
        self._next_income = 1

    @overload
    def __getitem__(self, at: int) -> SimAccount: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[SimAccount]: ...
    def __getitem__(self, at: int | slice) -> SimAccount | Sequence[SimAccount]:
        return self._all[at]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[SimAccount]:
        return iter(self._all)

    # --- keys -------------------------------------------------------------------------------------

    @recorded("open_account")
    def open(
        self, name: str, key: str, secret: str, balances: dict[str, str], *, leverage: int = 20, parent: str = ""
    ) -> SimAccount:
        account = SimAccount(
            name=name,
            number=len(self._all) + 1,
            key=key,
            secret=secret,
            password=password_of(secret) if self.has_passwords else "",
            instruments=tuple(self.board.instruments),
            currencies=self.board.currencies,
            leverage_default=leverage,
            isolates=self.isolates,
            parent=parent,
            spot_money=self.spot_money,
        )
        self._all.append(account)
        self.by_key[key] = account
        self.keys[key] = ApiKey(key, account, MAIN, HMAC, secret)
        for currency, amount in balances.items():
            self.deposit(account, currency, amount, self.timeline.now, reason="deposit")
        self._set_marks(account)
        self.timeline.take()
        return account

    def secrets(self, secret: str) -> dict[str, str]:
        """Returns the secret of a key, and its password if keys have one."""
        return {"secret": secret} | ({"password": password_of(secret)} if self.has_passwords else {})

    @recorded("make_key")
    def make_key(self, account: SimAccount, label: str, kind: str = HMAC, public: str = "") -> ApiKey:
        """Makes another key of an account; its secret is derived from the seed. Raises BadConfig."""
        made = new_key(self.keyring, account, label, kind=kind, public=public)
        if made.key in self.keys:
            raise BadConfig(f"there is a key {label!r}", location=account.name)
        self.by_key[made.key] = account
        self.keys[made.key] = made
        return made

    @recorded("change_key")
    def change_key(
        self,
        key: str,
        *,
        can_trade: bool | None = None,
        can_withdraw: bool | None = None,
        addresses: list[str] | None = None,
        terms: dict[str, str] | None = None,
    ) -> None:
        """Sets a key's permissions, and its allowed addresses (empty: all); None leaves it unchanged."""
        found = self.keys[key]
        if can_trade is not None:
            found.can_trade = can_trade
        if can_withdraw is not None:
            found.can_withdraw = can_withdraw
        if addresses is not None:
            found.addresses = tuple(addresses)
        if terms is not None:
            found.terms = terms

    @recorded("withdraw_key")
    def revoke_key(self, key: str) -> None:
        """Deletes a key."""
        del self.keys[key], self.by_key[key]

    # --- money ------------------------------------------------------------------------------------

    def note_income(
        self,
        account: SimAccount,
        now: int,
        kind: str,
        currency: int,
        amount: int,
        *,
        index: int = -1,
        trade_id: int = 0,
        fee: int = 0,
    ) -> None:
        """Adds a balance change to the account's history. amount, fee: 1e-18."""
        account.income.append(Income(self._next_income, now, kind, currency, amount, index, trade_id, fee))
        self._next_income += 1

    def credit(
        self,
        account: SimAccount,
        now: int,
        kind: str,
        currency: int,
        amount: int,
        *,
        reason: str = "",
        index: int = -1,
        fee: int = 0,
    ) -> None:
        """Books money (1e-18, negative: out) into the account, adds it to the history and reports it. reason: the
        reported reason; "": the kind."""
        account.money.deposit(currency, amount)
        self.note_income(account, now, kind, currency, amount, index=index, fee=fee)
        self.timeline.say(CashReport(now, account, reason or kind, (currency,), (), amount, index))

    def move(
        self, account: SimAccount, wallet: str, now: int, kind: str, currency: int, amount: int, *, fee: int = 0
    ) -> int:
        """Books money into a wallet of the account, "": the trading wallet; movements in other wallets are not
        reported. Returns the movement's number."""
        number = self._next_income
        if wallet:
            account.beside[currency] = account.beside.get(currency, 0) + amount
            self._next_income += 1
            return number
        reason = "deposit" if amount > 0 else "withdraw"
        self.credit(account, now, kind, currency, amount, reason=reason, fee=fee)
        return number

    @recorded("deposit")
    def deposit(
        self,
        account: SimAccount,
        currency: str,
        amount: str,
        now: int,
        *,
        reason: str = "deposit",
        silent: bool = False,
    ) -> None:
        """Deposits money from outside (negative: withdraws). silent: the balance changes without a report."""
        at = self.board.currencies.index(currency)
        units = money_units(Decimal(amount))
        if silent:
            account.money.deposit(at, units)
            account.silent.append((now, at, units))
            return
        self.credit(account, now, reason, at, units)

    @recorded("buy_spot", SpotTrade)
    def buy_spot(self, account: SimAccount, name: str, trade: SpotTrade) -> int:
        """Books a purchase in the other wallet. name: the customer's id. The caller has checked the funds. Returns the
        purchase's number."""
        bought, spent, fee = (money_units(each) for each in (trade.bought, trade.spent, trade.fee))
        for currency, change in ((trade.quote, -spent), (trade.base, bought - fee)):
            account.beside[currency] = account.beside.get(currency, 0) + change
        number = len(self.spot_trades) + 1
        self.spot_trades[account.number, name] = number, trade
        return number

    @recorded("transfer")
    def transfer(self, account: SimAccount, currency: str, amount: str, now: int, name: str = "") -> int:
        """Moves money from the other wallet to the trading wallet; in the other direction if negative. The caller has
        checked the funds. name: the customer's id. Returns the transfer's id."""
        at = self.board.currencies.index(currency)
        units = money_units(Decimal(amount))
        account.beside[at] = account.beside.get(at, 0) - units
        number = self.move(account, "", now, "transfer", at, units)
        account.income[-1] = account.income[-1]._replace(name=name)
        return number

    @recorded("give")
    def give(
        self,
        account: SimAccount,
        target: str,
        wallets: tuple[str, str],
        currency: str,
        amount: str,
        name: str,
        now: int,
    ) -> int:
        """Moves money to another account. target: its name; wallets: source and target wallet, "": the trading wallet.
        The caller has checked the funds. Returns the transfer's id."""
        at = self.board.currencies.index(currency)
        units = money_units(Decimal(amount))
        other = next(each for each in self._all if each.name == target)
        number = self._next_income
        for one, wallet, change in ((account, wallets[0], -units), (other, wallets[1], units)):
            if wallet:
                one.beside[at] = one.beside.get(at, 0) + change
            else:
                self.move(one, "", now, "given", at, change)
        self._next_income = max(self._next_income, number + 1)
        self.account_transfers.append(
            AccountTransfer(number, now, name, account.name, target, (wallets[0], wallets[1]), at, units)
        )
        return number

    # --- margin -----------------------------------------------------------------------------------

    @recorded("set_leverage")
    def set_leverage(self, account: SimAccount, index: int, leverage: int, now: int) -> None:
        account.set_leverage(index, leverage)
        self.timeline.say(ModeReport(now, account, "leverage", index))

    @recorded("set_isolated")
    def set_isolated(self, account: SimAccount, index: int, isolated: bool, now: int) -> None:
        account.set_isolated(index, isolated)
        self.timeline.say(ModeReport(now, account, "margin", index))

    @recorded("set_joint")
    def set_joint(self, account: SimAccount, joint: bool, now: int) -> None:
        """Sets joint margin: all currencies are the margin of all positions. The caller has checked that there are no
        orders and no isolated positions."""
        account.set_joint(self.rates if joint else None)
        account.called.clear()
        self.timeline.say(ModeReport(now, account, "joint"))

    @recorded("move_margin")
    def move_margin(self, account: SimAccount, index: int, side: PositionSide | str, amount: int, now: int) -> None:
        """Moves margin to an isolated position, or from it if negative; the caller has checked the funds. amount:
        1e-18."""
        side = PositionSide(side)
        account.money.move_margin(index, side.value, amount)
        account.margin_moves.append(MarginMove(now, index, side, amount))
        settle = self.board.currencies.index(self.board.instruments[index].settle)
        self.timeline.say(CashReport(now, account, "margin", (settle,), ((index, side),), -amount, index))

    @recorded("set_hedge")
    def set_hedge(self, account: SimAccount, hedge: bool, now: int) -> None:
        """Sets hedge mode. The caller has checked that there are no positions and no orders."""
        account.set_hedge(hedge)
        self._set_marks(account)
        self.timeline.say(ModeReport(now, account, "hedge"))

    @recorded("set_level")
    def set_level(self, account: SimAccount, level: str) -> None:
        account.level = level

    @recorded("join_wallets")
    def join_wallets(self, account: SimAccount, now: int) -> None:
        """Makes the money of spot and of contracts one. The caller has checked that there are no orders on spot."""
        account.join_wallets()
        self.timeline.say(ModeReport(now, account, "wallets"))

    @recorded("set_self_trade")
    def set_self_trade(self, account: SimAccount, rule: str) -> None:
        account.self_trade = rule

    @recorded("set_fee_currency")
    def set_fee_currency(self, account: SimAccount, currency: str) -> None:
        account.fee_currency = currency

    def _set_marks(self, account: SimAccount) -> None:
        for index, listing in enumerate(self.board.listings):
            if listing.mark:
                account.money.set_mark(index, listing.mark)

    @recorded("change_brackets")
    def change_brackets(self, index: int, rows: list[dict[str, Any]]) -> None:
        """Sets an instrument's table of leverage and maintenance margin. Raises BadInput."""
        self.board.replace(index, changed_brackets(self.board.instruments[index], rows))
        for account in self._all:
            account.set_brackets(index, self.board.instruments[index].brackets)

    def rates(self, currency: int) -> Rates:
        """Returns the value of a unit of a currency as joint margin, at the current index."""
        name = self.board.currencies[currency]
        terms = self.collateral.get(name)
        if terms is None:
            return _NOTHING
        if name in _DOLLARS:
            return Rates.of(ONE, terms)
        for listing in self.board.listings:
            i = listing.instrument
            if i.base == name and i.quote in _DOLLARS:
                index = listing.index or listing.valuation
                return Rates.of(index * 10 ** (MONEY_DECIMALS - i.price_decimals), terms)
        return _NOTHING
