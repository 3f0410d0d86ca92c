"""The LaTeX tables through a real TeX: they compile, fit, and print the names and numbers they should."""

import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
import torch

from mos.report.latex_text import escape
from run.baseline.cmd import summary
from tests.report.made_up_runs import change_record, write_metrics, write_run

pytestmark = pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("pdftotext")),
    reason="needs pdflatex and pdftotext: Debian's texlive-latex-base, texlive-latex-recommended, poppler-utils",
)
EVIL = r"a_b%c&d#e$f^g~h{i}j\k[l]*--m''n`o<p>q|r" + '"s'
HEAD = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"


def compiled(folder: Path, name: str) -> tuple[str, str]:
    """The log and the printed text of `<name>.tex`."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    text = subprocess.run(
        ["pdftotext", "-layout", f"{name}.pdf", "-"], cwd=folder, capture_output=True, text=True
    ).stdout
    return (folder / f"{name}.log").read_text(errors="replace"), text


def complaints(log: str) -> list[str]:
    return re.findall(
        r"^(?:!|Overfull \\hbox|LaTeX Warning: .*(?:undefined|multiply)).*", log, re.M
    )


def evil_tree(root: Path) -> None:
    """Six runs with names of every sign, two folds, two labels, two seeds, a zero-shot set."""
    for fold in ("0", "1"):
        setting = f"d_1%-{fold}"
        for i, name in enumerate(
            ("unet_2d", "[x]", "caf\u00e9 \u4e2d", "M&M#", "50%", "50%-again")
        ):
            parts = {"network": name.removesuffix("-again"), "tag": "s_1" if i == 1 else ""}
            parts |= {"dims": 3 if i in (1, 3) else 2, "aux": "a_1,b#" if i == 3 else "none"}
            special = {("a2", 2): "missed", ("b1", 2): "absent"} if i == 2 else {}
            folder = write_run(
                root,
                f"{name}-2d-none",
                setting=setting,
                base=0.9 - i / 50,
                parts=parts,
                special=special,
            )
            change_record(folder, labels={"0": "bg", "1": "left_v %", "2": "\u03b2 \\ scar"})
            if i == 5:
                change_record(folder, seed=1)
            if i == 0:
                path = folder / "epoch-0005" / "zeroshot-metrics.pt"
                write_metrics(path, {"x1": "x", "y1": "y"}, [0.5, 0.6], {})
                torch.save(torch.load(path) | {"set": ["away_%"] * 2}, path)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    evil_tree(tmp_path_factory.mktemp("evil"))
    return tmp_path_factory.getbasetemp() / "evil0"


def test_every_sign_of_a_name_is_printed_as_it_is(tmp_path):
    (tmp_path / "x.tex").write_text(
        HEAD + "\n\\begin{tabular}{l}x\\\\\n" + escape(EVIL) + "\\\\\n" + escape("[1]") + "\\\\\n"
        "\\end{tabular}\n"
        + escape("M\u00fcller \u00c5ngstr\u00f6m \u0141\u00f3d\u017a \u0141")
        + "\\end{document}\n"
    )
    log, text = compiled(tmp_path, "x")
    assert not complaints(log)
    # Quotes come out as the typographic ones of the font. Its underscore is a drawn line, no sign.
    plain = text.translate({0x201D: '"', 0x2019: "'", 0x2018: "`", 0x2C6: "^", 0x2DC: "~"})
    assert EVIL.replace("_", " ") in plain and "\n[1]\n" in plain
    assert "M\u00fcller \u00c5ngstr\u00f6m" in unicodedata.normalize("NFC", plain)


def test_all_tables_compile_fit_and_print_what_they_should(tree, tmp_path):
    summary.main(["--checkpoint_folder", str(tree), "--output_folder", str(tmp_path)])
    folder = tmp_path / "latex"
    made = {path.name for path in (folder / "d-1").iterdir()}
    kinds = (
        "overview-1 overview-2 labels-dice folds-hd pairs-iou matrix-dice ranking-msd seeds counts"
    )
    assert {f"{kind}.tex" for kind in kinds.split()} <= made
    assert {"zeroshot-away-1.tex", "zeroshot-away-dice.tex"} <= made
    log, text = compiled(folder, "tables")
    assert not complaints(log)
    for name in (
        "unet_2d",
        "[x][s_1]",
        "[U+4E2D]",
        "M&M#",
        "50%-2d-none",
        "50%-again-2d-none",
        "a_1, b#",
        "left_v %",
        "away_%",
    ):
        assert name.replace("_", " ") in text, name
    assert "d 1%" in text
    # unet_2d: cases 0.85, 0.83, 0.81, 0.79 of each fold, the others 0.02 less each.
    row = re.search(r"^ *unet 2d +2D.*$", text, re.M)[0]
    assert "0.820\u00b10.024" in re.sub(r"\s*\u00b1\s*", "\u00b1", row)


def test_other_widths_environments_and_columns_compile(tree, tmp_path):
    options = (
        "--latex_width 85 --latex_environment table* --latex_columns dims --latex_percent true"
    )
    options = ["--checkpoint_folder", str(tree), "--output_folder", str(tmp_path), *options.split()]
    options += ["--latex_spread", "interval", "--latex_rows", "4", "--latex_metrics", "dice,hd,nsd"]
    summary.main([*options, "--latex_names", r"unet_2d=U-Net~\cite{u_1}", "--latex_label", "t:a_"])
    log, text = compiled(tmp_path / "latex", "tables")
    assert [line for line in complaints(log) if "undefined" not in line] == []
    assert "U-Net [?]" in text and "Part 2 of 2." in text
