"""`cmd/networks`: the list, what a network costs, and the README's table."""

import csv
import io
from pathlib import Path

import pytest
import torch

from mos.errors import BadInput
from mos.networks.table import NETWORKS
from run.baseline.cmd.networks import MARKS, main, readme_names, readme_table, written

PROJECT = Path(__file__).resolve().parents[2]
ROW = {"name": "unet", "dims": "2-D", "M parameters": "1.93", "GFLOP": "0.50"}


def test_the_list_alone_has_a_line_for_every_network_and_dimension(capsys):
    main(["--measure", "none"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "dims", "title", "paper", "source"]
    assert [tuple(line.split()[:2]) for line in lines[1:]] == [
        (name, f"{dims}-D") for name, network in NETWORKS.items() for dims in network.dims
    ]


def test_a_measured_network_has_its_parameters_operations_time_and_memory(capsys):
    torch.ones(2**27)  # 512 MiB: what this process used before must not hide what the network uses
    words = "--only unet --dims 2 --size_2d 256,256 --threads 1 --format csv"
    main(words.split())
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["name"] == "unet" and float(row["M parameters"]) == pytest.approx(1.93, abs=0.01)
    # The first two convolutions alone: 256 x 256 pixels, 9 weights, 1 and 32 in, 32 out, times 2.
    assert float(row["GFLOP"]) > 1e-9 * 2 * 256 * 256 * 9 * (1 + 32) * 32
    assert float(row["ms an image"]) > 0 and float(row["MiB training"]) > 8


def test_markdown_has_one_row_a_line():
    assert written([ROW], "markdown").splitlines() == [
        "| name | dims | M parameters | GFLOP |",
        "| --- | --- | --- | --- |",
        "| unet | 2-D | 1.93 | 0.50 |",
    ]


def test_the_table_of_a_readme_is_renewed_between_its_marks(tmp_path, monkeypatch):
    monkeypatch.setattr("run.baseline.cmd.networks.rows", lambda options: [ROW])
    file = tmp_path / "README.md"
    file.write_text(f"before\n{MARKS[0]}\n| `gone` | x |\n{MARKS[1]}\nafter\n")
    main(["--readme", str(file)])
    text = file.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert readme_names(text) == list(NETWORKS)
    assert "| `unet` | U-Net, 2-D, 3-D | Ronneberger" in text and "| 1.93 | 0.50 |" in text


def test_a_file_without_the_marks_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("run.baseline.cmd.networks.rows", lambda options: [ROW])
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(BadInput, match="needs the lines"):
        main(["--readme", str(tmp_path / "README.md")])


@pytest.mark.parametrize("name", ["README.md", "README_zh.md"])
def test_the_readmes_table_lists_the_networks_there_are(name):
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert readme_names(text) == list(NETWORKS)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--only unte", "'unte' is no network"),
        ("--size_2d 8,8,8", "--size_2d 8,8,8: needs 2 positive numbers"),
        ("--label_count 1", "--label_count 2 or more"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, told):
    with pytest.raises(BadInput, match=told):
        main(words.split())
