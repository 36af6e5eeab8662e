(() => {
  const {hue, dash, mark, root, $, make, DASH, missing, number, signed, form, plus, tone, curve, pair, places, pad, around, plot, board} = kit;
  const page = kit.data(), count = page.names.length;
  $("#title").textContent = `${count} runs`;
  $("#subtitle").textContent = page.sameData ? `compared with the first, ${page.names[0]}`
    : "They have read different data: each curve has its own time, and the figures are hardly comparable.";
  const hidden = new Set();
  page.names.forEach((name, i) => {
    const item = make("li"), button = make("button"), swatch = mark(i);
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(swatch, make("span", name));
    button.addEventListener("click", () => {
      if (hidden.has(i)) hidden.delete(i); else if (hidden.size < count - 1) hidden.add(i);
      button.setAttribute("aria-pressed", String(!hidden.has(i)));
      board.draw();
    });
    item.append(button, make("span", page.labels[i], "quiet"));
    $("#legend").append(item);
  });

  // Settings: what differs in a table, the rest below.
  const heads = (table, first) => {
    const head = make("thead"), row = make("tr");
    for (const name of [first, ...page.names]) {
      const cell = make("th", name, row.children.length ? "" : "left");
      cell.scope = "col";
      row.append(cell);
    }
    head.append(row);
    table.append(head);
    const body = make("tbody");
    table.append(body);
    return body;
  };
  const differing = page.settings.filter((each) => each.differs);
  const settings = heads($("#settings"), "Setting");
  for (const each of differing) {
    const row = make("tr"), name = make("th", each.name, "left");
    name.scope = "row";
    row.append(name, ...each.values.map((value) => make("td", value === null ? DASH : value)));
    settings.append(row);
  }
  if (!differing.length) { const row = make("tr"); row.append(make("th", "nothing", "left")); settings.append(row); }
  for (const each of page.settings) if (!each.differs) pair($("#same"), each.name, each.values[0] || DASH);

  // Figures by group; a difference in the figure's own form, with its sign.
  const body = heads($("#metrics"), "");
  let group = "";
  const same = page.currencies.every((each) => each === page.currencies[0]);
  for (const each of page.metrics) {
    if (each.group !== group) {
      group = each.group;
      const row = make("tr"), head = make("th", group, "left group-head");
      head.colSpan = count + 1;
      head.scope = "colgroup";
      row.append(head);
      body.append(row);
    }
    const row = make("tr"), name = make("th", each.name, "left noted");
    name.scope = "row";
    if (each.note) { row.title = each.note; row.dataset.metric = each.key; }
    row.append(name);
    const isMoney = each.form === "money" || each.form === "gain";
    const numbers = each.values.filter((value) => typeof value === "number");
    const comparable = page.sameData && numbers.length > 1 && (!isMoney || same);
    const best = each.better === "more" ? Math.max(...numbers) : each.better === "less" ? Math.min(...numbers) : null;
    const varied = new Set(numbers).size > 1;
    each.values.forEach((value, i) => {
      const cell = make("td"), shown = form(each.form, value, page.currencies[i]);
      cell.append(make(comparable && varied && value === best ? "b" : "span", shown));
      const base = each.values[0];
      if (i && comparable && each.form !== "time" && typeof value === "number" && typeof base === "number") {
        const change = value - base;
        const good = each.better ? (each.better === "more" ? change : -change) : 0;
        cell.append(make("small", change === 0 ? "=" : plus(change, form(each.form.replace("gain", "money").replace("money_part", "part"), change, "")), tone(good)));
      }
      row.append(cell);
    });
    body.append(row);
  }

  const lines = page.curves.map((each) => ({growth: curve(each.growth), underwater: curve(each.underwater)}));
  board.span(lines.map((each) => each.growth));
  const series = (key) => page.names.map((name, i) => ({name, line: lines[i][key], stroke: hue(i), dash: dash(i), width: 1.4})).filter((each, i) => !hidden.has(i));
  const percent = (v, splits) => splits ? number(v, places(splits)) + " %" : signed(v, 3) + " %";
  kit.start(() => {
    plot("growth", 320, series("growth"), percent, around);
    plot("underwater", 160, series("underwater"), (v, splits) => number(v, splits ? places(splits) : 3) + " %", pad(0));
  });
  root.dataset.readyMs = Math.round(performance.now());
  root.dataset.ready = "yes";
})();
