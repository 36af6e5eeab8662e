# ruff: noqa: RUF012 - a strategy as its users write it
from vnpy.trader.utility import ArrayManager
from vnpy_ctastrategy import CtaTemplate


class Bands(CtaTemplate):
    window = 20
    width = 2.0
    size = 0.01
    parameters = ["window", "width", "size"]

    def on_init(self):
        self.bars = ArrayManager(self.window)

    def on_bar(self, bar):
        self.cancel_all()
        self.bars.update_bar(bar)
        if not self.bars.inited:
            return
        middle = self.bars.sma(self.window)
        upper, lower = self.bars.boll(self.window, self.width)
        high, low = bar.close_price * 1.01, bar.close_price * 0.99  # limits that fill at the next open
        if self.pos == 0 and bar.close_price > upper:
            self.buy(high, self.size)
        elif self.pos == 0 and bar.close_price < lower:
            self.short(low, self.size)
        elif self.pos > 0 and bar.close_price < middle:
            self.sell(low, self.size)
        elif self.pos < 0 and bar.close_price > middle:
            self.cover(high, self.size)
