// The dialog: the cases of a run, one case in all runs with its images, two runs case by case.

const dialog = byId("dialog");
const trail = []; // what was open before, for the button that goes back
const STATES = { s: "", m: "missed", i: "invented", a: words.untold, k: words.untold, v: "varies by fold", "-": "not scored" };

function show(view, isReturn = false) {
  if (!isReturn) trail.push(view);
  view().then((content) => {
    const back = trail.length > 1 && make("button", { type: "button", class: "plain", click: goBack }, "← back");
    const close = make("button", { type: "button", class: "plain close", click: () => dialog.close() }, "close ✕");
    dialog.replaceChildren(make("div", { class: "bar" }, back, close), ...content);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    dialog.querySelector("h2")?.focus();
  });
}

function goBack() {
  trail.pop();
  show(trail.at(-1), true);
}

dialog.addEventListener("close", () => { trail.length = 0; dialog.replaceChildren(); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // the backdrop

function again(view) {
  trail[trail.length - 1] = view;
  show(view, true);
}

function title(text, ...rest) {
  return [make("h2", { tabindex: -1 }, text), make("p", { class: "quiet" }, ...rest)];
}

function labelNames(block) {
  return [words.all, ...block.labels.map(labelName)];
}

function labelChoice(block, label, change) {
  if (block.labels.length < 2) return null;
  return choice("Scores of", labelNames(block).map((name, i) => [i, name]), label, (value) => change(Number(value)));
}

// What happened to the structures of a case, as text: `missed 2 myocardium`.
function stateText(block, states, label) {
  const names = labelNames(block).slice(1);
  return names
    .map((name, i) => (label === 0 || label === i + 1) && "mivk".includes(states[i]) && `${STATES[states[i]]}: ${name}`)
    .filter(Boolean).join(", ");
}

function head(text, first, attributes) {
  return make("th", { scope: "col", "aria-sort": "none", ...attributes },
    make("button", { type: "button", "data-first": first }, text));
}

function metricHeads(block) {
  return block.metrics.map((metric) =>
    head(metric.header, metric.higher ? "desc" : "asc", { "data-column": metric.key }));
}

function metricCells(block, scores) {
  return block.metrics.map((metric, i) => {
    const value = scores[i];
    const sortable = Number.isNaN(value) ? "" : value === Infinity ? "1e99" : value;
    return make("td", { "data-column": metric.key, "data-value": sortable, class: value === Infinity && "alarm" },
      shown(value, metric.digits));
  });
}

function tableOf(heads, rows, name) {
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name },
    make("table", {}, make("thead", {}, make("tr", {}, heads)), make("tbody", {}, rows)));
}

// about: {dataset, stage, run, label, fold}
function runView(about) {
  return async () => {
    const block = await unpack(`cases-${about.dataset}`);
    const label = about.label ?? (about.labelId === undefined ? 0 : block.labels.findIndex(([id]) => String(id) === about.labelId) + 1);
    const columns = block.metrics.map((_, i) => casesOf(block, about.stage, about.run, label, i));
    const chosen = columns[0].map((entry, i) => ({ ...entry, scores: columns.map((column) => column[i].value) }))
      .filter((entry) => about.fold === undefined || entry.fold === about.fold)
      .filter((entry) => label === 0 || entry.states[label - 1] !== "-");
    const names = chosen.map((entry) => entry.case);
    const rows = chosen.map((entry) => {
      const text = stateText(block, entry.states, label);
      return make("tr", {},
        make("th", { scope: "row", "data-value": entry.case },
          make("button", { type: "button", class: "open", click: () => show(caseView({ ...about, label, case: entry.case, names })) }, entry.case),
          entry.patient !== entry.case && make("span", { class: "small" }, entry.patient)),
        make("td", { "data-value": entry.fold }, entry.fold || "–"),
        make("td", { class: `text ${text && words.alarm}`, "data-value": text || "" }, text || "–"),
        metricCells(block, entry.scores));
    });
    const heads = [head("Case", "asc"), head("Fold", "asc"), head(words.states, "desc", { class: "text" }), ...metricHeads(block)];
    const fold = about.fold === undefined ? "" : `, fold ${about.fold || "–"}`;
    return [
      ...title(about.run, `${about.name}, ${about.stage}${fold}: ${rows.length} cases. A case opens its images and its scores in the other runs.`),
      make("div", { class: "controls" }, labelChoice(block, label, (value) => again(runView({ ...about, label: value })))),
      tableOf(heads, rows, `cases of ${about.run}`),
    ];
  };
}

// about: as runView, and case, names (the cases to step through)
function caseView(about) {
  return async () => {
    const block = await unpack(`cases-${about.dataset}`);
    const label = about.label ?? 0;
    const runs = Object.keys(block.stages[about.stage]).filter(wanted);
    const entries = runs.map((run) => {
      const columns = block.metrics.map((_, i) => casesOf(block, about.stage, run, label, i).find((entry) => entry.case === about.case));
      return columns[0] && { ...columns[0], run, scores: columns.map((entry) => entry.value) };
    }).filter(Boolean);
    const pictures = about.stage === "test" ? (await unpack(`pictures-${about.dataset}`))?.[about.case] : null;
    const viewer = pictures && (words.label === "landmark" ? makePointViewer : makeViewer)(pictures, about.run, label === 0 ? null : block.labels[label - 1][0]);
    const rows = entries.map((entry) => {
      const text = stateText(block, entry.states, label);
      const has = viewer?.runs.includes(entry.run);
      return make("tr", { class: entry.run === about.run && "chosen" },
        make("th", { scope: "row", "data-value": entry.run },
          has ? make("button", { type: "button", class: "open", click: () => viewer.choose(entry.run) }, entry.run) : entry.run),
        make("td", { "data-value": entry.fold }, entry.fold || "–"),
        make("td", { class: `text ${text && words.alarm}`, "data-value": text || "" }, text || "–"),
        metricCells(block, entry.scores));
    });
    const place = about.names?.indexOf(about.case) ?? -1;
    const step = (by) => again(caseView({ ...about, case: about.names[place + by] }));
    const heads = [head("Run", "asc"), head("Fold", "asc"), head(words.states, "desc", { class: "text" }), ...metricHeads(block)];
    const patient = entries[0] && entries[0].patient !== about.case ? ` of ${entries[0].patient}` : "";
    return [
      ...title(about.case, `A ${about.stage} case${patient} in ${about.name}, with the scores of every run that the filters let through.`),
      make("div", { class: "controls" },
        place > 0 && make("button", { type: "button", class: "plain", click: () => step(-1) }, "← previous case"),
        place >= 0 && place + 1 < about.names.length && make("button", { type: "button", class: "plain", click: () => step(1) }, "next case →"),
        labelChoice(block, label, (value) => again(caseView({ ...about, label: value })))),
      viewer ? viewer.element : make("p", { class: "quiet" }, byId("no-pictures").content.cloneNode(true)),
      tableOf(heads, rows, `runs on ${about.case}`),
    ];
  };
}

// A value of a table opens its cases, a case itself; what it is about stands on it, its row and its table.
document.addEventListener("click", (event) => {
  const cell = event.target.closest("button.cases, button.one-case");
  if (!cell) return;
  const of = (key) => cell.closest(`[data-${key}]`)?.getAttribute(`data-${key}`) ?? undefined;
  show((of("case") === undefined ? runView : caseView)({
    case: of("case"),
    dataset: of("dataset"),
    name: of("dataset-name"),
    stage: of("stage"),
    run: of("cell-run") ?? of("run"),
    labelId: of("label"),
    fold: of("fold"),
  }));
});
