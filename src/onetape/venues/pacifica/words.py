"""Pacifica: tables from its words to ours. An order without a client id is named by the venue's number."""

from __future__ import annotations

from typing import Final

from onetape.model.enums import OrderNews, OrderState, Side, TriggerBy
from onetape.venues.client_ids import uuid_of
from onetape.venues.columns import columns

__all__ = [
    "FORCED",
    "INTERVALS",
    "NEWS",
    "OPERATIONS",
    "ORDER_COLUMNS",
    "POSITION_COLUMNS",
    "SIDES",
    "SIDE_WORDS",
    "STATES",
    "TRADE_COLUMNS",
    "TRADE_SIDES",
    "TRIGGERS",
    "named",
]

SIDE_WORDS: Final = {Side.BUY: "bid", Side.SELL: "ask"}
SIDES: Final = {word: side for side, word in SIDE_WORDS.items()}
TRADE_SIDES: Final = {"open_long": Side.BUY, "close_short": Side.BUY, "open_short": Side.SELL, "close_long": Side.SELL}
TRIGGERS: Final = {TriggerBy.MARK: "mark_price", TriggerBy.LAST: "last_trade_price"}
INTERVALS: Final = {  # minutes of its bars
    **{f"{each}m": each for each in (1, 3, 5, 15, 30)},
    **{f"{each}h": 60 * each for each in (1, 2, 4, 8, 12)},
    "1d": 1440,
}
STATES: Final = {
    "open": OrderState.ACCEPTED,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "cancelled": OrderState.CANCELED,
    "rejected": OrderState.REJECTED,
}
NEWS: Final = {
    "make": OrderNews.ACCEPTED,
    "stop_created": OrderNews.ACCEPTED,
    "stop_triggered": OrderNews.TRIGGERED,
    "cancel": OrderNews.CANCELED,
    "force_cancel": OrderNews.CANCELED,
    "self_trade_prevented": OrderNews.CANCELED,
    "expired": OrderNews.EXPIRED,
    "post_only_rejected": OrderNews.REJECTED,
}
_ORDER: Final = "symbol side amount reduce_only client_order_id take_profit stop_loss builder_code"
_NAMED: Final = "symbol order_id client_order_id"
# The path of each signed operation, and the fields that are signed: other keys of a body are allowed.
OPERATIONS: Final = {
    "create_order": ("orders/create", f"{_ORDER} price tif"),
    "create_market_order": ("orders/create_market", f"{_ORDER} slippage_percent"),
    "create_stop_order": ("orders/stop/create", "symbol side reduce_only stop_order builder_code"),
    "set_position_tpsl": ("positions/tpsl", "symbol side take_profit stop_loss builder_code"),
    "edit_order": ("orders/edit", f"{_NAMED} price amount"),
    "cancel_order": ("orders/cancel", _NAMED),
    "cancel_stop_order": ("orders/stop/cancel", _NAMED),
    "cancel_all_orders": ("orders/cancel_all", "symbol all_symbols exclude_reduce_only"),
    "update_leverage": ("account/leverage", "symbol leverage"),
    "update_margin_mode": ("account/margin", "symbol is_isolated"),
    "add_isolated_margin": ("positions/add_isolated_margin", "symbol amount"),
    # Operations above are signed by an agent, the following by the main wallet.
    "withdraw": ("account/withdraw", "amount"),
    "transfer_funds": ("account/subaccount/transfer", "to_account amount"),
    "list_subaccounts": ("account/subaccount/list", ""),
    "bind_agent_wallet": ("agent/bind", "agent_wallet"),
    "list_agent_wallets": ("agent/list", ""),
    "revoke_agent_wallet": ("agent/revoke", "agent_wallet"),
    "revoke_all_agent_wallets": ("agent/revoke_all", ""),
    "create_api_key": ("account/api_keys/create", ""),
    "revoke_api_key": ("account/api_keys/revoke", "api_key"),
    "list_api_keys": ("account/api_keys", ""),
    "approve_builder_code": ("account/builder_codes/approve", "builder_code max_fee_rate"),
    "revoke_builder_code": ("account/builder_codes/revoke", "builder_code"),
}
# Columns of the account's channels, and their names in the lists of REST.
ORDER_COLUMNS: Final = columns(
    "i:order_id I:client_order_id u:account s:symbol d:side p:average_filled_price ip:price lp:last_price "
    "a:initial_amount f:filled_amount oe:event_type os:order_status ot:order_type sp:stop_price "
    "si:stop_parent_order_id tp:trigger_price_type r:reduce_only ct:created_at ut:updated_at"
)
TRADE_COLUMNS: Final = columns(
    "h:history_id i:order_id I:client_order_id u:account s:symbol p:price o:entry_price a:amount te:event_type ts:side "
    "tc:cause f:fee n:pnl t:created_at"
)
POSITION_COLUMNS: Final = columns(
    "s:symbol d:side a:amount p:entry_price m:margin f:funding i:isolated l:liquidation_price t:updated_at"
)
# Causes of trades by which the venue closes positions: client ids of such orders begin with these.
FORCED: Final = ("market_liquidation", "backstop_liquidation", "adl_liquidation", "settlement")


def named(client_id: str) -> dict[str, str | int]:
    """Returns the fields that name an order in a request. client_id: our client id, or the venue's number."""
    if client_id.isdecimal():
        return {"order_id": int(client_id)}
    return {"client_order_id": client_id if "-" in client_id else uuid_of(client_id)}
