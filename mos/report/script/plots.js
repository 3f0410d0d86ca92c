// Plots of single cases: how the scores of each run spread, and two runs case by case.

const ROW = 34; // height of a run in px
const SIDE = 46; // right of the axis, for the infinite ones
const MANY = 4000; // more dots than this are drawn as one shape a run, which cannot be clicked

function scale(low, high, width) {
  return (value) => 6 + ((value - low) / (high - low)) * (width - 12);
}

function axis(ticks, place, width) {
  return draw("svg", { class: "axis-row", width: width + SIDE, height: 20, "aria-hidden": "true" },
    ticks.map((tick) => draw("text", { x: place(tick), y: 14, "text-anchor": anchor(tick, ticks) }, shownTick(tick))));
}

function anchor(tick, ticks) {
  return tick === ticks[0] ? "start" : tick === ticks.at(-1) ? "end" : "middle";
}

function shownTick(tick) {
  return String(tick).replace("-", "−");
}

function roomFor(element) {
  return Math.round(Math.max(230, Math.min(640, element.clientWidth - 520)));
}

// What a box plot says of finite values: quartiles, whiskers to the last value within 1.5 box lengths
// of the box (Tukey 1977).
function boxOf(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!sorted.length) return null;
  const [q1, median, q3] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share));
  const reach = 1.5 * (q3 - q1);
  return {
    q1, median, q3, count: sorted.length, lowest: sorted[0], highest: sorted.at(-1),
    low: sorted.find((value) => value >= q1 - reach),
    high: sorted.findLast((value) => value <= q3 + reach),
  };
}

function boxRow(entries, box, place, width, ticks, digits, open) {
  const infinite = entries.filter((entry) => entry.value === Infinity).length;
  const middle = ROW / 2;
  const svg = draw("svg", { width: width + SIDE, height: ROW, role: "img",
    "aria-label": box ? `median ${shown(box.median, digits)}, middle half ${shown(box.q1, digits)} to ${shown(box.q3, digits)}` : "no finite value" },
    ticks.map((tick) => draw("line", { class: "grid", x1: place(tick), x2: place(tick), y1: 0, y2: ROW })));
  if (box) {
    svg.append(
      draw("line", { class: "whisker", x1: place(box.low), x2: place(box.high), y1: middle, y2: middle }),
      draw("rect", { class: "box", x: place(box.q1), y: middle - 8, width: Math.max(1, place(box.q3) - place(box.q1)), height: 16 }),
      draw("line", { class: "median", x1: place(box.median), x2: place(box.median), y1: middle - 10, y2: middle + 10 }));
  }
  const finite = entries.filter((entry) => Number.isFinite(entry.value));
  // Up and down by turns, so that equal values do not hide one another; the same every time.
  const height = (i) => middle + ((i * 7) % 11 - 5) * 1.2;
  if (open) {
    svg.append(...finite.map((entry, i) => draw("circle",
      { class: "case", cx: place(entry.value).toFixed(1), cy: height(i).toFixed(1), r: 2.6, click: () => open(entry) },
      draw("title", {}, `${entry.case}: ${shown(entry.value, digits)}`))));
  } else {
    svg.append(draw("path", { class: "dots", d: finite.map((entry, i) => `M${place(entry.value).toFixed(1)} ${height(i).toFixed(1)}h0`).join("") }));
  }
  if (infinite) svg.append(draw("text", { class: "alarm", x: width + SIDE, y: middle + 4, "text-anchor": "end" }, `∞ × ${infinite}`));
  return svg;
}

async function spread(host) {
  const { dataset, stage, name } = host.dataset;
  const block = await unpack(`cases-${dataset}`);
  const state = { metric: 0, label: 0 };
  const body = make("div");
  const names = block.metrics.map((metric, i) => [i, metric.title]);
  host.replaceChildren(
    make("div", { class: "controls" },
      choice("Metric", names, 0, (value) => { state.metric = Number(value); paint(); }),
      labelChoice(block, 0, (value) => { state.label = value; paint(); })),
    body);
  document.addEventListener("filtered", paint);
  paint();

  function paint() {
    const metric = block.metrics[state.metric];
    const runs = Object.keys(block.stages[stage] ?? {}).filter(wanted).sort((a, b) => orderOf(a) - orderOf(b));
    const all = new Map(runs.map((run) => [run, casesOf(block, stage, run, state.label, state.metric).filter((entry) => !Number.isNaN(entry.value))]));
    const boxes = new Map([...all].map(([run, entries]) => [run, boxOf(entries.map((entry) => entry.value))]));
    const known = [...boxes.values()].filter(Boolean);
    if (!known.length) return body.replaceChildren(make("p", { class: "quiet" }, "No run has a finite value here."));
    const ticks = roundTicks(Math.min(...known.map((box) => box.lowest)), Math.max(...known.map((box) => box.highest)), 5);
    const width = roomFor(host);
    const place = scale(ticks[0], ticks.at(-1), width);
    const dots = [...all.values()].reduce((sum, entries) => sum + entries.length, 0);
    const rows = runs.map((run) => {
      const [entries, box] = [all.get(run), boxes.get(run)];
      const open = dots <= MANY && ((entry) => show(caseView({ dataset, stage, name, run, label: state.label, case: entry.case })));
      return make("tr", {},
        make("th", { scope: "row", "data-value": run }, nameOf(run)),
        make("td", { class: "plot", "data-value": box?.median ?? "" }, boxRow(entries, box, place, width, ticks, metric.digits, open)),
        make("td", { "data-value": box?.median ?? "" }, box ? shown(box.median, metric.digits) : "–",
          box && make("span", { class: "small" }, `[${shown(box.q1, metric.digits)}, ${shown(box.q3, metric.digits)}]`)),
        make("td", { "data-value": box?.[metric.higher ? "lowest" : "highest"] ?? "" },
          box ? shown(metric.higher ? box.lowest : box.highest, metric.digits) : "–"));
    });
    const plotHead = make("th", { scope: "col", "aria-sort": "none", class: "text plot" },
      make("button", { type: "button", "data-first": metric.higher ? "desc" : "asc" }, metric.header), axis(ticks, place, width));
    body.replaceChildren(tableOf([head("Run", "asc"), plotHead,
      head("Median [middle half]", metric.higher ? "desc" : "asc"), head("Worst finite", metric.higher ? "desc" : "asc")], rows, `spread of ${metric.title}`));
  }
}

function orderOf(run) {
  return runParts[run]?.order ?? 0;
}

for (const host of document.querySelectorAll(".spread")) whenSeen(host, () => spread(host));
