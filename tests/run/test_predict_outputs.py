"""A result counts as done only where it is what would be made now."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from mos.errors import BadInput
from run.baseline.predict_inputs import Source
from run.baseline.predict_outputs import (
    Settings,
    open_output,
    read_outputs,
    result_path,
    write_result,
)

SETTINGS = Settings(
    weights_sha256="aa",
    epoch=4,
    flips="",
    window=(4, 16, 16),
    overlap=0.25,
    precision="fp32",
    allow_gaps=False,
)
RUN = {"run": "unet-2d-none", "setting": "baseline-heart-0", "labels": {"1": "left"}}
IMAGES = [Source(name, (Path(f"in/{name}.mha"),)) for name in "abc"]


def start(folder, sources=IMAGES, settings=SETTINGS, **options):
    """The names that are left to do."""
    return "".join(source.name for source in open_output(folder, sources, settings, RUN, **options))


def write(folder, names, settings=SETTINGS, value=1):
    for source in IMAGES:
        if source.name in names:
            write_result(folder, source, settings, sitk.Image(2, 2, 2, sitk.sitkUInt8) + value)


@pytest.fixture
def done(tmp_path):
    """A folder with all three images done."""
    assert start(tmp_path) == "abc"
    write(tmp_path, "abc")
    return tmp_path


def refused(*args, **options):
    with pytest.raises(BadInput) as error:
        start(*args, **options)
    return str(error.value)


def test_what_is_done_alike_is_kept_and_what_is_missing_is_left_to_do(done):
    assert start(done) == ""
    result_path(done, "b").unlink()
    assert start(done) == "b"


def test_the_record_says_how_each_result_was_made_and_what_the_ids_mean(done):
    record = json.loads((done / "predict.json").read_text())
    assert record["runs"]["aa"]["labels"] == {"1": "left"}
    entry = record["images"]["a"]
    assert entry.pop("source") == [str(Path("in/a.mha").absolute())]
    assert entry == {
        "done": True,
        "weights_sha256": "aa",
        "epoch": 4,
        "flips": "",
        "window": [4, 16, 16],
        "overlap": 0.25,
        "precision": "fp32",
        "allow_gaps": False,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights_sha256": "bb"}, "other weights"),
        ({"epoch": 5, "weights_sha256": "bb"}, "epoch 4 (now 5)"),
        ({"flips": "hw"}, "flips '' (now 'hw')"),
        ({"precision": "bf16"}, "precision 'fp32' (now 'bf16')"),
        ({"window": (8, 16, 16)}, "window [4, 16, 16] (now [8, 16, 16])"),
    ],
)
def test_a_folder_of_other_weights_or_settings_is_refused_and_left_as_it_is(done, change, words):
    before = {path: path.read_bytes() for path in done.iterdir()}
    other = replace(SETTINGS, **change)
    message = refused(done, settings=other)
    assert "holds the work of baseline-heart-0/unet-2d-none epoch 4" in message
    assert words in message and "--overwrite" in message
    # Images of other names would stand beside them just as confusingly.
    refused(done, [Source("new", (Path("in/new.mha"),))], other)
    assert {path: path.read_bytes() for path in done.iterdir()} == before


def test_allow_gaps_keeps_results_that_needed_none(done):
    filled = replace(SETTINGS, allow_gaps=True)
    assert start(done, settings=filled) == ""
    write(done, "a", filled)
    assert "allow_gaps True (now False)" in refused(done)


def test_a_result_of_another_image_of_the_same_name_is_refused(done):
    message = refused(done, [Source("a", (Path("elsewhere/a.mha"),))])
    assert "a.nii.gz was made from" in message and "elsewhere/a.mha" in message


def test_a_result_without_a_record_is_refused(tmp_path):
    result_path(tmp_path, "a").write_bytes(b"mine")
    assert "does not say by what it was made" in refused(tmp_path)
    # What MOS wrote before it kept entries.
    (tmp_path / "predict.json").write_text('{"run": "x", "setting": "y", "epoch": 3}')
    assert "does not say by what it was made" in refused(tmp_path)
    assert start(tmp_path, overwrite=True) == "abc"


def test_a_kill_between_writing_an_image_and_saying_so_makes_it_again(tmp_path):
    start(tmp_path)
    write(tmp_path, "a")
    result_path(tmp_path, "b").write_bytes(b"whole, but nobody said so")
    assert start(tmp_path) == "bc"


def test_an_interrupted_overwrite_leaves_no_old_result_looking_done(done):
    assert start(done, overwrite=True) == "abc"
    write(done, "a", value=2)
    assert start(done) == "bc", "and goes on without --overwrite"
    other = replace(SETTINGS, epoch=5)
    start(done, settings=other, overwrite=True)
    write(done, "a", other)
    assert start(done, settings=other) == "bc"
    assert "epoch 5" in refused(done)


def test_what_overwrite_leaves_of_other_settings_is_said(done, capsys):
    assert start(done, IMAGES[:1], replace(SETTINGS, epoch=5), overwrite=True) == "a"
    assert "2 results of other settings stay, such as b.nii.gz" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ['{"images": {"a"', "[]", '{"images": []}', '{"images": {"a": 1}}', "é"]
)
def test_a_broken_record_is_refused_by_name(done, text):
    (done / "predict.json").write_text(text, encoding="latin-1")
    assert f"{done / 'predict.json'}: cannot be read" in refused(done)


def test_two_processes_on_one_folder_keep_each_others_entries(tmp_path):
    start(tmp_path, IMAGES[:1])
    start(tmp_path, IMAGES[1:])
    write(tmp_path, "a")
    write(tmp_path, "bc")
    assert all(entry["done"] for entry in read_outputs(tmp_path)["images"].values())


def test_leftovers_of_a_killed_process_are_swept_away(done):
    dead, living = done / ".tmp-99999999-b.nii.gz", done / f".tmp-{os.getpid()}-b.nii.gz"
    for path in (dead, living):
        path.write_bytes(b"half")
    start(done)
    assert not dead.exists() and living.exists()


def test_an_image_is_never_replaced_by_its_segmentation(tmp_path):
    source = Source("a", (tmp_path / "a.nii.gz",))
    assert "overwritten by its own segmentation" in refused(tmp_path, [source], overwrite=True)


def test_a_file_for_a_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    assert "out: cannot be made" in refused(tmp_path / "out")
