"""One exchange, slow and readable, that the core's is compared with, to the last unit.

facts      what an instrument is, and exact arithmetic on it
account    balances and positions
margin     what an account must hold and may do
market     one instrument's recorded market: what is displayed, what a taker gets
places     queue models: who stands before a resting order
orders     an order, and what its numbers are refused for
requests   what is asked of the exchange: admission, amendments, fills, the end
by_order   the venue's orders one by one, and ours among them
matching   what each market event does to the orders
bars       orders against bars
clock      what the venue does by the clock: hours, expiry, interest, delayed triggers, take-overs
loans      spot loans that are called in
forced     liquidation
exchange   all of it together
worlds     random worlds from a seed
duel       both play one world
latency    the ways to the venues, and how far the market at their ends is known
robot      the loop around the exchange, and what the robot knows of its accounts
sessions   random sessions: a world, what a robot asks in it, how far away it is
shrink     a world or a session that differs, cut down to the smallest case

matching_engine is another one: the slow venue of many participants whose orders make the market.

What both duels play (tests/exchange/test_reference_exchange.py, whole sessions in
tests/engine/test_reference_robot.py; many thousands of each with ONETAPE_LONG=1): every kind of
instrument, order, trigger and data; fees by volume, funding, margin of both modes, liquidation,
loans called in, positions taken over, versions; several venues with one account or one each, and
with hours and order rates of their own. Worlds alone have expiry and data order by order. Sessions
alone have fees, volume and ways by venue, curves, bursts, the venue's clock (constant and
recorded), a fused book, detail data, batches, targets and ladders.

What neither plays, and other tests do: prints and displays whose stamps disagree
(test_conflated_depth.py), rules of amendment by venue (test_amend_rules.py), detail data made of
bars (test_detail_data.py), gaps in a feed (test_fifo.py), hours of the robot, timers, and the rank
of accounts (test_deleveraging.py).

It shares no code with the core: whole numbers, fractions, lists that are scanned for every
question. The rules are those of docs/concepts/fills.md; where the two differ, one of them is wrong.
"""
