// The filter, the switches, and when the charts are drawn.
"use strict";

const filter = byId("filter");
const boxes = filter ? [...filter.querySelectorAll("input")] : [];
let shown = data.cells;

function applyFilter() {
  const chosen = data.axes.map(() => new Set());
  for (const { dataset, checked } of boxes) {
    if (checked) chosen[dataset.axis].add(Number(dataset.value));
  }
  const passes = data.cells.map((cell) => cell.values.every((value, axis) => chosen[axis].has(value)));
  shown = data.cells.filter((_, index) => passes[index]);
  for (const row of document.querySelectorAll("tr[data-cell]")) row.hidden = !passes[row.dataset.cell];
  if (filter) byId("shown").textContent = `${shown.length} of ${data.cells.length} cells`;
  offerCells();
  drawAll();
}

function drawAll() {
  readColours();
  drawPhases();
  drawTotals();
  drawSpread();
  drawTimeline();
}

for (const box of boxes) box.addEventListener("change", applyFilter);
byId("all")?.addEventListener("click", () => {
  for (const box of boxes) box.checked = true;
  applyFilter();
});
byId("unit").addEventListener("change", drawPhases);
byId("over").addEventListener("change", drawSpread);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

let width = charts.phases.element.clientWidth;
new ResizeObserver(() => {
  const now = charts.phases.element.clientWidth;
  if (now === width || now === 0) return;
  width = now;
  drawAll();
}).observe(charts.phases.element);

// On paper every table is open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});

applyFilter();
