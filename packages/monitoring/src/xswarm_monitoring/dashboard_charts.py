"""The dashboard's charts, as a script: axes, lines, gaps, releases, the cursor, the table."""

from __future__ import annotations

CHARTS = r"""
function draws(into, { timeline, releases }, charts) {
  if (!timeline || !timeline.length) return;
  days = (Date.parse(timeline.at(-1).time) - Date.parse(timeline[0].time)) / 86400000;
  // All are there before any is drawn: how wide one is depends on the others.
  for (const [chart, figure] of charts.map((chart) => [chart, placed(into, chart)]))
    plot(figure, { ...chart, timeline, releases: releases || [] });
}

const told = (releases) => (releases || []).length
  ? "Releases: " + releases.map((r) => `${r.version} at ${clock(r.time)}`).join(", ") : "";
const quantiles = (timeline, of, names) => Object.fromEntries(
  names.map((name) => [name, timeline.map((point) => point[of][name])]));

function showCharts({ timeline, releases }) {
  if (!timeline) return;
  draws("charts", { timeline, releases }, [
    { id: "rate", title: "Requests a second", unit: (v) => number(v, 2),
      lines: { "a second": timeline.map((p) => p.per_second) } },
    { id: "durations", title: "Duration of requests", unit: ms, threshold: 2000,
      lines: quantiles(timeline, "duration_ms", ["p50", "p95", "p99"]) },
    { id: "errors", title: "Errors", unit: (v) => number(v, 0), bad: true, whole: true,
      lines: { errors: timeline.map((p) => p.errors) } },
    { id: "database", title: "Duration of queries", unit: ms,
      lines: quantiles(timeline, "query_duration_ms", ["p50", "p95"]) },
  ]);
  $("releases").textContent = told(releases);
}

function placed(into, chart) {
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
    $(into).append(figure);
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

"""
