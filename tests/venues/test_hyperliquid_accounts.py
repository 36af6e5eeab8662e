"""A sub-account and a vault of Hyperliquid, traded by an agent of the main wallet: what is signed, what its role must
be, and orders of the adapter at the simulated exchange."""

from __future__ import annotations

import json

import pytest

from exchange.venue_client import Virtual
from onetape.exchange.keys import wallet_pair
from onetape.model.enums import OrderState, Side
from onetape.model.errors import BadConfig
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey
from onetape.orders.outcome import Outcome
from onetape.venues.contract import Addresses, joined
from onetape.venues.hyperliquid.signing import AgentSigner
from onetape.venues.open import open_trading_venue
from onetape.venues.typed_data import checked

MAIN, SUB = f"0x{'5e' * 20}", f"0x{'1f' * 20}"
SECRET = "0x0123456789012345678901234567890123456789012345678901234567890123"
BTC = "hyperliquid:BTC/USDC:USDC"


def opened(key=f"{MAIN}/{SUB}", secret=SECRET):
    return open_trading_venue("hyperliquid", key, secret, Addresses("http://127.0.0.1:1", "ws://a", "ws://a"))


def test_an_action_for_a_vault_is_signed_as_by_the_venue_s_own_client():
    vault = "0x1719884eb866cb12b2287399b15f7db5e7d775ea"
    made = AgentSigner(f"{MAIN}/{vault}", SECRET, "a").sign({"type": "dummy", "num": 100000000000}, 0, None)
    assert (int(made["r"], 16), int(made["s"], 16), made["v"]) == (
        0x3C548DB75E479F8012ACF3000CA3A6B05606BC2EC0C29C50C515066A326239,
        0x4D402BE7396CE74FBBA3795769CDA45AEC00DC3125A984F2A9F23177B190DA2C,
        28,
    )


@pytest.mark.parametrize("key", [f"{MAIN}/", f"{MAIN}/0x12", f"/{SUB}", f"{MAIN}/{SUB}/{SUB}"])
def test_a_key_names_the_main_wallet_and_one_address(key):
    with pytest.raises(BadConfig) as refused:
        opened(key)
    assert refused.value.location == "key"


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"role": "subAccount", "data": {"master": MAIN}}, True),
        ({"role": "subAccount", "data": {"master": f"0x{1:040x}"}}, False),
        ({"role": "vault"}, True),
        ({"role": "user"}, False),
        ({"role": "missing"}, False),
        ({"role": "agent", "data": {"user": MAIN}}, False),
    ],
)
def test_the_address_has_to_be_a_sub_account_of_the_main_wallet_or_a_vault(value, fits):
    protocol = opened().protocol
    assert json.loads(protocol.key_info(0).body) == {"type": "userRole", "user": SUB}
    assert (protocol.read_key(value)[0], protocol.read_key(value)[1].trade) == (SUB, fits)


def test_the_key_s_wallet_has_to_be_an_agent_of_the_main_wallet():
    venue = opened()
    call = venue.stream_key(0)
    assert json.loads(call.body)["user"] == venue.protocol.signer.agent.lower()
    for user, outcome in ((MAIN, Outcome.DONE), (SUB, Outcome.DEFINITIVE)):
        body = json.dumps({"role": "agent", "data": {"user": user}}).encode()
        assert venue.protocol.answer(call, 200, {}, body, 0).outcome is outcome


class Desk:
    """The adapter of a sub-account or vault at a simulated exchange, with the key of an agent."""

    def __init__(self, *, vault: bool) -> None:
        self.sim = Virtual("hyperliquid", limits=False)
        accounts = self.sim.dialect.exchange.accounts
        main, address = accounts[0], checked(f"0x{99:040x}")
        self.account = accounts.open("fund", address, "", {"USDC": "5000"}, parent=main.key)
        if vault:
            accounts.set_level(self.account, "vault")
        agent, secret = wallet_pair(3, "agent")
        accounts.make_key(main, agent, "agent")
        self.venue = opened(f"{main.key}/{address}", secret)
        self.protocol = self.venue.protocol
        lists = [self.http(each) for each in self.venue.instrument_lists()]
        self.venue.instruments_of(joined(lists), frozenset({BTC}))

    def http(self, call) -> bytes:
        call = self.protocol.signed(call, self.sim.now())
        return json.dumps(self.sim.request(call.method, call.target, call.body, dict(call.headers))[1]).encode()

    def ask(self, call):
        return self.protocol.answer(call, 200, {}, self.http(call), self.sim.now())


@pytest.mark.parametrize("vault", [False, True])
def test_an_agent_trades_a_sub_account_and_a_vault(vault):
    desk = Desk(vault=vault)
    protocol, now = desk.protocol, desk.sim.now()
    assert desk.ask(desk.venue.stream_key(now)).outcome is Outcome.DONE
    assert protocol.read_key(json.loads(desk.http(protocol.key_info(now))))[1].trade
    assert desk.ask(protocol.modes(now)).outcome is Outcome.DONE
    bid = desk.sim.dialect.exchange.listings[0].bid // 10 * 10
    spec = OrderSpec(symbol=BTC, side=Side.BUY, size_int=1000, price_int=bid - 1000)
    assert (
        desk.ask(protocol.place(client_id("mm", epoch=3, ordinal=77), spec, now)).reports[0].state
        is OrderState.ACCEPTED
    )
    (row,) = desk.ask(protocol.open_orders(now)[0]).reports
    assert len(desk.account.open_orders) == 1 and not desk.sim.dialect.exchange.accounts[0].open_orders
    (balance,) = desk.ask(protocol.balances(now)).reports
    assert balance.total == 5000 * 10**18
    assert desk.ask(protocol.cancel(OrderKey(BTC, row.client_id), now)).outcome is Outcome.DONE
    assert not desk.account.open_orders
