"""List all verbs, in the order of the help. A verb is the function `command` in `cli/<name>.py`, or the function of
its own name in a module of several verbs.

The table is plain data so that `onetape --help` imports no verb.
"""

from __future__ import annotations

from typing import NamedTuple


class VerbEntry(NamedTuple):
    name: str
    section: str
    summary: str
    home: str = ""  # the verb's module, if its name differs


BEGIN = "First steps"
DATA = "Data"
RUNS = "Runs"
PROCESSES = "Processes"

VERBS = (
    VerbEntry("demo", BEGIN, "A simulated market, robots, the report and the replay proof."),
    VerbEntry("init", BEGIN, "Write a commented onetape.toml and example strategies."),
    VerbEntry("doctor", BEGIN, "Find problems of installation, configuration and clock."),
    VerbEntry("sample", DATA, "Generate a market: quotes, trades, depth, bars."),
    VerbEntry("import", DATA, "Turn recorded files into a tape.", home="import_"),
    VerbEntry("fetch", DATA, "Download public history and import it."),
    VerbEntry("record", DATA, "Record the market of a venue."),
    VerbEntry("probe", DATA, "Measure a venue's latency from this machine."),
    VerbEntry("export", DATA, "Write a tape as tables, a year's accounting, public figures."),
    VerbEntry("journal", DATA, "List, read, verify, repair and prune tapes."),
    VerbEntry("backtest", RUNS, "Run a strategy over recorded data."),
    VerbEntry("run", RUNS, "Run a strategy in the foreground, on paper or live."),
    VerbEntry("replay", RUNS, "Run a recorded run again and compare every action."),
    VerbEntry("parity", RUNS, "Compare two runs: orders, decisions, or the causes of different profits."),
    VerbEntry("sweep", RUNS, "Run many backtests over a parameter grid."),
    VerbEntry("optimize", RUNS, "Search for parameters, with the probability that the best is luck.", home="sweep"),
    VerbEntry("compare", RUNS, "Show variants side by side, and how much of the best is luck."),
    VerbEntry("tca", RUNS, "Show what orders cost: spread, impact, delay, fees."),
    VerbEntry("attribution", RUNS, "Show which strategy, symbol and day made a run's profit."),
    VerbEntry("sim", RUNS, "Serve a simulated exchange that clients of the venue can use."),
    VerbEntry("chaos", RUNS, "Play whole systems in virtual time under faults that a seed decides."),
    VerbEntry("bench", RUNS, "Measure the performance of this machine."),
    VerbEntry("up", PROCESSES, "Start the processes of the configuration.", home="processes"),
    VerbEntry("down", PROCESSES, "Stop all processes in reverse order.", home="processes"),
    VerbEntry("status", PROCESSES, "Show them.", home="processes"),
    VerbEntry("top", PROCESSES, "Watch equity, robots, risk and alerts; keys for kill and acknowledge."),
    VerbEntry("logs", PROCESSES, "Show log lines of processes and strategies."),
    VerbEntry("trace", PROCESSES, "Follow an order or a command from its cause to its money."),
    VerbEntry("restart", PROCESSES, "Restart one process.", home="processes"),
    VerbEntry("deploy", PROCESSES, "Bring package, configuration and strategies to the hosts."),
    VerbEntry("failover", PROCESSES, "Move a gateway to its standby on another host.", home="processes"),
    VerbEntry("accounts", PROCESSES, "Show balances and sub-accounts.", home="account_lists"),
    VerbEntry("orders", PROCESSES, "Show working orders.", home="account_lists"),
    VerbEntry("positions", PROCESSES, "Show positions.", home="account_lists"),
    VerbEntry("fills", PROCESSES, "Show fills.", home="account_lists"),
    VerbEntry("stops", PROCESSES, "Show the stops that protect positions.", home="account_lists"),
    VerbEntry(
        "ledger", PROCESSES, "Show realized profit, fees, funding and transfers, by symbol or day.", home="records"
    ),
    VerbEntry("activity", PROCESSES, "Show orders, how many were filled, and volume, by hour or day.", home="records"),
    VerbEntry("trips", PROCESSES, "Show positions from flat to flat.", home="records"),
    VerbEntry("equity", PROCESSES, "Show equity by the minute.", home="records"),
    VerbEntry("risk", PROCESSES, "Show exposure, use of margin and drawdown.", home="records"),
    VerbEntry("buy", PROCESSES, "Buy by hand, through the checks of a robot's order.", home="by_hand"),
    VerbEntry("sell", PROCESSES, "Sell by hand, through the same checks.", home="by_hand"),
    VerbEntry("cancel", PROCESSES, "Cancel one order, all orders of a symbol, or all.", home="by_hand"),
    VerbEntry("close", PROCESSES, "Close a position at the market.", home="by_hand"),
    VerbEntry("flatten", PROCESSES, "Stop an account: kill switch, cancel all, close all.", home="by_hand"),
    VerbEntry("leverage", PROCESSES, "Set the leverage of a contract at the venue.", home="by_hand"),
    VerbEntry("halts", PROCESSES, "Show halts and bans, or lift a halt."),
    VerbEntry("delta", PROCESSES, "Show the net delta over accounts, bring it to a target, hold it."),
    VerbEntry("hedge", PROCESSES, "Trade an amount against the net delta."),
    VerbEntry("rebalance", PROCESSES, "Bring margin in use to a target, with the net delta kept."),
    VerbEntry("mcp", PROCESSES, "Serve the control plane to agents, by the Model Context Protocol."),
    VerbEntry("feeds", PROCESSES, "Show the sources of the market, or pin a symbol to one."),
    VerbEntry("scan", PROCESSES, "Show which symbols meet a condition."),
    VerbEntry("send", PROCESSES, "Send a command to a process that runs."),
    VerbEntry("alerts", PROCESSES, "Show or acknowledge alerts, or send a test alert."),
    VerbEntry("token", PROCESSES, "Make, list and revoke tokens of the REST interface."),
    VerbEntry("params", PROCESSES, "Show the parameters of a strategy or of a robot that runs."),
    VerbEntry("variants", PROCESSES, "Show robots beside their variants on paper."),
    VerbEntry("analyze", RUNS, "Project a run into SQL or Parquet."),
)
BY_NAME = {entry.name: entry for entry in VERBS}
