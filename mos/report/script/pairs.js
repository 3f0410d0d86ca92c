// Paired comparisons: a matrix of all runs, one run against the others, two runs case by case.

const MOST_IN_MATRIX = 16;

// The comparisons of a dataset as mos/report/pair_block.py packs them.
function pairOf(block, metric, label, first, second) {
  const [a, b] = [block.contenders.findIndex((one) => one.name === first), block.contenders.findIndex((one) => one.name === second)];
  const row = block.found.get([label, metric, a, b].join()) ?? block.found.get([label, metric, b, a].join());
  if (!row) return null;
  const pair = Object.fromEntries(block.fields.map((field, i) => [field, row[i] ?? NaN]));
  if (pair.first === a) return { ...pair, first, second };
  return {
    ...pair, first, second,
    ...Object.fromEntries(["difference", "t", "dz", "rank_biserial"].map((key) => [key, -pair[key]])),
    low: -pair.high, high: -pair.low, first_mean: pair.second_mean, second_mean: pair.first_mean,
    first_better: pair.second_better, second_better: pair.first_better,
    only_first: pair.only_second, only_second: pair.only_first,
  };
}

async function pairsOf(dataset) {
  const block = await unpack(`pairs-${dataset}`);
  if (block && !block.found) {
    const place = ["label", "metric", "first", "second"].map((field) => block.fields.indexOf(field));
    block.found = new Map(block.rows.map((row) => [place.map((i) => row[i]).join(), row]));
  }
  return block;
}

function pText(p) {
  if (Number.isNaN(p)) return "–";
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

// 1: the first is better and the test says so; -1: the second; 0: it cannot tell.
function verdict(pair) {
  if (!(pair.p_holm < 0.05)) return 0;
  return pair.rank_biserial === 0 ? 0 : Math.sign(pair.rank_biserial) * (pair.higher ? 1 : -1);
}

// One value per case of a contender: the mean over its seeds.
function casesOfContender(block, contender, label, metric) {
  const values = new Map();
  for (const run of contender.runs) {
    for (const entry of casesOf(block, "test", run, label, metric)) {
      if (!values.has(entry.case)) values.set(entry.case, []);
      values.get(entry.case).push(entry.value);
    }
  }
  const whole = [...values].filter(([, of]) => of.length === contender.runs.length);
  return new Map(whole.map(([name, of]) => [name, of.reduce((sum, value) => sum + value, 0) / of.length]));
}

async function comparisons(host) {
  const { dataset, name } = host.dataset;
  const [cases, pairs] = await Promise.all([unpack(`cases-${dataset}`), pairsOf(dataset)]);
  const names = pairs.contenders.map((one) => one.name);
  const state = { metric: cases.metrics[0].key, label: -1, against: pairs.best ?? names[0] };
  const body = make("div");
  const labels = [[-1, words.all], ...cases.labels.map((one) => [one[0], labelName(one)])];
  host.replaceChildren(
    make("div", { class: "controls" },
      choice("Metric", cases.metrics.map((metric) => [metric.key, metric.title]), state.metric, (value) => { state.metric = value; paint(); }),
      labels.length > 2 && choice("Scores of", labels, -1, (value) => { state.label = Number(value); paint(); }),
      choice("Others against", names.map((one) => [one, one]), state.against, (value) => { state.against = value; paint(); })),
    body);
  document.addEventListener("filtered", paint);
  paint();

  function paint() {
    const at = cases.metrics.findIndex((metric) => metric.key === state.metric);
    const about = { dataset, name, label: state.label, metric: at };
    const find = (a, b) => {
      const pair = pairOf(pairs, state.metric, state.label, a, b);
      return pair && { ...pair, higher: cases.metrics[at].higher };
    };
    const kept = pairs.contenders.filter((one) => one.runs.some(wanted)).map((one) => one.name);
    body.replaceChildren(
      ...(kept.length <= MOST_IN_MATRIX ? matrix(kept, find, about, cases) :
        [make("p", { class: "quiet" }, `A matrix is drawn for up to ${MOST_IN_MATRIX} runs; the filters leave ${kept.length}.`)]),
      ...against(kept.filter((one) => one !== state.against), find, about, cases, pairs, state.against));
  }
}

function matrix(names, find, about, cases) {
  const metric = cases.metrics[about.metric];
  const rows = names.map((first) => make("tr", {},
    make("th", { scope: "row" }, nameOf(first)),
    names.map((second) => {
      if (first === second) return make("td", { class: "self" }, "");
      const pair = find(first, second);
      if (!pair) return make("td", {}, "–");
      const side = verdict(pair);
      const mark = side > 0 ? "▲ " : side < 0 ? "▼ " : "";
      return make("td", { class: side > 0 ? "better" : side < 0 ? "worse" : "" },
        make("button", { type: "button", class: "open", click: () => show(pairView(about, first, second)),
          title: `${first} − ${second}` }, mark + signed(pair.difference, metric.digits)),
        make("span", { class: "small" }, `p ${pText(pair.p_holm)}`),
        make("span", { class: "small" }, `r ${signed(pair.rank_biserial, 2)}`));
    })));
  const heads = [make("th", { scope: "col" }, "row − column"), ...names.map((text) => make("th", { scope: "col", class: "column" }, nameOf(text)))];
  const box = tableOf(heads, rows, "matrix of paired comparisons");
  box.firstChild.classList.add("matrix");
  return [
    make("h4", {}, `All pairs: ${metric.header}`),
    make("p", { class: "quiet" }, "▲ row better, ▼ row worse than column: Wilcoxon signed-rank over patients, p corrected by Holm, at 5 %. Large: mean difference over cases. r: matched-pairs rank-biserial correlation, from −1 to 1. A cell opens its cases."),
    box,
  ];
}

function against(names, find, about, cases, pairs, other) {
  const metric = cases.metrics[about.metric];
  const label = about.label === -1 ? 0 : cases.labels.findIndex(([id]) => id === about.label) + 1;
  const values = (name) => casesOfContender(cases, pairs.contenders.find((one) => one.name === name), label, about.metric);
  const theirs = values(other);
  const entries = names.map((name) => ({ name, pair: find(name, other) })).filter((entry) => entry.pair)
    .map((entry) => ({ ...entry, differences: differences(values(entry.name), theirs) }));
  if (!entries.length) return [];
  const ends = entries.flatMap(({ pair, differences: list }) => [0, pair.low, pair.high, pair.difference, ...list.map((d) => d.value)]).filter(Number.isFinite);
  const ticks = roundTicks(Math.min(...ends), Math.max(...ends), 5);
  const width = roomFor(document.querySelector("main"));
  const place = scale(ticks[0], ticks.at(-1), width);
  const rows = entries.map(({ name, pair, differences: list }) => {
    const side = verdict(pair);
    return make("tr", {},
      make("th", { scope: "row", "data-value": name }, nameOf(name)),
      make("td", { class: "plot", "data-value": pair.difference }, differenceRow(pair, list, place, width, ticks, metric.digits)),
      make("td", { "data-value": pair.difference },
        make("button", { type: "button", class: "open", click: () => show(pairView(about, name, other)) }, signed(pair.difference, metric.digits)),
        make("span", { class: "small" }, `[${signed(pair.low, metric.digits)}, ${signed(pair.high, metric.digits)}]`)),
      make("td", { "data-value": pair.p_holm, class: side > 0 ? "better" : side < 0 ? "worse" : "" },
        (side > 0 ? "▲ " : side < 0 ? "▼ " : "") + pText(pair.p_holm), make("span", { class: "small" }, `p ${pText(pair.p)}`)),
      make("td", { "data-value": pair.rank_biserial }, signed(pair.rank_biserial, 2), make("span", { class: "small" }, `dz ${signed(pair.dz, 2)}`)),
      make("td", { "data-value": pair.cases }, pair.cases, pair.infinite > 0 && make("span", { class: "small leftout" }, `${pair.infinite} infinite`),
        pair.patients !== pair.cases && make("span", { class: "small" }, `${pair.patients} patients`)));
  });
  const plotHead = make("th", { scope: "col", "aria-sort": "none", class: "text plot" },
    make("button", { type: "button", "data-first": metric.higher ? "desc" : "asc" }, `${metric.title}: run − ${other}`), axis(ticks, place, width));
  return [
    make("h4", {}, `Against ${other}: ${metric.header}`),
    make("p", { class: "quiet" }, "A dot is a case, the bar the mean difference with its 95 % interval (patients resampled). ",
      metric.higher ? "Right of the line the run is better." : "Left of the line the run is better."),
    tableOf([head("Run", "asc"), plotHead, head("Difference", metric.higher ? "desc" : "asc"), head("p (Holm)", "asc"), head("Effect r", "desc"), head("Cases", "desc")],
      rows, `paired differences from ${other}`),
  ];
}

function differences(mine, theirs) {
  return [...mine].filter(([name]) => theirs.has(name))
    .map(([name, value]) => ({ case: name, mine: value, theirs: theirs.get(name), value: value - theirs.get(name) }));
}

function differenceRow(pair, list, place, width, ticks, digits) {
  const middle = ROW / 2;
  const finite = list.filter((one) => Number.isFinite(one.value));
  const dots = finite.map((one, i) => `M${place(one.value).toFixed(1)} ${(middle + ((i * 7) % 11 - 5) * 1.6).toFixed(1)}h0`).join("");
  const bar = Number.isFinite(pair.low) && draw("line", { class: "interval", x1: place(pair.low), x2: place(pair.high), y1: middle, y2: middle });
  return draw("svg", { width: width + SIDE, height: ROW, role: "img",
    "aria-label": `difference ${signed(pair.difference, digits)}, 95 % interval ${signed(pair.low, digits)} to ${signed(pair.high, digits)}` },
    ticks.map((tick) => draw("line", { class: tick === 0 ? "zero" : "grid", x1: place(tick), x2: place(tick), y1: 0, y2: ROW })),
    draw("path", { class: "dots", d: dots }), bar,
    Number.isFinite(pair.difference) && draw("path", { class: "diamond", d: `M${place(pair.difference)} ${middle - 7}l5 7l-5 7l-5 -7z` }));
}

function pairView(about, first, second) {
  return async () => {
    const [cases, pairs] = await Promise.all([unpack(`cases-${about.dataset}`), pairsOf(about.dataset)]);
    const metric = cases.metrics[about.metric];
    const label = about.label === -1 ? 0 : cases.labels.findIndex(([id]) => id === about.label) + 1;
    const pair = pairOf(pairs, metric.key, about.label, first, second);
    const of = (name) => casesOfContender(cases, pairs.contenders.find((one) => one.name === name), label, about.metric);
    const list = differences(of(first), of(second));
    const run = pairs.contenders.find((one) => one.name === first).runs[0];
    const open = (one) => show(caseView({ dataset: about.dataset, name: about.name, stage: "test", run, label, case: one.case, names: list.map((d) => d.case) }));
    const d = (value) => signed(value, metric.digits);
    const facts = pair && [
      ["mean difference", `${d(pair.difference)}, 95 % interval ${d(pair.low)} to ${d(pair.high)} (bootstrap over patients)`],
      ["means", `${shown(pair.first_mean, metric.digits)} and ${shown(pair.second_mean, metric.digits)}, over ${pair.cases} cases of ${pair.patients} patients`],
      ["left out of them", `${pair.infinite} infinite, ${pair.undefined} with nothing to score, ${pair.only_first} only in the first, ${pair.only_second} only in the second`],
      ["Wilcoxon signed-rank", `p ${pText(pair.p)}, Holm ${pText(pair.p_holm)} over a family of ${pair.family}; ${pair.rank_patients} patients: ${pair.first_better} better with the first, ${pair.second_better} with the second`],
      ["rank-biserial r", signed(pair.rank_biserial, 2)],
      ["paired t", `t ${signed(pair.t, 2)}, p ${pText(pair.t_p)}, Holm ${pText(pair.t_p_holm)}; dz ${signed(pair.dz, 2)}`],
    ];
    const rows = list.map((one) => make("tr", {},
      make("th", { scope: "row", "data-value": one.case }, make("button", { type: "button", class: "open", click: () => open(one) }, one.case)),
      ...["mine", "theirs", "value"].map((key) => make("td", { "data-value": Number.isNaN(one[key]) ? "" : one[key] },
        key === "value" ? d(one[key]) : shown(one[key], metric.digits)))));
    const better = metric.higher ? "desc" : "asc";
    return [
      ...title(`${first} − ${second}`, `${metric.header}, ${labelNames(cases)[label]}, ${about.name}, test`),
      facts ? make("dl", { class: "facts" }, facts.flatMap(([key, text]) => [make("dt", {}, key), make("dd", {}, text)])) : make("p", {}, "Not compared."),
      pairPlots(list, metric, first, second, open),
      tableOf([head("Case", "asc"), head(first, better), head(second, better), head("Difference", better)], rows, "differences by case"),
    ];
  };
}

// Left: the differences in order. Right: one against the other; on the line they are equal.
function pairPlots(list, metric, first, second, open) {
  const finite = list.filter((one) => Number.isFinite(one.value)).sort((a, b) => a.value - b.value);
  if (!finite.length) return null;
  const [width, height, left, foot] = [420, 250, 46, 34];
  const dot = (one, x, y) => draw("circle", { class: "case", cx: x.toFixed(1), cy: y.toFixed(1), r: 3.2, click: () => open(one) },
    draw("title", {}, `${one.case}: ${shown(one.mine, metric.digits)} and ${shown(one.theirs, metric.digits)}`));
  const frame = (caption, ...content) => make("figure", {}, make("figcaption", {}, caption),
    draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": caption }, content));
  const up = (ticks) => (value) => height - foot - ((value - ticks[0]) / (ticks.at(-1) - ticks[0])) * (height - foot - 10);
  const across = (ticks) => (value) => left + ((value - ticks[0]) / (ticks.at(-1) - ticks[0])) * (width - left - 10);
  const levels = (ticks, y) => ticks.flatMap((tick) => [
    draw("line", { class: tick === 0 ? "zero" : "grid", x1: left, x2: width - 10, y1: y(tick), y2: y(tick) }),
    draw("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, shownTick(tick))]);

  const steps = roundTicks(Math.min(0, finite[0].value), Math.max(0, finite.at(-1).value), 5);
  const y = up(steps);
  const gap = (width - left - 24) / Math.max(1, finite.length - 1);
  const waterfall = frame("differences, in order",
    levels(steps, y), finite.map((one, i) => draw("line", { class: "stem", x1: left + 7 + i * gap, x2: left + 7 + i * gap, y1: y(0), y2: y(one.value) })),
    finite.map((one, i) => dot(one, left + 7 + i * gap, y(one.value))),
    draw("text", { class: "axis", x: width - 10, y: height - 8, "text-anchor": "end" }, `${finite.length} cases`));

  const both = finite.flatMap((one) => [one.mine, one.theirs]);
  const ticks = roundTicks(Math.min(...both), Math.max(...both), 5);
  const [px, py] = [across(ticks), up(ticks)];
  const scatter = frame("each case in both runs", levels(ticks, py),
    ticks.map((tick) => draw("text", { x: px(tick), y: height - foot + 14, "text-anchor": anchor(tick, ticks) }, shownTick(tick))),
    draw("line", { class: "zero", x1: px(ticks[0]), y1: py(ticks[0]), x2: px(ticks.at(-1)), y2: py(ticks.at(-1)) }),
    finite.map((one) => dot(one, px(one.theirs), py(one.mine))),
    draw("text", { class: "axis", x: width - 10, y: height - 4, "text-anchor": "end" }, second),
    draw("text", { class: "axis", x: left + 6, y: 14 }, first));
  return make("div", { class: "pair-plots" }, waterfall, scatter);
}

for (const host of document.querySelectorAll(".comparisons")) whenSeen(host, () => comparisons(host));
