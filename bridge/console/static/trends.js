// The days in curves, by uPlot; the page has the same in figures.
"use strict";
(() => {
  const facts = document.getElementById("curves");
  if (!facts) return;
  const curves = JSON.parse(facts.textContent);
  const NAMES = { calls: "calls", failed: "something failed", p50_ms: "median", p95_ms: "95 %", cost_usd: "cost", interruptions: "interruptions" };
  const COLOURS = { failed: "--bad", p95_ms: "--bad", by_caller: "--caller", by_model: "--agent", by_tool: "--tool", by_limit: "--maybe", by_operator: "--accent", by_bridge: "--bad", by_unknown: "--quiet" };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Without data of more than one moment uPlot would make up a time; zooming in on a part is left to it.
  const span = (_, low, high) => (low > curves.times[0] || high < curves.times.at(-1) ? [low, high] : [curves.from, curves.until]);
  const values = (name) => curves[name].map((value) => (value === null ? null : name.endsWith("_ms") ? value / 1000 : value));

  function draw() {
    for (const place of document.querySelectorAll("[data-curves]")) {
      place.replaceChildren();
      const names = place.dataset.curves.split(" ");
      const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      const series = names.map((name) => ({
        label: NAMES[name] || name.replace("by_", ""), stroke: colour(COLOURS[name] || "--accent"), width: 2, spanGaps: true, points: { show: curves.times.length < 40, size: 5 },
      }));
      const options = { tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"), width: place.clientWidth, height: 190, series: [{}, ...series], axes: [axis, { ...axis, size: 46 }], scales: { x: { range: span }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } }, legend: { live: true } };
      place.plot = new uPlot(options, [curves.times, ...names.map(values)], place);
    }
  }

  draw();
  let due = 0;
  addEventListener("resize", () => { clearTimeout(due); due = setTimeout(draw, 150); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
