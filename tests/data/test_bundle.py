"""Opening a dataset file: what it promises is checked, and a broken promise is named."""

import json
import re
from pathlib import Path

import pytest
import torch

from mos.data.bundle import content_hash, load_content, open_bundle
from mos.errors import BadInput

COUNTS = {"train3d": 3, "valid3d": 1, "test3d": 2}


def case(split, row, **changes):
    name = f"{split.removesuffix('3d')}{row}"
    known = {"id": f"{name}_a", "patient": name, "spacing": [8, 1.5, 1.5]}
    return known | {"box": [[0, 4], [0, 6], [0, 5]]} | changes


def content(**changes):
    """A whole main file: 4 slices of 6 x 5 pixels, two labels; changes replace keys, None removes one."""
    random = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randint(0, 3, (n, 2, 4, 6, 5), generator=random, dtype=torch.uint8)
        for name, n in COUNTS.items()
    }
    axes = {f"{name}axis": torch.arange(4.0).mul(8).repeat(n, 1) for name, n in COUNTS.items()}
    manifest = {
        "labels": {"0": "background", "1": "left", "2": "right"},
        "annotated": [1, 2],
        "cases": {name: [case(name, row) for row in range(n)] for name, n in COUNTS.items()},
        "train2d": [[0, 1], [0, 2], [2, 3]],
    }
    made = tensors | axes | {"train2d": tensors["train3d"][[0, 0, 2], :, [1, 2, 3]]}
    made |= {"manifest": manifest} | changes
    return {key: value for key, value in made.items() if value is not None}


def write(path: Path, made) -> Path:
    if isinstance(made, dict) and isinstance(made.get("manifest"), dict):
        made = made | {"manifest": json.dumps(made["manifest"])}
    torch.save(made, path)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "baseline-toy-0.pt"


def with_manifest(**changes):
    return content(manifest=content()["manifest"] | changes)


def with_case(name="train3d", row=0, **changes):
    cases = content()["manifest"]["cases"]
    cases[name][row] |= changes
    return with_manifest(cases=cases)


def refusal(path, *args, **kwargs):
    with pytest.raises(BadInput) as refused:
        open_bundle(path, *args, **kwargs)
    message = str(refused.value)
    assert str(path) in message and "\n" not in message
    return message


def test_a_whole_file_opens_with_its_cases(path):
    bundle = open_bundle(write(path, content()))
    assert bundle.channels == 1
    assert bundle.label_names == {0: "background", 1: "left", 2: "right"}
    first = bundle.cases["train3d"][0]
    assert (first.id, first.patient, first.spacing) == ("train0_a", "train0", (8, 1.5, 1.5))
    assert first.box == ((0, 4), (0, 6), (0, 5))
    assert bundle.slices == ((0, 1), (0, 2), (2, 3))
    assert [len(bundle.cases[name]) for name in COUNTS] == [3, 1, 2]


def test_opening_maps_the_voxels_instead_of_reading_them(path):
    made = content(train3d=torch.zeros(3, 2, 4, 600, 500, dtype=torch.uint8), manifest=None)
    bundle = open_bundle(write(path, made))
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("asks /proc which files are mapped")
    start = bundle.tensors["train3d"].data_ptr()
    for line in maps.read_text().splitlines():
        low, high = (int(part, 16) for part in line.split()[0].split("-"))
        if low <= start < high:
            assert line.endswith(path.name)
            return
    pytest.fail("the voxels are in no mapping")


def test_a_file_without_a_manifest_opens_with_made_up_names(path):
    bundle = open_bundle(write(path, content(manifest=None)))
    assert len({one.id for cases in bundle.cases.values() for one in cases}) == 6
    assert re.fullmatch("train-[0-9a-f]{10}", bundle.cases["train3d"][0].id)
    assert {one.spacing for one in bundle.cases["test3d"]} == {None}
    assert bundle.slices == () and bundle.label_names == {}


def ids(path, test3d):
    axes = {f"{name}axis": None for name in COUNTS}
    made = content(manifest=None, **axes) | {"test3d": test3d}
    return [one.id for one in open_bundle(write(path, made)).cases["test3d"]]


def test_without_a_manifest_the_same_volume_pairs_across_files_and_another_never_does(path):
    volumes = torch.randint(0, 255, (4, 2, 4, 6, 5), dtype=torch.uint8)
    first, other = ids(path, volumes[:2]), ids(path.with_name("fold-1.pt"), volumes[[2, 1, 3]])
    assert set(first) & set(other) == {first[1]} == {other[1]}


def test_without_a_manifest_neither_labels_nor_padding_change_a_name(path):
    made = content(manifest=None)
    known = [one.id for one in open_bundle(write(path, made)).cases["train3d"]]
    padded = torch.nn.functional.pad(made["train3d"], (0, 0, 0, 0, 1, 1), value=7)
    padded[:, 1] = 0
    axis = torch.nn.functional.pad(made["train3daxis"], (1, 1), value=torch.nan)
    again = open_bundle(write(path, made | {"train3d": padded, "train3daxis": axis}))
    assert [one.id for one in again.cases["train3d"]] == known


def test_a_volume_that_is_there_twice_is_one_patient_with_two_ids(path):
    made = content(manifest=None)
    made["test3d"][1] = made["test3d"][0]
    one, two = open_bundle(write(path, made)).cases["test3d"]
    assert two.id == f"{one.id}-2" and one.patient == two.patient


def test_positions_are_optional(path):
    open_bundle(write(path, content(train3daxis=None, valid3daxis=None, test3daxis=None)))


def test_a_file_in_the_old_torch_format_opens_too(path):
    made = content()
    made["manifest"] = json.dumps(made["manifest"])
    torch.save(made, path, _use_new_zipfile_serialization=False)
    assert torch.equal(open_bundle(path).tensors["train3d"], made["train3d"])


def test_an_all_file_has_empty_splits(path):
    made = content(manifest=None, valid3daxis=None, test3daxis=None)
    for name in ("valid3d", "test3d"):
        made[name] = torch.zeros(0, 2, 4, 6, 5, dtype=torch.uint8)
    bundle = open_bundle(write(path, made))
    assert len(bundle.tensors["test3d"]) == len(bundle.cases["test3d"]) == 0


@pytest.mark.parametrize("kind", ["zeroshot", "pseudo"])
def test_other_kinds_have_one_tensor(path, kind):
    write(path, {"crop3d": content()["train3d"]})
    assert len(open_bundle(path, kind).cases["crop3d"]) == 3
    write(path, content())
    assert "key 'crop3d' is missing" in refusal(path, kind)


def test_an_auxiliary_file_needs_no_validation(path):
    made = {key: value for key, value in content(manifest=None).items() if key.startswith("train")}
    assert set(open_bundle(write(path, made), "aux").tensors) == {"train2d", "train3d"}
    assert "'valid3d' is missing" in refusal(path)


def bytes_of(shape, dtype=torch.uint8):
    return torch.zeros(shape, dtype=dtype)


NAN = float("nan")


def positions(*first):
    """Positions of three volumes; the first one's are given."""
    return torch.tensor([first, (0, 8, 16, 24), (0, 8, 16, 24)])


BROKEN = {
    "a key is missing": (content(test3d=None), ["'test3d' is missing", "(n, ch + 1, d, h, w) uint8", "train2d"]),
    "no tensor": (content(train3d=[1, 2]), ["'train3d' is a list", "needs a tensor"]),
    "a dimension too few": (content(valid3d=bytes_of((1, 4, 6, 5))), ["'valid3d' is (1, 4, 6, 5) uint8", "(n, ch + 1, d, h, w)"]),
    "a dimension too many": (content(train2d=bytes_of((3, 1, 2, 6, 5))), ["'train2d' is (3, 1, 2, 6, 5)", "(n, ch + 1, h, w)"]),
    "floats": (content(train3d=bytes_of((3, 2, 4, 6, 5), torch.float32)), ["float32", "uint8"]),
    "no segmentation": (content(train3d=bytes_of((3, 1, 4, 6, 5))), ["(3, 1, 4, 6, 5)", "segmentation last"]),
    "channels differ": (content(test3d=bytes_of((2, 3, 4, 6, 5))), ["channel counts differ", "'test3d': 3", "'train3d': 2"]),
    "an axis of another length": (content(train3daxis=torch.zeros(3, 5)), ["'train3daxis' is (3, 5) float32", "needs (3, 4)"]),
    "an axis that is no tensor": (content(train3daxis="x"), ["'train3daxis' is str"]),
    "a volume of padding": (content(train3daxis=torch.full((3, 4), torch.nan)), ["train0_a", "all of it is padding"]),
    "a gap in an axis": (content(train3daxis=positions(0, NAN, 16, 24)), ["case train0_a", "do not rise one by one", "NaN only in padding at the ends"]),
    "an axis that falls": (content(train3daxis=positions(24, 16, 8, 0)), ["case train0_a", "do not rise"]),
    "an endless axis": (content(train3daxis=positions(0, 8, 16, float("inf"))), ["case train0_a", "do not rise"]),
    "an axis of another spacing": (content(train3daxis=positions(0, 9, 18, 27)), ["slices lie 9 mm apart", "spacing 8,1.5,1.5 mm"]),
    "slices without volumes": (content(manifest=None, train3d=bytes_of((0, 2, 4, 6, 5)), train3daxis=None), ["train2d has 3 slices, but train3d is empty"]),
    "annotates background": (with_manifest(annotated=[0, 1]), ["'annotated' is [0, 1], needs whole numbers 1 to 255"]),
    "annotates beyond 255": (with_manifest(annotated=[256]), ["[256]", "1 to 255"]),
    "annotates a name": (with_manifest(annotated=["left"]), ['["left"]', "1 to 255"]),
    "annotates a truth": (with_manifest(annotated=[True]), ["[true]", "1 to 255"]),
    "annotates a fraction": (with_manifest(annotated=[1.0]), ["[1.0]", "1 to 255"]),
    "annotates what has no name": (with_manifest(annotated=[1, 7]), ["[1, 7]", "'labels' names only [0, 1, 2], not 7"]),
    "annotates an id twice": (with_manifest(annotated=[1, 1]), ["an id appears twice"]),
    "annotates nothing": (with_manifest(annotated=[]), ["'annotated' is []", "nothing can be learnt", "--kind pseudo"]),
    "no JSON": (content(manifest="{"), ["'manifest' is no JSON text"]),
    "a manifest that is a tensor": (content(manifest=torch.zeros(2)), ["'manifest' is no JSON text"]),
    "a JSON list": (content(manifest="[1]"), ["'manifest' is a JSON list"]),
    "cases as a list": (with_manifest(cases=[]), ["'cases' is a list, needs a dict"]),
    "labels as a list": (with_manifest(labels=["a"]), ["'labels' is a list, needs a dict"]),
    "a label without a number": (with_manifest(labels={"left": "1"}), ["'labels' has id 'left'"]),
    "too few cases": (with_manifest(cases={"train3d": [case("train3d", 0)]}), ["lists 1 cases in train3d", "has 3"]),
    "a case without a patient": (with_manifest(cases={"valid3d": [{"id": "x"}]}), ["cases of valid3d", "'patient'"]),
    "a case that is text": (with_manifest(cases={"valid3d": ["x"]}), ["cases of valid3d"]),
    "a box beyond the grid": (with_case(box=[[0, 5], [0, 6], [0, 5]]), ["case train0_a", "(0, 5)", "impossible"]),
    "an empty box": (with_case(box=[[2, 2], [0, 6], [0, 5]]), ["case train0_a", "impossible"]),
    "a flat box": (with_case(box=[[0, 6], [0, 5]]), ["case train0_a", "impossible"]),
    "no spacing": (with_case(spacing=[0, 1, 1]), ["spacing (0.0, 1.0, 1.0)", "impossible"]),
    "nan spacing": (with_case(spacing=[float("nan"), 1, 1]), ["spacing (nan, 1.0, 1.0)", "impossible"]),
    "a patient in two splits": (with_case("test3d", 1, patient="train2"), ["patient train2", "train3d and test3d", "--patient"]),
    "an id twice": (with_case("train3d", 1, id="train0_a"), ["case id train0_a appears twice"]),
    "slices that do not count up": (with_manifest(train2d=[[0, 1]]), ["lists 1 slices", "train2d has 3"]),
    "a slice of no volume": (with_manifest(train2d=[[0, 1], [0, 2], [3, 0]]), ["row 3, slice 0", "rows 0-2"]),
    "slices that are no pairs": (with_manifest(train2d=[1, 2, 3]), ["'train2d' needs pairs"]),
}  # fmt: skip


@pytest.mark.parametrize("made, words", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_promise_is_named_with_what_was_found_and_needed(path, made, words):
    message = refusal(write(path, made))
    for word in words:
        assert word in message


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused_and_says_how_to_make_it_again(path, keep):
    data = write(path, content()).read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    message = refusal(path)
    assert "truncated" in message and "cmd/build" in message


@pytest.mark.parametrize("text", ["a text file\n", "PK\x03\x04", "[1, 2]", "train2d: 3"])
def test_a_text_file_is_refused(path, text):
    path.write_text(text)
    assert "cannot be read as a dataset file" in refusal(path)


def test_a_foreign_pt_is_refused_without_running_its_code(path, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was-here",))

    torch.save({"train2d": Evil()}, path)
    assert "cannot be read as a dataset file" in refusal(path)
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize("made", [torch.zeros(3), [1], "text"])
def test_something_else_in_a_pt_is_refused(path, made):
    torch.save(made, path)
    assert "needs a dictionary of tensors" in refusal(path)


def test_weights_are_no_dataset(path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    assert "keys found: bias, weight" in refusal(path)


def test_a_folder_is_refused(tmp_path):
    assert "cannot be read" in refusal(tmp_path)


def test_a_missing_file_names_those_that_are_there(path):
    write(path, content())
    message = refusal(path.with_name("baseline-toy-1.pt"))
    assert "no such dataset file" in message and "there are: toy-0" in message
    assert "holds none yet" in refusal(path.parent / "nowhere" / "baseline-x.pt")


def test_slices_without_a_position_are_taken_out_of_the_box(path):
    axis = torch.arange(4.0).mul(8).repeat(3, 1)
    axis[0, 3], axis[1, 0], axis[1, 3] = torch.nan, torch.nan, torch.nan
    bundle = open_bundle(write(path, content(train3daxis=axis)))
    assert [one.box[0] for one in bundle.cases["train3d"]] == [(0, 3), (1, 3), (0, 4)]


def test_a_box_that_lies_in_the_padding_is_refused(path):
    axis = torch.arange(4.0).mul(8).repeat(3, 1)
    axis[0, 2:] = torch.nan
    made = with_case(box=[[2, 4], [0, 6], [0, 5]]) | {"train3daxis": axis}
    message = refusal(write(path, made))
    assert "case train0_a" in message and "only slices 0-1" in message


def hash_of(path, made):
    return content_hash(open_bundle(write(path, made)))


def test_a_dataset_built_again_at_another_time_keeps_its_hash(path):
    first = hash_of(path, with_manifest(created={"time": "2026-01-01T00:00:00Z"}))
    again = hash_of(path.with_name("again.pt"), with_manifest(created={"time": "2027-01-01"}))
    assert first == again and len(first) == 64


def changed_voxel():
    made = content()
    made["valid3d"][0, 0, 0, 0, 0] ^= 1
    return made


def changed_position():
    made = content()
    made["test3daxis"][0, 0] -= 0.5
    return made


@pytest.mark.parametrize(
    "made",
    [changed_voxel(), changed_position(), with_case(patient="x"), content(manifest=None)],
    ids=["a voxel", "a position", "a patient", "no manifest"],
)
def test_a_dataset_that_differs_has_another_hash(path, made):
    assert hash_of(path, made) != hash_of(path, content())


def test_an_unlabelled_file_may_annotate_nothing(path):
    write(path, {"crop3d": content()["train3d"], "manifest": {"annotated": []}})
    assert open_bundle(path, "pseudo").annotated == ()


def test_the_distance_of_the_slices_is_measured_on_the_real_ones(path):
    axis = positions(NAN, 0, 8, NAN)
    axis[1] = torch.tensor([NAN, NAN, 5, NAN])
    steps = [
        one.step for one in open_bundle(write(path, content(train3daxis=axis))).cases["train3d"]
    ]
    assert steps == [8, None, 8]


def test_a_file_larger_than_the_memory_is_mapped_for_reading_alone(tmp_path, monkeypatch):
    path = tmp_path / "file.pt"
    content = {
        "image": torch.arange(240, dtype=torch.uint8).reshape(2, 3, 4, 10)[:, 1:].transpose(1, 2),
        "axis": torch.arange(6.0, dtype=torch.float64),
        "none": torch.empty(0, 4, dtype=torch.uint8),
        "manifest": "{}",
    }
    torch.save(content, path)
    load = torch.load

    def refused(*args, mmap=False, **given):
        if mmap:
            raise RuntimeError(
                f"unable to mmap 9 bytes from file <{path}>: Cannot allocate memory (12)"
            )
        return load(*args, **given)

    monkeypatch.setattr(torch, "load", refused)
    found = load_content(path)
    assert found["manifest"] == "{}"
    for name in ("image", "axis", "none"):
        assert torch.equal(found[name], content[name]) and found[name].dtype == content[name].dtype
    assert found["image"][0].clone().add_(1).sum() == content["image"][0].add(1).sum()
