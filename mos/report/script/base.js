// What the other scripts stand on: elements, compressed data, the numbers of single cases.
"use strict";

const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Text always enters as text nodes, so no name or note of a user can become markup.
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

const unpacked = new Map();

// The content of a block of the page, made by mos/report/packed.py; null where there is none.
function unpack(id) {
  if (!unpacked.has(id)) unpacked.set(id, open(id));
  return unpacked.get(id);

  async function open(id) {
    const text = byId(id)?.textContent.trim();
    if (!text) return null;
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }
}

const NAN = -1000000000;
const INF = -2000000000;

// The cases of a run as mos/report/case_block.py packs them. label: 0 is the mean over labels.
function casesOf(block, stage, run, label, metric) {
  const packed = block.stages[stage]?.[run];
  const about = block.metrics[metric];
  if (!packed || !about) return [];
  return packed.c.map((number, i) => ({
    case: block.cases[number],
    patient: block.patients[number],
    fold: packed.f[i],
    states: packed.s.map((letters) => letters[i]),
    value: score(packed.v[label][metric][i], about.scale),
  }));
}

function score(whole, scale) {
  return whole === NAN ? NaN : whole === INF ? Infinity : whole / scale;
}

function shown(value, digits) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function signed(value, digits) {
  const text = shown(value, digits);
  return value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

// A run's name that a narrow column may break between its parts only, as breakable of page.py.
function nameOf(run) {
  const parts = run.split(/(?<=[-,])|(?=\[)/);
  return make("span", { class: "name" }, parts.flatMap((part, i) => (i ? [make("wbr"), part] : [part])));
}

// As numpy's default: linear between the two nearest values. `sorted` ascends and has no nan.
function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.ceil(place);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

// About `count` round numbers from at most `low` to at least `high`, as mos/report/curve.py has them.
function roundTicks(low, high, count) {
  if (!(high > low)) high = low + 1;
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const ticks = [];
  for (let i = Math.floor(low / step + 1e-9); i <= Math.ceil(high / step - 1e-9); i++) {
    ticks.push(Number((i * step).toPrecision(10)));
  }
  return ticks;
}

const words = JSON.parse(byId("words").textContent); // what labels are called, and what becomes of them

function labelName([id, name]) {
  return name === String(id) ? `${words.label} ${id}` : `${id} ${name}`;
}

function choice(label, entries, chosen, change) {
  const select = make("select", { change: () => change(select.value) },
    entries.map(([value, text]) => make("option", { value, selected: String(value) === String(chosen) }, text)));
  return make("label", { class: "choice" }, `${label} `, select);
}
