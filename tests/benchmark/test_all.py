"""The table of benchmarks is put together from what they print."""

import pytest
from tests.benchmark import HEADER, all, plain_row

from mos.errors import BadInput


def test_rows_go_to_the_table_and_remarks_below_it(capsys):
    plain_row("step", "1 ms", "peer 2 ms", "2x", ">= 1x", True)
    row = capsys.readouterr().out.strip()
    assert all.is_row(row) and not all.is_row("a remark") and not all.is_row(HEADER[0])
    good = all.Result("one", 1.0, 0, [row], ["", "said beside"])
    text = all.table([good, all.Result("two", 1.0, 3), all.Result("three", 1.0, 0)], quick=True)
    assert text.index(HEADER[0]) < text.index(row) < text.index("said beside")
    assert "`two` failed with exit code 3." in text and "`three` prints no rows." in text
    assert "`.scripts/benchmark --quick`" in text and "`one` " not in text


def test_what_can_be_started_is_a_benchmark_and_a_slip_names_them():
    names = all.benchmarks()
    assert {"augment", "start_up", "open_dataset"} <= names.keys() and "all" not in names
    assert "report_tree" not in names  # a helper
    with pytest.raises(BadInput, match="augment, "):
        all.Options(only=("augmnt",)).check()


def test_a_launcher_answers_for_it(launcher):
    pressed = launcher("benchmark", "--only", "augmnt")
    assert pressed.returncode == 2 and "augment" in pressed.stderr
