# ruff: noqa: RUF012 - a strategy as its users write it
from freqtrade.strategy import IStrategy


class Cross(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    startup_candle_count = 0
    stoploss = -0.003
    minimal_roi = {"0": 0.005}

    def populate_indicators(self, dataframe, metadata):
        dataframe["fast"] = dataframe["close"].rolling(10).mean()
        dataframe["slow"] = dataframe["close"].rolling(30).mean()
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["fast"] > dataframe["slow"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["fast"] <= dataframe["slow"], "exit_long"] = 1
        return dataframe

    def custom_stake_amount(self, pair, current_time, current_rate, *args, **kwargs):
        return 0.010001 * current_rate  # a little more than 0.01, which it rounds down to
