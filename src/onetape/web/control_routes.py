"""All routes of the REST interface: one table for the server's handlers, the OpenAPI document, and both clients."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from onetape.web import control_models as m
from onetape.web.replies import Scope

__all__ = ["BASE", "BY_NAME", "ROUTES", "Route"]

BASE: Final = "/api/v1"


class Route(NamedTuple):
    """A path under BASE. name: of the handler, of the client's method, and the operationId of the document.

    request: a POST's body, the query parameters of other methods. Values in the path come before them. dry: a call
    with dryRun only needs the scope `read`. aliases: other paths for it.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    scope: Scope
    request: type[m.Request] | None
    reply: Any
    summary: str
    aliases: tuple[str, ...] = ()

    @property
    def dry(self) -> bool:
        return self.request is not None and "dry_run" in self.request.__struct_fields__


ROUTES: Final = (
    Route("GET", "/symbols", "symbols", "read", None, m.SymbolsReply, "Show each account's instrument of a symbol."),
    Route(
        "POST",
        "/delta/control",
        "delta_control",
        "trade",
        m.DeltaControl,
        m.DeltaControlReply,
        "Bring the net delta of accounts to a target.",
    ),
    Route(
        "GET",
        "/delta/status",
        "delta_status",
        "read",
        m.DeltaStatus,
        m.DeltaStatusReply,
        "Show net deltas and their legs.",
    ),
    Route("GET", "/delta/auto", "delta_auto", "read", None, m.AutoReply, "Show what automatic mode holds, or why not."),
    Route(
        "POST",
        "/delta/auto",
        "set_delta_auto",
        "trade",
        m.DeltaAuto,
        m.AutoReply,
        "Switch automatic mode of a net delta on or off.",
    ),
    Route(
        "POST",
        "/hedge/execute",
        "hedge_execute",
        "trade",
        m.HedgeExecute,
        m.HedgeReply,
        "Trade an amount against the net delta.",
    ),
    Route(
        "POST",
        "/utilization/rebalance",
        "utilization_rebalance",
        "trade",
        m.UtilizationRebalance,
        m.RebalanceReply,
        "Bring utilisations to a target; the net delta stays.",
    ),
    Route("GET", "/orders", "orders", "read", m.Listed, list[m.Order], "Show working orders, the oldest first."),
    Route(
        "POST", "/orders", "place_order", "trade", m.PlaceOrder, m.OrderReply, "Place an order, by a robot's checks."
    ),
    Route("DELETE", "/orders/{id}", "cancel_order", "trade", m.CancelOrder, m.OrderReply, "Cancel a working order."),
    Route("GET", "/positions", "positions", "read", m.Listed, list[m.Position], "Show positions."),
    Route("GET", "/fills", "fills", "read", m.ListedFills, list[m.Fill], "Show the newest fills, the newest last."),
    Route("GET", "/balances", "balances", "read", m.ListedBalances, list[m.Balance], "Show balances and sub-accounts."),
    Route(
        "GET", "/risk/metrics/{accountId}", "risk_metrics", "read", None, m.RiskMetrics, "Show an account's risk now."
    ),
    Route(
        "GET",
        "/risk/history/{accountId}",
        "risk_history",
        "read",
        m.History,
        list[m.RiskMetrics],
        "Show an account's risk, newest first.",
        ("/risk/metrics/{accountId}/history",),
    ),
    Route("GET", "/risk/alerts", "risk_alerts", "read", m.AlertFilter, list[m.Alert], "Show alerts."),
    Route(
        "POST",
        "/risk/alerts/{id}/ack",
        "acknowledge_alert",
        "admin",
        m.Acknowledge,
        m.Alert,
        "Acknowledge an alert: it no longer blocks trades.",
    ),
    Route(
        "POST",
        "/account/sync",
        "account_sync",
        "read",
        m.AccountSync,
        m.SyncReply,
        "Compare accounts with their venues now.",
    ),
    Route(
        "GET",
        "/market/feeds",
        "market_feeds",
        "read",
        None,
        m.FeedsReply,
        "Show the sources of the market.",
        ("/market-data/status",),
    ),
    Route(
        "POST",
        "/market/failover",
        "market_failover",
        "admin",
        m.Failover,
        m.FailoverReply,
        "Use another source for a symbol's market.",
        ("/market-data/failover",),
    ),
    Route(
        "GET",
        "/system/status",
        "system_status",
        "read",
        None,
        m.SystemStatus,
        "Show processes, their load and their errors.",
    ),
    Route(
        "POST",
        "/system/stop",
        "system_stop",
        "kill",
        m.SystemCommand,
        m.SystemReply,
        "Refuse new orders and stop robots; protective stops stay.",
    ),
    Route(
        "POST",
        "/system/restart",
        "system_restart",
        "admin",
        m.SystemCommand,
        m.SystemReply,
        "Restart all processes, and end a stop.",
    ),
    Route("GET", "/caller", "caller", "read", None, m.Caller, "Show the name and the scopes of the token."),
    Route(
        "GET",
        "/operations/{id}",
        "operation",
        "read",
        None,
        m.OperationReply,
        "Show an operation's request, records and answer.",
    ),
    Route(
        "POST",
        "/operations/{id}/end",
        "operation_end",
        "kill",
        m.SystemCommand,
        m.HedgeReply,
        "End an operation: it trades no more, even if naked.",
    ),
)
BY_NAME: Final = {route.name: route for route in ROUTES}
