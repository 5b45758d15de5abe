"""The dashboard's style."""

from __future__ import annotations

from xswarm_monitoring.page import PALETTE

STYLE = (
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
a { color: var(--accent); } .route { text-transform: none; letter-spacing: 0; font-size: 1.2rem;
  color: var(--ink); margin-top: .6rem; overflow-wrap: anywhere; }
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
  background: var(--card); }
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
.scroll > p { padding: 0 .6rem; } .scroll > details { padding: .3rem .6rem .45rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 500; font-size: .85rem; }
tbody tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; white-space: nowrap; }
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
  .controls select { flex: 1; } .value { font-size: 1.35rem; }
  th, td { padding: .45rem .4rem; font-size: .9rem; }
  #routes td:first-child { min-width: 8.5rem; overflow-wrap: anywhere; }
  #routes td:nth-child(n+5), #routes th:nth-child(n+5) { padding-left: .7rem; }
  #slow td:first-child { min-width: 11rem; } }
[hidden] { display: none !important; }
"""
)
