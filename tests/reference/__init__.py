"""One exchange, slow and readable, that the core's is compared with, to the last unit.

facts      what an instrument is, and exact arithmetic on it
account    balances and positions
margin     what an account must hold and may do
market     one instrument's recorded market: what is displayed, what a taker gets
places     queue models: who stands before a resting order
orders     an order, and what its numbers are refused for
requests   what is asked of the exchange: admission, amendments, fills, the end
matching   what each market event does to the orders
bars       orders against bars
clock      what the venue does by the clock: hours, expiry, interest, delayed triggers
forced     liquidation
exchange   all of it together
worlds     random worlds from a seed
duel       both play one world; where they differ, the smallest case
robot      latency, and what the robot knows of its account

matching_engine is another one: the slow venue of many participants whose orders make the market.

It shares no code with the core: whole numbers, fractions, lists that are scanned for every
question. The rules are those of docs/concepts/fills.md; where the two differ, one of them is wrong.
"""
