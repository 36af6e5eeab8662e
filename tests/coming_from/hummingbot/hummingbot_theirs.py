from decimal import Decimal

from hummingbot.data_feed.candles_feed.data_types import CandlesConfig
from hummingbot.strategy_v2.controllers.directional_trading_controller_base import (
    DirectionalTradingControllerBase,
    DirectionalTradingControllerConfigBase,
)
from hummingbot.strategy_v2.models.executor_actions import StopExecutorAction


class CrossConfig(DirectionalTradingControllerConfigBase):
    controller_name: str = "cross"
    connector_name: str = "binance"
    trading_pair: str = "BTC-USDT"
    fast: int = 10
    slow: int = 30
    size: Decimal = Decimal("0.01")
    leverage: int = 1
    max_executors_per_side: int = 1
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    time_limit: int | None = None


class Cross(DirectionalTradingControllerBase):
    def get_candles_config(self):
        return [
            CandlesConfig(connector=self.config.connector_name, trading_pair=self.config.trading_pair, interval="1m")
        ]

    async def update_processed_data(self):
        candles = self.market_data_provider.get_candles_df(self.config.connector_name, self.config.trading_pair, "1m")
        fast = candles["close"].rolling(self.config.fast).mean()
        slow = candles["close"].rolling(self.config.slow).mean()
        candles["signal"] = (fast > slow).astype(int).shift(1, fill_value=0)  # trades one candle later
        self.processed_data = {"signal": candles["signal"].iloc[-1], "features": candles}

    def get_executor_config(self, trade_type, price, amount):
        return super().get_executor_config(trade_type, price, self.config.size)

    def stop_actions_proposal(self):
        if self.processed_data["signal"] == 1:
            return []
        active = self.get_active_executors()
        return [StopExecutorAction(controller_id=self.config.id, executor_id=executor.id) for executor in active]
