// The image of a landmark case: reference +, prediction ×, a line between them, in a picture that can be enlarged.

// pictures: the case's entry of the pictures block, as mos/report/page_points.py makes it
function makePointViewer(pictures, wantedRun, wantedLabel) {
  const runs = pictures.flatMap((version) => Object.keys(version.runs));
  const state = { run: runs.includes(wantedRun) ? wantedRun : runs[0], zoom: 1, marks: "errors" };
  const runChoice = choice("Prediction of", runs.map((run) => [run, run]), state.run, choose);
  const marks = choice("Beside a point", [["errors", "its error"], ["names", "name and error"], ["none", "nothing"]], state.marks,
    (value) => { state.marks = value; paint(); });
  const zoom = choice("Size", [[1, "whole"], [2, "2 ×"], [4, "4 ×"]], 1, (value) => { state.zoom = Number(value); paint(); });
  const frame = make("div", { class: "points-frame", tabindex: 0, role: "region", "aria-label": "image with points, scrolls" });
  const list = make("p", { class: "quiet" });
  const legend = make("p", { class: "legend" }, make("span", { class: "key reference" }, "+ reference"),
    make("span", { class: "key prediction" }, "× prediction"), make("span", { class: "key link" }, "error, mm"));
  const element = make("div", { class: "viewer" }, make("div", { class: "controls" }, runChoice, marks, zoom), frame, legend, list);
  choose(state.run);
  return { element, runs, choose };

  function choose(run) {
    state.run = run;
    runChoice.querySelector("select").value = run;
    paint();
  }

  function paint() {
    const one = pictures.find((version) => state.run in version.runs);
    const { prediction, error } = one.runs[state.run];
    const [h, w] = one.shape;
    const [sx, sy] = one.scale; // the picture is in mm, so that its proportions are true
    const place = ([x, y]) => [(x + 0.5) * sx, (y + 0.5) * sy];
    const arm = Math.max(w * sx, h * sy) / (110 * Math.sqrt(state.zoom));
    const svg = draw("svg", { viewBox: `0 0 ${w * sx} ${h * sy}`, role: "img", class: `zoom${state.zoom}`,
      "aria-label": `points of ${state.run}` },
      draw("image", { href: one.image, width: w, height: h, transform: `scale(${sx} ${sy})` }));
    one.names.forEach((name, i) => {
      if (!one.reference[i] || (wantedLabel !== null && wantedLabel !== i + 1)) return;
      const [x, y] = place(one.reference[i]);
      const group = draw("g", { class: "point" }, draw("title", {}, `${name}: ${error[i] === null ? "not found" : `${error[i]} mm`}`));
      if (prediction[i]) {
        const [u, v] = place(prediction[i]);
        const d = 0.7 * arm;
        group.append(draw("path", { class: "link", d: `M${x} ${y}L${u} ${v}`, "stroke-width": arm / 4 }),
          draw("path", { class: "prediction", "stroke-width": arm / 3.5, d: `M${u - d} ${v - d}L${u + d} ${v + d}M${u - d} ${v + d}L${u + d} ${v - d}` }));
      }
      group.append(draw("path", { class: "reference", "stroke-width": arm / 3.5, d: `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}` }));
      if (state.marks !== "none" && error[i] !== null) {
        const right = x > 0.8 * w * sx; // the word then goes to the left
        // The style sheet has 11 px letters for all pictures; here they are measured in arms of a mark.
        group.append(draw("text", { x: right ? -7 : 7, y: -6, "text-anchor": right ? "end" : "start", transform: `translate(${x} ${y}) scale(${arm / 5})` },
          `${state.marks === "names" ? `${name} ` : ""}${error[i].toFixed(1)}`));
      }
      svg.append(group);
    });
    frame.replaceChildren(svg);
    list.textContent = listed(one, error);
  }

  function listed(one, error) {
    const order = error.map((mm, i) => [mm, i]).filter(([, i]) => one.reference[i])
      .sort((a, b) => (b[0] ?? Infinity) - (a[0] ?? Infinity));
    const masked = one.names.length - order.length;
    return `Errors in mm, largest first: ${order.map(([mm, i]) => `${one.names[i]} ${mm === null ? "∞" : mm.toFixed(2)}`).join(", ")}.` +
      (masked ? ` ${masked} masked.` : "");
  }
}
