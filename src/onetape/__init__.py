"""onetape: backtest, paper and live trading as one program on one kind of tape."""

__version__ = "0.1.0"
