"""The page in a real browser: sorting, filters, cases, images, pairs; no error, no text of a user runs."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest

from mos.report.case_images import write_case_images
from mos.report.colour import error_colours
from run.baseline.cmd import summary
from tests.report.made_up_runs import build_crowd, build_tree
from tests.report.test_page_blocks import images_of

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --v=0 --virtual-time-budget=10000 --dump-dom"
).split()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the made-up tree, with images of case a1 of unet-2d-none."""
    root = build_tree(tmp_path_factory.mktemp("checkpoint"))
    run = root / "baseline-demo-0" / "unet-2d-none"
    write_case_images(run / "epoch-0005", images_of("a1"))
    summary.main(["--checkpoint_folder", str(root)])
    return root / "summary" / "result.html"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    root = build_crowd(tmp_path_factory.mktemp("crowd"), {"unet": 0.8, "vnet": 0.7})
    summary.main(["--checkpoint_folder", str(root)])
    return root / "summary" / "result.html"


def opened(page, tmp_path) -> tuple[str, list[str]]:
    """The page's document after loading, and what the browser wrote to its console."""
    flags = [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,900"]
    done = subprocess.run(
        [CHROMIUM, *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def answers(page, tmp_path, expression: str):
    """The value (or promise) of an expression, run in a copy of the page that lets it run."""
    text = re.sub(
        r"<meta http-equiv=\"Content-Security-Policy\".*?>", "", page.read_text(), count=1
    )
    script = (
        "<script>const answer = document.createElement('pre'); answer.id = 'answer';"
        f"Promise.resolve({expression}).then((value) => {{"
        "answer.textContent = JSON.stringify(value); document.body.append(answer); })</script>"
    )
    copy = tmp_path / "copy.html"
    copy.write_text(text.replace("</body>", script + "</body>"))
    document, console = opened(copy, tmp_path)
    assert console == []
    return json.loads(unescape(re.search(r'<pre id="answer">(.*?)</pre>', document, re.S)[1]))


SORT = """(() => {
  const table = document.querySelector("table.overview");
  const names = () => [...table.tBodies[0].rows].map((row) => row.dataset.run);
  const [run, , , , dice] = table.querySelectorAll("thead button");
  const seen = {};
  dice.click(); seen.down = names(); seen.mark = dice.parentNode.getAttribute("aria-sort");
  dice.click(); seen.up = names();
  run.click(); seen.run = names(); seen.cleared = dice.parentNode.getAttribute("aria-sort");
  const fold = document.querySelector("table.fold");
  const first = fold.querySelectorAll("thead button")[5];
  first.click(); seen.lastDown = fold.tBodies[0].lastElementChild.dataset.run;
  first.click(); seen.lastUp = fold.tBodies[0].lastElementChild.dataset.run;
  const pivot = document.querySelector("table.pivot");
  const networks = () => [...pivot.tBodies[0].rows].map((row) => row.cells[0].textContent.trim());
  pivot.querySelector('th[data-combo="2d none"] button').click(); seen.pivot = networks();
  return seen;
})()"""

FILTER = """(() => {
  const form = document.getElementById("filters");
  const seen = {};
  const visible = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
  const set = (key, value) => {
    form.elements[key].value = value;
    form.elements[key].dispatchEvent(new Event("input", { bubbles: true }));
    return visible("table.overview tbody tr").map((row) => row.dataset.run);
  };
  seen.aux = set("name", "ACDC,mnms[");
  seen.words = set("name", "3d none");
  seen.pivot = visible("table.pivot tbody tr").map((row) => row.cells[0].textContent.trim());
  seen.combos = [...new Set(visible("table.pivot thead th[data-combo]").map((head) => head.dataset.combo))];
  seen.nothing = set("name", "nothing");
  seen.count = document.getElementById("filter-count").textContent;
  seen.every = set("name", "");
  seen.tag = set("tag", "s");
  set("tag", "*");
  const columns = () => new Set(visible("table.overview th[data-column]").map((head) => head.dataset.column)).size;
  seen.before = columns();
  const box = document.querySelector('#columns input[value="iou"]');
  document.querySelector(".menu").open = true;
  box.click();
  seen.after = columns();
  return seen;
})()"""

CASES = """(async () => {
  const wait = (ready) => new Promise((resolve) => {
    const look = () => { const found = ready(); found ? resolve(found) : setTimeout(look, 20); };
    look();
  });
  const seen = {};
  const title = () => document.querySelector("dialog h2")?.textContent;
  const press = (text) => [...document.querySelectorAll("dialog .bar button, dialog .controls button")].find((one) => one.textContent.includes(text)).click();
  document.querySelector('td[data-cell-run="unet-2d-none"] button').click();
  await wait(() => title() === "unet-2d-none");
  seen.cases = [...document.querySelectorAll("dialog tbody tr")].map((row) => [row.cells[0].textContent.trim(), row.cells[2].textContent, row.cells[3].textContent, row.cells[5].textContent]);
  document.querySelector("dialog tbody button").click();
  await wait(() => document.querySelector("dialog .viewer output")?.textContent);
  seen.case = title();
  seen.runs = [...document.querySelectorAll("dialog table tbody th")].map((cell) => cell.textContent);
  seen.slice = document.querySelector("dialog .viewer output").textContent;
  seen.voxels = document.querySelector("dialog .counts").textContent;
  const canvas = document.querySelectorAll("dialog canvas")[3];
  seen.shape = [canvas.width, canvas.height, canvas.style.aspectRatio];
  const at = (of, x, y) => {
    const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    copy.drawImage(of, 0, 0);
    return [...copy.getImageData(x, y, 1, 1).data].slice(0, 3);
  };
  const pixel = (x, y) => at(canvas, x, y);
  const slider = document.querySelector("dialog input[type=range]");
  slider.value = 0; slider.dispatchEvent(new Event("input"));
  seen.correct = pixel(0, 0); seen.missed = pixel(9, 0); seen.extra = pixel(0, 1); seen.nothing = pixel(5, 3);
  seen.image = at(document.querySelectorAll("dialog canvas")[0], 3, 2);
  press("next"); await wait(() => title() === "a2");
  seen.hint = document.querySelector("dialog").textContent.includes("plot-test");
  press("back"); await wait(() => title() === "unet-2d-none");
  press("close");
  seen.closed = !document.querySelector("dialog").open;
  return seen;
})()"""

PAIRS = """(async () => {
  const wait = (ready) => new Promise((resolve) => {
    const look = () => { const found = ready(); found ? resolve(found) : setTimeout(look, 20); };
    look();
  });
  const seen = {};
  const host = document.querySelector(".comparisons");
  host.dispatchEvent(new Event("seen"));
  await wait(() => host.querySelector(".matrix td button"));
  const row = [...host.querySelectorAll(".matrix tbody tr")].find((one) => one.cells[0].textContent === "vnet-2d-none");
  const heads = [...host.querySelectorAll(".matrix thead th")].map((head) => head.textContent);
  const cell = row.cells[heads.indexOf("unet-3d-none")];
  seen.cell = cell.textContent; seen.side = cell.className;
  const back = [...host.querySelectorAll(".matrix tbody tr")].find((one) => one.cells[0].textContent === "unet-3d-none").cells[heads.indexOf("vnet-2d-none")];
  seen.back = back.textContent;
  cell.querySelector("button").click();
  const title = await wait(() => document.querySelector("dialog h2"));
  seen.title = title.textContent;
  seen.rows = document.querySelectorAll("dialog tbody tr").length;
  seen.dots = document.querySelectorAll("dialog circle.case").length;
  document.querySelector("dialog").close();
  const spread = document.querySelector(".spread");
  spread.dispatchEvent(new Event("seen"));
  await wait(() => spread.querySelector("tbody tr"));
  const [metric] = spread.querySelectorAll("select");
  metric.value = 2; metric.dispatchEvent(new Event("change"));
  const first = [...spread.querySelectorAll("tbody tr")].find((one) => one.cells[0].textContent === "unet-2d-none");
  seen.infinite = first.cells[1].textContent.includes("∞ × 1");
  const block = await unpack("cases-1");
  seen.values = casesOf(block, "test", "vnet-3d-none", 0, 0).map((entry) => entry.value);
  seen.box = boxOf(seen.values);
  return seen;
})()"""

PHONE = """new Promise((resolve) => {
  const phone = document.createElement("iframe");
  phone.width = 375;
  phone.onload = () => resolve(phone.contentDocument.documentElement.scrollWidth);
  phone.srcdoc = document.documentElement.outerHTML.replace(/<script>[^]*/, "");
  document.body.append(phone);
})"""

# Puts all parts in their places, as scrolling through the page would.
ENTERED = """Promise.all([...document.querySelectorAll("[data-part]")].map(enter)).then(() => {
  return %s;
})"""


def test_it_opens_without_a_word_on_the_console_and_no_note_runs(page, tmp_path):
    document, console = opened(page, tmp_path)
    assert console == []
    assert "<title>MOS results" in document and '<table class="overview">' in document


def test_a_column_sorts_best_first_then_the_other_way_with_empty_cells_last(page, tmp_path):
    seen = answers(page, tmp_path, ENTERED % SORT)
    assert seen["down"][0] == "unet[s]-3d-acdc,mnms[pretrain]" and seen["mark"] == "descending"
    assert seen["up"] == seen["down"][::-1]
    assert seen["run"] == sorted(seen["run"]) and seen["cleared"] == "none"
    assert seen["lastDown"] == seen["lastUp"] == "resunet-3d-none"
    assert seen["pivot"] == ["resunet", "unet", "unet[s] [pretrain]"]


def test_runs_filter_by_name_and_parts_and_columns_hide(page, tmp_path):
    seen = answers(page, tmp_path, ENTERED % FILTER)
    assert seen["aux"] == seen["tag"] == ["unet[s]-3d-acdc,mnms[pretrain]"]
    assert seen["words"] == ["resunet-3d-none"]
    assert seen["pivot"] == ["resunet"] and seen["combos"] == ["3d none"]
    assert seen["nothing"] == [] and seen["count"] == "0 of 4 names shown"
    assert len(seen["every"]) == 4 and (seen["before"], seen["after"]) == (4, 3)


def test_a_value_opens_its_cases_and_a_case_its_images(page, tmp_path):
    seen = answers(page, tmp_path, CASES)
    assert seen["cases"][0] == ["a1a", "–", "0.750", "1.75"]
    assert seen["cases"][1] == ["a2a", "missed: 2 scar <b>", "0.390", "∞"]
    assert seen["case"] == "a1" and "unet-2d-none" in seen["runs"] and len(seen["runs"]) == 4
    assert seen["slice"] == "slice 1 of 3, 0.0 mm"
    assert "correct 15 (8), extra 5 (2), missed 5 (2), wrong label 0 (0)" in seen["voxels"]
    assert seen["shape"] == [10, 4, "20 / 4"]
    mixed = [
        [g * 0.45 + 0.55 * c for c in error_colours()[kind]]
        for g, kind in ((0, 1), (9, 3), (10, 2))
    ]
    for shown, wanted in zip((seen["correct"], seen["missed"], seen["extra"]), mixed):
        assert shown == pytest.approx(wanted, abs=1)
    assert seen["nothing"] == [35, 35, 35] and seen["image"] == [23, 23, 23]
    assert seen["hint"] and seen["closed"]


def test_two_runs_are_compared_from_both_sides_and_boxes_are_those_of_numpy(crowd, tmp_path):
    seen = answers(crowd, tmp_path, PAIRS)
    assert seen["side"] == "worse" and seen["cell"].startswith("▼ −0.1")
    assert seen["back"].startswith("▲ +0.1") and seen["title"] == "vnet-2d-none − unet-3d-none"
    assert (seen["rows"], seen["dots"]) == (24, 48) and seen["infinite"]
    quartiles = np.quantile(seen["values"], [0.25, 0.5, 0.75])
    assert [seen["box"][k] for k in ("q1", "median", "q3")] == pytest.approx(quartiles.tolist())


def test_at_phone_width_only_the_tables_scroll_sideways(page, tmp_path):
    assert answers(page, tmp_path, PHONE) <= 375
