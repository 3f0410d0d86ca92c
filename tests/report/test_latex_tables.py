"""What the LaTeX tables say: the numbers of the lines, the best, no worse than the best, what is missing."""

import json
import re
from dataclasses import dataclass
from types import SimpleNamespace

import pandas as pd
import pytest

from mos.errors import BadInput
from mos.report import latex_cost, latex_overview, table
from mos.report.collect import collect
from mos.report.cost import CostLine
from mos.report.latex_names import Names
from mos.report.latex_notes import powerless
from mos.report.latex_style import Style
from mos.report.latex_table import Block, Layout, Row, Table, render
from run.baseline.cmd import summary
from mos.report.latex_options import FOLDER, read_captions, read_columns, read_metrics, read_names
from tests.report.made_up_runs import change_record, write_run


@dataclass
class Same:
    """Comparisons in which exactly the runs `same` do not differ from the best."""

    same: frozenset
    family: int = 3

    def same_as(self, dataset, stage, label, metric, best, runs):
        return self.same & set(runs) - {best}

    def between(self, dataset, stage, label, metric, run, other):
        return SimpleNamespace(family=self.family) if run != other else None


def cells(table_: Table) -> dict[str, list[str]]:
    """Row by row what stands in it, below the row's first name."""
    return {
        " ".join(filter(None, row.lead)): [cell for block in row.cells for cell in block]
        for row in table_.rows
    }


def overview(root, style=Style(), keys=("dice",), same=(), stage="test"):
    collection = collect(root, "baseline")
    lines = [line for line in table.overview(collection) if line.stage == stage]
    names = Names.of(collection.runs, style)
    notices = collection.notices
    return latex_overview.overview(
        lines, keys, names, style, Same(frozenset(same)), notices, name="x", caption="c"
    )


def three(root):
    """Dice of the two labels of the four cases: base - 0.02 i, and 0.1 less: mean base - 0.08."""
    for name, base in (("a-2d-none", 0.80), ("b-2d-none", 0.90), ("c-2d-none", 0.85)):
        parts = {"network": name[0], "tag": "", "dims": 2, "aux": "none"}
        write_run(root, name, base=base, parts=parts)


def test_means_and_spreads_are_those_of_the_cases_and_the_best_is_bold(tmp_path):
    three(tmp_path)
    rows = cells(overview(tmp_path))
    # Cases are 0.75, 0.73, 0.71, 0.69: sd 0.0258.
    assert rows["a"] == [r"0.720\,$\pm$\,0.026"]
    assert rows["b"] == [r"\mosbest{0.820}\,$\pm$\,0.026"]


def test_a_run_no_worse_by_test_is_marked_and_the_note_says_by_which(tmp_path):
    three(tmp_path)
    made = overview(tmp_path, same=["c-2d-none"])
    assert cells(made)["c"] == [r"0.770\,$\pm$\,0.026\mosalike{}"]
    assert r"\mosalike" not in cells(made)["a"][0] + cells(made)["b"][0]
    assert "Wilcoxon" in " ".join(made.notes) and "With 3 patients and 3 tests no" in " ".join(
        made.notes
    )
    assert "Wilcoxon" not in " ".join(overview(tmp_path).notes)


@pytest.mark.parametrize(
    ("patients", "family", "told"),
    [(5, 1, True), (6, 1, False), (6, 2, True), (9, 12, False), (9, 13, True), (0, 1, False)],
)
def test_too_few_patients_for_any_difference_are_told(patients, family, told):
    # The smallest p of n patients is 2 / 2^n: 0.0625 of five, 0.03125 of six, 0.00390625 of nine.
    assert bool(powerless(patients, family)) == told


def test_percent_and_intervals_and_lower_is_better(tmp_path):
    three(tmp_path)
    made = overview(tmp_path, Style(percent=True, spread="none"), ["dice", "msd"])
    assert cells(made)["b"] == [r"\mosbest{82.0}", r"\mosbest{0.18}"]
    assert [block.columns[0] for block in made.blocks] == [
        r"Dice (\%) $\uparrow$",
        r"MSD (mm) $\downarrow$",
    ]
    (cell,) = cells(overview(tmp_path, Style(spread="interval")))["a"]
    low, high = map(float, re.fullmatch(r"0\.720 \[(.*), (.*)\]", cell).groups())
    assert low < 0.72 < high


def test_equal_in_print_is_equally_bold(tmp_path):
    for name, base in (("a-2d-none", 0.8), ("b-2d-none", 0.8001), ("c-2d-none", 0.7)):
        parts = {"network": name[0], "tag": "", "dims": 2, "aux": "none"}
        write_run(tmp_path, name, base=base, parts=parts)
    rows = cells(overview(tmp_path))
    assert [r"\mosbest" in rows[name][0] for name in "abc"] == [True, True, False]


def test_missed_invented_and_left_out_have_columns_only_where_there_are_any(tmp_path):
    three(tmp_path)
    assert "No structure was missed or invented." in overview(tmp_path).notes
    special = {("a2", 2): "missed", ("b1", 2): "absent"}
    parts = {"network": "d", "tag": "", "dims": 2, "aux": "none"}
    write_run(tmp_path, "d-2d-none", parts=parts, special=special)
    made = overview(tmp_path, keys=["msd", "hd"])
    assert [block.columns[0] for block in made.blocks][2:] == ["Missed", "Left out"]
    assert cells(made)["d"][2:] == ["1/7", "1/4"]
    assert cells(made)["a"][2:] == ["0/8", "0/4"]


def test_a_row_that_cannot_be_compared_carries_a_letter(tree):
    made = overview(tree)
    (lead,) = [row.lead for row in made.rows if "superscript" in "".join(row.lead)]
    assert lead[0] == "" or "resunet" in lead[0]
    (note,) = [note for note in made.notes if note.startswith(r"\textsuperscript{a}")]
    assert "not compared" in note and "unfinished" in note


def test_auxiliary_sets_of_one_network_never_fall_into_one_cell(tmp_path):
    for aux, base in (("none", 0.7), ("acdc", 0.8), ("acdc,mnms", 0.9)):
        for dims in (2, 3):
            parts = {"network": "unet", "tag": "", "dims": dims, "aux": aux}
            write_run(tmp_path, f"unet-{dims}d-{aux}", base=base, parts=parts)
    made = overview(tmp_path, Style(columns=("dims", "aux"), spread="none"))
    assert made.blocks[0].columns == tuple(
        f"{dims}, {aux}" for dims in ("2D", "3D") for aux in ("alone", "+ acdc", "+ acdc, mnms")
    )
    assert list(cells(made).values()) == [
        ["0.620", "0.720", r"\mosbest{0.820}", "0.620", "0.720", r"\mosbest{0.820}"]
    ]


def test_a_run_folder_copied_by_hand_keeps_its_own_cell(tmp_path):
    three(tmp_path)
    parts = {"network": "a", "tag": "", "dims": 2, "aux": "none"}
    write_run(tmp_path, "a-2d-none copy", base=0.6, parts=parts)
    made = cells(overview(tmp_path, Style(columns=("dims",), spread="none", names={"a": "Ours"})))
    assert made["a-2d-none"] == ["0.720"] and made["a-2d-none copy"] == ["0.520"]


def test_a_wide_table_takes_a_smaller_font_and_a_wider_one_is_cut_into_parts():
    def of(columns):
        row = Row(lead=("unet",), cells=tuple((r"0.123\,$\pm$\,0.456",) for _ in range(columns)))
        blocks = tuple(Block(columns=(f"Label {i}",)) for i in range(columns))
        return Table(name="t", caption="C.", label="l", lead=("N",), blocks=blocks, rows=(row,))

    assert r"\small" in render(of(3), Layout())[0]
    assert r"\scriptsize" in render(of(7), Layout())[0]
    text, share = render(of(20), Layout())
    assert share <= 1.1 and text.count(r"\begin{table}") == 3
    assert "C. Part 3 of 3." in text and r"\label{l-part-3}" in text
    assert text.count(r"0.123\,$\pm$\,0.456") == 20 and text.count(r"\providecommand{\mosfit}") == 1


def test_many_rows_make_several_tables():
    rows = tuple(Row(lead=(f"r{i}",), cells=((str(i),),)) for i in range(10))
    blocks = (Block(columns=("x",)),)
    made = Table(name="t", caption="C.", label="l", lead=("N",), blocks=blocks, rows=rows)
    text, _ = render(made, Layout(rows=4))
    assert text.count(r"\begin{table}") == 3 and all(f"r{i} & {i} " in text for i in range(10))


def test_options_read(tmp_path):
    assert read_metrics("dice, hd;nsd", "baseline") == (("dice", "hd"), ("nsd",))
    assert read_columns("aux,dims") == ("aux", "dims")
    assert read_captions(["pairs=a=b"]) == {"pairs": "a=b"}
    known = {"unet", "unet-2d-none[lr=1e-3]"}
    assert read_names(["unet-2d-none[lr=1e-3]=Ours ($k=1$)"], known) == {
        "unet-2d-none[lr=1e-3]": "Ours ($k=1$)"
    }


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--latex_metrics", "dicee", "did you mean dice"),
        ("--latex_metrics", ";", "no metric is named"),
        ("--latex_columns", "network", "dims, aux"),
        ("--latex_cost", "parameter", "did you mean parameters"),
        ("--latex_cost", "parameters,parameters", "twice"),
        ("--latex_caption", "overvew=x", "overview, folds"),
        ("--latex_names", "unett=U-Net", "did you mean unet"),
        ("--latex_runs", "unet-4d-*", "no run is called"),
        ("--latex_label", "a b", "letters"),
        ("--latex_width", "3", "text width"),
    ],
)
def test_a_wrong_option_is_refused_with_what_to_type(tree, tmp_path, flag, value, told):
    options = ["--checkpoint_folder", str(tree), "--output_folder", str(tmp_path), flag, value]
    with pytest.raises(BadInput, match=told) as error:
        summary.main(options)
    assert flag in str(error.value)


def test_chosen_runs_come_in_the_order_given_and_best_is_among_them(tmp_path):
    three(tmp_path)
    out = tmp_path / "summary"
    options = ["--checkpoint_folder", str(tmp_path), "--latex_runs", "c-*", "a-2d-none"]
    summary.main([*options, "--latex_caption", "overview=On <dataset>: <metrics>."])
    text = (out / "latex" / "demo" / "overview-1.tex").read_text()
    assert re.findall(r"^([abc]) &", text, re.M) == ["c", "a"]
    assert r"c & \mosbest{0.770}" in text and "a & 0.720" in text
    assert r"\caption{On demo: Dice and IoU.}" in text and r"\label{tab:demo-overview-1}" in text


def test_costs_stand_behind_the_scores_with_the_machine_they_are_of(tmp_path):
    three(tmp_path)
    for name, parameters, seconds in (("a", 1_500_000, 4.0), ("b", 20_250_000, 8.0)):
        folder = tmp_path / "baseline-demo-0" / f"{name}-2d-none"
        change_record(folder, parameters=parameters, machine={"device": "CPU", "precision": "fp32"})
        line = {"epoch": 1, "stage": "train", "samples": 100, "seconds": seconds}
        (folder / "metric.jsonl").write_text(json.dumps(line) + "\n")
    options = ["--checkpoint_folder", str(tmp_path), "--latex_spread", "none"]
    made = tmp_path / "summary" / "latex" / "demo" / "overview-1.tex"
    summary.main([*options])
    assert "Param" not in made.read_text()
    summary.main([*options, "--latex_cost", "samples_per_second,parameters"])
    text = made.read_text()
    assert r"Dice $\uparrow$ & IoU $\uparrow$ & Samples/s & Param. (M)" in text
    assert re.search(r"^a.* & 25\.0 & \\phantom\{0\}1\.50 ", text, re.M)
    assert re.search(r"^b.* & 12\.5 & 20\.25 ", text, re.M)
    assert re.search(r"^c.* & -- & -- ", text, re.M)
    assert "Times and memory: CPU, fp32." in text
    result = pd.read_csv(tmp_path / "summary" / "result.csv").set_index("run")
    assert result.loc["b-2d-none", "parameters"] == 20_250_000
    assert result.loc["b-2d-none", "samples_per_second"] == 12.5
    # A further epoch changes no score that is shown, and yet what the tables say of speed.
    with (folder / "metric.jsonl").open("a") as log:
        log.write(json.dumps(line | {"epoch": 2, "seconds": 32.0}) + "\n")
    summary.main([*options, "--latex_cost", "samples_per_second,parameters"])
    assert re.search(r"^b.* & \\phantom\{0\}5\.0 & 20\.25 ", made.read_text(), re.M)
    result = pd.read_csv(tmp_path / "summary" / "result.csv").set_index("run")
    assert result.loc["b-2d-none", "samples_per_second"] == 5.0


def test_costs_of_several_machines_are_said_not_to_compare():
    nothing = dict.fromkeys("parameters epochs epoch_seconds samples_per_second".split(), 1.0)
    nothing |= dict.fromkeys("total_hours peak_memory case_seconds".split(), 1.0)
    both = [
        CostLine(dataset="d", run=machine, machines=(machine,), **nothing)
        for machine in ("CPU", "H100_80")
    ]
    assert "do not compare: CPU; H100\\_80." in latex_cost.note(both, ["total_hours"])
    assert latex_cost.note(both, ["parameters"]) == ""


def test_tables_that_are_no_more_go_and_an_authors_own_stay(tmp_path):
    three(tmp_path)
    summary.main(["--checkpoint_folder", str(tmp_path)])
    folder = tmp_path / "summary" / "latex" / "demo"
    (folder / "mine.tex").write_text("my own")
    assert (folder / "pairs-hd.tex").exists()
    kept = (folder / "pairs-dice.tex").stat().st_mtime_ns
    summary.main(["--checkpoint_folder", str(tmp_path), "--latex_metrics", "dice"])
    assert not (folder / "pairs-hd.tex").exists() and (folder / "mine.tex").exists()
    assert (folder / "pairs-dice.tex").stat().st_mtime_ns == kept  # unchanged: not written again


def test_the_folder_is_where_the_command_says(tmp_path, capsys):
    three(tmp_path)
    summary.main(["--checkpoint_folder", str(tmp_path)])
    assert str(tmp_path / "summary" / FOLDER / "tables.tex") in capsys.readouterr().out
