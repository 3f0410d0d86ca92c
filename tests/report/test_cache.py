"""The cache saves work and never changes a number: whatever happens to files, entries, or itself."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.report.made_up_runs import FOLDS, build_tree, change_record, write_metrics, write_run

from mos.report import cache as module
from mos.report import cache_key, command
from mos.report.analysis import Analysis, analyse
from mos.report.cache import Cache
from mos.report.collect import collect
from mos.report.remembered import to_plain
from mos.report.table import overview, per_fold, per_label
from run.baseline.cmd import summary

LONG_AGO = 1_700_000_000


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """As if all files had been written long ago."""
    monkeypatch.setattr(module, "SETTLED_SECONDS", -3600.0)


def said(cache, root):
    """All that a report would say, as text that differs if a number does."""
    collection = collect(root, "baseline", cache)
    analysis = analyse(collection)
    tables = overview(collection), per_label(collection), per_fold(collection)
    assert isinstance(analysis, Analysis)
    logs = [dict(run.log) for run in collection.runs]
    whole = to_plain((tables, analysis, collection.notices, logs))
    return json.dumps(whole), collection.rows.to_csv()


def summarise(folder, root):
    cache = Cache(folder, "a tree")
    found = said(cache, root)
    assert cache.save() == ""
    return found


def counted(cache, path, reads, pack="p"):
    def read(path):
        reads.append(path.name)
        return path.read_bytes()

    return cache.read_file(path, pack, read)


def test_a_summary_from_the_cache_says_what_one_without_says(tmp_path):
    root = build_tree(tmp_path / "runs")
    fresh = said(Cache(None), root)
    first, second = (summarise(tmp_path / "kept", root) for _ in range(2))
    assert first == fresh and second == fresh


def test_the_second_summary_reads_no_metric_file(tmp_path, monkeypatch):
    root = build_tree(tmp_path / "runs")
    summarise(tmp_path / "kept", root)
    monkeypatch.setattr("mos.report.collect.read_rows", lambda path: pytest.fail(f"read {path}"))
    monkeypatch.setattr("mos.report.run_record.read_log", lambda path: pytest.fail(f"read {path}"))
    summarise(tmp_path / "kept", root)


def test_one_new_epoch_is_all_that_is_read_again(tmp_path, monkeypatch):
    root = tmp_path / "runs"
    for name in ("unet-2d-none", "unet-3d-none"):
        write_run(root, name)
    summarise(tmp_path / "kept", root)
    folder = root / "baseline-demo-0" / "unet-3d-none"
    write_metrics(folder / "epoch-0007" / "test-metrics.pt", FOLDS["0"], [0.9] * 4, {})
    (folder / "best").unlink()
    (folder / "best").symlink_to("epoch-0007")
    read = []
    original = module.Cache.read_parts

    def watched(self, path, pack, reader):
        def seen(path):
            read.append("/".join(path.parts[-2:]))
            return reader(path)

        return original(self, path, pack, seen)

    monkeypatch.setattr(module.Cache, "read_parts", watched)
    kept = summarise(tmp_path / "kept", root)
    assert read == ["epoch-0007/test-metrics.pt"]
    assert kept == said(Cache(None), root)


def test_a_file_of_the_same_size_and_time_but_other_content_is_read_anew(tmp_path):
    """A copy with its times kept, as rsync and tar leave it, has another change time and inode."""
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    reads = []
    assert counted(Cache(tmp_path / "kept"), path, reads) == b"one"
    cache = Cache(tmp_path / "kept")
    counted(cache, path, reads)
    cache.save()
    other.write_bytes(b"two")
    os.utime(other, (LONG_AGO, LONG_AGO))
    os.replace(other, path)
    assert counted(Cache(tmp_path / "kept"), path, reads) == b"two"
    path.write_bytes(b"six")
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert counted(Cache(tmp_path / "kept"), path, reads) == b"six"


def test_a_file_written_just_now_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SETTLED_SECONDS", 3.0)
    path, reads = tmp_path / "a", []
    path.write_bytes(b"one")
    for _ in range(2):
        cache = Cache(tmp_path / "kept")
        counted(cache, path, reads)
        cache.save()
    assert reads == ["a", "a"]
    monkeypatch.setattr(time, "time", lambda: os.stat(path).st_mtime + 4)
    for _ in range(2):
        cache = Cache(tmp_path / "kept")
        counted(cache, path, reads)
        cache.save()
    assert reads == ["a", "a", "a"]


def test_other_code_trusts_nothing(tmp_path, monkeypatch):
    path, reads = tmp_path / "a", []
    path.write_bytes(b"one")
    for version in ("old code", "new code", "new code"):
        monkeypatch.setattr("mos.report.cache_pack.code_version", lambda: version)
        cache = Cache(tmp_path / "kept")
        counted(cache, path, reads)
        cache.save()
    assert reads == ["a", "a"]


def test_the_code_version_knows_the_report_its_templates_and_its_packages(tmp_path, monkeypatch):
    copy = tmp_path / "mos" / "report"
    shutil.copytree(Path(cache_key.__file__).parent, copy)
    monkeypatch.setattr(cache_key, "__file__", str(copy / "cache_key.py"))
    versions = [cache_key.code_version.__wrapped__()]
    for name in ("rows.py", "templates/page.html.j2", "style.css"):
        with open(copy / name, "a") as file:
            file.write("\n")
        versions.append(cache_key.code_version.__wrapped__())
    monkeypatch.setattr(cache_key, "version", lambda name: "0.0")
    versions.append(cache_key.code_version.__wrapped__())
    assert len(set(versions)) == 5


@pytest.mark.parametrize("place", [0, 3, 40, -1])
def test_a_damaged_pack_is_read_around(tmp_path, place):
    root = tmp_path / "runs"
    write_run(root, "unet-2d-none")
    fresh = summarise(tmp_path / "kept", root)
    packs = sorted((tmp_path / "kept").rglob("*.pack"))
    assert packs
    for pack in packs:
        content = bytearray(pack.read_bytes())
        content[place] ^= 0xFF
        pack.write_bytes(content)
    assert summarise(tmp_path / "kept", root) == fresh
    for pack in packs:
        pack.write_bytes(pack.read_bytes()[:-20])
    assert summarise(tmp_path / "kept", root) == fresh
    shutil.rmtree(tmp_path / "kept")
    assert summarise(tmp_path / "kept", root) == fresh


def test_a_broken_file_is_remembered_as_broken_until_it_is_mended(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "runs", "unet-2d-none")
    path = folder / "epoch-0005" / "test-metrics.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    first = summarise(tmp_path / "kept", tmp_path / "runs")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("read again"))
    assert summarise(tmp_path / "kept", tmp_path / "runs") == first
    assert "epoch-0005/test-metrics.pt is left out" in first[0]
    path.write_bytes(whole)
    assert "is left out" not in summarise(tmp_path / "kept", tmp_path / "runs")[0]


def test_what_is_gone_leaves_the_cache(tmp_path):
    paths, reads = [tmp_path / name for name in "ab"], []
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    for kept in (paths, paths[:1]):
        cache = Cache(tmp_path / "kept")
        for path in kept:
            counted(cache, path, reads, pack=path.name)
        cache.save()
    assert sum(pack.stat().st_size for pack in (tmp_path / "kept").rglob("*.pack")) < 2000


def test_two_trees_summarised_into_one_folder_keep_their_own(tmp_path):
    path, reads = tmp_path / "a", []
    path.write_bytes(b"one")
    for scope in ("one tree", "another", "one tree"):
        cache = Cache(tmp_path / "kept", scope)
        counted(cache, path, reads)
        cache.save()
    assert reads == ["a", "a"]


def test_summaries_at_once_do_not_disturb_each_other(tmp_path, monkeypatch):
    # Threads stand for processes: temporary files are named by the process that writes them.
    monkeypatch.setattr(os, "getpid", threading.get_native_id)
    root = build_tree(tmp_path / "runs")
    fresh, found = said(Cache(None), root), []

    def work():
        found.append(summarise(tmp_path / "kept", root))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [fresh] * 3
    assert summarise(tmp_path / "kept", root) == fresh
    assert not [path for path in (tmp_path / "kept").rglob(".tmp*")]


def test_what_another_summary_is_writing_stays(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    cache = Cache(tmp_path / "kept")
    folder = cache.folder
    folder.mkdir(parents=True)
    host = socket.gethostname().replace("-", "_")
    theirs, old = folder / f".tmp-{os.getppid()}@{host}-1234.pack", folder / "1234.pack"
    for path in (theirs, old):
        path.write_bytes(b"half")
    counted(cache, tmp_path / "a", [])
    assert cache.save() == "" and theirs.exists() and not old.exists()


def test_a_folder_that_cannot_be_written_to_is_told_and_harms_nothing(tmp_path):
    (tmp_path / "kept").write_text("a file stands in the way")
    (tmp_path / "a").write_bytes(b"one")
    cache = Cache(tmp_path / "kept")
    assert counted(cache, tmp_path / "a", []) == b"one"
    assert "cannot be kept" in cache.save()


@pytest.mark.parametrize(
    "one, other",
    [
        (["ab", "c"], ["a", "bc"]),
        (["1"], [b"1"]),
        ([np.array([1, 2])], [np.array([[1, 2]])]),
        ([np.array([1, 2])], [np.array([1.0, 2.0])]),
        ([np.array([0.1])], [np.array([0.1 + 1e-16])]),
        ([], [""]),
    ],
)
def test_inputs_that_differ_are_not_confused(one, other):
    cache = Cache(None)
    assert cache.remember("x", one, lambda: "first") == "first"
    assert cache.remember("x", other, lambda: "second") == "second"
    again = [part.copy() if isinstance(part, np.ndarray) else part for part in one]
    assert cache.remember("x", again, lambda: "third") == "first"
    assert cache.remember("y", one, lambda: "fourth") == "fourth"


def test_numbers_come_back_to_the_last_bit(tmp_path):
    numbers = [0.1 + 0.2, 1e-308, -0.0, float("inf"), 2**60]
    for _ in range(2):
        cache = Cache(tmp_path / "kept")
        found = cache.remember("x", [], lambda: numbers)
        cache.save()
    assert [json.dumps(n) for n in found] == [json.dumps(n) for n in numbers]


def test_an_array_of_objects_has_no_bytes_to_compare():
    with pytest.raises(TypeError, match="objects"):
        Cache(None).remember("x", [np.array(["a", None], dtype=object)], lambda: 1)


def files_of(root, output, *words):
    """What cmd/summary writes, by name; the time of writing left out."""
    summary.main(["--checkpoint_folder", str(root), "--output_folder", str(output), *words])
    paths = [p for p in output.rglob("*") if p.is_file() and ".cache" not in p.parts]
    return {str(p.relative_to(output)): p.read_bytes() for p in paths}


class Noon:
    """A clock that stands still."""

    @staticmethod
    def now():
        return datetime(2026, 1, 1, 12)


def test_every_file_of_a_second_summary_is_that_of_a_first_one_byte_by_byte(tmp_path, monkeypatch):
    """After one new epoch, after one that is the best, after a finished run, after a run that is gone."""
    monkeypatch.setattr(command, "datetime", Noon)
    root = build_tree(tmp_path / "runs")
    folder = root / "baseline-demo-0" / "unet-2d-none"

    def nothing():
        pass

    def epoch():
        line = {"epoch": 7, "stage": "valid", "dice": 0.1, "loss": 1.0}
        with open(folder / "metric.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        write_metrics(folder / "epoch-0007" / "test-metrics.pt", FOLDS["0"], [0.9] * 4, {})

    def best():
        (folder / "best").unlink()
        (folder / "best").symlink_to("epoch-0007")

    def finished():
        change_record(root / "baseline-demo-1" / "resunet-3d-none", finished="today", note="x")

    def gone():
        shutil.rmtree(folder)

    for change in (nothing, nothing, epoch, best, finished, gone):
        change()
        kept = files_of(root, tmp_path / "kept")
        fresh = files_of(root, tmp_path / f"fresh-{change.__name__}", "--use_cache=false")
        assert kept.keys() == fresh.keys()
        assert [name for name in kept if kept[name] != fresh[name]] == [], change.__name__


def test_what_somebody_did_to_an_output_is_undone(tmp_path):
    root = build_tree(tmp_path / "runs")
    before = files_of(root, tmp_path / "kept")
    (tmp_path / "kept" / "cases.csv").write_text("a note\n")
    (tmp_path / "kept" / "ranking.csv").unlink()
    (tmp_path / "kept" / "epochs.parquet").unlink()
    after = files_of(root, tmp_path / "kept")
    named = "cases.csv", "cases.parquet", "ranking.csv", "epochs.csv", "epochs.parquet"
    assert all(after[name] == before[name] for name in named)


def test_a_summary_in_which_no_score_is_new_needs_neither_pandas_nor_scipy(tmp_path):
    root = build_tree(tmp_path / "runs")
    code = (
        "import sys; from mos.report import cache; cache.SETTLED_SECONDS = -3600.0; "
        "from run.baseline.cmd.summary import main; main(sys.argv[1:]); "
        "print(sorted({'pandas', 'scipy.special', 'torch'} & sys.modules.keys()))"
    )
    said = []
    for again in range(3):
        if again == 2:  # an epoch that is not the best
            with open(root / "baseline-demo-0" / "unet-2d-none" / "metric.jsonl", "a") as file:
                file.write(json.dumps({"epoch": 7, "stage": "valid", "dice": 0.1}) + "\n")
        command = [sys.executable, "-c", code, "--checkpoint_folder", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        said.append(done.stdout.splitlines()[-1])
    assert said[1:] == ["[]"] * 2 and "pandas" in said[0]
