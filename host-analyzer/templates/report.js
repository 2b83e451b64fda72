// The report's charts. Reads the block of JSON, draws with Apache ECharts, and answers the filter,
// the switches and the timeline's keys. Text reaches the page as text only, never as markup.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  document.documentElement.classList.add("scripted");
  if (data.cells.length === 0) return;

  const MARKS = ["circle", "rect", "triangle", "diamond", "roundRect", "pin"];
  // As in the still figures (figure.rs).
  const LINES = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  /** More boxes than these in each of six charts are too much to look at. */
  const MOST_BOXES = 12;
  const FONT = getComputedStyle(document.body).fontFamily;

  // ---- Elements and numbers

  /** An element with text or children inside. */
  function make(tag, content = [], attributes = {}) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...[content].flat());
    return element;
  }

  /** How times are written that are at most this long: like unit.rs. */
  function scaleOf(cycles, khz, unit = "time") {
    if (unit === "cycles" || !khz) return { name: "cycles", per: 1, decimals: 0 };
    const us = (cycles * 1e3) / khz;
    const ms = us >= 1e3;
    const most = ms ? us / 1e3 : us;
    const decimals = [1000, 100, 10, 0.1, 0.01].findIndex((least) => most >= least);
    return {
      name: ms ? "ms" : "µs",
      per: ms ? 1 / khz : 1e3 / khz,
      decimals: decimals < 0 ? 5 : decimals,
    };
  }

  const text = (scale, cycles) => (cycles * scale.per).toFixed(cycles === 0 ? 0 : scale.decimals);
  const readable = (cycles, khz) => {
    const scale = scaleOf(cycles, khz);
    return `${text(scale, cycles)} ${scale.name}`;
  };

  /** One scale for values of several cells: [cell, cycles]; each cell has its own clock. */
  function commonScale(values, unit) {
    if (unit === "cycles" || values.some(([cell]) => !cell.khz)) return () => scaleOf(0, 0);
    const most = Math.max(0, ...values.map(([cell, cycles]) => (cycles * 1e3) / cell.khz));
    const { name, decimals } = scaleOf(most, 1e3);
    return (cell) => ({ name, decimals, per: (name === "ms" ? 1 : 1e3) / cell.khz });
  }

  const axisNumber = (value) => value.toLocaleString("en", { maximumFractionDigits: 6 });

  // ---- Colours and charts

  let colours;
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    colours = {
      paper: of("paper"), ink: of("ink"), grid: of("grid"), faint: of("faint"),
      phases: data.phases.map(of),
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
    chart.setOption(
      {
        animation: false,
        backgroundColor: "transparent",
        textStyle: { fontFamily: FONT, color: colours.ink },
        ...option,
      },
      { notMerge: true },
    );
  }

  const axis = (rest) => ({
    axisLine: { lineStyle: { color: colours.ink } },
    axisTick: { lineStyle: { color: colours.ink } },
    splitLine: { lineStyle: { color: colours.grid } },
    nameTextStyle: { color: colours.faint, fontSize: 12 },
    ...rest,
    axisLabel: { color: colours.ink, fontSize: 12, ...rest.axisLabel },
  });
  const values = (name, rest = {}) => {
    const { axisLabel, ...others } = rest;
    return axis({
      type: "value", name, nameLocation: "middle", nameGap: 28, splitNumber: isNarrow() ? 3 : 6,
      ...others, axisLabel: { formatter: axisNumber, hideOverlap: true, ...axisLabel },
    });
  };
  const names = (list, rest = {}) => {
    const { axisLabel, ...others } = rest;
    return axis({
      type: "category", inverse: true, data: list, axisTick: { show: false }, ...others,
      axisLabel: { interval: 0, ...axisLabel },
    });
  };
  const tooltip = (formatter) => ({
    trigger: "item", confine: true, formatter, transitionDuration: still.matches ? 0 : 0.1,
    backgroundColor: colours.paper, borderColor: colours.grid, padding: [6, 10],
  });
  const tip = (title, pairs) =>
    make("div", [
      make("b", title),
      make("dl", pairs.flatMap(([name, value]) => [make("dt", name), make("dd", value)])),
    ], { class: "tip" });

  // ---- The filter

  const filter = byId("filter");
  const boxes = filter ? [...filter.querySelectorAll("input")] : [];
  let shown = data.cells;

  function applyFilter() {
    const chosen = data.axes.map(() => new Set());
    for (const { dataset, checked } of boxes) {
      if (checked) chosen[dataset.axis].add(Number(dataset.value));
    }
    shown = data.cells.filter((cell) => cell.values.every((value, axis) => chosen[axis].has(value)));
    const visible = new Set(shown.map((cell) => String(data.cells.indexOf(cell))));
    for (const row of document.querySelectorAll("tr[data-cell]")) {
      row.hidden = !visible.has(row.dataset.cell);
    }
    if (filter) byId("shown").textContent = `${shown.length} of ${data.cells.length} cells`;
    offerCells();
    drawAll();
  }

  // ---- Where one AP's time goes

  function drawPhases() {
    const unit = document.querySelector("#unit input:checked").value;
    const cells = shown.filter((cell) => cell.phases);
    const sum = (cell) => cell.phases.reduce((one, other) => one + other, 0);
    const scale = commonScale(cells.map((cell) => [cell, sum(cell)]), unit);
    const share = unit === "share";
    const value = (cell, cycles) =>
      share ? (100 * cycles) / (sum(cell) || 1) : cycles * scale(cell).per;
    const name = share ? "%" : cells.length ? scale(cells[0]).name : "";
    const series = data.phases.map((phase, index) => ({
      name: phase, type: "bar", stack: "phases", barWidth: "70%",
      itemStyle: { color: colours.phases[index] },
      data: cells.map((cell) => value(cell, cell.phases[index])),
    }));
    paint(charts.phases, cells.length * 26 + 56, {
      aria: { enabled: false },
      grid: { left: 4, right: 16, top: 4, bottom: 44, containLabel: true },
      xAxis: values(`time of one AP, mean [${name}]`, share ? { max: 100 } : {}),
      yAxis: names(cells.map((cell) => cell.label), cellLabels()),
      tooltip: tooltip(({ dataIndex }) => {
        const cell = cells[dataIndex];
        return tip(cell.label, data.phases.map((phase, index) => [
          phase,
          `${text(scale(cell), cell.phases[index])} ${scale(cell).name}, ` +
            `${((100 * cell.phases[index]) / (sum(cell) || 1)).toFixed(1)} %`,
        ]));
      }),
      series,
    });
  }

  /** Labels of cells beside bars: as wide as there is room. */
  const cellLabels = () => ({
    axisLabel: { width: isNarrow() ? 130 : 300, overflow: "break", lineHeight: 12, fontSize: isNarrow() ? 11 : 12 },
  });

  // ---- Totals

  /** What cells have in common that differ in strategy and CPU count alone. */
  const groupOf = (cell) =>
    data.axes
      .map(({ key, values }, axis) => (["strategy", "CPUs"].includes(key) ? "" : values[cell.values[axis]]))
      .filter(Boolean)
      .join(", ");

  function drawTotals() {
    const scale = commonScale(shown.map((cell) => [cell, cell.total]));
    const unit = shown.length ? scale(shown[0]).name : "";
    const counts = new Set(data.cells.map((cell) => cell.smp));
    const allLines = [...new Set(data.cells.map((cell) => cell.line))];
    const about = (cell) => {
      const of = (cycles) => `${text(scale(cell), cycles)} ${unit}`;
      const pairs = [["total", of(cell.total)]];
      if (cell.interval) pairs.push(["95 %", `${of(cell.interval[0])} to ${of(cell.interval[1])}`]);
      if (cell.lower_bound !== null) pairs.push(["lower bound", of(cell.lower_bound)]);
      return tip(cell.label, pairs);
    };
    const legend = byId("totals-legend");
    legend.replaceChildren();
    const swatch = (colour, dotted, label) => {
      const line = make("span", [], { class: "swatch line" });
      line.style.borderColor = colour;
      if (dotted) line.style.borderTopStyle = "dotted";
      legend.append(make("li", [line, label]));
    };
    if (counts.size === 1) {
      // One CPU count makes no curve: bars, each with its bound.
      swatch(colours.ink, true, "lower bound");
      const y = (cell) => shown.indexOf(cell);
      paint(charts.totals, shown.length * 30 + 56, {
        grid: { left: 4, right: 24, top: 4, bottom: 44, containLabel: true },
        xAxis: values(`total [${unit}]`, { min: 0 }),
        yAxis: names(shown.map((cell) => cell.label), cellLabels()),
        tooltip: tooltip(({ data: [, , index] }) => about(shown[index])),
        series: [
          {
            type: "bar", barWidth: "60%",
            data: shown.map((cell) => ({
              value: [cell.total * scale(cell).per, y(cell), y(cell)],
              itemStyle: { color: LINES[allLines.indexOf(cell.line) % LINES.length] },
            })),
          },
          whiskers(shown, scale, (api, cell) => {
            const at = (cycles) => api.coord([cycles * scale(cell).per, y(cell)]);
            return { from: at(cell.interval[0]), to: at(cell.interval[1]) };
          }),
          {
            type: "custom", data: shown.map((cell) => [(cell.lower_bound ?? 0) * scale(cell).per, y(cell), y(cell)]),
            renderItem: (params, api) => {
              if (shown[params.dataIndex].lower_bound === null) return null;
              const [x, middle] = api.coord([api.value(0), api.value(1)]);
              const half = api.size([0, 1])[1] * 0.42;
              return {
                type: "line", shape: { x1: x, x2: x, y1: middle - half, y2: middle + half },
                style: { stroke: colours.ink, lineWidth: 2, lineDash: [4, 3] },
              };
            },
          },
        ],
      });
      return;
    }
    const series = [];
    const bounds = new Map();
    for (const cell of shown.filter((cell) => cell.lower_bound !== null)) {
      const points = bounds.get(groupOf(cell)) ?? new Map();
      const bound = cell.lower_bound * scale(cell).per;
      points.set(cell.smp, Math.min(bound, points.get(cell.smp) ?? Infinity));
      bounds.set(groupOf(cell), points);
    }
    for (const [group, points] of bounds) {
      series.push({
        type: "line", data: [...points].sort((one, other) => one[0] - other[0]), symbol: "none", silent: true,
        lineStyle: { color: colours.faint, width: 2, type: "dotted" },
      });
      swatch(colours.faint, true, bounds.size > 1 ? `lower bound, ${group}` : "lower bound");
    }
    allLines.forEach((line, index) => {
      const cells = shown.filter((cell) => cell.line === line);
      if (cells.length === 0) return;
      const colour = LINES[index % LINES.length];
      const second = index >= LINES.length;
      if (cells.every((cell) => cell.interval)) series.push(band(cells, scale, colour));
      series.push({
        type: "line", symbol: MARKS[index % MARKS.length], symbolSize: 8,
        lineStyle: { color: colour, width: 2, type: second ? "dashed" : "solid" },
        itemStyle: { color: colour },
        data: cells.map((cell) => [cell.smp, cell.total * scale(cell).per, data.cells.indexOf(cell)]),
      });
      swatch(colour, false, line);
    });
    paint(charts.totals, isNarrow() ? 300 : 380, {
      title: { text: `total [${unit}]`, left: 0, top: 2, padding: 0,
        textStyle: { color: colours.faint, fontSize: 12, fontWeight: 400, fontFamily: FONT } },
      grid: { left: 4, right: 16, top: 28, bottom: 44, containLabel: true },
      xAxis: values("CPUs, the BSP counted", { min: 0, minInterval: 1 }),
      yAxis: values("", { min: 0 }),
      tooltip: tooltip(({ data: [, , index] }) => about(data.cells[index])),
      series,
    });
  }

  /** The confidence intervals of a line, as an area. */
  const band = (cells, scale, colour) => ({
    type: "custom", silent: true, encode: { x: 0, y: [1, 2] },
    data: cells.map((cell) => [cell.smp, ...cell.interval.map((end) => end * scale(cell).per)]),
    renderItem: (params, api) => {
      if (params.dataIndexInside > 0) return null;
      const end = (which) => cells.map((cell) => api.coord([cell.smp, cell.interval[which] * scale(cell).per]));
      return {
        type: "polygon", shape: { points: [...end(0), ...end(1).reverse()] },
        style: { fill: colour, opacity: 0.2 },
      };
    },
  });

  /** The confidence intervals of bars. */
  const whiskers = (cells, scale, ends) => ({
    type: "custom", silent: true, z: 5,
    data: cells.map((cell, index) => [cell.total * scale(cell).per, index]),
    renderItem: ({ dataIndex }, api) => {
      if (!cells[dataIndex].interval) return null;
      const { from, to } = ends(api, cells[dataIndex]);
      return {
        type: "line", shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
        style: { stroke: colours.ink, lineWidth: 3 },
      };
    },
  });

  // ---- How each phase is distributed

  function drawSpread() {
    const over = document.querySelector("#over input:checked").value;
    const smp = Math.max(...shown.map((cell) => cell.smp));
    const all = shown.filter((cell) => cell.smp === smp && cell[`over_${over}`]);
    const cells = all.slice(0, MOST_BOXES);
    byId("spread-view").textContent = cells.length < all.length
      ? `The first ${cells.length} of ${all.length} cells; the filter above chooses, the tables below hold all.` : "";
    const narrow = isNarrow();
    const columns = narrow ? 1 : 3;
    const rows = data.phases.length / columns;
    const height = cells.length * 22 + 64;
    const left = narrow ? 118 : Math.min(180, 16 + 6.6 * Math.max(0, ...cells.map((cell) => cell.line.length)));
    const width = (charts.spread.element.clientWidth - left - 12) / columns;
    const scales = data.phases.map((_, phase) =>
      commonScale(cells.map((cell) => [cell, cell[`over_${over}`][phase][4]])));
    const place = (phase) => ({ column: phase % columns, row: Math.floor(phase / columns) });
    paint(charts.spread, rows * height + 4, {
      title: data.phases.map((phase, index) => ({
        text: `${phase} [${cells.length ? scales[index](cells[0]).name : ""}]`,
        left: left + place(index).column * width - 4, top: place(index).row * height,
        textStyle: { color: colours.ink, fontSize: 13, fontWeight: 600, fontFamily: FONT },
      })),
      grid: data.phases.map((_, index) => ({
        left: left + place(index).column * width, width: width - 48,
        top: place(index).row * height + 24, height: height - 64,
      })),
      xAxis: data.phases.map((_, index) => values("", {
        gridIndex: index, min: 0, splitNumber: 3,
        // Where all is 0 the axis still needs a length.
        max: ({ max }) => (max > 0 ? null : 1),
      })),
      yAxis: data.phases.map((_, index) => names(cells.map((cell) => cell.line), {
        gridIndex: index,
        axisLabel: { show: place(index).column === 0, width: left - 12, overflow: "truncate" },
      })),
      tooltip: tooltip(({ seriesIndex, dataIndex }) => {
        const cell = cells[dataIndex];
        const scale = scales[seriesIndex](cell);
        return tip(`${data.phases[seriesIndex]}: ${cell.label}`,
          ["least", "quartile", "median", "quartile", "greatest"].map((name, which) => [
            name, `${text(scale, cell[`over_${over}`][seriesIndex][which])} ${scale.name}`,
          ]));
      }),
      series: data.phases.map((_, index) => ({
        type: "boxplot", xAxisIndex: index, yAxisIndex: index, boxWidth: [6, 14],
        itemStyle: { color: colours.phases[index], borderColor: colours.ink, borderWidth: 1 },
        data: cells.map((cell) => cell[`over_${over}`][index].map((cycles) => cycles * scales[index](cell).per)),
      })),
    });
  }

  // ---- AP by AP

  const cellChoice = byId("timeline-cell");
  const trialChoice = byId("timeline-trial");
  const timeline = charts.timeline;
  // What is in view, in percent: across in time, down in APs.
  const all = { x: [0, 100], y: [0, 100] };
  let view = structuredClone(all);

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
    const cell = data.cells[cellChoice.value];
    const before = trialChoice.options[trialChoice.selectedIndex]?.dataset.which ?? "median";
    trialChoice.replaceChildren(...(cell?.timelines ?? []).map((trial, index) =>
      make("option", `${trial.which}: ${readable(trial.total, cell.khz)} (boot ${trial.boot}, trial ${trial.number})`,
        { value: index, "data-which": trial.which })));
    const same = [...trialChoice.options].find((option) => option.dataset.which === before);
    if (same) same.selected = true;
    view = structuredClone(all);
  }

  // The lengths of one AP's six phases; nothing where a stamp is missing.
  const phasesOf = ([, , kick, wake, trampoline, ...later]) => [
    kick === null || wake === null || trampoline === null ? null : kick + wake + trampoline, ...later,
  ];

  function drawTimeline() {
    const cell = data.cells[cellChoice.value];
    const trial = cell?.timelines[trialChoice.value];
    byId("path-table").replaceChildren();
    byId("ap-table").replaceChildren();
    timeline.element.dataset.rects = 0;
    if (!trial) {
      paint(timeline, 80, { title: { text: "No cell is shown", textStyle: { color: colours.faint, fontSize: 13 } } });
      byId("timeline-view").textContent = "";
      return;
    }
    const scale = scaleOf(trial.total, cell.khz);
    const rows = ["BSP", ...trial.aps.map(([cpu]) => `CPU ${cpu}`)];
    const rowOf = new Map(trial.aps.map(([cpu], index) => [cpu, index + 1]));
    const lost = new Map(trial.lost.map(([cpu, how, last]) => [cpu, { how, last }]));
    const many = rows.length > 40;
    const narrow = isNarrow();
    const height = many ? 640 : rows.length * 17;
    const pathRows = trial.path.map(([part, cpu]) => (isOfBsp(part) ? 0 : rowOf.get(cpu) ?? 0));
    // Of each AP how many rectangles it got.
    const drawn = new Map();
    paint(timeline, height + 76, {
      grid: { left: narrow ? 52 : 60, right: many ? 34 : 14, top: 8, bottom: 68 },
      xAxis: values(`time since the trial’s zero [${scale.name}]`, { min: 0, max: trial.total * scale.per,
        axisLabel: { showMaxLabel: false } }),
      yAxis: names(rows, { axisLabel: { interval: "auto", fontSize: 11 }, axisLine: { show: false } }),
      tooltip: tooltip(({ seriesId, dataIndex }) =>
        seriesId === "path" ? tipOfSegment(trial.path[dataIndex], cell) : tipOfAp(trial.aps[dataIndex], lost, cell)),
      dataZoom: [
        { id: "x", type: "inside", xAxisIndex: 0, zoomOnMouseWheel: "ctrl", filterMode: "none", start: view.x[0], end: view.x[1], minSpan: 0.1 },
        slider({ id: "xs", xAxisIndex: 0, bottom: 4, height: 18, left: narrow ? 52 : 60, right: many ? 34 : 14, start: view.x[0], end: view.x[1] }),
        ...(many
          ? [
              { id: "y", type: "inside", yAxisIndex: 0, zoomOnMouseWheel: "ctrl", filterMode: "none", start: view.y[0], end: view.y[1], minSpan: 3 },
              slider({ id: "ys", yAxisIndex: 0, right: 4, width: 18, top: 8, bottom: 68, start: view.y[0], end: view.y[1] }),
            ]
          : []),
      ],
      series: [
        {
          id: "aps", type: "custom", clip: true, encode: { x: [1, 2], y: 0 },
          data: trial.aps.map((ap, index) => [index + 1, ap[1] ?? 0, ap[1] ?? 0]),
          renderItem: (params, api) => apShapes(params, api, trial.aps[params.dataIndex], lost, scale, drawn),
        },
        {
          id: "path", type: "custom", clip: true, z: 5, encode: { x: [1, 2], y: 0 },
          data: trial.path.map(([, , from, length], index) => [
            pathRows[index], from * scale.per, (from + length) * scale.per,
          ]),
          renderItem: (params, api) => pathShapes(params, api, pathRows),
        },
      ],
    });
    timeline.element.dataset.rects = [...drawn.values()].reduce((one, other) => one + other, 0);
    tellView();
    tables(cell, trial, lost);
  }

  const slider = (rest) => ({
    type: "slider", filterMode: "none", showDetail: false, brushSelect: false, showDataShadow: false,
    borderColor: colours.grid, fillerColor: `${colours.faint}33`, handleStyle: { color: colours.paper, borderColor: colours.faint },
    moveHandleSize: 0, ...rest,
  });

  const isOfBsp = (part) => ["kick", "await"].includes(data.parts[part]);

  /** A rectangle for each phase that is not empty; of a lost AP a cross at its last stamp. */
  function apShapes(params, api, ap, lost, scale, drawn) {
    const row = api.size([0, 1])[1];
    // Thin rows have no room for gaps.
    const size = row < 6 ? row : row * 0.82;
    const children = [];
    const end = lost.get(ap[0]);
    let at = ap[1];
    phasesOf(ap).forEach((whole, phase) => {
      if (at === null) return;
      const length = whole ?? (end?.last ?? at) - at;
      if (length > 0) {
        const [x, y] = api.coord([at * scale.per, api.value(0)]);
        const to = api.coord([(at + length) * scale.per, api.value(0)])[0];
        children.push({
          type: "rect", shape: { x, y: y - size / 2, width: to - x, height: size },
          style: { fill: colours.phases[phase] },
        });
      }
      at = whole === null ? null : at + length;
    });
    drawn.set(params.dataIndex, children.length);
    if (end) {
      const [x, y] = api.coord([(end.last ?? 0) * scale.per, api.value(0)]);
      const arm = Math.max(2, Math.min(5, size / 2));
      for (const [lineWidth, stroke] of [[5, colours.paper], [2, colours.ink]]) {
        for (const down of [-arm, arm]) {
          children.push({
            type: "line", shape: { x1: x - arm, y1: y - down, x2: x + arm, y2: y + down }, style: { stroke, lineWidth },
          });
        }
      }
    }
    return { type: "group", children };
  }

  /** A piece of the critical path, and the line to where it goes on. */
  function pathShapes(params, api, rows) {
    const row = api.value(0);
    const [x, y] = api.coord([api.value(1), row]);
    const end = api.coord([api.value(2), row])[0];
    const thick = Math.min(5, Math.max(1, api.size([0, 1])[1] * 0.26));
    const style = { fill: colours.ink, stroke: colours.paper, lineWidth: thick > 3 ? 1 : 0, strokeFirst: true };
    const children = [{ type: "rect", shape: { x, y: y - thick / 2, width: Math.max(1, end - x), height: thick }, style }];
    const next = rows[params.dataIndex + 1];
    if (next !== undefined) {
      const to = api.coord([api.value(2), next])[1];
      if (to !== y) {
        children.unshift({
          type: "line", silent: true, shape: { x1: end, x2: end, y1: y, y2: to },
          style: { stroke: colours.ink, lineWidth: 1 },
        });
      }
    }
    return { type: "group", children };
  }

  function tipOfAp(ap, lost, cell) {
    const scale = scaleOf(Math.max(...ap.slice(1).map((cycles) => cycles ?? 0)), cell.khz);
    const told = (cycles) => (cycles === null ? "–" : `${text(scale, cycles)} ${scale.name}`);
    const [cpu, init, kick, wake, trampoline] = ap;
    const pairs = [["init", told(init)], ...data.phases.map((phase, index) => [phase, told(phasesOf(ap)[index])])];
    pairs.splice(2, 0, ["· kick", told(kick)], ["· wake", told(wake)], ["· trampoline", told(trampoline)]);
    const end = lost.get(cpu);
    if (end) pairs.push(["last stamp", told(end.last)]);
    return tip(`CPU ${cpu}${end ? `, ${end.how}` : ""}`, pairs);
  }

  function tipOfSegment(segment, cell) {
    const [part, cpu, from, length] = segment;
    return tip(`Critical path: ${data.parts[part]}, CPU ${cpu}`, [
      ["from", readable(from, cell.khz)], ["takes", readable(length, cell.khz)], ["held up", heldUp(segment, cell)],
    ]);
  }

  /** Who had waited for a segment of the path. */
  function heldUp([, , , , cpu, phase, cycles], cell) {
    if (cpu === undefined) return "–";
    const who = phase < 0 ? "the BSP" : `CPU ${cpu} in ${data.phases[phase]}`;
    return `${who}, ${readable(cycles, cell.khz)}`;
  }

  function table(header, rows, textColumns) {
    const number = (index) => (index >= textColumns ? { class: "number" } : {});
    return make("div", make("table", [
      make("thead", make("tr", header.map((name, index) => make("th", name, { scope: "col", ...number(index) })))),
      make("tbody", rows.map((row) => make("tr", row.map((value, index) =>
        index === 0 ? make("th", value, { scope: "row" }) : make("td", value, number(index)))))),
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

  function tables(cell, trial, lost) {
    const scale = scaleOf(trial.total, cell.khz);
    const sums = data.parts.map((part, index) => {
      const segments = trial.path.filter(([of]) => of === index);
      return [part, segments.reduce((sum, segment) => sum + segment[3], 0), new Set(segments.map(([, cpu]) => cpu)).size];
    });
    const made = sums.filter(([, cycles]) => cycles > 0).sort((one, other) => other[1] - one[1]);
    byId("path-table").replaceChildren(
      table(["on the critical path", `time [${scale.name}]`, "share", "APs"], made.map(([part, cycles, aps]) =>
        [part, text(scale, cycles), `${((100 * cycles) / trial.total).toFixed(1)} %`, String(aps)]), 1),
      folded("Every step of the critical path", () => table(
        [`from [${scale.name}]`, `takes [${scale.name}]`, "part", "about", "held up"],
        trial.path.map((segment) => [text(scale, segment[2]), text(scale, segment[3]), data.parts[segment[0]],
          `CPU ${segment[1]}`, heldUp(segment, cell)]), 9)),
    );
    byId("ap-table").replaceChildren(folded("The numbers, AP by AP", () => table(
      ["AP", `init [${scale.name}]`, ...["kick", "wake", "trampoline", ...data.phases.slice(1)].map((name) => `${name} [${scale.name}]`)],
      trial.aps.map(([cpu, ...cycles]) => [
        `CPU ${cpu}${lost.has(cpu) ? ` (${lost.get(cpu).how})` : ""}`,
        ...cycles.map((value) => (value === null ? "–" : text(scale, value))),
      ]), 1)));
  }

  /** Says what part of the trial is in view. */
  function tellView() {
    const cell = data.cells[cellChoice.value];
    const trial = cell?.timelines[trialChoice.value];
    if (!trial) return;
    const scale = scaleOf(trial.total, cell.khz);
    const at = (percent) => text(scale, (trial.total * percent) / 100);
    timeline.element.dataset.view = [...view.x, ...view.y].map((percent) => percent.toFixed(2)).join(" ");
    byId("timeline-view").textContent = `In view: ${at(view.x[0])} to ${at(view.x[1])} ${scale.name}.`;
  }

  /** Moves a range inside 0 to 100 percent. */
  function moved([from, to], by, factor, least) {
    const span = Math.min(100, Math.max(least, (to - from) * factor));
    const middle = (from + to) / 2 + by * (to - from);
    const begin = Math.min(100 - span, Math.max(0, middle - span / 2));
    return [begin, begin + span];
  }

  const MOVES = {
    in: [[0, 1 / 1.5], [0, 1 / 1.5]], out: [[0, 1.5], [0, 1.5]],
    left: [[-0.2, 1], [0, 1]], right: [[0.2, 1], [0, 1]],
    up: [[0, 1], [-0.2, 1]], down: [[0, 1], [0.2, 1]],
  };
  const KEYS = {
    "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "all",
  };

  function move(how) {
    view = how === "all" ? structuredClone(all) : {
      x: moved(view.x, ...MOVES[how][0], 0.1), y: moved(view.y, ...MOVES[how][1], 3),
    };
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
    tellView();
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
  trialChoice.addEventListener("change", () => { view = structuredClone(all); drawTimeline(); });

  // ---- All together

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
  dark.addEventListener("change", drawAll);

  let width = charts.phases.element.clientWidth;
  new ResizeObserver(() => {
    if (charts.phases.element.clientWidth === width || charts.phases.element.clientWidth === 0) return;
    width = charts.phases.element.clientWidth;
    drawAll();
  }).observe(charts.phases.element);

  // On paper every table is open.
  let folded_before = [];
  addEventListener("beforeprint", () => {
    folded_before = [...document.querySelectorAll("details:not([open])")];
    for (const details of folded_before) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded_before) details.open = false;
  });

  applyFilter();
})();
