// The charts of all cells: phases, totals, distributions.
"use strict";

// ---- Where one AP's time goes

function drawPhases() {
  const unit = document.querySelector("#unit input:checked").value;
  const scale = unit === "cycles" ? CYCLES : data.scales.phases;
  const cells = shown.filter((cell) => cell.phases);
  const share = unit === "share";
  const length = (cell, cycles) =>
    share ? (100 * cycles) / (sum(cell.phases) || 1) : value(scale, cell, cycles);
  paint(charts.phases, cells.length * rowHeight(cells, 26) + 56, {
    aria: { enabled: false },
    grid: { left: 4, right: 16, top: 4, bottom: 44, containLabel: true },
    xAxis: values(share ? "share of the mean AP’s time [%]" : `time of one AP, mean [${scale[0]}]`, share ? { max: 100 } : {}),
    yAxis: cellNames(cells),
    tooltip: tooltip(({ dataIndex }) => {
      const cell = cells[dataIndex];
      const lengths = pieces(cell.queue, cell.phases);
      return tip(cell.label, data.pieces.map((piece, index) =>
        [piece, `${time(scale, cell, lengths[index])}, ${percent(lengths[index], sum(lengths))}`]));
    }),
    series: data.pieces.map((name, index) => ({
      name, type: "bar", stack: "phases", barWidth: "70%", itemStyle: { color: colours.pieces[index] },
      data: cells.map((cell) => length(cell, pieces(cell.queue, cell.phases)[index])),
    })),
  });
}

// ---- Totals

function drawTotals() {
  byId("totals-legend").replaceChildren();
  if (data.curve) drawCurves();
  else drawBars();
}

/** A line as it is drawn, and its label. */
function legend(colour, dashes, label) {
  const line = make("span", [], { class: "swatch line" });
  const [dash, gap] = dashes.length ? dashes : [1, 0];
  line.style.border = 0;
  line.style.height = "3px";
  line.style.background = `repeating-linear-gradient(90deg, ${colour} 0 ${dash}px, transparent ${dash}px ${dash + gap}px)`;
  byId("totals-legend").append(make("li", [line, label]));
}
const DOTS = [2, 4];

function tipOfTotal(cell) {
  const of = (cycles) => time(data.scales.totals, cell, cycles);
  const pairs = [["total", of(cell.total)], ["cold", cell.cold === null ? "–" : of(cell.cold)]];
  if (cell.interval) pairs.push(["95 %", `${of(cell.interval[0])} to ${of(cell.interval[1])}`]);
  if (cell.lower_bound !== null) pairs.push(["lower bound", of(cell.lower_bound)]);
  return tip(cell.label, pairs);
}

/** One CPU count makes no curve: bars, each with its interval and its bound. */
function drawBars() {
  const scale = data.scales.totals;
  const of = (cell, cycles) => value(scale, cell, cycles);
  legend(colours.ink, DOTS, "lower bound");
  const over = (z, renderItem) => ({
    type: "custom", z, silent: true, data: shown.map((cell, index) => [of(cell, cell.total), index]),
    renderItem: ({ dataIndex }, api) => renderItem(shown[dataIndex], api, api.value(1)),
  });
  paint(charts.totals, shown.length * rowHeight(shown, 30) + 56, {
    grid: { left: 4, right: 24, top: 4, bottom: 44, containLabel: true },
    // An interval may reach beyond the longest bar.
    xAxis: values(`total [${scale[0]}]`, { min: 0, max: ({ max }) =>
      Math.max(max, ...shown.map((cell) => of(cell, cell.interval?.[1] ?? 0))) * 1.02, axisLabel: { showMaxLabel: false } }),
    yAxis: cellNames(shown),
    tooltip: tooltip(({ dataIndex }) => tipOfTotal(shown[dataIndex])),
    series: [
      {
        type: "bar", barWidth: "60%",
        data: shown.map((cell) => ({
          value: of(cell, cell.total), itemStyle: { color: data.lines[cell.line].colour },
        })),
      },
      over(5, ({ interval, ...cell }, api, row) => interval && stroke(
        api.coord([of(cell, interval[0]), row]), api.coord([of(cell, interval[1]), row]),
        { stroke: colours.ink, lineWidth: 3 },
      )),
      over(2, (cell, api, row) => {
        if (cell.lower_bound === null) return null;
        const [x, y] = api.coord([of(cell, cell.lower_bound), row]);
        const half = api.size([0, 1])[1] * 0.42;
        return stroke([x, y - half], [x, y + half], { stroke: colours.ink, lineWidth: 2, lineDash: [4, 3] });
      }),
    ],
  });
}

/** A line for each strategy against the CPU count, and the lower bounds. */
function drawCurves() {
  const scale = data.scales.totals;
  const point = (cell, cycles) => [cell.smp, value(scale, cell, cycles), data.cells.indexOf(cell)];
  const series = [];
  data.groups.forEach(({ label, bounds }, group) => {
    const counts = new Set(shown.filter((cell) => cell.group === group).map((cell) => cell.smp));
    const cells = bounds.map((index) => data.cells[index]).filter((cell) => counts.has(cell.smp));
    if (cells.length === 0) return;
    legend(colours.faint, DOTS, label);
    series.push({
      type: "line", symbol: "none", silent: true, lineStyle: { color: colours.faint, width: 2, type: DOTS },
      data: cells.map((cell) => point(cell, cell.lower_bound)),
    });
  });
  // Lines that lie on each other are one, called by the names of all.
  const drawn = new Map();
  data.lines.forEach(({ label, colour, mark, dashes }, line) => {
    const cells = shown.filter((cell) => cell.line === line);
    if (cells.length === 0) return;
    const place = JSON.stringify([colour, cells.map((cell) => [cell.smp, cell.total, cell.interval])]);
    const labels = drawn.get(place);
    if (labels) return void labels.append(` = ${label}`);
    legend(colour, dashes, label);
    drawn.set(place, byId("totals-legend").lastElementChild);
    if (cells.every((cell) => cell.interval)) series.push(band(cells, scale, colour));
    series.push({
      type: "line", symbol: mark, symbolSize: 8, itemStyle: { color: colour },
      lineStyle: { color: colour, width: 2, type: dashes.length ? dashes : "solid" },
      data: cells.map((cell) => point(cell, cell.total)),
    });
  });
  const totals = series.flatMap(({ type, data }) => (type === "line" ? data.map(([, total]) => total) : []));
  const counts = shown.map((cell) => cell.smp);
  const [wide, high] = [spansFactors(counts), spansFactors(totals)];
  paint(charts.totals, isNarrow() ? 300 : 380, {
    title: title(`total [${scale[0]}]${high ? ", log scale" : ""}`, { left: 0, top: 0, padding: [3, 0], textStyle: { fontWeight: 400, lineHeight: 16 } }),
    grid: { left: 4, right: 16, top: 28, bottom: 44, containLabel: true },
    xAxis: values(`CPUs, the BSP counted${wide ? ", log scale" : ""}`,
      wide ? { ...logarithmic(counts), logBase: 2, min: 2 ** Math.floor(Math.log2(Math.min(...counts))), max: 2 ** Math.ceil(Math.log2(Math.max(...counts))) }
        : { min: 0, minInterval: 1 }),
    yAxis: values("", high ? logarithmic(totals) : { min: 0 }),
    tooltip: tooltip(({ data: [, , index] }) => tipOfTotal(data.cells[index])),
    series,
  });
}

/** The confidence intervals of a line, as an area. */
const band = (cells, scale, fill) => ({
  type: "custom", silent: true, encode: { x: 0, y: [1, 2] },
  data: cells.map((cell) => [cell.smp, ...cell.interval.map((end) => value(scale, cell, end))]),
  renderItem: ({ dataIndexInside }, api) => {
    if (dataIndexInside > 0) return null;
    const ends = (which) => cells.map((cell) => api.coord([cell.smp, value(scale, cell, cell.interval[which])]));
    return { type: "polygon", shape: { points: [...ends(0), ...ends(1).reverse()] }, style: { fill, opacity: 0.2 } };
  },
});

// ---- How each phase is distributed

function drawSpread() {
  const over = `over_${document.querySelector("#over input:checked").value}`;
  const scales = data.scales[over];
  const smp = Math.max(...shown.map((cell) => cell.smp));
  const all = shown.filter((cell) => cell.smp === smp && cell[over]);
  const cells = all.slice(0, MOST_BOXES);
  const lines = cells.map((cell) => data.lines[cell.line].label);
  byId("spread-view").textContent = cells.length < all.length
    ? `The first ${cells.length} of ${all.length} cells; the filter above chooses, the tables below hold all.` : "";
  const columns = isNarrow() ? 1 : 3;
  const longest = Math.max(0, ...lines.map((line) => line.length));
  const left = Math.min(isNarrow() ? 118 : 180, 16 + 6.6 * longest);
  // A name that is longer than its place is broken into lines.
  const row = Math.max(22, 13 * Math.ceil((6.6 * longest) / (left - 20)) + 4);
  const height = cells.length * row + 64;
  const width = (charts.spread.element.clientWidth - left - 12) / columns;
  const places = data.phases.map((_, index) => ({
    first: index % columns === 0, left: left + (index % columns) * width, top: Math.floor(index / columns) * height,
  }));
  paint(charts.spread, (data.phases.length / columns) * height + 4, {
    title: places.map(({ left, top }, index) => title(`${data.phases[index]} [${scales[index][0]}]`,
      { left: left - 4, top, textStyle: { color: colours.ink, fontSize: 13, fontWeight: 600 } })),
    grid: places.map(({ left, top }) => ({ left, width: width - 48, top: top + 24, height: height - 64 })),
    xAxis: places.map((_, gridIndex) => values("", {
      gridIndex, min: 0, splitNumber: 3,
      // Where all is 0 the axis still needs a length.
      max: ({ max }) => (max > 0 ? null : 1),
    })),
    yAxis: places.map(({ first }, gridIndex) =>
      names(lines, { gridIndex, axisLabel: { show: first, width: left - 12, overflow: "break", fontSize: 11, lineHeight: 13 } })),
    tooltip: tooltip(({ seriesIndex, dataIndex }) => {
      const cell = cells[dataIndex];
      return tip(`${data.phases[seriesIndex]}: ${cell.label}`, data.quantiles.map((name, which) =>
        [name, time(scales[seriesIndex], cell, cell[over][seriesIndex][which])]));
    }),
    series: places.map((_, index) => ({
      type: "boxplot", xAxisIndex: index, yAxisIndex: index, boxWidth: [6, 14],
      itemStyle: { color: colours.phases[index], borderColor: colours.ink, borderWidth: 1 },
      data: cells.map((cell) => cell[over][index].map((cycles) => value(scales[index], cell, cycles))),
    })),
  });
}
