// The frame of all pages: the connection, the navigation, the top bar. A page is a module of pages/ and a row
// of PAGES.
import { html, render, useEffect, useState } from "./third_party/preact.js";
import { connect, logOut, useConnection } from "./connection.js";
import { Age, Toasts, usePreferences } from "./parts.js";
import { Delta } from "./pages/delta.js";
import { Guardian } from "./pages/guardian.js";
import { Market } from "./pages/market.js";
import { Backtests } from "./pages/backtests.js";
import { Overview } from "./pages/overview.js";
import { Portfolio } from "./pages/portfolio.js";
import { Robots } from "./pages/robots.js";
import { System } from "./pages/system.js";
import { TimeTravel } from "./pages/time.js";

const PAGES = [
  { id: "overview", name: "Overview", key: "1", view: Overview },
  { id: "market", name: "Market", key: "2", view: Market },
  { id: "portfolio", name: "Portfolio", key: "3", view: Portfolio },
  { id: "robots", name: "Robots", key: "4", view: Robots },
  { id: "guardian", name: "Guardian", key: "5", view: Guardian },
  { id: "delta", name: "Delta-neutral", key: "6", view: Delta },
  { id: "time", name: "Time", key: "7", view: TimeTravel },
  { id: "backtests", name: "Backtests", key: "8", view: Backtests },
  { id: "system", name: "System", key: "9", view: System },
];

function App() {
  const [page, setPage] = useState(place());
  const connection = useConnection();
  const [preferences, change] = usePreferences();
  useEffect(() => {
    const moved = () => setPage(place());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
      const wanted = PAGES.find((each) => each.key === event.key);
      if (wanted) location.hash = wanted.id;
      if (event.key === "t") change("theme", next(preferences.theme));
      if (event.key === "h") change("hidden", !preferences.hidden);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [preferences]);
  const shown = PAGES.find((each) => each.id === page.id) ?? PAGES[0];
  useEffect(() => {
    document.title = `${shown.name} · onetape`;
    document.querySelector("nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [shown]);
  return html`
    <header class="bar">
      <a class="skip" href="#${shown.id}" onClick=${(event) => { event.preventDefault(); document.querySelector("main")?.focus(); }}>To the content</a>
      <span class="brand"><img src="icon.svg" alt="" width="20" height="20" />onetape</span>
      <nav aria-label="Pages">
        ${PAGES.map((each) => html`<a href="#${each.id}" aria-current=${each === shown ? "page" : null} title="Key ${each.key}">${each.name}</a>`)}
      </nav>
      <span class="tools">
        ${connection.hello?.read_only && html`<span class="badge">read-only</span>`}
        <button class="plain" aria-pressed=${preferences.hidden} title="Hide amounts (h)" onClick=${() => change("hidden", !preferences.hidden)}>${preferences.hidden ? "Show amounts" : "Hide amounts"}</button>
        <button class="plain" title="Theme: ${preferences.theme} (t)" onClick=${() => change("theme", next(preferences.theme))}>${{ auto: "Auto", dark: "Dark", light: "Light" }[preferences.theme]}</button>
        ${connection.hello && html`<button class="plain" title="End this login" onClick=${logOut}>Log out</button>`}
        <${Age} connection=${connection} />
      </span>
    </header>
    ${connection.state === "lost" && html`<p class="banner stale" role="alert">The server does not answer. The data below is old; the page reconnects by itself.</p>`}
    ${connection.state === "shut" && html`<p class="banner stale" role="alert">You are not logged in. <code>onetape up</code> prints a link.</p>`}
    <main tabindex="-1" id="content"><${shown.view} words=${page.words} hello=${connection.hello} /></main>
    <footer>
      <span>${connection.hello ? `onetape ${connection.hello.version}` : ""}</span>
      <span>Charts: <a href="https://www.tradingview.com/" rel="noreferrer">TradingView</a> Lightweight Charts</span>
    </footer>
    <${Toasts} />`;
}

const next = (theme) => ({ auto: "dark", dark: "light", light: "auto" })[theme];

/** The page and its words in the address: #page/word/word. */
function place() {
  const [id, ...words] = location.hash.slice(1).split("/").map(decoded);
  return { id: id || "overview", words };
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return word; // typed by hand: a bare percent sign
  }
}

connect();
render(html`<${App} />`, document.getElementById("app"));
