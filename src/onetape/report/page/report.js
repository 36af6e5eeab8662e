(() => {
  const {hue, dash, mark, root, $, make, DASH, number, signed, plus, part, money, short, span, milli, when, shown, form, tone, summed, curve, bisect, list, pair, colour, places, pad, around, plot, bars, board} = kit;
  const run = kit.data(), stats = run.statistics, currency = run.currency;
  const fills = {...run.fills, ts: summed(run.fills.ts), order: summed(run.fills.order)};
  const prices = summed(run.fills.price), scales = run.markets.map((each) => 10 ** each.decimals);
  const count = fills.ts.length;
  const marketOf = (i) => fills.market.length ? fills.market[i] : 0;
  const priceOf = (i) => prices[i] / (scales[marketOf(i)] ?? 1e8);
  const flag = (i, bit) => (fills.flags.charCodeAt(i) - 48 & bit) !== 0;
  const isBuy = (i) => flag(i, 1), isMaker = (i) => flag(i, 2), isEntry = (i) => flag(i, 4);

  // Head and tiles.
  kit.define(run.definitions);
  $("#title").textContent = run.title;
  $("#subtitle").textContent = run.subtitle;
  const tiles = [
    ["Net profit", "pnl", money(stats.pnl, true), currency, stats.pnl],
    ["Return", "return", plus(stats.return, part(stats.return, Math.abs(stats.return ?? 0) >= 0.001 ? 2 : 3)), run.benchmark ? `${form("gain_part", stats.benchmark_return)} buy and hold` : "", stats.return],
    ["Max drawdown", "max_drawdown", part(stats.max_drawdown), stats.max_drawdown_amount === undefined ? "" : `${money(stats.max_drawdown_amount)} ${currency}`],
    ["Sharpe", "sharpe", number(stats.sharpe), typeof stats.sharpe === "number" && stats.period ? `from ${stats.period} returns${stats.year === "365" ? "" : `, year of ${stats.year}`}` : "needs a day of data"],
    ["Profit factor", "profit_factor", number(stats.profit_factor), ""],
    ["Round trips won", "win_rate", part(stats.win_rate, 1), stats.round_trips === undefined ? "" : `${number(stats.round_trips, 0)} round trips`],
    ["Orders", "orders", number(stats.orders, 0), `${number(stats.fills ?? fills.total, 0)} fills`],
    ["As maker", "maker_share", part(stats.maker_share, 1), "of the fills"],
    ["Fees", "fees", money(stats.fees), currency],
    ["Funding", "funding", money(stats.funding, true), currency],
  ];
  for (const [name, metric, value, more, sign] of tiles) {
    const tile = make("div", null, "tile");
    kit.mean(tile, metric);
    tile.append(make("dt", name), make("dd", value, tone(sign)), make("small", more || "\u00a0"));
    $("#tiles").append(tile);
  }
  if (run.why) { $("#why").hidden = false; $("#why p").textContent = run.why; }
  $("#failed").hidden = !run.failures.length;
  for (const each of run.failures) $("#failed ul").append(make("li", each));

  // What it assumes, and how it stands when that is worse.
  $("#assumptions").hidden = !run.assumptions.length;
  const SIGNS = {flatters: "\u25b2", hurts: "\u25bc", unknown: "\u25cb", given: "\u00b7"};
  const folded = run.assumptions.filter((each) => each.folded).length;
  $("#assumptions details").hidden = !folded;
  $("#assumptions summary").textContent = `${folded} more: those of less weight or unknown effect, and each instrument by itself`;
  for (const {text, bias, size, folded} of run.assumptions) {
    const item = make("li"), words = make("span", text);
    if (size) words.append(make("em", size));
    item.append(make("i", `${SIGNS[bias]} ${bias}`, bias), words);
    $(folded ? "#assumptions details ul" : "#assumptions ul").append(item);
  }
  $("#stress").hidden = !run.stress.length;
  if (run.stress.length) {
    const base = {name: "as it was run", how: "", pnl: stats.pnl, change: null, part: null, note: ""};
    list($("#stress .list"), [
      {name: "World", left: true, text: (r) => r.name},
      {name: "How", left: true, text: (r) => r.how},
      {metric: "pnl", name: `Net profit, ${currency}`, text: (r) => r.pnl === null ? DASH : money(r.pnl, true), tone: (r) => tone(r.pnl)},
      {name: "Change", text: (r) => r.change === null ? DASH : money(r.change, true), tone: (r) => tone(r.change)},
      {metric: "pnl", name: "Of the profit", text: (r) => plus(r.part, part(r.part, 1)), tone: (r) => tone(r.part)},
      {name: "Method", left: true, text: (r) => r.note},
    ], [base, ...run.stress], 20);
    $("#stress .hint").textContent = `exact: computed from the same fills and decisions. re-run: the backtest repeated under that assumption. ${run.stress_hint ?? ""}`;
  }

  // Statistics, grouped; each row says on hover how it is computed, and so does the list below.
  const groups = new Map();
  for (const each of run.metrics) {
    if (!groups.has(each.group)) {
      const block = make("div", null, "group"), table = make("table", null, "pairs");
      block.append(make("h3", each.group), table);
      $("#stats").append(block);
      groups.set(each.group, table);
    }
    const gain = each.form === "gain" || each.form === "gain_part";
    pair(groups.get(each.group), each.name, form(each.form, each.value, currency), each.title, gain ? tone(each.value) : "", each.key);
    if (each.note) $("#notes").append(make("dt", each.name), make("dd", each.note));
  }
  for (const [key, value] of run.facts) pair($("#facts"), key.replaceAll("_", " "), shown(value));

  // Months as a heat table: years down, months across.
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  $("#months").hidden = !run.months.length;
  if (run.months.length) {
    const years = new Map(), head = make("tr"), body = make("tbody"), top = make("thead");
    for (const each of run.months) {
      const [year, month] = each.month.split("-");
      if (!years.has(year)) years.set(year, new Array(12).fill(null));
      years.get(year)[Number(month) - 1] = each;
    }
    const held = new Map(run.years.map((each) => [each.year, each]));
    for (const name of ["", ...MONTHS, "Year", ...(run.benchmark ? ["Held"] : [])]) { const cell = make("th", name); cell.scope = "col"; head.append(cell); }
    top.append(head);
    const most = Math.max(...run.months.map((each) => Math.abs(each.return ?? 0)), 1e-12);
    for (const [year, months] of years) {
      const row = make("tr"), name = make("th", year);
      name.scope = "row";
      row.append(name);
      let grown = 1;
      for (const each of months) {
        const value = each ? each.return : null;
        const cell = make("td", each ? plus(value, number(value * 100, 2)) : "", tone(value) ? `heat ${tone(value)}-heat` : "");
        if (each) { cell.style.setProperty("--heat", `${Math.round(8 + 52 * Math.abs(value ?? 0) / most)}%`); cell.title = `${each.month}: ${money(each.pnl, true)} ${currency}, ${number(each.fills, 0)} fills`; }
        grown *= 1 + (value ?? 0);
        row.append(cell);
      }
      row.append(make("td", plus(grown - 1, number((grown - 1) * 100, 2)), `year ${tone(grown - 1)}`));
      const beside = held.get(year)?.benchmark;
      if (run.benchmark) row.append(make("td", plus(beside, beside === null || beside === undefined ? DASH : number(beside * 100, 2)), "year quiet"));
      body.append(row);
    }
    $("#months table").append(top, body);
  }

  // Days as small months, a year at a time: coloured by profit, a sign beside the colour.
  const byMonth = new Map();
  for (const each of run.days) byMonth.set(each.day.slice(0, 7), [...(byMonth.get(each.day.slice(0, 7)) ?? []), each]);
  const greatest = Math.max(...run.days.map((each) => Math.abs(each.pnl ?? 0)), 1e-12);
  const dayCell = (each) => {
    const kind = tone(each.pnl), cell = make("td", Number(each.day.slice(8)), kind ? `heat ${kind}-heat` : "");
    cell.style.setProperty("--heat", `${Math.round(8 + 52 * Math.abs(each.pnl ?? 0) / greatest)}%`);
    cell.title = `${each.day}: ${money(each.pnl, true)} ${currency}, ${number(each.fills, 0)} fills`;
    if (kind) cell.append(make("sup", kind === "gain" ? "+" : "\u2212"));
    return cell;
  };
  const monthGrid = (month, days) => {
    const [year, nth] = month.split("-").map(Number), first = (new Date(Date.UTC(year, nth - 1, 1)).getUTCDay() + 6) % 7;
    const last = new Date(Date.UTC(year, nth, 0)).getUTCDate(), found = new Map(days.map((each) => [Number(each.day.slice(8)), each]));
    const table = make("table"), head = make("tr"), top = make("thead"), body = make("tbody");
    const sum = days.reduce((all, each) => all + (each.pnl ?? 0), 0), caption = make("caption", `${MONTHS[nth - 1]} ${year} `);
    caption.append(make("b", money(sum, true), tone(sum)));
    for (const name of ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]) { const cell = make("th", name); cell.scope = "col"; head.append(cell); }
    top.append(head);
    for (let day = 1 - first; day <= last; day += 7) {
      const row = make("tr");
      for (let n = day; n < day + 7; n++) row.append(found.has(n) ? dayCell(found.get(n)) : make("td", n < 1 || n > last ? "" : n, "quiet"));
      body.append(row);
    }
    table.append(caption, top, body);
    return table;
  };
  const choice = $("#year"), allYears = [...new Set([...byMonth.keys()].map((month) => month.slice(0, 4)))];
  const showYear = () => $("#calendar .calendar").replaceChildren(...[...byMonth].filter(([month]) => month.startsWith(choice.value)).map(([month, days]) => monthGrid(month, days)));
  for (const year of allYears) choice.append(make("option", year));
  choice.value = allYears.at(-1) ?? "";
  choice.hidden = allYears.length < 2;
  choice.addEventListener("change", showYear);
  $("#calendar").hidden = run.days.length < 2;
  showYear();

  // Tables of falls, instruments, days, orders.
  const gain = (key) => ({text: (r) => r[key] === null ? DASH : money(r[key], true), tone: (r) => tone(r[key])});
  const table = (id, columns, rows, size) => {
    $(id).hidden = !rows.length;
    if (rows.length) list($(`${id} .list`), columns, rows, size);
  };
  const ended = summed(run.equity[0]).at(-1) ?? 0;
  table("#falls", [
    {name: "From", left: true, text: (r) => when(r.peak)}, {name: "To", left: true, text: (r) => when(r.trough)},
    {name: "Recovered", left: true, text: (r) => r.recovered === null ? "not yet" : when(r.recovered)},
    {metric: "max_drawdown", name: "Depth", text: (r) => part(r.fraction, 3)}, {metric: "max_drawdown_amount", name: currency, text: (r) => money(r.amount)},
    {name: "Fall", text: (r) => span(r.fall_s)}, {name: "Length", text: (r) => r.length_s === null ? `${span((ended - r.peak) / 1000)} so far` : span(r.length_s)},
  ], run.drawdowns, 10);
  const drawn = run.monte_carlo;
  $("#falls .hint").textContent = drawn ? `${number(drawn.trips, 0)} trades drawn anew, a thousand times: profit ${money(drawn.profit[0])} to ${money(drawn.profit[2])}, deepest fall ${money(drawn.drawdown[0])} to ${money(drawn.drawdown[2])}, in nine of ten; ${money(drawn.drawdown[1])} in the middle.` : "";
  const amount = (key) => (r) => r[key] === null ? DASH : money(r[key]);
  table("#venues", [
    {name: "Venue", left: true, text: (r) => r.venue}, {name: "In", left: true, text: (r) => r.currency},
    {name: "Cash", note: "none where one account serves several venues", text: amount("cash")}, {metric: "final_equity", name: "Equity, end", text: amount("equity")},
    {metric: "pnl", name: "Net profit", ...gain("pnl")}, {metric: "fees", name: "Fees", text: amount("fees")}, {metric: "funding", name: "Funding", ...gain("funding")},
    {name: "Traded", note: "value of own fills", text: amount("volume")},
  ], run.venues.length > 1 ? run.venues : [], 25);
  table("#excursions", [
    {name: "Round trips that", left: true, text: (r) => r.name}, {name: "Number", text: (r) => number(r.trips, 0)},
    {name: "Against, median", text: (r) => money(r.adverse_median)}, {name: "90 %", text: (r) => money(r.adverse_p90)}, {name: "most", text: (r) => money(r.adverse_most)},
    {name: "For, median", text: (r) => money(r.favourable_median)}, {name: "90 %", text: (r) => money(r.favourable_p90)},
    {name: "Given back, median", text: (r) => money(r.retraced_median)},
  ], run.excursions, 5);
  $("#strategies").hidden = !run.strategies.length;
  const LINES_MAX = 12;
  if (run.strategies.length) list($("#strategies .list"), [
    {name: "Strategy", left: true, text: (r) => r.strategy}, {name: "Trades", text: (r) => number(r.trades, 0)},
    {metric: "pnl", name: "Net profit", ...gain("net")}, {metric: "fees", name: "Fees", text: amount("fees")}, {metric: "funding", name: "Funding", ...gain("funding")},
    {metric: "day_end_drawdown", name: "Drawdown", text: (r) => money(r.max_drawdown)},
    {name: "Sharpe", note: "of its days' profits, per year; from 30 days on", text: (r) => number(r.sharpe)},
    {name: "Held", note: "what holding its instruments in equal parts would have returned", text: (r) => plus(r.hold_return, part(r.hold_return))},
    {name: "In", left: true, text: (r) => r.currency}, {name: "What it is", left: true, text: (r) => r.what},
  ], run.strategies, 25, (row, each) => { const i = run.strategies.indexOf(each); if (i < LINES_MAX) row.firstChild.prepend(mark(i)); });
  table("#attribution", [
    {name: "Strategy", left: true, text: (r) => r.strategy}, {name: "Instrument", left: true, text: (r) => r.symbol},
    {name: "Direction", left: true, text: (r) => r.direction}, {name: "Trades", text: (r) => number(r.trades, 0)},
    {name: "Fills", text: (r) => number(r.fills, 0)}, {metric: "from_prices", name: "Gross", ...gain("gross")}, {metric: "fees", name: "Fees", text: amount("fees")},
    {metric: "funding", name: "Funding", ...gain("funding")}, {metric: "pnl", name: "Net profit", ...gain("net")}, {name: "In", left: true, text: (r) => r.currency},
  ], run.attribution, 25);
  const points = (key) => (r) => r[key] === null ? DASH : number(r[key], 2);
  table("#tca", [
    {name: "By", left: true, text: (r) => r.algo}, {name: "Parent orders", text: (r) => number(r.parents, 0)},
    {name: "Shortfall", text: amount("amount")}, {name: "In", left: true, text: (r) => r.currency}, {name: "bps", text: points("bps")},
    {name: "from", text: points("low")}, {name: "to", text: points("high")}, {name: "Spread", text: points("spread_bps")},
    {name: "Impact", text: points("impact_bps")}, {name: "Delay", text: points("delay_bps")}, {metric: "fees_bps", name: "Fees", text: points("fees_bps")},
    {name: "Against VWAP", text: points("against_vwap_bps")},
  ], run.costs, 25);
  $("#ownimpact").textContent = run.own_impact;
  table("#symbols", [
    {name: "Instrument", left: true, text: (r) => r.symbol}, {name: "Fills", text: (r) => number(r.fills, 0)},
    {name: "Maker", text: (r) => part(r.maker_share, 1)}, {name: "Notional", text: (r) => r.notional === null ? DASH : money(r.notional)},
    {metric: "pnl", name: "Net profit", note: "of its fills, open positions at the last price, after fees and funding", ...gain("pnl")},
    {metric: "realized", name: "Realized", ...gain("realized")}, {metric: "fees", name: "Fees", text: (r) => r.fees === null ? DASH : money(r.fees)},
    {metric: "funding", name: "Funding", ...gain("funding")}, {name: "In the market", text: (r) => part(r.exposure, 1)},
    {name: "Round trips", text: (r) => number(r.round_trips, 0)}, {name: "Won", text: (r) => part(r.win_rate, 1)},
  ], run.symbols, 25);
  table("#days", [
    {name: "Day (UTC)", left: true, text: (r) => r.day}, {metric: "equity_change", name: "Profit", ...gain("pnl")},
    {name: "Return", text: (r) => plus(r.return, part(r.return, 3)), tone: (r) => tone(r.return)}, {metric: "final_equity", name: "Equity", text: (r) => money(r.equity)},
    {metric: "day_drawdown", name: "Drawdown", text: (r) => part(r.drawdown, 3)}, {name: "Fills", text: (r) => number(r.fills, 0)},
    {name: "Notional", text: (r) => money(r.notional)}, {metric: "fees", name: "Fees", text: (r) => money(r.fees)},
  ], run.days, 31);
  $("#flow").hidden = !run.orders;
  if (run.orders) {
    const all = Object.values(run.orders.outcomes).reduce((a, b) => a + b, 0);
    for (const [name, value] of Object.entries(run.orders.outcomes)) {
      if (value) pair($("#outcomes"), name, `${number(value, 0)}   ${part(value / all, 1)}`);
    }
    if (run.orders.refusals.length) list($("#refusals"), [
      {name: "Refused", left: true, text: (r) => r.state}, {name: "Error", left: true, text: (r) => r.code === null ? r.error : `${r.code} ${r.error}`},
      {name: "Orders", text: (r) => number(r.orders, 0)},
    ], run.orders.refusals, 10);
    const NAMES = {
      order_to_answer: ["Order to first answer", "On the robot's clock; includes the assumed latency, both ways."],
      order_to_first_fill: ["Order to first fill", "On the robot's clock; includes resting time."],
      rested_before_maker_fill: ["Rested before a maker fill", "On the exchange's clock, from acceptance, trigger or amendment."],
    };
    const rows = Object.entries(NAMES).filter(([key]) => run.orders[key]).map(([key, [name, note]]) => ({name, note, ...run.orders[key]}));
    if (rows.length) list($("#times"), [
      {name: "Time", left: true, text: (r) => r.name}, {name: "Count", text: (r) => number(r.count, 0)},
      ...[["Least", "least"], ["Median", "median"], ["90 %", "p90"], ["99 %", "p99"], ["Most", "most"], ["Mean", "mean"]].map(([name, key]) => ({name, text: (r) => milli(r[key])})),
    ], rows, 10, (row, each) => { row.title = each.note; });
    const WAYS = { order_to_venue: "Order to the venue", venue_to_robot: "From there to the robot", both: "Both" };
    if (run.latency.length) list($("#latency"), [
      {name: "Strategy", left: true, text: (r) => r.strategy}, {name: "Way", left: true, text: (r) => WAYS[r.way]}, {name: "Orders", text: (r) => number(r.orders, 0)},
      ...[["Median", "median"], ["90 %", "p90"], ["99 %", "p99"], ["Most", "most"]].map(([name, key]) => ({name, text: (r) => milli(r[key])})),
    ], run.latency, 12);
    const share = run.orders.maker_fills_by_trade;
    $("#filledby").textContent = !run.orders.rested_before_maker_fill ? "No resting order was filled." : share === null ? "What filled resting orders is not known: the tapes have no trades, or too many to read."
      : `Resting orders filled by a trade on the tape: ${part(share, 1)}; because the opposite touch reached them: ${part(1 - share, 1)}.`;
  }

  // Charts.
  const equity = curve(run.equity), bench = curve(run.bench), underwater = curve(run.underwater);
  const leverage = curve(run.leverage), costs = curve(run.fees_paid);
  const rolling = Object.fromEntries(Object.entries(run.rolling.lines).map(([name, line]) => [name, curve(line)]));
  rolling.volatility[1] = rolling.volatility[1].map((v) => v === null ? null : v * 100);
  const lines = run.markets.map((each) => ({price: curve(each.price), position: curve(each.position)}));
  const stops = {...run.stops, from: summed(run.stops.from)};
  const plots = run.plots.map((each, i) => ({id: `plot-${i}`, name: each.name, line: curve(each.line)}));
  board.span([equity, ...lines.flatMap((each) => [each.price, each.position]), [fills.ts.map((ms) => ms / 1000)]]);
  let market = 0;
  // Indices of the fills in view, of the market that is shown.
  const inView = () => {
    const found = [], end = board.range.max * 1000;
    for (let i = bisect(fills.ts, board.range.min * 1000); i < count && fills.ts[i] <= end; i++) if (marketOf(i) === market) found.push(i);
    return found;
  };
  // A thinned line may miss the price of a fill: the scale has room for every one in view.
  const withFills = (min, max) => {
    for (const i of inView()) {
      const price = priceOf(i);
      if (min === null || min === undefined || price < min) min = price;
      if (max === null || max === undefined || price > max) max = price;
    }
    return [min, max];
  };
  // Profit of the round trip that a fill ended, after fees: from flat to flat, as the statistics count.
  const trips = new Map(), open = run.markets.map(() => ({held: 0, net: 0}));
  if (fills.step === 1 && fills.realized.length) for (let i = 0; i < count; i++) {
    const own = open[marketOf(i)], change = fills.qty[i] * (isBuy(i) ? 1 : -1), least = 1e-9 * fills.qty[i];
    const part = own && own.held * change < 0 ? Math.min(1, Math.abs(own.held) / fills.qty[i]) : 0;
    if (!own) continue;
    own.net += fills.realized[i] - part * fills.fee[i];
    own.held = Math.abs(own.held + change) < least ? 0 : own.held + change;
    if (part && (!own.held || own.held * change > 0)) { trips.set(i, own.net); own.net = 0; }
    own.net -= (1 - part) * fills.fee[i];
  }
  const fillWords = (i) => [`${isBuy(i) ? "buy" : "sell"} ${fills.qty[i]} at ${number(priceOf(i), run.markets[marketOf(i)]?.decimals ?? 8)}`, isEntry(i) ? "entry" : "exit",
    fills.tag.length ? fills.tags[fills.tag[i]] : "", trips.has(i) ? `round trip ${money(trips.get(i), true)} ${currency}` : ""].filter(Boolean).join(" \u00b7 ");
  const NEAR = 14; // pixels from a mark to the pointer
  const fillAt = (u) => {
    const {left, top} = u.cursor, from = u.posToVal(left - NEAR, "x") * 1000, to = u.posToVal(left + NEAR, "x") * 1000;
    let best = null, least = NEAR;
    for (let i = bisect(fills.ts, from), k = 0; i < count && fills.ts[i] <= to && k < MARKS_MAX; i++, k++) {
      if (marketOf(i) !== market) continue;
      const far = Math.hypot(u.valToPos(fills.ts[i] / 1000, "x") - left, u.valToPos(priceOf(i), "y") + (isBuy(i) ? 5 : -5) - top);
      if (far < least) [best, least] = [i, far];
    }
    return best === null ? "" : fillWords(best);
  };
  const MARKS_MAX = 2500, STOPS_SHOWN_MAX = 1000;
  // Stops as segments at their level; fills as triangles, below for bought, above for sold: filled
  // where they enter a position, hollow where they leave one.
  const marks = (u) => {
    const {ctx} = u, dpr = devicePixelRatio || 1, size = 4.5 * dpr;
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.lineWidth = 1.2 * dpr;
    ctx.strokeStyle = colour("stop");
    ctx.setLineDash([4 * dpr, 3 * dpr]);
    let drawn = 0;
    for (let i = 0; i < stops.from.length && drawn < STOPS_SHOWN_MAX; i++) {
      const from = stops.from[i] / 1000, to = from + stops.to[i] / 1000;
      if (stops.market[i] !== market || to < board.range.min || from > board.range.max) continue;
      const y = u.valToPos(stops.level[i], "y", true);
      ctx.beginPath();
      ctx.moveTo(u.valToPos(from, "x", true), y);
      ctx.lineTo(Math.max(u.valToPos(to, "x", true), u.valToPos(from, "x", true) + 2 * dpr), y);
      ctx.stroke();
      drawn++;
    }
    ctx.setLineDash([]);
    const seen = inView(), step = Math.max(1, Math.ceil(seen.length / MARKS_MAX));
    const buy = colour("buy"), sell = colour("sell"), panel = colour("panel");
    for (let k = 0; k < seen.length; k += step) {
      const i = seen[k], way = isBuy(i) ? 1 : -1, own = way > 0 ? buy : sell;
      const x = u.valToPos(fills.ts[i] / 1000, "x", true), y = u.valToPos(priceOf(i), "y", true) + way * 3 * dpr;
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x - size, y + way * size * 1.7);
      ctx.lineTo(x + size, y + way * size * 1.7);
      ctx.closePath();
      ctx.fillStyle = isEntry(i) ? own : panel;
      ctx.strokeStyle = isEntry(i) ? panel : own;
      ctx.lineWidth = (isEntry(i) ? 1 : 1.4) * dpr;
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  };
  // Beside a price that moves much, an account that holds little is a flat line: then buy and hold
  // waits behind its button.
  const reach = (values) => { let low = Infinity, high = -Infinity; for (const v of values) { if (v === null) continue; if (v < low) low = v; if (v > high) high = v; } return [low, high]; };
  const [lowest, highest] = reach(equity[1]), both = reach([lowest, highest, ...reach(bench[1])]);
  let withBench = bench[0].length > 0 && highest - lowest > 0.12 * (both[1] - both[0]);
  const benchButton = $("#bench");
  benchButton.hidden = !bench[0].length;
  benchButton.setAttribute("aria-pressed", String(withBench));
  benchButton.addEventListener("click", () => { withBench = !withBench; benchButton.setAttribute("aria-pressed", String(withBench)); board.draw(); });
  const percent = (v, splits) => number(v, splits ? places(splits) : 3) + " %";
  const draw = () => {
    const base = equity[1].length && !run.moved ? equity[1][0] : 0;
    const ownEquity = {name: "equity", line: equity, stroke: colour("accent"), fill: colour("accent-soft"), fillTo: (u) => u.scales.y.min};
    const held = withBench ? [{name: "buy and hold", line: bench, stroke: colour("quiet"), width: 1.2, dash: [5, 4]}] : [];
    plot("equity", 260, [ownEquity, ...held], (v, splits) => splits ? number(v, places(splits)) : `${money(v)} ${base > 0 ? `(${signed((v / base - 1) * 100, 2)} %)` : currency}`, pad());
    plot("underwater", 120, [{name: "below the peak", line: underwater, width: 1, stroke: colour("loss"), fill: colour("loss-soft"), fillTo: 0}], percent, pad(0));
    const one = run.markets[market];
    $("#markets").hidden = !one;
    if (one) {
      plot("price", 300, [{name: "price", line: lines[market].price, width: 1.2, stroke: colour("ink")}],
        (v, splits) => number(v, splits ? Math.min(places(splits), one.decimals) : one.decimals),
        (u, min, max) => pad()(u, ...withFills(min, max)), marks, fillAt);
      plot("position", 110, [{name: "position", line: lines[market].position, stroke: colour("hold"), fill: colour("hold-soft"), fillTo: 0, paths: uPlot.paths.stepped({align: 1})}],
        (v, splits) => number(v, splits ? places(splits) : Math.min(one.sizeDecimals, 8)), around);
      plot("leverage", 100, [{name: "leverage", line: leverage, width: 1.2, stroke: colour("hold"), fill: colour("hold-soft"), fillTo: 0, paths: uPlot.paths.stepped({align: 1})}],
        (v, splits) => number(v, splits ? places(splits) : 3), pad(0));
    }
    plots.forEach((each, i) => plot(each.id, 110, [{name: each.name, line: each.line, width: 1.2, stroke: hue(i), dash: dash(i)}],
      (v, splits) => number(v, splits ? places(splits) : 6), pad()));
    $("#spent").hidden = !costs[0].length;
    if (costs[0].length) plot("costs", 110, [{name: "fees", line: costs, width: 1.2, stroke: colour("sell"), paths: uPlot.paths.stepped({align: 1})}],
      (v, splits) => splits ? number(v, places(splits)) : `${money(v)} ${currency}`, pad(0));
    if (run.strategies.length) plot("strategy-lines", 180, run.strategies.slice(0, LINES_MAX).map((each, i) => ({name: each.strategy.replace(/^\/[^/]*\/(?=.)/, ""), line: curve(each.line), width: 1.3, stroke: hue(i), dash: dash(i)})),
      (v, splits) => splits ? number(v, places(splits)) : money(v, true), around);
    $("#rollingbox").hidden = !rolling.sharpe[0].length;
    $("#betabox").hidden = !rolling.beta[0].length;
    for (const [name, line] of Object.entries(rolling)) {
      const fill = name === "volatility" ? {fill: colour("accent-soft"), fillTo: 0} : {};
      if (line[0].length) plot(`rolling-${name}`, 110, [{name, line, width: 1.2, stroke: colour("accent"), ...fill}],
        name === "volatility" ? percent : (v, splits) => number(v, splits ? places(splits) : 2), name === "volatility" ? pad(0) : around);
    }
    $("#spread").hidden = !run.returns.counts.length;
    bars("returns", 200, {edges: run.returns.edges.map((v) => v * 100), counts: run.returns.counts}, (v, splits) => `${number(v, splits ? Math.min(places(splits), 4) : 4)} %`);
  };
  $("#plots").hidden = !plots.length;
  $("#plots p").textContent = run.plots_left_out ? `${number(run.plots_left_out, 0)} more are in the journal.` : "";
  for (const each of plots) {
    const title = make("h2", each.name), live = make("span", "", "live"), box = make("div", "", "chart");
    live.dataset.for = each.id;
    box.id = each.id;
    box.dataset.name = each.name;
    title.append(live);
    $("#plots .lines").append(title, box);
  }
  $("#benchwords").textContent = run.benchmark ? `Dashed, where shown: ${run.benchmark.words}.` : "";
  $("#rollingwords").textContent = `each over ${number(run.rolling.window, 0)} returns of ${run.returns.period}, per year`;
  $("#returnwords").textContent = `${number(run.returns.count, 0)} returns of ${run.returns.period}; the outermost bars include all values beyond`;
  const choose = $("#market");
  run.markets.forEach((one, i) => { const option = make("option", one.symbol); option.value = i; choose.append(option); });
  choose.hidden = run.markets.length < 2;
  choose.addEventListener("change", () => { market = Number(choose.value); board.draw(); });
  document.querySelectorAll("[data-zoom]").forEach((b) => b.addEventListener("click", () => {
    const {min, max} = board.range, wide = max - min, middle = (min + max) / 2;
    if (b.dataset.zoom === "all") board.reset();
    else board.zoom(middle - wide * b.dataset.zoom / 2, middle + wide * b.dataset.zoom / 2);
  }));
  kit.start(draw);

  // Fills.
  const places8 = (i) => run.markets[marketOf(i)]?.decimals ?? 8;
  const columns = [
    {name: "Time (UTC)", left: true, text: (i) => when(fills.ts[i], true)}, {name: "Instrument", left: true, text: (i) => run.markets[marketOf(i)]?.symbol ?? ""},
    {name: "Side", left: true, text: (i) => isBuy(i) ? "buy" : "sell", tone: (i) => isBuy(i) ? "buy" : "sell"}, {name: "", left: true, text: (i) => isEntry(i) ? "entry" : "exit"},
    {name: "Price", text: (i) => number(priceOf(i), places8(i))}, {name: "Quantity", text: (i) => String(fills.qty[i])},
    {name: "Fee", text: (i) => money(fills.fee[i])}, {metric: "realized", name: "Realized", text: (i) => fills.realized.length ? money(fills.realized[i], true) : DASH, tone: (i) => tone(fills.realized[i])},
    {name: "Liquidity", left: true, text: (i) => isMaker(i) ? "maker" : "taker"}, {name: "Order", text: (i) => fills.order.length ? fills.order[i] : ""},
    {name: "Tag", left: true, text: (i) => fills.tag.length ? fills.tags[fills.tag[i]] : ""},
  ];
  let shownFill = -1; // the fill that was shown last
  $("#price").addEventListener("keydown", ({key}) => {
    const step = {"]": 1, "[": -1}[key], next = shownFill + step;
    if (step && next >= 0 && next < count) goTo(next);
  });
  const every = Array.from({length: count}, (_, i) => i);
  const goTo = (i) => {
    const half = Math.max((board.whole.max - board.whole.min) / 200, 1), at = fills.ts[i] / 1000;
    if (market !== marketOf(i)) { market = marketOf(i); choose.value = market; board.draw(); }
    board.zoom(at - half, at + half);
    shownFill = i;
    $('.live[data-for="price"]').textContent = `${when(fills.ts[i], true)}   ${fillWords(i)}`;
    $("#markets").scrollIntoView({behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"});
  };
  const show = list($("#trades .list"), columns, every, 25, (row, i) => {
    row.tabIndex = 0;
    row.classList.add("link");
    row.title = "Show on the chart";
    row.addEventListener("click", () => goTo(i));
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") goTo(i); });
  });
  // What is said of a fill in words is compared word by word; cheap words before dear ones.
  const search = () => {
    const words = $("#filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length ? every.filter((i) => {
      const text = columns.map((column) => column.text(i)).join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    }) : every;
    show(found);
    $("#shown").textContent = (fills.step > 1 ? `every ${fills.step}th of ${number(fills.total, 0)}` : `${number(fills.total, 0)} fills`)
      + (found.length < count ? `, ${number(found.length, 0)} match` : "");
  };
  let waiting = 0;
  $("#filter").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 150); });
  $("#trades").hidden = !fills.total;
  search();
  root.dataset.readyMs = Math.round(performance.now());
  root.dataset.ready = "yes";
})();
