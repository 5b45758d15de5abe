"""The dashboard's script: what it asks, and how it fills each section."""

from __future__ import annotations

from xswarm_monitoring.dashboard_charts import CHARTS
from xswarm_monitoring.dashboard_route import ROUTE

_OVERVIEW = r"""
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
  if (reply.status === 404) throw new Error(path.split("?")[0] + " is unknown: release anew");
  return reply.json();
}

async function refresh() {
  const turn = ++asked;
  try {
    const one = Boolean(here().route), span = $("window").value;
    const [health, metrics, slo, alerts] = await Promise.all([ask("/health/detailed"),
      ...(one ? [ask(askedRoute())] : [ask(`/api/metrics?points=60&routes=1000&window=${span}`),
        ask("/api/slo"), ask("/api/alerts")])]);
    if (turn !== asked) return;
    if (metrics.error) throw new Error(metrics.error);
    show(health, metrics, one);
    if (one) showRoute(metrics);
    else {
      showOverview(health, metrics);
      showObjectives(slo.objectives || []);
      showAlerts(alerts);
    }
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

function show(health, metrics, one) {
  $("login").hidden = true;
  document.title = `${SIGNS[health.status]} ${one ? named() + ", " : ""}${health.service}`;
  $("service").textContent = health.service;
  $("version").textContent = "version " + health.version;
  $("verdict").textContent = `${SIGNS[health.status]} ${WORDS[health.status]}`;
  $("verdict").className = "state " + health.status;
  const updated = $("updated");
  updated.dateTime = metrics.timestamp;
  updated.textContent = new Date(metrics.timestamp).toLocaleTimeString();
  $("scope").textContent = metrics.scope === "all" ? "" : ", this process alone";
  $("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "this browser";
}

function showOverview(health, metrics) {
  showHealth(health.checks || {});
  showFigures(metrics);
  showCharts(metrics);
  showRoutes(metrics.requests.routes, metrics.requests.distinct_routes);
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
    const words = { pass: "enough left", warn: "nearly spent", fail: "spent" }[state];
    const bar = make("meter", { min: 0, max: 1, low: .25, high: .5, optimum: 1, value: left,
      "aria-label": `${each.objective}: error budget left` }, percent(left));
    return make("li", { class: "card" },
      make("h3", {}, `${each.objective}: ${percent(each.target)}${within}`),
      make("span", { class: "value " + (state === "pass" ? "" : state) },
        each.requests ? `${percent(left)} left` : "no data"),
      ...(each.requests ? [bar] : []), make("span", { class: "soft" }, each.requests
        ? `${SIGNS[state]} ${words}; ${number(each.bad, 0)} of ${number(each.requests, 0)} `
          + `requests were bad in ${number(each.window_seconds / 86400)} days`
        : "There were no requests yet."));
  }));
}

function showAlerts({ on = [], history = [] }) {
  const when = (time) => new Date(time).toLocaleString();
  const rows = on.map((each) =>
    [severity(each.severity), each.summary, each.state, when(each.since)]);
  const told = history.slice(-10).reverse().map((each) =>
    [severity(each.alert.severity), each.alert.summary, each.what, when(each.time)]);
  const heads = ["Severity", "What", "State", "Since"];
  const past = make("details", {}, make("summary", {}, `What people were told (${told.length})`),
    told.length ? table("What people were told", heads.with(3, "When"), told, 9) : nothing());
  $("alerts").replaceChildren(rows.length ? table("Alerts that are on", heads, rows, 9)
    : make("p", { class: "soft" }, "No alert is on."), past);
}

function severity(name) {
  const state = { CRITICAL: "fail", ERROR: "fail", WARNING: "warn" }[name];
  return state ? make("span", { class: "state " + state }, `${SIGNS[state]} ${name}`) : name;
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
  fill("figures", figures);
}

function fill(into, figures) {
  $(into).replaceChildren(...figures.map(([name, value, note, state]) => make("li",
    { class: "card" }, make("h3", {}, name),
    make("span", { class: "value " + (state || "") }, value),
    make("span", { class: "soft" }, (state ? SIGNS[state] + " " : "") + note))));
}

function table(caption, heads, rows, numbersFrom) {
  const cell = (name, n, text) => make(name, { ...(n >= numbersFrom && { class: "number" }),
    ...(name === "th" && { scope: "col" }) }, text);
  const line = (name, row) => make("tr", {}, ...row.map((text, n) => cell(name, n, text)));
  return make("table", { "aria-label": caption }, make("thead", {}, line("th", heads)),
    make("tbody", {}, ...rows.map((row) => line("td", row))));
}

const nothing = () => make("p", { class: "soft" }, "Nothing in this window.");

const link = (_, { route, method }) => Object.assign(make("a",
  { href: address({ route, method }), "data-route": `${method} ${route}` },
  ...route.split(/(?<=\/)/).flatMap((part) => [part, make("wbr")])), { to: { route, method } });
const COLUMNS = [["Route", (r) => r.route, link], ["Method", (r) => r.method],
  ["Requests", (r) => r.total, (v) => number(v, 0)], ["Errors", (r) => r.error_rate, percent],
  ...["p50", "p95", "p99"].map((p) => [p, (r) => r.duration_ms[p], ms])];
let routes = [], distinct = 0, sorted = { by: 2, down: true };

function showRoutes(found = routes, all = distinct) {
  [routes, distinct] = [found, all || found.length];
  const wanted = $("filter").value.toLowerCase(), value = COLUMNS[sorted.by][1];
  const rows = routes.filter((r) => `${r.method} ${r.route}`.toLowerCase().includes(wanted));
  const order = (a, b) => a < b ? -1 : a > b ? 1 : 0;
  rows.sort((a, b) => order(value(a), value(b)) * (sorted.down ? -1 : 1));
  $("shown").textContent = `${rows.length} of ${routes.length} shown`
    + (distinct > routes.length
      ? `; the busiest of ${distinct} are listed, the figures above count all` : "");
  const cells = rows.map((r) => COLUMNS.map(([, read, write = (v) => v]) => write(read(r), r)));
  if (!routes.length) { $("routes").replaceChildren(nothing()); return; }
  const { column: focus, route: onto } = document.activeElement?.dataset ?? {};
  const made = table("Requests by route", COLUMNS.map(([name]) => name), cells, 2);
  made.querySelectorAll("th").forEach((head, n) => {
    const button = make("button", { type: "button", class: "sort", "data-column": n },
      COLUMNS[n][0]);
    if (n === sorted.by) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    button.addEventListener("click", () => {
      sorted = { by: n, down: n === sorted.by ? !sorted.down : n > 1 };
      keep({ sort: COLUMNS[n][0].toLowerCase(), order: sorted.down ? "down" : "up" });
      showRoutes();
    });
    head.replaceChildren(button);
  });
  $("routes").replaceChildren(made);
  if (focus !== undefined) made.querySelector(`[data-column="${focus}"]`)?.focus();
  if (onto) made.querySelector(`[data-route="${CSS.escape(onto)}"]`)?.focus();
}

// Links lead on with what is chosen now, though the figures of it are still to come.
function keep(changes) {
  history.replaceState(null, "", address(changes));
  for (const one of document.querySelectorAll("#routes a")) one.href = address(one.to);
  $("back").href = address({ route: "", method: "" });
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

"""

_START = r"""
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  $("token").value = "";
  refresh();
});
$("filter").addEventListener("input", () => {
  keep({ filter: $("filter").value });
  showRoutes();
});
$("refresh").addEventListener("click", refresh);
$("window").addEventListener("change", () => {
  cursors = {};
  keep({ window: $("window").value });
  refresh();
});
addEventListener("hashchange", follow);
addEventListener("resize", () => {
  for (const figure of document.querySelectorAll("figure"))
    if (figure.chart) plot(figure, figure.chart);
});
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
});
setInterval(() => { if (!paused && !document.hidden && $("login").hidden) refresh(); }, REFRESH);
follow();
"""

SCRIPT = _OVERVIEW + CHARTS + ROUTE + _START
