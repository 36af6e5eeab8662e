// Each list of what the server says has COUNT rows for each that it has: symbols, accounts and robots get numbers behind
// their names. What our page asks for is freed of the numbers, so that all of them are answered.
(() => {
  const COUNT = 1, names = new Map(), number = /~\d+/g, isName = /^(symbol|account|name|key|process|client_id|accountId)$/;
  const isPlain = (v) => !!v && typeof v === "object" && !Array.isArray(v);
  const copies = Array.from({ length: COUNT }, (_, n) => (n ? `~${n}` : ""));
  const named = (v, end) => isPlain(v) ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, isName.test(k) && typeof x === "string" && x ? x + end : x])) : v;
  const many = (v) => Array.isArray(v) ? (v.every(isPlain) ? copies.flatMap((end) => v.map((each) => named(many(each), end))) : v.map(many))
    : isPlain(v) ? Object.fromEntries(Object.entries(v).flatMap(([k, x]) => /[:/]/.test(k) ? copies.map((end) => [k + end, many(x)]) : [[k, many(x)]])) : v;
  const heard = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
  Object.defineProperty(WebSocket.prototype, "onmessage", { set(hear) {
    heard.set.call(this, ({ data }) => {
      const said = JSON.parse(data);
      if ("data" in said) said.data = many(said.data);
      if (said.beat) said.at = Object.fromEntries(Object.entries(said.at).flatMap(([k, at]) => [...(names.get(k) ?? [k])].map((name) => [name, at])));
      for (const topic of said.topic ? (names.get(said.topic) ?? [said.topic]) : [undefined]) hear({ data: JSON.stringify({ ...said, topic }) });
    });
  } });
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    const said = JSON.parse(text);
    for (const name of said.show) {
      const own = name.replace(number, "");
      names.set(own, (names.get(own) ?? new Set()).add(name));
    }
    send.call(this, JSON.stringify({ ...said, show: [...new Set(said.show.map((name) => name.replace(number, "")))] }));
  };
  const ask = fetch;
  window.fetch = (url, options) => ask(String(url).replace(/(~|%7E)\d+/g, ""), options);
})();
