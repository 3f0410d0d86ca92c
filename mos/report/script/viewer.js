// Scrolls the slices of a case: image, reference, prediction and error map, side by side.

const colours = JSON.parse(byId("colours").textContent); // labels: id -> [r, g, b]; errors: [[r, g, b]]
const PANELS = ["image", "reference", "prediction", "error map"];

// The grey values of a picture whose slices stand in rows of `across`, as (d, h, w) one after the other.
async function decode(uri, [d, h, w], across) {
  const picture = new Image();
  picture["src"] = uri;
  await picture.decode();
  const canvas = make("canvas", { width: picture.width, height: picture.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const data = context.getImageData(0, 0, picture.width, picture.height).data;
  const voxels = new Uint8Array(d * h * w);
  for (let slice = 0, to = 0; slice < d; slice++) {
    const top = Math.floor(slice / across) * h;
    const left = (slice % across) * w;
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) voxels[to++] = data[4 * ((top + y) * picture.width + left + x)];
    }
  }
  return voxels;
}

// As error_map of mos/report/case_images.py: 0 background, 1 correct, 2 extra, 3 missed, 4 confused.
function errorKind(reference, prediction) {
  if (reference === prediction) return reference ? 1 : 0;
  return reference ? (prediction ? 4 : 3) : 2;
}

// pictures: the case's entry of the pictures block, a list of {shape, runs, ...}, one per version of the images
function makeViewer(pictures, wantedRun, wantedLabel) {
  const runs = pictures.flatMap((version) => Object.keys(version.runs));
  const decoded = new Map(); // version -> voxels of image and reference; run -> voxels of its prediction
  const state = { run: runs.includes(wantedRun) ? wantedRun : runs[0], slice: null, outline: false, opacity: 0.55, label: wantedLabel };
  const canvases = PANELS.map((name) => make("canvas", { role: "img", "aria-label": name }));
  const caption = make("output", { class: "quiet" });
  const errorNote = make("p", { class: "quiet counts" });
  const legend = make("p", { class: "legend" });
  const slider = make("input", { type: "range", min: 0, step: 1, "aria-label": "slice",
    input: () => { state.slice = Number(slider.value); paint(); } });
  const runChoice = choice("Prediction of", runs.map((run) => [run, run]), state.run, choose);
  const labels = Object.entries(pictures[0].labels).filter(([id]) => pictures[0].scored.includes(Number(id)));
  const labelChooser = labels.length > 1 && choice("Labels",
    [["", "all"], ...labels.map(([id, name]) => [id, name === id ? `label ${id}` : `${id} ${name}`])], state.label ?? "",
    (value) => { state.label = value === "" ? null : Number(value); state.counts = null; paint(); });
  const outline = make("input", { type: "checkbox", change: () => { state.outline = outline.checked; paint(); } });
  const element = make("div", { class: "viewer" },
    make("div", { class: "controls" }, runChoice, labelChooser || null, make("label", { class: "choice" }, outline, " outlines")),
    make("div", { class: "panels" }, PANELS.map((name, i) => make("figure", {}, make("figcaption", {}, name), canvases[i]))),
    make("div", { class: "slices" }, slider, caption), legend, errorNote);
  element.addEventListener("wheel", (event) => {
    if (!event.target.closest("canvas")) return;
    event.preventDefault();
    move(Math.sign(event.deltaY));
  }, { passive: false });
  element.addEventListener("keydown", (event) => {
    if (event.target.matches("select, input")) return;
    const by = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (by) { event.preventDefault(); move(by); }
  });
  choose(state.run);
  return { element, runs, choose };

  function version() {
    return pictures.find((one) => state.run in one.runs);
  }

  function move(by) {
    slider.value = Number(slider.value) + by;
    state.slice = Number(slider.value);
    paint();
  }

  async function choose(run) {
    state.run = run;
    runChoice.querySelector("select").value = run;
    const one = version();
    const load = async (key, uri) => {
      if (!decoded.has(key)) decoded.set(key, await decode(uri, one.shape, one.across));
      return decoded.get(key);
    };
    const name = pictures.indexOf(one);
    const voxels = {
      image: await load(`${name} image`, one.image),
      reference: await load(`${name} reference`, one.reference),
      prediction: await load(`run ${run}`, one.runs[run].prediction),
    };
    if (state.run !== run) return; // another was chosen meanwhile
    state.voxels = voxels;
    state.counts = null;
    slider.max = one.shape[0] - 1;
    if (state.slice === null) state.slice = fullest(voxels.reference, one.shape);
    slider.value = state.slice = Math.min(state.slice, one.shape[0] - 1);
    paint();
  }

  // Labels that do not count, or are not chosen, are background.
  function shownLabel(one, id) {
    return id && one.scored.includes(id) && (state.label === null || state.label === id) ? id : 0;
  }

  function paint() {
    const one = version();
    const [d, h, w] = one.shape;
    const { image, reference, prediction } = state.voxels;
    const start = state.slice * h * w;
    const of = (voxels) => Array.from(voxels.subarray(start, start + h * w), (id) => shownLabel(one, id));
    const truth = of(reference);
    const found = of(prediction);
    const errors = truth.map((id, i) => errorKind(id, found[i]));
    const layers = [null, truth, found, errors];
    const palettes = [null, colours.labels, colours.labels, colours.errors];
    canvases.forEach((canvas, i) => {
      canvas.width = w;
      canvas.height = h;
      canvas.style.aspectRatio = `${w * one.spacing[2]} / ${h * one.spacing[1]}`;
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(w, h);
      for (let at = 0; at < h * w; at++) {
        const grey = image[start + at];
        const id = layers[i]?.[at];
        const colour = id && (!state.outline || isEdge(layers[i], at, h, w)) && palettes[i][id];
        const share = colour ? (state.outline ? 1 : state.opacity) : 0;
        for (let c = 0; c < 3; c++) pixels.data[4 * at + c] = grey * (1 - share) + (colour ? colour[c] * share : 0);
        pixels.data[4 * at + 3] = 255;
      }
      context.putImageData(pixels, 0, 0);
    });
    const position = one.positions[state.slice];
    caption.textContent = `slice ${state.slice + 1} of ${d}, ${position.toFixed(1).replace("-", "−")} mm`;
    describe(one, errors);
  }

  function isEdge(layer, at, h, w) {
    const [y, x] = [Math.floor(at / w), at % w];
    const id = layer[at];
    return y === 0 || x === 0 || y === h - 1 || x === w - 1 ||
      layer[at - 1] !== id || layer[at + 1] !== id || layer[at - w] !== id || layer[at + w] !== id;
  }

  function fullest(reference, [d, h, w]) {
    let best = 0, most = -1;
    for (let slice = 0; slice < d; slice++) {
      let count = 0;
      for (let at = slice * h * w; at < (slice + 1) * h * w; at++) count += reference[at] > 0;
      if (count > most) [best, most] = [slice, count];
    }
    return best;
  }

  function describe(one, errors) {
    if (!state.counts) {
      state.counts = [0, 0, 0, 0, 0];
      const { reference, prediction } = state.voxels;
      for (let at = 0; at < reference.length; at++) {
        state.counts[errorKind(shownLabel(one, reference[at]), shownLabel(one, prediction[at]))]++;
      }
    }
    const inSlice = [0, 0, 0, 0, 0];
    for (const kind of errors) inSlice[kind]++;
    const names = colours.errorNames;
    errorNote.textContent = "Voxels in the volume (in this slice): " +
      names.map((name, i) => `${name} ${state.counts[i + 1]} (${inSlice[i + 1]})`).join(", ") + ".";
    const key = (colour, text) => {
      const item = make("span", { class: "key" }, text);
      item.style.setProperty("--c", `rgb(${colour})`);
      return item;
    };
    legend.replaceChildren(
      ...labels.filter(([id]) => state.label === null || state.label === Number(id)).map(([id, name]) => key(colours.labels[id], name === id ? `label ${id}` : name)),
      ...names.map((name, i) => key(colours.errors[i + 1], `error map: ${name}`)));
  }
}
