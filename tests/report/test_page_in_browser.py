"""The page in a real browser: sorting, filtering, no error, nothing of a user's text runs."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from run.baseline.cmd import summary

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
def page(tree, tmp_path_factory):
    output = tmp_path_factory.mktemp("summary")
    summary.main(["--checkpoint_folder", str(tree), "--output_folder", str(output)])
    return output / "result.html"


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
  const table = document.querySelector("table");
  const names = () => [...table.tBodies[0].rows].map((row) => row.dataset.run);
  const [run, , , , dice] = table.querySelectorAll("thead button");
  const seen = {};
  dice.click(); seen.down = names(); seen.mark = dice.parentNode.getAttribute("aria-sort");
  dice.click(); seen.up = names();
  run.click(); seen.run = names(); seen.cleared = dice.parentNode.getAttribute("aria-sort");
  const fold = document.querySelectorAll("table")[2];
  const first = fold.querySelectorAll("thead button")[5];
  first.click(); seen.lastDown = fold.tBodies[0].lastElementChild.dataset.run;
  first.click(); seen.lastUp = fold.tBodies[0].lastElementChild.dataset.run;
  return seen;
})()"""

FILTER = """(() => {
  const input = document.getElementById("filter");
  const type = (text) => {
    input.value = text;
    input.dispatchEvent(new Event("input"));
    const rows = [...document.querySelector("table").tBodies[0].rows];
    return rows.filter((row) => row.getClientRects().length).map((row) => row.dataset.run);
  };
  return [type("ACDC,mnms["), type("3d none"), type("nothing"), type(""),
    document.getElementById("filter-count").textContent];
})()"""

PHONE = """new Promise((resolve) => {
  const phone = document.createElement("iframe");
  phone.width = 375;
  phone.onload = () => resolve(phone.contentDocument.documentElement.scrollWidth);
  phone.srcdoc = document.documentElement.outerHTML.replace(/<script>[^]*/, "");
  document.body.append(phone);
})"""


def test_it_opens_without_a_word_on_the_console_and_no_note_runs(page, tmp_path):
    document, console = opened(page, tmp_path)
    assert console == []
    assert "<title>MOS results" in document


def test_a_column_sorts_best_first_then_the_other_way_with_empty_cells_last(page, tmp_path):
    seen = answers(page, tmp_path, SORT)
    assert seen["down"][0] == "unet[s]-3d-acdc,mnms[pretrain]" and seen["mark"] == "descending"
    assert seen["up"] == seen["down"][::-1]
    assert seen["run"] == sorted(seen["run"]) and seen["cleared"] == "none"
    assert seen["lastDown"] == seen["lastUp"] == "resunet-3d-none"


def test_the_filter_takes_several_words_in_any_case(page, tmp_path):
    one, two, none, every, count = answers(page, tmp_path, FILTER)
    assert one == ["unet[s]-3d-acdc,mnms[pretrain]"] and two == ["resunet-3d-none"]
    assert none == [] and len(every) == 4 and count == ""


def test_at_phone_width_only_the_tables_scroll_sideways(page, tmp_path):
    assert answers(page, tmp_path, PHONE) <= 375
