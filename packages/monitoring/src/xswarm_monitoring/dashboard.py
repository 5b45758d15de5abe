"""The dashboard's page: one file, without a build step or anything from elsewhere.

It stands in Python, since a Worker's bundle holds Python modules. It holds no data: it
asks ``/api/metrics`` and ``/health/detailed`` for them, with the token that is typed in.
"""

from __future__ import annotations

from xswarm_monitoring.page import PALETTE, headers, source

_STYLE = (
    PALETTE
    + """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.25rem clamp(.75rem, 3vw, 2rem) 3rem;
  background: var(--paper); color: var(--ink);
  font: .95rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, form { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; }
h1 { font-size: 1.5rem; letter-spacing: -.02em; margin: 0; }
h2 { font-size: .8rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft);
  margin: 1.75rem 0 .6rem; }
h3 { font-size: .95rem; font-weight: 600; margin: 0; }
.controls { margin-left: auto; display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
button, select, input { font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; padding: .3rem .75rem; min-height: 2.5rem; }
button { cursor: pointer; } button:hover, select:hover { border-color: var(--accent); }
button[aria-pressed=true] { background: var(--accent); color: var(--card); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip, .unseen { position: absolute; left: -99rem; } .skip:focus { position: static; }
.soft { color: var(--soft); } .pass { color: var(--good); } .warn { color: var(--warn); }
.fail { color: var(--bad); }
.state { font-weight: 600; white-space: nowrap; }
header .state { padding: .15rem .7rem; border-radius: 99px; border: 1px solid currentColor;
  background: color-mix(in srgb, currentColor 10%, transparent); }
.grid { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr));
  list-style: none; margin: 0; padding: 0; }
.figures { grid-template-columns: repeat(4, 1fr); }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: .8rem 1rem; margin: 0; min-width: 0; overflow-wrap: anywhere;
  box-shadow: var(--shadow); }
.check { display: grid; grid-template-columns: 1fr auto; align-content: start; gap: 0 .75rem;
  padding: .6rem .9rem; }
.check.warn, .check.fail { border-color: currentColor; }
.check > * { color: var(--ink); } .check > .soft { color: var(--soft); font-size: .85rem; }
.check > .pass { color: var(--good); } .check > .warn { color: var(--warn); }
.check > .fail { color: var(--bad); } .check > .why { grid-column: 1 / -1; font-size: .85rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.value { display: block; font-size: 1.65rem; font-weight: 600; letter-spacing: -.02em;
  line-height: 1.35; font-variant-numeric: tabular-nums; }
.figures h3 { color: var(--soft); font-weight: 500; font-size: .85rem; }
.figures .soft { font-size: .85rem; }
#message:not(:empty) { border: 1px solid var(--warn); border-radius: 12px; padding: .6rem 1rem;
  background: var(--card); margin: 1rem 0; }
figcaption { display: flex; flex-wrap: wrap; gap: .25rem 1rem; justify-content: space-between; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; }
.axis { stroke: var(--line); } .release { stroke: var(--soft); stroke-dasharray: 2 3; }
svg .flag { fill: var(--ink); font-weight: 600; }
.threshold { stroke: var(--bad); stroke-dasharray: 6 4; }
.cursor { stroke: var(--accent); stroke-width: 1.5; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.area { stroke: none; opacity: .12; fill: var(--accent); } .only-bad .area { fill: var(--bad); }
.s0 { stroke: var(--accent); } .s1 { stroke: var(--second); stroke-dasharray: 7 4; }
.s2 { stroke: var(--third); stroke-dasharray: 1 4; } .only-bad .s0 { stroke: var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center;
  font-size: .85rem; color: var(--soft); }
.legend svg { display: inline-block; width: 28px; height: 8px; vertical-align: middle; }
.plot { margin-top: .5rem; }
.readout { min-height: 1.5em; margin-top: .4rem; font-size: .85rem;
  font-variant-numeric: tabular-nums; }
summary { cursor: pointer; color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; }
section > .scroll { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: .25rem .5rem; box-shadow: var(--shadow); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 500; font-size: .85rem; }
tbody tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; }
code { font-size: .9em; overflow-wrap: anywhere; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center;
  margin: 0 0 .6rem; }
.sort { border: 0; background: none; padding: 0; min-height: 1.5rem; }
[aria-sort] .sort { color: var(--ink); font-weight: 600; }
[aria-sort=descending] .sort::after { content: " ↓"; } [aria-sort=ascending] .sort::after {
  content: " ↑"; }
#routes, #slow { max-height: 34rem; overflow: auto; }
meter { width: 100%; height: 1rem; display: block; }
@media print { .controls, .tools, #login, .skip { display: none; } body { max-width: none; }
  .card, section > .scroll { box-shadow: none; break-inside: avoid; }
  .scroll, #routes, #slow { overflow: visible; max-height: none; } }
@media (max-width: 52rem) { .figures { grid-template-columns: repeat(2, 1fr); } }
@media (max-width: 34rem) { .controls { margin-left: 0; width: 100%; }
  .controls select { flex: 1; } .value { font-size: 1.35rem; } }
[hidden] { display: none !important; }
"""
)

_BODY = """
<a class="skip" href="#main">Skip to the figures</a>
<header>
  <h1 id="service">Status</h1>
  <span id="verdict" class="state" role="status">…</span>
  <span id="version" class="soft"></span>
  <div class="controls">
    <label class="unseen" for="window">Window</label>
    <select id="window">
      <option value="15m">15 minutes</option><option value="1h" selected>1 hour</option>
      <option value="6h">6 hours</option><option value="1d">1 day</option>
      <option value="7d">7 days</option><option value="30d">30 days</option>
      <option value="90d">90 days</option>
    </select>
    <button id="refresh" type="button">Refresh</button>
    <button id="pause" type="button" aria-pressed="false">Pause</button>
  </div>
</header>
<p id="message" role="alert"></p>
<form id="login" hidden>
  <label for="token">Admin token</label>
  <input id="token" type="password" autocomplete="current-password" required>
  <button>Show</button>
</form>
<main id="main" tabindex="-1">
  <p class="soft">Updated <time id="updated">never</time><span id="scope"></span></p>
  <section aria-labelledby="h-health"><h2 id="h-health">Health</h2>
    <ul id="health" class="grid"></ul></section>
  <section aria-labelledby="h-now"><h2 id="h-now">Key figures</h2>
    <ul id="figures" class="grid figures"></ul></section>
  <section id="budgets" aria-labelledby="h-budgets" hidden>
    <h2 id="h-budgets">Objectives and error budgets</h2>
    <ul id="objectives" class="grid charts"></ul></section>
  <section aria-labelledby="h-alerts"><h2 id="h-alerts">Alerts</h2>
    <div id="alerts" class="scroll" tabindex="0" role="region" aria-label="Table of alerts"></div>
  </section>
  <section aria-labelledby="h-charts"><h2 id="h-charts">Over time</h2>
    <p class="soft">A vertical dotted line is a release. In a chart, the arrow keys, Home and
      End move from point to point.</p>
    <div id="charts" class="grid charts"></div>
    <p id="releases" class="soft"></p></section>
  <section aria-labelledby="h-routes"><h2 id="h-routes">Requests by route</h2>
    <p class="tools"><label for="filter">Filter routes</label>
      <input id="filter" type="search" autocomplete="off">
      <span id="shown" class="soft" role="status"></span></p>
    <div id="routes" class="scroll" tabindex="0" role="region" aria-label="Table of routes"></div>
  </section>
  <section aria-labelledby="h-slow"><h2 id="h-slow">Slow queries</h2>
    <div id="slow" class="scroll" tabindex="0" role="region" aria-label="Table of slow queries">
    </div>
  </section>
  <section aria-labelledby="h-business"><h2 id="h-business">Business</h2>
    <div id="business" class="grid charts"></div></section>
</main>
"""

_SCRIPT = r"""
"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const REFRESH = 15000, HEIGHT = 200, LEFT = 66, BOTTOM = 22, TOP = 16, RIGHT = 8;
const SIGNS = { pass: "✓", warn: "!", fail: "✗" };
const WORDS = { pass: "works", warn: "degraded", fail: "down" };
let paused = false, cursors = {}, asked = 0, width = 480;

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

function number(value, digits = 1) {
  if (value === null || value === undefined) return "no data";
  return value.toLocaleString(undefined, { maximumFractionDigits: digits });
}
const known = (values) => values.filter((value) => value !== null);
const ms = (value) => value === null ? "no data"
  : value >= 1000 ? number(value / 1000, 2) + " s" : number(value) + " ms";
const percent = (part) => number(part * 100, 2) + " %";
const HOURS = { hour: "2-digit", minute: "2-digit" }, DAYS = { day: "numeric", month: "short" };
let days = 0;
// Beyond a day a time alone is ambiguous; beyond a week its hour says nothing.
const clock = (time) => new Date(time).toLocaleString([],
  days > 8 ? DAYS : days > 1 ? { ...DAYS, ...HOURS } : HOURS);

async function ask(path) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { Authorization: "Bearer " + token } : {};
  const reply = await fetch(path, { headers, cache: "no-store" });
  if (reply.status === 401) throw new Error("locked");
  return reply.json();
}

async function refresh() {
  const turn = ++asked;
  try {
    const [health, metrics, slo, alerts] = await Promise.all([
      ask("/health/detailed"), ask(`/api/metrics?points=60&window=${$("window").value}`),
      ask("/api/slo"), ask("/api/alerts")]);
    if (turn !== asked) return;
    if (metrics.error) throw new Error(metrics.error);
    show(health, metrics);
    showObjectives(slo.objectives || []);
    showAlerts(alerts);
    say(metrics.incomplete ? "Only this process' figures: " + metrics.incomplete : "");
  } catch (error) {
    if (turn !== asked) return;
    if (error.message === "locked") return lock();
    say("The figures could not be read (" + error.message + "); this is the last state known.");
  }
}

function lock() {
  const refused = sessionStorage.getItem("token") !== null;
  sessionStorage.removeItem("token");
  $("login").hidden = false;
  say(refused ? "That token was refused." : "The figures need the admin token.");
}

function say(text) { if ($("message").textContent !== text) $("message").textContent = text; }

function show(health, metrics) {
  $("login").hidden = true;
  document.title = `${SIGNS[health.status]} ${health.service}`;
  $("service").textContent = health.service;
  $("version").textContent = "version " + health.version;
  $("verdict").textContent = `${SIGNS[health.status]} ${WORDS[health.status]}`;
  $("verdict").className = "state " + health.status;
  const updated = $("updated");
  updated.dateTime = metrics.timestamp;
  updated.textContent = new Date(metrics.timestamp).toLocaleTimeString();
  $("scope").textContent = metrics.scope === "all" ? "" : ", this process alone";
  showHealth(health.checks || {});
  showFigures(metrics);
  showCharts(metrics);
  showRoutes(metrics.requests.routes);
  showSlow(metrics.database.slow_queries);
  showBusiness(metrics.business, metrics.abuse);
}

function showHealth(checks) {
  const cards = Object.entries(checks).map(([key, [check]]) => {
    const state = `${SIGNS[check.status]} ${WORDS[check.status]}`;
    const why = check.output ? [make("span", { class: "why" }, check.output)] : [];
    return make("li", { class: "card check " + check.status },
      make("h3", {}, key.split(":")[0]), make("span", { class: "state " + check.status }, state),
      make("span", { class: "soft" }, check.critical ? "critical" : "not critical"),
      make("span", { class: "soft number" }, ms(check.observedValue)), ...why);
  });
  $("health").replaceChildren(...cards);
}

const UNKNOWN = { avg: null, max: null, p50: null, p95: null, p99: null };

function showObjectives(objectives) {
  $("budgets").hidden = !objectives.length;
  $("objectives").replaceChildren(...objectives.map((each) => {
    const left = Math.max(each.left, 0), state = each.spent > 1 ? "fail"
      : each.spent > .75 ? "warn" : "pass";
    const within = each.threshold_ms ? ` within ${ms(each.threshold_ms)}` : "";
    const words = !each.requests ? "no requests yet"
      : { pass: "enough left", warn: "nearly spent", fail: "spent" }[state];
    const bar = make("meter", { min: 0, max: 1, low: .25, high: .5, optimum: 1, value: left,
      "aria-label": `${each.objective}: error budget left` }, percent(left));
    return make("li", { class: "card" },
      make("h3", {}, `${each.objective}: ${percent(each.target)}${within}`),
      make("span", { class: "value " + (state === "pass" ? "" : state) },
        `${percent(left)} left`),
      bar, make("span", { class: "soft" }, `${SIGNS[state]} ${words}; ${number(each.bad, 0)} of `
        + `${number(each.requests, 0)} requests were bad in `
        + `${number(each.window_seconds / 86400)} days`));
  }));
}

function showAlerts({ on = [], history = [] }) {
  const when = (time) => new Date(time).toLocaleString();
  const rows = on.map((each) => [each.severity, each.summary, each.state, when(each.since)]);
  const told = history.slice(-10).reverse().map((each) =>
    [each.alert.severity, each.alert.summary, each.what, when(each.time)]);
  const heads = ["Severity", "What", "State", "Since"];
  const past = make("details", {}, make("summary", {}, `What people were told (${told.length})`),
    told.length ? table("What people were told", heads.with(3, "When"), told, 9) : nothing());
  $("alerts").replaceChildren(rows.length ? table("Alerts that are on", heads, rows, 9)
    : make("p", { class: "soft" }, "No alert is on."), past);
}

function showFigures({ requests, database }) {
  const d = requests.total ? requests.duration_ms : UNKNOWN;
  const rate = requests.total ? requests.error_rate : null;
  const q = database.queries ? database.duration_ms : UNKNOWN;
  const figures = [
    ["Requests", number(requests.total, 0), `${number(requests.per_second, 2)} a second`],
    ["Errors", rate === null ? "no data" : percent(rate), `${number(requests.errors, 0)} in all`,
      rate > 0.05 ? "fail" : ""],
    ["p50", ms(d.p50), `average ${ms(d.avg)}`],
    ["p95", ms(d.p95), "threshold 2 s", d.p95 > 2000 ? "fail" : ""],
    ["p99", ms(d.p99), `longest ${ms(d.max)}`],
    ["Queries", number(database.queries, 0), `${number(database.errors, 0)} failed`],
    ["Query p95", ms(q.p95), "threshold 5 s", q.p95 > 5000 ? "fail" : ""],
    ["Slow queries", number(database.slow, 0), "above 1 s", database.slow ? "warn" : ""],
  ];
  $("figures").replaceChildren(...figures.map(([name, value, note, state]) => make("li",
    { class: "card" }, make("h3", {}, name),
    make("span", { class: "value " + (state || "") }, value),
    make("span", { class: "soft" }, (state ? SIGNS[state] + " " : "") + note))));
}

function showCharts({ timeline, releases }) {
  if (!timeline) return;
  days = (Date.parse(timeline.at(-1).time) - Date.parse(timeline[0].time)) / 86400000;
  const charts = [
    { id: "rate", title: "Requests a second", unit: (v) => number(v, 2),
      lines: { "a second": timeline.map((p) => p.per_second) } },
    { id: "durations", title: "Duration of requests", unit: ms, threshold: 2000, lines: {
      p50: timeline.map((p) => p.duration_ms.p50), p95: timeline.map((p) => p.duration_ms.p95),
      p99: timeline.map((p) => p.duration_ms.p99) } },
    { id: "errors", title: "Errors", unit: (v) => number(v, 0), bad: true, whole: true,
      lines: { errors: timeline.map((p) => p.errors) } },
    { id: "database", title: "Duration of queries", unit: ms, lines: {
      p50: timeline.map((p) => p.query_duration_ms.p50),
      p95: timeline.map((p) => p.query_duration_ms.p95) } },
  ];
  // All are there before any is drawn: how wide one is depends on the others.
  for (const [chart, figure] of charts.map((chart) => [chart, placed(chart)]))
    plot(figure, { ...chart, timeline, releases: releases || [] });
  $("releases").textContent = (releases || []).length
    ? "Releases: " + releases.map((r) => `${r.version} at ${clock(r.time)}`).join(", ") : "";
}

function placed(chart) {
  let figure = $("chart-" + chart.id);
  if (!figure) {
    figure = make("figure", { id: "chart-" + chart.id, class: "card" },
      make("figcaption", {}, make("h3", {}, chart.title), make("div", { class: "legend" })),
      make("div", { class: "plot", tabindex: "0", role: "img" }),
      make("div", { class: "readout soft", "aria-live": "polite" }),
      make("details", {}, make("summary", {}, "As a table"), make("div", { class: "scroll" })));
    if (chart.bad) figure.classList.add("only-bad");
    figure.querySelector(".plot").addEventListener("keydown", (event) => move(event, figure));
    figure.querySelector(".plot").addEventListener("pointermove", (event) => point(event, figure));
    figure.querySelector("details").addEventListener("toggle", () => tabulate(figure));
    $("charts").append(figure);
  }
  return figure;
}

function plot(figure, chart) {
  figure.chart = chart;
  const plot = figure.querySelector(".plot"), names = Object.keys(chart.lines);
  width = plot.clientWidth || width;
  plot.setAttribute("aria-label", describe(chart));
  plot.replaceChildren(plotted(chart));
  figure.querySelector(".legend").replaceChildren(...(names.length > 1 ? names.map(legend) : []));
  if (cursors[chart.id] !== undefined) mark(figure);
  tabulate(figure);
}

function legend(name, n) {
  const key = draw("svg", { viewBox: "0 0 28 8", "aria-hidden": "true" });
  key.append(draw("path", { class: "line s" + n, d: "M0 4H28" }));
  return make("span", {}, key, " " + name);
}

function describe({ title, lines, unit, releases }) {
  const parts = Object.entries(lines).map(([name, values]) =>
    `${name} now ${unit(values.at(-1))}, at most ${known(values).length
      ? unit(Math.max(...known(values))) : "no data"}`);
  return `${title}: ${parts.join("; ")}. Releases: ${releases.length}.`;
}

const x = (n, count) => LEFT + n / Math.max(count - 1, 1) * (width - LEFT - RIGHT);

function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (i && values[i - 1] !== null) found.at(-1).push([i, value]);
    else found.push([[i, value]]);
  });
  return found;
}

// The step of an axis: 1, 2 or 5 times a power of ten, so that four at most are enough.
function stepOf(most, whole) {
  const rough = (most || 1) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  return whole ? Math.max(step, 1) : step;
}

function plotted({ lines, unit, timeline, releases, threshold, whole }) {
  const all = known(Object.values(lines).flat()), step = stepOf(Math.max(...all, 0), whole);
  const ticks = Math.max(Math.ceil(Math.max(...all, 0) / step - 1e-9), 1), top = ticks * step;
  const y = (value) => HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
  const across = (value) => `M${LEFT} ${y(value)}H${width - RIGHT}`;
  for (let tick = 0; tick <= ticks; tick += 1) {
    const value = tick * step;
    svg.append(draw("path", { class: "axis", d: across(value) }),
      draw("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, unit(value)));
  }
  const last = timeline.length - 1;
  for (const [n, anchor] of [[0, "start"], [last >> 1, "middle"], [last, "end"]])
    svg.append(draw("text", { x: x(n, last + 1), y: HEIGHT - 6, "text-anchor": anchor },
      clock(timeline[n].time)));
  if (threshold && threshold < top)
    svg.append(draw("path", { class: "threshold", d: across(threshold) }));
  const from = Date.parse(timeline[0].time), to = Date.parse(timeline[last].time);
  if (!all.length) svg.append(draw("text", { x: (LEFT + width) / 2, y: HEIGHT / 2,
    "text-anchor": "middle" }, "Nothing was measured in this window."));
  let free = Infinity; // names are written from the newest on, where there is room
  for (const release of [...releases].sort((a, b) => Date.parse(b.time) - Date.parse(a.time))) {
    const part = Math.min(Math.max((Date.parse(release.time) - from) / (to - from || 1), 0), 1);
    const place = LEFT + part * (width - LEFT - RIGHT), flip = part > .8;
    const name = release.version.slice(0, 12), wide = name.length * 7.5 + 8;
    const [begin, end] = flip ? [place - wide, place] : [place, place + wide];
    svg.append(draw("path", { class: "release", d: `M${place} ${TOP}V${HEIGHT - BOTTOM}` }));
    if (end > free || begin < 0) continue;
    free = begin;
    svg.append(draw("text", { class: "flag", x: place + (flip ? -4 : 4), y: TOP - 4,
      "text-anchor": flip ? "end" : "start" }, name));
  }
  const at = ([i, value]) => `${x(i, timeline.length).toFixed(1)} ${y(value).toFixed(1)}`;
  const [first, ...others] = Object.values(lines), foot = HEIGHT - BOTTOM;
  const along = (i) => x(i, timeline.length).toFixed(1);
  if (!others.length) for (const run of runs(first)) svg.append(draw("path", { class: "area",
    d: `M${along(run[0][0])} ${foot}L${run.map(at).join("L")}L${along(run.at(-1)[0])} ${foot}Z` }));
  // A point between two gaps is a line of no length, which round caps make a dot.
  Object.values(lines).forEach((values, n) => svg.append(draw("path", { class: "line s" + n,
    "stroke-linecap": "round", d: runs(values).map((run) =>
      `M${run.map(at).join("L")}${run.length > 1 ? "" : "h0"}`).join("") })));
  svg.append(draw("path", { class: "cursor", d: "" }));
  return svg;
}

function move(event, figure) {
  const count = figure.chart.timeline.length, now = cursors[figure.chart.id] ?? count;
  const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: count - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  cursors[figure.chart.id] = Math.min(Math.max(to, 0), count - 1);
  mark(figure);
}

function point(event, figure) {
  const box = event.currentTarget.getBoundingClientRect(), count = figure.chart.timeline.length;
  const at = (event.clientX - box.left) / box.width * width;
  const n = Math.round((at - LEFT) / (width - LEFT - RIGHT) * (count - 1));
  cursors[figure.chart.id] = Math.min(Math.max(n, 0), count - 1);
  mark(figure);
}

function mark(figure) {
  const { id, lines, unit, timeline } = figure.chart;
  const n = Math.min(cursors[id], timeline.length - 1);
  figure.querySelector(".cursor").setAttribute("d",
    `M${x(n, timeline.length)} ${TOP}V${HEIGHT - BOTTOM}`);
  const values = Object.entries(lines).map(([name, line]) => `${name} ${unit(line[n])}`);
  const text = `${clock(timeline[n].time)}: ${values.join(", ")}`;
  const readout = figure.querySelector(".readout");
  if (readout.textContent !== text) readout.textContent = text;
}

function tabulate(figure) {
  const details = figure.querySelector("details");
  if (!details.open) return;
  const { lines, unit, timeline, title } = figure.chart;
  const row = (n) => Object.values(lines).map((line) => unit(line[n]));
  const rows = timeline.map((point, n) => [clock(point.time), ...row(n)]);
  details.querySelector(".scroll").replaceChildren(
    table(title, ["Time", ...Object.keys(lines)], rows, 1));
}

function table(caption, heads, rows, numbersFrom) {
  const cell = (name, n, text) => make(name, { ...(n >= numbersFrom && { class: "number" }),
    ...(name === "th" && { scope: "col" }) }, text);
  const line = (name, row) => make("tr", {}, ...row.map((text, n) => cell(name, n, text)));
  return make("table", { "aria-label": caption }, make("thead", {}, line("th", heads)),
    make("tbody", {}, ...rows.map((row) => line("td", row))));
}

const nothing = () => make("p", { class: "soft" }, "Nothing in this window.");

const COLUMNS = [["Route", (r) => r.route], ["Method", (r) => r.method],
  ["Requests", (r) => r.total, (v) => number(v, 0)], ["Errors", (r) => r.error_rate, percent],
  ...["p50", "p95", "p99"].map((p) => [p, (r) => r.duration_ms[p], ms])];
let routes = [], sorted = { by: 2, down: true };

function showRoutes(found = routes) {
  routes = found;
  const wanted = $("filter").value.toLowerCase(), value = COLUMNS[sorted.by][1];
  const rows = routes.filter((r) => `${r.method} ${r.route}`.toLowerCase().includes(wanted));
  const order = (a, b) => a < b ? -1 : a > b ? 1 : 0;
  rows.sort((a, b) => order(value(a), value(b)) * (sorted.down ? -1 : 1));
  $("shown").textContent = `${rows.length} of ${routes.length} shown`
    + (routes.length >= 50 ? "; the 50 busiest are listed, the figures above count all" : "");
  const cells = rows.map((r) => COLUMNS.map(([, read, write = (v) => v]) => write(read(r))));
  if (!routes.length) { $("routes").replaceChildren(nothing()); return; }
  const focus = document.activeElement?.dataset?.column;
  const made = table("Requests by route", COLUMNS.map(([name]) => name), cells, 2);
  made.querySelectorAll("th").forEach((head, n) => {
    const button = make("button", { type: "button", class: "sort", "data-column": n },
      COLUMNS[n][0]);
    if (n === sorted.by) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    button.addEventListener("click", () => {
      sorted = { by: n, down: n === sorted.by ? !sorted.down : n > 1 };
      showRoutes();
    });
    head.replaceChildren(button);
  });
  $("routes").replaceChildren(made);
  if (focus !== undefined) made.querySelector(`[data-column="${focus}"]`)?.focus();
}

function showSlow(queries) {
  const groups = new Map();
  for (const query of queries) {
    const group = groups.get(query.sql) || { ...query, times: 0 };
    const [slower, later] = [Math.max(group.seconds, query.seconds),
      group.time > query.time ? group.time : query.time];
    groups.set(query.sql, { ...group, times: group.times + 1, seconds: slower, time: later });
  }
  const rows = [...groups.values()].map((q) => [make("code", {}, q.sql), number(q.times, 0),
    number(q.seconds, 2) + " s", number(q.rows, 0), new Date(q.time).toLocaleString()]);
  $("slow").replaceChildren(rows.length ? table("Slow queries",
    ["Statement", "Times", "Slowest", "Rows", "Last"], rows, 1) : nothing());
}

function showBusiness(business, abuse) {
  const counted = { Signups: "signups", Activity: "activities", Subscriptions: "subscriptions",
    Features: "features", "API calls by customer": "api_calls" };
  const cards = Object.entries(counted).map(([title, key]) => card(title,
    number(business[key].total, 0), business[key].listed.slice(0, 10).map(({ count, ...labels }) =>
      [Object.values(labels).join(", "), number(count, 0)])));
  const money = business.payments.map((p) => [`${p.currency}, ${p.outcome}`,
    `${number(p.count, 0)} (${number(p.amount, 2)})`]);
  const payments = business.payments.reduce((sum, p) => sum + p.count, 0);
  cards.push(card("Payments", number(payments, 0), money));
  const signs = Object.entries(abuse ?? {});
  const seen = signs.filter(([, count]) => count)
    .map(([name, count]) => [name.replaceAll("_", " "), number(count, 0)]);
  cards.push(card("Abuse", number(signs.reduce((sum, [, count]) => sum + count, 0), 0), seen));
  $("business").replaceChildren(...cards);
}

function card(title, value, rows) {
  const listed = rows.length ? table(title, ["What", "How many"], rows, 1) : "";
  return make("div", { class: "card" }, make("h3", {}, title),
    make("span", { class: "value" }, value), listed);
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  $("token").value = "";
  refresh();
});
$("filter").addEventListener("input", () => showRoutes());
$("refresh").addEventListener("click", refresh);
$("window").addEventListener("change", () => { cursors = {}; refresh(); });
addEventListener("resize", () => {
  for (const figure of document.querySelectorAll("figure"))
    if (figure.chart) plot(figure, figure.chart);
});
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
});
setInterval(() => { if (!paused && !document.hidden && $("login").hidden) refresh(); }, REFRESH);
refresh();
"""


PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Status</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head>'
    f"<body>{_BODY}<script>{_SCRIPT}</script></body></html>\n"
)
HEADERS = headers(
    f"style-src {source(_STYLE)}", f"script-src {source(_SCRIPT)}", "connect-src 'self'"
)
