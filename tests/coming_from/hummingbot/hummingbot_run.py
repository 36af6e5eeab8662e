"""A backtest by Hummingbot without a network: python hummingbot_run.py bars.csv

Hummingbot requests trading rules and candles from the exchange before any backtest; here the program provides them.
"""

import asyncio
import json
import logging
import sys
from decimal import Decimal
from importlib.metadata import version

import pandas as pd
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.strategy_v2.backtesting.backtesting_engine_base import BacktestingEngineBase
from hummingbot.strategy_v2.models.executors_info import ExecutorInfo
from hummingbot_theirs import CrossConfig

FEE, BAR_S = 0.001, 60


async def backtest(candles: pd.DataFrame) -> dict:
    config = CrossConfig(id="cross")
    engine = BacktestingEngineBase()
    provider = engine.backtesting_data_provider
    rule = TradingRule(config.trading_pair, min_base_amount_increment=Decimal("0.00001"))
    provider.trading_rules[config.connector_name] = {config.trading_pair: rule}
    provider.candles_feeds[f"{config.connector_name}_{config.trading_pair}_1m"] = candles
    provider.initialize_rate_sources = lambda pairs: None  # prices of other currencies, by the network
    times = candles["timestamp"]
    return await engine.run_backtesting(config, int(times.iloc[0]), int(times.iloc[-1]), "1m", trade_cost=FEE)


def fills(executor: ExecutorInfo) -> list[dict]:
    """Both market orders of an executor. Its times are those of candles, by their open; its prices are their closes."""
    quantity, prices = float(executor.config.amount), executor.custom_info
    entry = {"side": "buy", "time": executor.timestamp, "price": float(executor.config.entry_price)}
    leave = {"side": "sell", "time": executor.close_timestamp, "price": float(prices["close_price"])}
    return [{**each, "quantity": quantity, "time": (int(each["time"]) + BAR_S) * 10**9} for each in (entry, leave)]


def main() -> None:
    logging.disable(logging.CRITICAL)
    candles = pd.read_csv(sys.argv[1], dtype=float).rename(columns={"time": "timestamp"})
    result = asyncio.run(backtest(candles))
    executors = sorted(result["executors"], key=lambda each: each.timestamp)
    trades = sorted((fill for each in executors for fill in fills(each)), key=lambda fill: fill["time"])
    profit = result["results"]["net_pnl_quote"]
    print(json.dumps({"version": version("hummingbot"), "profit": profit, "trades": trades}))


if __name__ == "__main__":
    main()
