// Whatever the server says is followed by a hostile text before our page reads it: each string of each topic, but times
// and numbers, and names in keys. What our page asks for is freed of it, so that it goes on as it would with such names.
(() => {
  const P = POISON, seen = P.replace(/[\u202e\u2066]/g, "\ufffd"), names = {};
  const plain = /^$|^[-+]?\d[-\d.,:TZ+ ]*$/;
  const poison = (v) => typeof v === "string" ? (plain.test(v) ? v : v + P) : Array.isArray(v) ? v.map(poison)
    : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(named)) : v;
  const named = ([k, x]) => [/[:/]/.test(k) ? k + P : k, poison(x)];
  const inJson = JSON.stringify(seen).slice(1, -1), inUrl = encodeURIComponent(seen);
  const clean = (text) => text.replaceAll(inJson, "").replaceAll(inUrl, "").replaceAll(seen, "");
  const poisoned = (text) => {
    const said = JSON.parse(text);
    for (const part of ["data", "error", "events"]) if (part in said) said[part] = poison(said[part]);
    if (said.topic) said.topic = names[said.topic] ?? said.topic;
    if (said.beat) said.at = Object.fromEntries(Object.entries(said.at).map(([k, at]) => [names[k] ?? k, at]));
    return JSON.stringify(said);
  };
  const data = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data").get;
  Object.defineProperty(MessageEvent.prototype, "data", { get() { return poisoned(data.call(this)); } });
  const text = Response.prototype.text;
  Response.prototype.text = async function () { return JSON.stringify(poison(JSON.parse(await text.call(this)))); };
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (said) {
    for (const name of JSON.parse(said).show) names[clean(name)] = name;
    send.call(this, clean(said));
  };
  const ask = fetch;
  window.fetch = (url, options) => ask(clean(String(url)), options);
  window.violations = [];
  addEventListener("securitypolicyviolation", (each) => violations.push(`${each.violatedDirective} ${each.sample}`));
})();
