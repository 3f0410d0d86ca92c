"""The command that writes the report, from a made-up tree."""

import json
import re
import subprocess
import sys
import time

import pandas as pd
import pytest

from mos.errors import BadInput
from mos.report.page_text import breakable
from run.baseline.cmd import summary
from tests.report.made_up_runs import NOTE, build_tree, change_record, write_run
from tests.report.opened_page import whole

SVG = '"http://www.w3.org/2000/svg"'  # names a kind of element; nothing is fetched


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = build_tree(tmp_path_factory.mktemp("checkpoint"))
    before = sorted(root.rglob("*"))
    summary.main(["--checkpoint_folder", str(root)])
    assert [path for path in sorted(root.rglob("*")) if "summary" not in path.parts] == before
    return root / "summary"


def test_it_writes_its_files_and_leaves_nothing_half_written(written):
    names = {path.name for path in written.iterdir()} - {".cache", "latex"}
    tables = {
        f"{name}.csv" for name in "result cases epochs comparisons ranking columns cost".split()
    }
    assert names == tables | {"result.html", "result.json", "cases.parquet", "epochs.parquet"}
    assert not [path for path in written.rglob("*") if path.name.startswith(".tmp")]


def test_the_page_reaches_for_nothing_outside_itself(written):
    page = (written / "result.html").read_text().replace(SVG, "")
    assert (
        "http:" not in page
        and "https:" not in page
        and "src=" not in page.lower().replace("-src ", "")
    )


def test_text_of_users_is_escaped(written):
    text, page = (written / "result.html").read_text(), whole(written / "result.html")
    assert NOTE not in text + page and "&lt;script&gt;document.title" in page
    assert text.count("<script>") == 1 and page.count("<script>") == 0 and "scar &lt;b&gt;" in page
    assert "unet[s]-3d-acdc,mnms[pretrain]" in page


def test_the_page_says_what_the_numbers_mean_and_what_is_wrong(written):
    page = whole(written / "result.html")
    for text in (
        "HD95 ↓ (mm)",
        "Dice ↑",
        "2TP / (2TP + FP + FN)",
        "no seeds",
        "after 3 of 6 epochs",
    ):
        assert text in page


def test_a_name_breaks_between_its_parts_on_a_narrow_screen(written):
    page = whole(written / "result.html")
    assert '"name">unet<wbr>[s]-<wbr>3d-<wbr>acdc,<wbr>mnms<wbr>[pretrain]</span>' in page
    assert breakable("<b>-2d") == "&lt;b&gt;-<wbr>2d"


def test_a_row_on_other_cases_is_flagged_in_every_table(written):
    page = whole(written / "result.html")
    rows = re.findall(r'<tr data-run="resunet-3d-none".*?</tr>', page, re.S)
    scored = [row for row in rows if "±" in row]
    # The overview and the labels lack its second fold; within the first fold it is compared.
    flagged = ["other cases" in row for row in scored]
    assert flagged == [True, True, True, False]


def test_a_dataset_that_is_not_split_has_no_folds_to_show(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    folder.parent.rename(tmp_path / "baseline-demo-all")
    change_record(tmp_path / "baseline-demo-all" / folder.name, setting="demo-all")
    summary.main(["--checkpoint_folder", str(tmp_path)])
    page = whole(tmp_path / "summary" / "result.html")
    assert "per fold" not in page and "of 5" not in page


def test_the_csv_files_read_back_in_pandas(written):
    overview, cases = (pd.read_csv(written / name) for name in ("result.csv", "cases.csv"))
    assert len(overview) == 4 and overview["dice_mean"].between(0, 1).all()
    assert len(cases) == 56 and (cases["state"] == "missed").sum() == 1


def test_the_json_file_is_strict(written):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    data = json.loads((written / "result.json").read_text(), parse_constant=refuse)
    assert len(data["overview"]) == 4 and len(data["runs"]) == 8


def test_no_run_is_told_with_the_folder_and_what_to_press(tmp_path):
    with pytest.raises(BadInput, match=r"(?s)no run of the task.*unet-2d-none") as error:
        summary.main(["--checkpoint_folder", str(tmp_path)])
    assert str(tmp_path) in str(error.value)
    assert not list(tmp_path.iterdir())


def test_help_answers_without_pandas_or_torch():
    code = "import sys; from run.baseline.cmd import summary\ntry: summary.main(['--help'])\n"
    code += "except SystemExit: pass\nassert not {'torch', 'pandas', 'jinja2'} & set(sys.modules)"
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert time.monotonic() - started < 5  # half a second on an idle machine
