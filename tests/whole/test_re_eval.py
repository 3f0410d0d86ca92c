"""cmd/re_eval and cmd/zeroshot on a stored run: old files completed, kills, locks, changed data."""

import json
import os
import shutil
import signal
import time

import pytest
import torch
from tests.whole.conftest import UNET2D, Press, assert_equal, end, told
from tests.report.opened_page import whole

from mos.data.bundle import content_hash, open_bundle
from mos.engine.lock import RunLock

RE_EVAL, ZEROSHOT = "baseline/cmd/re_eval", "baseline/cmd/zeroshot"
NEW = ("nsd", "precision", "recall", "volume_error")
ONE = ("--jobs", "1", "--device", "cpu")


@pytest.fixture
def press(trained, tmp_path) -> Press:
    """A copy of the trained run, in a tree of its own."""
    shutil.copytree(trained.folder, tmp_path / "checkpoint", symlinks=True)
    return Press(trained.python, trained.cache, tmp_path / "checkpoint")


def tables(run) -> dict[str, dict]:
    files = sorted(f for name in ("valid", "test") for f in run.glob(f"epoch-*/{name}-metrics.pt"))
    return {str(f.relative_to(run)): torch.load(f, weights_only=True) for f in files}


def make_old(run) -> None:
    """Takes the newer metrics out of a run's files, as if it had been scored before there were any."""
    for name, table in tables(run).items():
        gone = [key for key in table if any(new in key for new in NEW)]
        assert len(gone) == 2 * len(NEW) + 1  # and raw_nsd_tolerance
        torch.save({k: v for k, v in table.items() if k not in gone}, run / name)


def has_weights(run, name) -> bool:
    return (run / name).with_name("weights.safetensors").exists()


def test_a_metric_added_later_appears_in_an_old_run_and_old_files_stay_once(press, trained):
    run = press.run()
    make_old(run)
    before = {name: (run / name).read_bytes() for name in tables(run)}
    log = (run / "metric.jsonl").read_bytes()
    pressed = press(RE_EVAL, "complete", *ONE)
    wanted = tables(trained.run())
    kept = [name for name in wanted if has_weights(run, name)]
    assert kept and len(kept) < len(wanted), "some epochs are thinned out, and some are not"
    assert f"{len(kept)} files scored with their weights" in pressed.stdout
    assert f"{len(wanted) - len(kept)} filled in from stored counts" in pressed.stdout
    assert f"the dice of {len(kept)} of {len(kept)} files is the stored one" in pressed.stdout
    assert "still missing: nsd of " in pressed.stdout and "no weights" in pressed.stdout
    for name, table in tables(run).items():
        expected = wanted[name]
        if name not in kept:  # distances cannot be had from counts
            expected = {k: v for k, v in expected.items() if "nsd" not in k}
        assert table.keys() == expected.keys()
        assert_equal({k: table[k] for k in expected}, expected, name)
        assert (run / f"{name}.bk").read_bytes() == before[name]
    assert (run / "metric.jsonl").read_bytes() == log
    assert "re-evaluate" not in press("baseline/cmd/summary").stderr
    page = whole(press.folder / "summary" / "result.html")
    assert "Volume error ↓" in page and "NSD ↑" in page and "re_eval complete" not in page

    times = {f: f.stat().st_mtime_ns for f in run.glob("epoch-*/*")}
    again = press(RE_EVAL, "complete", *ONE)
    assert "0 files scored with their weights, 0 filled in" in again.stdout
    assert {f: f.stat().st_mtime_ns for f in run.glob("epoch-*/*")} == times


def test_a_launcher_scores_its_own_run_again_and_does_not_train(press):
    run = press.run()
    make_old(run)
    pressed = press(UNET2D, "--re_eval", "complete", COUNT="9")
    assert "re_eval complete: " in pressed.stdout and "scored with their weights" in pressed.stdout
    assert "nsd" in torch.load(run / "best" / "test-metrics.pt")
    assert not (run / "epoch-0005").exists()


def test_a_killed_force_goes_on_and_gives_the_same(press, trained):
    run = press.run()
    process = press.begin(RE_EVAL, "force", *ONE)
    journal = lambda: list(press.folder.glob(".re_eval-force-*.json"))  # noqa: E731
    while process.poll() is None and not journal():
        time.sleep(0.002)
    with RunLockReader(run) as pid:
        if pid:
            os.kill(pid, signal.SIGKILL)
    end(process)
    interrupted = bool(journal())
    pressed = press(RE_EVAL, "force", *ONE)
    assert ("going on with an interrupted force" in pressed.stdout) == interrupted
    assert not journal()
    for name, table in tables(run).items():
        assert_equal(table, tables(trained.run())[name], name)
        assert (run / f"{name}.bk").exists() == has_weights(run, name)
    assert not [f for f in run.rglob("*") if ".tmp" in f.name or f.name == "run.lock"]
    assert "0 files scored" in press(RE_EVAL, "normal", *ONE).stdout


class RunLockReader:
    """The process that holds a run's lock, or None."""

    def __init__(self, run):
        self.path = run / "run.lock"

    def __enter__(self):
        try:
            return json.loads(self.path.read_text())["pid"]
        except FileNotFoundError:
            return None

    def __exit__(self, *_):
        pass


def test_a_run_in_training_is_skipped_and_one_on_changed_data_refused(press, tmp_path):
    make_old(press.run())
    other = press.folder / "baseline-phantom-tiny" / "unet-2d-none[other]"
    shutil.copytree(press.run(), other, symlinks=True)
    record = json.loads((other / "run.json").read_text())
    record["dataset"]["sha256"] = "0" * 64
    (other / "run.json").write_text(json.dumps(record))
    with RunLock(press.run()):
        pressed = press(RE_EVAL, "complete", *ONE, code=2)
    assert "skipped: " in pressed.stdout and "in use by process" in pressed.stdout
    assert "has changed since" in told(pressed) and "[other]" in told(pressed)
    assert "still missing: nsd of " in pressed.stdout
    # Counts need no dataset.
    assert all("recall" in table for table in tables(other).values())
    assert all("recall" not in table for table in tables(press.run()).values())


def test_scores_that_cannot_be_repeated_are_said_and_not_mixed(press):
    run = press.run()
    make_old(run)
    path = run / "latest" / "test-metrics.pt"
    table = torch.load(path)
    table["raw_dice"][:, 1:] += 0.1
    torch.save(table, path)
    message = told(press(RE_EVAL, "complete", *ONE, code=2))
    assert "CHANGED: " in message and "left as it is" in message
    assert "nsd" not in torch.load(path)
    message = told(press(RE_EVAL, "force", *ONE, code=2))
    assert "the new scores are stored, the old ones in .bk" in message
    assert "nsd" in torch.load(path)


def test_zero_shot_sets_stand_side_by_side_beside_the_epoch_and_in_the_report(press):
    run = press.run()
    pressed = press(ZEROSHOT, "--zeroshot_dataset", "phantom-tiny-zeroshot", *ONE)
    assert "zero-shot: 1 sets of epochs scored, 0 were there already" in pressed.stdout
    press(ZEROSHOT, "--zeroshot_dataset", "phantom-tiny-zeroshot,phantom-tiny-aux", *ONE)
    table = torch.load(run / "best" / "zeroshot-metrics.pt", weights_only=True)
    sets = {"phantom-tiny-zeroshot": 9, "phantom-tiny-aux": 16}
    assert {name: table["set"].count(name) for name in sets} == sets
    cache = press.cache / "dataset" / "baseline"
    for name, kind, volumes, labels in (
        ("phantom-tiny-zeroshot", "zeroshot", "crop3d", [1, 2, 3, 4]),
        ("phantom-tiny-aux", "aux", "train3d", [2, 3, 4]),
    ):
        bundle = open_bundle(cache / f"baseline-{name}.pt", kind)
        rows = [row for row, one in enumerate(table["set"]) if one == name]
        assert [table["case"][row] for row in rows] == [c.id for c in bundle.cases[volumes]]
        about = {"sha256": content_hash(bundle), "labels": labels, "volumes": volumes}
        assert table["sets"][name] == about
        scored = (~table["raw_tp"][rows].isnan()).any(0)
        assert scored.nonzero().flatten().tolist() == labels
    before = (run / "best" / "zeroshot-metrics.pt").read_bytes()
    assert (
        "0 sets of epochs scored, 1 were there"
        in press(ZEROSHOT, "--zeroshot_dataset", "phantom-tiny-aux", *ONE).stdout
    )
    assert (run / "best" / "zeroshot-metrics.pt").read_bytes() == before
    said = press("baseline/cmd/summary").stdout
    assert "zero-shot beside the own test" in said and "phantom-tiny-aux" in said
    assert (press.folder / "summary" / "zeroshot.csv").exists()


def test_what_is_no_zero_shot_is_refused_for_a_named_run(press):
    named = ("--run", press.run(), *ONE)
    message = told(press(ZEROSHOT, "--zeroshot_dataset", "phantom-tiny", *named, code=2))
    assert "is the main dataset of this run" in message
    message = told(press(ZEROSHOT, "--zeroshot_dataset", "phantom-tiny-pseudo", *named, code=2))
    assert "annotates nothing" in message
    message = told(
        press(ZEROSHOT, "--zeroshot_dataset", "phantom-tiny-aux", "--epoch", "77", *named, code=2)
    )
    assert "epochs with weights: " in message
