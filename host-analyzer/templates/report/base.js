// What the charts share. They draw the block of data with Apache ECharts; what can be decided before
// a reader chooses is in the block. Text reaches the page as text only, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
document.documentElement.classList.add("scripted");
/** More boxes than these in each of six charts are too much to look at. */
const MOST_BOXES = 12;
const CYCLES = ["cycles", 0];
const FONT = getComputedStyle(document.body).fontFamily;
const still = matchMedia("(prefers-reduced-motion: reduce)");

// ---- Elements and numbers

/** An element with text or children inside. */
function make(tag, content = [], attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...[content].flat());
  return element;
}

// A scale is a unit and its decimals.
const value = ([unit], cell, cycles) => cycles * cell.per[unit];
const text = (scale, cell, cycles) => value(scale, cell, cycles).toFixed(cycles === 0 ? 0 : scale[1]);
const time = (scale, cell, cycles) => `${text(scale, cell, cycles)} ${scale[0]}`;
/** The same with all digits. */
const exact = (scale, cell, cycles) =>
  cycles === null ? "–" : time(scale, cell, cycles) + (scale[0] === "cycles" ? "" : ` (${cycles} cycles)`);
const percent = (part, whole) => `${((100 * part) / (whole || 1)).toFixed(1)} %`;
const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);

// ---- Charts

let colours;
function readColours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  colours = {
    paper: of("paper"), ink: of("ink"), grid: of("grid"), faint: of("faint"), phases: data.phases.map(of), pieces: data.pieces.map(of),
  };
}

const charts = {};
for (const name of ["phases", "totals", "spread", "timeline"]) {
  const element = byId(`${name}-chart`);
  element.style.height = "320px";
  charts[name] = { element, chart: echarts.init(element, null, { renderer: "canvas" }) };
}
const isNarrow = () => charts.phases.element.clientWidth < 560;

/** Sets a chart's height and draws it anew. */
function paint({ element, chart }, height, option) {
  element.style.height = `${Math.round(height)}px`;
  chart.resize();
  const textStyle = { fontFamily: FONT, color: colours.ink };
  chart.setOption({ animation: false, backgroundColor: "transparent", textStyle, ...option }, { notMerge: true });
}

const axis = ({ axisLabel, ...rest }) => ({
  axisLine: { lineStyle: { color: colours.ink } },
  axisTick: { lineStyle: { color: colours.ink } },
  splitLine: { lineStyle: { color: colours.grid } },
  nameTextStyle: { color: colours.faint, fontSize: 12 },
  ...rest,
  axisLabel: { color: colours.ink, fontSize: 12, ...axisLabel },
});
/** The pieces of an AP's time: what of its first phase is queue, the rest of that, and the others. */
const pieces = (queue, [first, ...others]) => [Math.min(queue, first), Math.max(0, first - queue), ...others];
const axisNumber = (number) => number.toLocaleString("en", { maximumFractionDigits: 6 });
/** Values that span a factor of 50 need a log axis; it can't begin at 0. */
const spansFactors = (numbers) => {
  const positive = numbers.filter((number) => number > 0);
  return positive.length > 1 && Math.max(...positive) / Math.min(...positive) >= 50;
};
/** A log axis from the power of ten below the least value, its ticks at powers of ten. */
const logarithmic = (numbers) => {
  const positive = numbers.filter((number) => number > 0);
  const power = (round, number) => 10 ** round(Math.log10(number));
  return { type: "log", logBase: 10, min: power(Math.floor, Math.min(...positive)), max: power(Math.ceil, Math.max(...positive)) };
};
const values = (name, { axisLabel, ...rest } = {}) => axis({
  type: "value", name, nameLocation: "middle", nameGap: 28, splitNumber: isNarrow() ? 3 : 6,
  ...rest, axisLabel: { formatter: axisNumber, hideOverlap: true, ...axisLabel },
});
const names = (list, { axisLabel, ...rest } = {}) => axis({
  type: "category", inverse: true, data: list, axisTick: { show: false },
  ...rest, axisLabel: { interval: 0, ...axisLabel },
});
/** Names of cells beside bars: as wide as there is room. */
const cellNames = (cells) => names(cells.map((cell) => cell.label), { axisLabel: {
  width: isNarrow() ? 130 : 300, overflow: "break", lineHeight: 12, fontSize: isNarrow() ? 11 : 12,
} });
/** The height of a cell's row: a narrow page breaks its name into lines of some 16 characters. */
const rowHeight = (cells, least) => {
  const longest = Math.max(0, ...cells.map((cell) => cell.label.length));
  return isNarrow() ? Math.max(least, 12 * Math.ceil(longest / 16) + 6) : least;
};
const tooltip = (formatter) => ({
  trigger: "item", confine: true, formatter, transitionDuration: still.matches ? 0 : 0.1,
  backgroundColor: colours.paper, borderColor: colours.grid, padding: [6, 10],
});
const tip = (title, pairs) => make("div", [
  make("b", title),
  make("dl", pairs.flatMap(([name, text]) => [make("dt", name), make("dd", text)])),
], { class: "tip" });
const title = (text, rest) =>
  ({ text, ...rest, textStyle: { fontFamily: FONT, fontSize: 12, color: colours.faint, ...rest.textStyle } });
/** A line between two points of the screen. */
const stroke = ([x1, y1], [x2, y2], style) => ({ type: "line", shape: { x1, y1, x2, y2 }, style, silent: true });
