from onetape import Strategy


class Cross(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    stop_loss: str = "0.3%"
    take_profit: str = "0.60055%"  # 0.5 % after a fee of 0.05 % each way

    def on_start(self):
        self.subscribe(self.symbol, bars="1m", history=30)

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "1m", 30).close
        if len(closes) < 30:
            return
        above = closes[-10:].mean() > closes.mean()
        position = self.position(self.symbol)
        if above and not position:
            self.buy(self.symbol, 0.01, stop_loss=self.stop_loss, take_profit=self.take_profit)
        elif position and not above:
            self.close(self.symbol)
