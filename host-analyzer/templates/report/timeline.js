// A trial AP by AP: its chart, which zooms and pans, and its tables.
"use strict";

const timeline = charts.timeline;
const cellChoice = byId("timeline-cell");
const trialChoice = byId("timeline-trial");
// What is in view, in percent: across in time, down in APs.
const whole = { x: [0, 100], y: [0, 100] };
let view = structuredClone(whole);

/** The cell and the trial that are chosen. */
function chosen() {
  const cell = data.cells[cellChoice.value];
  return { cell, trial: cell?.timelines[trialChoice.value] };
}

/** Lists the cells that pass the filter; keeps the chosen one while it does. */
function offerCells() {
  const before = cellChoice.value;
  const offered = shown.filter((cell) => cell.timelines.length > 0);
  cellChoice.replaceChildren(...offered.map((cell) =>
    make("option", cell.label, { value: data.cells.indexOf(cell) })));
  const wanted = before === "" ? String(data.best ?? "") : before;
  if ([...cellChoice.options].some((option) => option.value === wanted)) cellChoice.value = wanted;
  if (cellChoice.value !== before) offerTrials();
}

function offerTrials() {
  const before = trialChoice.options[trialChoice.selectedIndex]?.dataset.which ?? "median";
  trialChoice.replaceChildren(...(chosen().cell?.timelines ?? []).map(({ label, which }, index) =>
    make("option", label, { value: index, "data-which": which })));
  const same = [...trialChoice.options].find((option) => option.dataset.which === before);
  if (same) same.selected = true;
  view = structuredClone(whole);
}

function drawTimeline() {
  const { cell, trial } = chosen();
  byId("path-table").replaceChildren();
  byId("ap-table").replaceChildren();
  timeline.element.dataset.rects = 0;
  if (!trial) {
    paint(timeline, 80, { title: title("No cell is shown", { textStyle: { fontSize: 13 } }) });
    byId("timeline-view").textContent = "";
    return;
  }
  const { scale, path, aps } = trial;
  const of = (cycles) => value(scale, cell, cycles);
  const lost = new Map(trial.lost.map(([cpu, how, last]) => [cpu, { how, last }]));
  const rows = ["BSP", ...aps.map(([cpu]) => `CPU ${cpu}`)];
  const many = rows.length > 40;
  const beside = { left: isNarrow() ? 52 : 60, right: many ? 34 : 14 };
  // Of each AP how many rectangles it got.
  const drawn = new Map();
  paint(timeline, (many ? 640 : rows.length * 17) + 76, {
    grid: { ...beside, top: 8, bottom: 68 },
    xAxis: values(`time since the trial’s zero [${scale[0]}]`,
      { min: 0, max: of(trial.total), axisLabel: { showMaxLabel: false } }),
    yAxis: names(rows, { axisLabel: { interval: "auto", fontSize: 11 }, axisLine: { show: false } }),
    tooltip: tooltip(({ seriesId, dataIndex }) =>
      seriesId === "path" ? tipOfSegment(path[dataIndex], scale, cell) : tipOfAp(aps[dataIndex], lost, scale, cell)),
    dataZoom: [
      ...zoom("x", { xAxisIndex: 0, minSpan: 0.1 }, { bottom: 4, height: 18, ...beside }),
      ...(many ? zoom("y", { yAxisIndex: 0, minSpan: 3 }, { right: 4, width: 18, top: 8, bottom: 68 }) : []),
    ],
    series: [
      {
        id: "aps", type: "custom", clip: true, encode: { x: [1, 2], y: 0 },
        data: aps.map((ap, index) => [index + 1, ap[1] ?? 0, ap[1] ?? 0]),
        renderItem: (params, api) => apShapes(params, api, aps[params.dataIndex], lost, of, drawn),
      },
      {
        id: "path", type: "custom", clip: true, z: 5, encode: { x: [1, 2], y: 0 },
        data: path.map(([, , from, length, row]) => [row, of(from), of(from + length)]),
        renderItem: ({ dataIndex }, api) => pathShapes(api, path[dataIndex + 1]?.[4]),
      },
    ],
  });
  timeline.element.dataset.rects = sum([...drawn.values()]);
  reportView();
  tables(cell, trial, lost);
}

/** A direction's zoom, and its slider. */
const zoom = (id, axis, place) => {
  const [start, end] = view[id];
  const shared = { filterMode: "none", start, end };
  return [
    { id, type: "inside", zoomOnMouseWheel: "ctrl", ...shared, ...axis },
    {
      id: `${id}s`, type: "slider", showDetail: false, brushSelect: false, showDataShadow: false,
      moveHandleSize: 0, borderColor: colours.grid, fillerColor: `${colours.faint}33`,
      handleStyle: { color: colours.paper, borderColor: colours.faint }, ...shared, ...axis, ...place,
    },
  ];
};

/** A rectangle for each phase that is not empty; of a lost AP a cross at its last stamp. */
function apShapes({ dataIndex }, api, [cpu, init, queue, , , , ...lengths], lost, of, drawn) {
  const height = api.size([0, 1])[1];
  // Thin rows have no room for gaps.
  const size = height < 6 ? height : height * 0.82;
  const at = (cycles) => api.coord([of(cycles), api.value(0)]);
  const children = [];
  let from = init ?? 0;
  // The pieces of six phases, or as far as the AP came.
  pieces(queue ?? 0, lengths.slice(-data.phases.length)).forEach((length, piece) => {
    if (length > 0) {
      const [x, y] = at(from);
      const shape = { x, y: y - size / 2, width: at(from + length)[0] - x, height: size };
      children.push({ type: "rect", shape, style: { fill: colours.pieces[piece] } });
    }
    from += length;
  });
  drawn.set(dataIndex, children.length);
  if (lost.has(cpu)) children.push(...cross(at(lost.get(cpu).last ?? 0), Math.max(2, Math.min(5, size / 2))));
  return { type: "group", children };
}

const cross = ([x, y], arm) => [[5, colours.paper], [2, colours.ink]].flatMap(([lineWidth, colour]) =>
  [arm, -arm].map((down) => stroke([x - arm, y - down], [x + arm, y + down], { stroke: colour, lineWidth })));

/** A piece of the critical path, and the line to the row where it goes on. */
function pathShapes(api, next) {
  const row = api.value(0);
  const [x, y] = api.coord([api.value(1), row]);
  const end = api.coord([api.value(2), row])[0];
  const thick = Math.min(5, Math.max(1, api.size([0, 1])[1] * 0.26));
  const style = { fill: colours.ink, stroke: colours.paper, lineWidth: thick > 3 ? 1 : 0, strokeFirst: true };
  const shape = { x, y: y - thick / 2, width: Math.max(1, end - x), height: thick };
  const children = [{ type: "rect", shape, style }];
  if (next !== undefined && next !== row) {
    const to = api.coord([api.value(2), next])[1];
    children.unshift(stroke([end, y], [end, to], { stroke: colours.ink, lineWidth: 1 }));
  }
  return { type: "group", children };
}

// What the lengths of an AP are, behind its index.
const moments = ["init", ...data.sub_phases, ...data.phases];

function tipOfAp([cpu, ...cycles], lost, scale, cell) {
  const pairs = moments.map((name, index) =>
    [data.sub_phases.includes(name) ? `· ${name}` : name, exact(scale, cell, cycles[index])]);
  const end = lost.get(cpu);
  if (end) pairs.push(["last stamp", exact(scale, cell, end.last)]);
  return tip(`CPU ${cpu}${end ? `, ${end.how}` : ""}`, pairs);
}

function tipOfSegment(segment, scale, cell) {
  const [part, cpu, from, length] = segment;
  return tip(`Critical path: ${data.parts[part]}, CPU ${cpu}`, [
    ["from", exact(scale, cell, from)], ["takes", exact(scale, cell, length)],
    ["held up", heldUp(segment, scale, cell)],
  ]);
}

/** Who had waited for a segment of the path. */
function heldUp([, , , , , cpu, phase, cycles], scale, cell) {
  if (cpu === undefined) return "–";
  return `${phase < 0 ? "the BSP" : `CPU ${cpu} in ${data.phases[phase]}`}, ${exact(scale, cell, cycles)}`;
}

/** A table; behind the first columns, of words, are numbers. */
function table(header, rows, words) {
  const number = (index) => (index >= words ? { class: "number" } : {});
  return make("div", make("table", [
    make("thead", make("tr", header.map((name, index) => make("th", name, { scope: "col", ...number(index) })))),
    make("tbody", rows.map((row) => make("tr", row.map((value, index) =>
      index === 0 ? make("th", value, { scope: "row" })
        : make("td", value, { ...number(index), "data-label": header[index] }))))),
  ]), { class: "wide", tabindex: 0, role: "region", "aria-label": header.join(", ") });
}

/** A table that is made when it is opened. */
function folded(summary, rows) {
  const details = make("details", make("summary", summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(rows());
  });
  return details;
}

function tables(cell, { scale, path, aps, sums }, lost) {
  const unit = scale[0];
  const of = (cycles) => (cycles === null ? "–" : text(scale, cell, cycles));
  byId("path-table").replaceChildren(
    table(["on the critical path", `time [${unit}]`, "share", "APs"],
      sums.map(([part, cycles, share, aps]) => [part, of(cycles), share, String(aps)]), 1),
    folded("Every step of the critical path", () => table(
      [`from [${unit}]`, `takes [${unit}]`, "part", "about", "held up"],
      path.map((segment) => [of(segment[2]), of(segment[3]), data.parts[segment[0]], `CPU ${segment[1]}`,
        heldUp(segment, scale, cell)]), 9)),
  );
  byId("ap-table").replaceChildren(folded("The numbers, AP by AP", () => table(
    ["AP", ...moments.map((name) => `${name} [${unit}]`)],
    aps.map(([cpu, ...cycles]) => [
      `CPU ${cpu}${lost.has(cpu) ? ` (${lost.get(cpu).how})` : ""}`, ...cycles.slice(0, moments.length).map(of),
    ]), 1)));
}

/** Says what part of the trial is in view. */
function reportView() {
  const { cell, trial } = chosen();
  if (!trial) return;
  const at = (percent) => text(trial.scale, cell, (trial.total * percent) / 100);
  timeline.element.dataset.view = [...view.x, ...view.y].map((percent) => percent.toFixed(2)).join(" ");
  byId("timeline-view").textContent = `In view: ${at(view.x[0])} to ${at(view.x[1])} ${trial.scale[0]}.`;
}

/** Moves a range inside 0 to 100 percent. */
function moved([from, to], [by, factor], least) {
  const span = Math.min(100, Math.max(least, (to - from) * factor));
  const middle = (from + to) / 2 + by * (to - from);
  const begin = Math.min(100 - span, Math.max(0, middle - span / 2));
  return [begin, begin + span];
}

// In time and in APs: by how much of what is in view it moves, and by what it grows.
const MOVES = {
  in: [[0, 1 / 1.5], [0, 1 / 1.5]], out: [[0, 1.5], [0, 1.5]],
  left: [[-0.2, 1], [0, 1]], right: [[0.2, 1], [0, 1]],
  up: [[0, 1], [-0.2, 1]], down: [[0, 1], [0.2, 1]],
};
const KEYS = {
  "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "all",
};

function move(how) {
  view = how === "all" ? structuredClone(whole)
    : { x: moved(view.x, MOVES[how][0], 0.1), y: moved(view.y, MOVES[how][1], 3) };
  const zooms = timeline.chart.getOption().dataZoom ?? [];
  timeline.chart.dispatchAction({
    type: "dataZoom",
    batch: zooms.map(({ id }) => ({ dataZoomId: id, start: view[id[0]][0], end: view[id[0]][1] })),
  });
}

timeline.chart.on("datazoom", () => {
  for (const { id, start, end } of timeline.chart.getOption().dataZoom) {
    if (id === "x" || id === "y") view[id] = [start, end];
  }
  reportView();
});
timeline.element.addEventListener("keydown", (event) => {
  const how = KEYS[event.key];
  if (!how || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  move(how);
});
for (const button of document.querySelectorAll("button[data-move]")) {
  button.addEventListener("click", () => move(button.dataset.move));
}
cellChoice.addEventListener("change", () => { offerTrials(); drawTimeline(); });
trialChoice.addEventListener("change", () => { view = structuredClone(whole); drawTimeline(); });
