"""Files are whole or not there, and an old one stays until the new one is."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mos.errors import BadInput
from mos.files import atomic_path, link, sweep_temporaries, write_json, write_text

PROJECT = Path(__file__).resolve().parent.parent


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_with(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def test_the_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half" and names(tmp_path) == ["a.txt"]


def test_the_temporary_name_keeps_the_suffix_that_image_writers_go_by(tmp_path):
    with atomic_path(tmp_path / "volume.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz") and temporary.parent == tmp_path
        temporary.write_text("")


def test_missing_folders_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "ä")
    assert (tmp_path / "a" / "b" / "c.txt").read_text(encoding="utf-8") == "ä"


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), ValueError("x")])
def test_the_old_file_stays_when_writing_fails(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)):
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("call", ["mos.files.os.replace", "mos.files.os.fsync"])
def test_a_full_disk_is_said_as_such_and_the_old_file_stays(tmp_path, monkeypatch, call):
    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(call, fail_with(errno.ENOSPC))
    with pytest.raises(BadInput, match="a.txt: the disk is full.*MOS_CHECKPOINT"):
        write_text(path, "new")
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_writer_with_errors_of_its_own_kind_can_meet_a_full_disk(tmp_path):
    class WriterError(Exception):
        pass

    with pytest.raises(BadInput, match="the disk is full"):
        with atomic_path(tmp_path / "a.txt"):
            raise WriterError("I/O error: No space left on device (os error 28)")


def test_a_message_for_the_user_passes_through(tmp_path):
    with pytest.raises(BadInput, match="^mine$"):
        with atomic_path(tmp_path / "a.txt"):
            raise BadInput("mine")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("mos.files.os.replace", fail_with(errno.EACCES))
    with pytest.raises(BadInput, match="a.txt: cannot be written: Permission denied"):
        write_text(tmp_path / "a.txt", "new")


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/a.txt: cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "new")


def test_json_has_no_word_for_nan(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, "ü"]})
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"a": [1, "ü"]}


def test_a_link_is_relative_and_replaced_at_once(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    link("one", tmp_path / "latest")
    link("two", tmp_path / "latest")
    assert os.readlink(tmp_path / "latest") == "two"
    assert names(tmp_path) == ["latest", "one", "two"]


def test_a_link_on_a_full_disk_says_so_and_keeps_the_old_one(tmp_path, monkeypatch):
    link("one", tmp_path / "latest")
    monkeypatch.setattr("mos.files.os.replace", fail_with(errno.ENOSPC))
    with pytest.raises(BadInput, match="latest: the disk is full"):
        link("two", tmp_path / "latest")
    assert os.readlink(tmp_path / "latest") == "one"


def killed_while_writing(path):
    """A process that died in the middle of a file."""
    program = (
        "import os, sys; from pathlib import Path; from mos.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=PROJECT, check=False)


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path):
    killed_while_writing(tmp_path / "big.pt")
    (tmp_path / ".tmp-999999999-older-version.pt").write_text("half")
    assert len(names(tmp_path)) == 2 and not (tmp_path / "big.pt").exists()
    sweep_temporaries(tmp_path)
    assert names(tmp_path) == []
    sweep_temporaries(tmp_path / "nowhere")


def test_what_a_living_process_or_somebody_else_writes_is_left_alone(tmp_path):
    for name in (".tmp-999999999@elsewhere-a.pt", ".tmp-notes", "data.pt"):
        (tmp_path / name).write_text("")
    with atomic_path(tmp_path / "mine.pt") as temporary:
        temporary.write_text("")
        sweep_temporaries(tmp_path)
        assert temporary.exists() and len(names(tmp_path)) == 4


def test_after_a_day_without_a_write_another_hosts_process_counts_as_gone(tmp_path):
    left = tmp_path / ".tmp-1@elsewhere-a.pt"
    left.write_text("")
    os.utime(left, (1, 1))
    sweep_temporaries(tmp_path)
    assert names(tmp_path) == []
