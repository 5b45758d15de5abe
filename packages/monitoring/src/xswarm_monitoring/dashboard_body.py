"""The dashboard's sections, which its script fills."""

from __future__ import annotations

BODY = """
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
  <p class="soft">Updated <time id="updated">never</time><span id="scope"></span>;
    times are those of <span id="zone">this browser</span>.</p>
  <section id="detail" aria-labelledby="h-detail" hidden>
    <p class="tools"><a id="back" href="#">All routes</a></p>
    <h2 id="h-detail" class="route" tabindex="-1"></h2>
    <p id="detail-empty" class="card" hidden>No request to this route was measured in this window.
      Choose a longer one, or look whether the address names the route as the table does.</p>
    <div id="detail-body" hidden>
      <ul id="detail-figures" class="grid figures"></ul>
      <h2>Over time</h2>
      <div id="detail-charts" class="grid charts"></div>
      <p id="detail-releases" class="soft"></p>
      <section aria-labelledby="h-statuses"><h2 id="h-statuses">Status codes</h2>
        <div id="detail-statuses" class="scroll" tabindex="0" role="region"
          aria-label="Table of status codes"></div></section>
      <section aria-labelledby="h-versions"><h2 id="h-versions">Versions that answered</h2>
        <div id="detail-versions" class="scroll" tabindex="0" role="region"
          aria-label="Table of versions"></div></section>
    </div>
  </section>
  <div id="overview">
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
  </div>
</main>
"""
