// Sorting and filtering of the report's tables; without this script the page still reads.
"use strict";

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
  const body = head.closest("table").tBodies[0];
  const first = button.dataset.first === "desc" ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const direction = head.getAttribute("aria-sort") === first ? other : first;
  for (const sibling of head.parentNode.cells) sibling.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", direction);
  const value = (row) => row.cells[head.cellIndex].dataset.value;
  const rows = [...body.rows].sort((a, b) => compare(value(a), value(b), direction));
  body.append(...rows);
}

function filterRuns(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const names = new Set();
  const shown = new Set();
  for (const element of document.querySelectorAll("[data-run]")) {
    const name = element.dataset.run;
    const match = words.every((word) => name.toLowerCase().includes(word));
    element.hidden = !match;
    names.add(name);
    if (match) shown.add(name);
  }
  document.getElementById("filter-count").textContent =
    words.length ? `${shown.size} of ${names.size} names shown` : "";
}

for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => sortBy(button));
}
const filter = document.getElementById("filter");
filter.addEventListener("input", () => filterRuns(filter.value));
filterRuns(filter.value); // a reloaded page keeps what was typed
