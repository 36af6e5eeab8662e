"""Follows a break-out, but is flat and inactive around announcements that move the market.

The calendar is data beside the market: `onetape import events calendar.csv --ahead 30m`, live a collector of kind
`schedule`. Rows say `ts_event` (when it is announced) and `impact`.
"""

from onetape import Strategy


class NewsPause(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    size: float = 0.01
    range: int = 20  # number of bars whose range a close must leave
    before: float = 300.0  # seconds of inactivity before an announcement
    after: float = 600.0  # and after it
    impact: str = "high"  # announcements of other impact are ignored

    def on_start(self):
        self.subscribe(self.symbol, bars="1m", history=self.range + 1)
        for begins, _ in self.memory.get("pauses", []):  # of an earlier incarnation
            self.set_timer(f"pause {begins}", at=max(begins, self.now))

    def on_event(self, event):
        if event.kind != "external" or event["data"].get("impact") != self.impact:
            return
        at = event["ts_event"]
        begins, ends = at - int(self.before * 1e9), at + int(self.after * 1e9)
        pauses = [each for each in self.memory.get("pauses", []) if each[1] > self.now]
        self.memory["pauses"] = sorted([*pauses, [begins, ends]])
        self.set_timer(f"pause {begins}", at=max(begins, self.now))

    def on_timer(self, name):
        if self.is_paused():
            self.set_target(self.symbol, 0)

    def is_paused(self):
        return any(begins <= self.now < ends for begins, ends in self.memory.get("pauses", []))

    def on_bar(self, bar):
        bars = self.bars(self.symbol, "1m", self.range + 1)
        if len(bars.close) <= self.range or self.is_paused():
            return
        if bar.close > bars.high[:-1].max():
            self.set_target(self.symbol, self.size)
        elif bar.close < bars.low[:-1].min():
            self.set_target(self.symbol, -self.size)
