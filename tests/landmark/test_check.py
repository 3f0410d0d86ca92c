"""cmd/check says what is in a file, and refuses what must not be."""

import pytest
import torch

from mos.errors import BadInput
from run.landmark.cmd.check import main
from run.landmark.phantom import ensure


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path))
    return ensure("phantom-tiny")


def test_a_file_is_described_by_name_and_by_path(tiny, capsys):
    main(["phantom-tiny", str(tiny)])
    said = capsys.readouterr().out
    assert said.count("1 channel(s), 64 x 52 pixels (h x w), 19 points") == 2
    assert "test: 3 pictures of 3 patients" in said
    assert "1 sella: in 12 of 12, on average at x" in said
    assert "no patient in two splits; no picture in two splits" in said


def test_a_picture_in_two_splits_is_refused(tiny):
    content = torch.load(tiny, weights_only=True)
    content["valid"][0] = content["train"][3]
    torch.save(content, tiny)
    with pytest.raises(BadInput, match="in train and .* in valid are the same picture"):
        main(["phantom-tiny"])


def test_it_wants_a_name_and_says_what_there_is(tiny):
    with pytest.raises(BadInput, match="name a file: .scripts/landmark/cmd/check ceph-0"):
        main([])
    with pytest.raises(BadInput, match="there are: phantom-tiny"):
        main(["heads-0"])
