// Sorting, filters and hidden columns of all tables, and parts that enter when they come into view.

// Empty cells stay at the bottom whichever way a column is sorted.
function compare(a, b, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const numbers = [Number(a), Number(b)];
  const order = numbers.some(Number.isNaN)
    ? a.localeCompare(b, undefined, { numeric: true })
    : numbers[0] - numbers[1];
  return direction === "ascending" ? order : -order;
}

function sortBy(button) {
  const head = button.closest("th");
  const table = head.closest("table");
  const first = button.dataset.first === "desc" ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = head.getAttribute("aria-sort") === first ? other : first;
  for (const sibling of table.tHead.querySelectorAll("th[aria-sort]")) sibling.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", direction);
  // Where the head has two lines, a button says which cell of a row it is about.
  const index = Number(button.dataset.index ?? head.cellIndex);
  const value = (row) => row.cells[index].dataset.value ?? "";
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort((a, b) => compare(value(a), value(b), direction)));
}

const runParts = JSON.parse(byId("run-parts").textContent); // run -> what the filters look at
const filters = byId("filters");

function wanted(run) {
  const parts = runParts[run];
  if (!parts) return true;
  const words = filters.elements.name.value.toLowerCase().split(/\s+/).filter(Boolean);
  const name = run.toLowerCase();
  return words.every((word) => name.includes(word)) &&
    ["network", "dims", "aux", "tag"].every((key) => {
      const chosen = filters.elements[key]?.value ?? "*";
      return chosen === "*" || parts[key] === chosen;
    });
}

// data-run hides an element with its run, data-against a cell with the run of its column. A cell of
// the overview keeps its place: only whole rows and columns of it go.
function applyFilters(root) {
  const known = new Map(Object.keys(runParts).map((run) => [run, wanted(run)]));
  const keep = (run) => known.get(run) ?? true;
  // An attribute, since lines of pictures have no such property.
  for (const element of root.querySelectorAll("[data-run]")) element.toggleAttribute("hidden", !keep(element.dataset.run));
  for (const element of root.querySelectorAll("[data-against]")) element.hidden = !keep(element.dataset.against);
  for (const table of root.querySelectorAll("table.pivot")) applyToPivot(table, keep);
  for (const element of root.querySelectorAll("[data-runs]")) {
    element.hidden = !JSON.parse(element.dataset.runs).some(keep);
  }
  return known;
}

function applyToPivot(table, keep) {
  const columns = new Map();
  for (const row of table.tBodies[0].rows) {
    let some = false;
    for (const cell of row.querySelectorAll("[data-cell-run]")) {
      const kept = keep(cell.dataset.cellRun);
      cell.classList.toggle("faded", !kept);
      some ||= kept;
      columns.set(cell.dataset.combo, kept || (columns.get(cell.dataset.combo) ?? false));
    }
    row.hidden = !some;
  }
  for (const cell of table.querySelectorAll("[data-combo]")) {
    cell.hidden = columns.get(cell.dataset.combo) === false;
  }
  const count = [...columns.values()].filter(Boolean).length;
  for (const head of table.querySelectorAll("th[data-span]")) {
    head.hidden = count === 0;
    head.colSpan = Math.max(1, count);
  }
}

function filterAll() {
  const known = applyFilters(document);
  const count = [...known.values()].filter(Boolean).length;
  byId("filter-count").textContent = count < known.size ? `${count} of ${known.size} names shown` : "";
  document.dispatchEvent(new Event("filtered"));
}

function hideColumns() {
  for (const box of byId("columns").querySelectorAll("input")) {
    document.body.classList.toggle(`no-${box.value}`, !box.checked);
  }
}

// What waits to enter the section of `place`, in a block of its own.
function partsOf(place) {
  return unpack(`parts-${place.closest("section[data-dataset]").dataset.dataset}`);
}

function enter(place) {
  return partsOf(place).then((parts) => enterNow(place, parts));
}

function enterNow(place, parts) {
  if (!place.dataset.part) return;
  place.innerHTML = parts[Number(place.dataset.part)]; // markup of our templates, escaped by them
  place.removeAttribute("data-part");
  place.style.minHeight = "";
  applyFilters(place);
}

const whenIdle = window.requestIdleCallback ?? ((action) => setTimeout(action, 500)); // Safari has none

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    watcher.unobserve(entry.target);
    if (entry.target.dataset.part) enter(entry.target);
    else entry.target.dispatchEvent(new Event("seen"));
  }
}, { rootMargin: "800px" });

// Calls `action` once, when the element first comes near the window.
function whenSeen(element, action) {
  element.addEventListener("seen", action, { once: true });
  watcher.observe(element);
  // Drawing takes a moment that printing does not give: what is open is drawn in idle time at last.
  if (!element.closest("details:not([open])")) {
    whenIdle(() => element.dispatchEvent(new Event("seen")), { timeout: 5000 });
  }
}

for (const place of document.querySelectorAll("[data-part]")) {
  // As high as its content will be, or all places would be in view at once.
  place.style.minHeight = `${place.dataset.height ?? 40}px`;
  watcher.observe(place);
}
// Printing does not wait, so all is opened beforehand.
for (const section of document.querySelectorAll("section[data-dataset]")) {
  partsOf(section).then((parts) => {
    window.addEventListener("beforeprint", () => {
      for (const place of section.querySelectorAll("[data-part]")) {
        if (!place.closest("details:not([open])")) enterNow(place, parts);
      }
    });
  });
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("thead button");
  if (button) sortBy(button);
});
filters.addEventListener("input", filterAll);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(() => { filterAll(); hideColumns(); }));
byId("columns").addEventListener("change", hideColumns);
