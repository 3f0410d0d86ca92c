"""`run.json`: read back, hashed, refused when broken."""

import hashlib
import json
import os
import socket

import pytest

from mos.engine import record
from mos.errors import BadInput


def test_a_record_is_read_back_and_a_new_run_has_none(tmp_path):
    assert record.read_record(tmp_path) == {}
    record.write_record(tmp_path, {"name": "ünet", "finished": None})
    assert record.read_record(tmp_path) == {"name": "ünet", "finished": None}


@pytest.mark.parametrize("text", ["", "{", "no json"])
def test_a_broken_record_is_refused_by_name(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(BadInput, match="run.json: is not readable JSON"):
        record.read_record(tmp_path)


def test_the_surroundings_say_where_and_with_what(monkeypatch):
    about = record.surroundings()
    assert (about["host"], about["pid"]) == (socket.gethostname(), os.getpid())
    assert about["versions"]["torch"][0].isdigit() and about["finished"] is None
    json.dumps(about, allow_nan=False)


def test_a_file_is_known_by_its_hash(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"abc")
    assert record.file_hash(path) == hashlib.sha256(b"abc").hexdigest()


def test_of_a_huge_file_size_ends_and_blocks_are_hashed(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "HASH_WHOLE", 1000)
    monkeypatch.setattr(record, "BLOCK", 10)
    path = tmp_path / "a.pt"
    seen = set()
    for change in (None, 0, 4999):
        data = bytearray(5000)
        if change is not None:
            data[change] = 1
        path.write_bytes(data)
        seen.add(record.file_hash(path))
    path.write_bytes(bytes(5001))
    seen.add(record.file_hash(path))
    assert len(seen) == 4 and all(one.startswith("blocks-") for one in seen)
