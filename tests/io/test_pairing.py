"""Names tell files apart, or the files are refused."""

from pathlib import Path

import pytest

from mos.errors import BadInput
from mos.io.pairing import names_of


def test_files_go_by_their_name_without_suffix():
    assert names_of([Path("x/a.nii.gz"), Path("x/b.mha")]) == {
        "a": Path("x/a.nii.gz"),
        "b": Path("x/b.mha"),
    }


def test_files_of_one_name_go_by_their_folders():
    files = [Path("x/p1/scan.nii"), Path("x/p2/scan.nii")]
    assert names_of(files) == {"p1/scan": files[0], "p2/scan": files[1]}


@pytest.mark.parametrize("other", [(), ("y/a.nii",)])
def test_two_files_that_differ_in_their_suffix_alone_are_refused(other):
    files = [Path(name) for name in ("x/a.nii", "x/a.nii.gz", *other)]
    with pytest.raises(
        BadInput, match=r"x/a\.nii and a\.nii\.gz: two files of one name.*\*\.nii\.gz"
    ):
        names_of(files)


def test_a_file_matched_twice_is_one_file():
    assert names_of([Path("x/a.nii"), Path("x/a.nii")]) == {"a": Path("x/a.nii")}
