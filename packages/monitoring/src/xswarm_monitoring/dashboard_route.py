"""The dashboard's view of one route, as a script; its address can be shared."""

from __future__ import annotations

ROUTE = r"""
// What is looked at stands behind the address' #, which no server is sent.
const here = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

function address(changes) {
  const wanted = Object.entries({ ...here(), ...changes }).filter(([, value]) => value);
  return "#" + new URLSearchParams(wanted);
}

function follow() {
  const { window: span, filter = "", sort, order, route } = here();
  const known = [...$("window").options].some((option) => option.value === span);
  $("window").value = known ? span : "1h";
  if ($("filter").value !== filter) $("filter").value = filter;
  const by = COLUMNS.findIndex(([name]) => name.toLowerCase() === sort);
  sorted = { by: by < 0 ? 2 : by, down: order !== "up" };
  const before = $("detail").hidden;
  $("detail").hidden = !route;
  $("overview").hidden = Boolean(route);
  cursors = {};
  if (route) {
    $("h-detail").replaceChildren(make("code", {}, named()));
    $("back").setAttribute("href", address({ route: "", method: "" }));
    $("detail-body").hidden = true;
    $("detail-empty").hidden = true;
    $("h-detail").focus();
  } else if (!before) {
    showRoutes();
    (document.querySelector(`#routes a[data-route="${CSS.escape(left)}"]`) || $("main")).focus();
  }
  left = route ? named() : "";
  refresh();
}

let left = "";
const named = () => `${here().method || "GET"} ${here().route}`;
const askedRoute = () => "/api/metrics/route?points=60&" + new URLSearchParams({
  window: $("window").value, route: here().route, method: here().method || "GET" });

function showRoute({ requests, versions, timeline, releases }) {
  $("detail-empty").hidden = requests.total > 0;
  $("detail-body").hidden = !requests.total;
  if (!requests.total) return;
  const d = requests.duration_ms, part = (count) => percent(count / requests.total);
  fill("detail-figures", [
    ["Requests", number(requests.total, 0), `${number(requests.per_second, 3)} a second`],
    ["Errors (5xx)", percent(requests.error_rate), `${number(requests.errors, 0)} in all`,
      requests.error_rate > 0.05 ? "fail" : ""],
    ["Client errors (4xx)", part(requests.client_errors),
      `${number(requests.client_errors, 0)} in all`],
    ["Average", ms(d.avg), `shortest ${ms(d.min)}`],
    ["p50", ms(d.p50), "half were quicker"],
    ["p95", ms(d.p95), "threshold 2 s", d.p95 > 2000 ? "fail" : ""],
    ["p99", ms(d.p99), `longest ${ms(d.max)}`],
  ]);
  draws("detail-charts", { timeline, releases }, [
    { id: "route-rate", title: "Requests a second", unit: (v) => number(v, 3),
      lines: { "a second": timeline.map((p) => p.per_second) } },
    { id: "route-durations", title: "Duration of requests", unit: ms, threshold: 2000,
      lines: quantiles(timeline, "duration_ms", ["p50", "p95", "p99"]) },
    { id: "route-errors", title: "Errors", unit: (v) => number(v, 0), whole: true, bad: true,
      lines: { "5xx": timeline.map((p) => p.errors),
        "4xx": timeline.map((p) => p.client_errors) } },
  ]);
  $("detail-releases").textContent = told(releases);
  const statuses = Object.entries(requests.statuses).map(([status, count]) =>
    [status, number(count, 0), part(count)]);
  $("detail-statuses").replaceChildren(
    table("Status codes", ["Status", "Requests", "Part"], statuses, 1));
  const rows = versions.map((v) => [v.version || "unknown", number(v.total, 0),
    percent(v.error_rate), ...["p50", "p95", "p99"].map((q) => ms(v.duration_ms[q]))]);
  $("detail-versions").replaceChildren(
    table("Versions", ["Version", "Requests", "Errors", "p50", "p95", "p99"], rows, 1));
}
"""
