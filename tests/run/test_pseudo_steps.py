"""The steps of pseudo-labelling on a terminal and in scripts: what is asked, and what is said instead."""

import nibabel
import numpy as np
import pytest
import torch

from mos.data.bundle import open_bundle
from mos.errors import BadInput
from mos.folders import dataset_path
from run.baseline.cmd.pseudo_gen import main
from run.baseline.pseudo.state import read_work
from run.baseline.pseudo.steps import run_steps
from tests.run.pseudo_work import CASES, Teacher, fat, heart, options, paint, teach, write_dataset


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MOS_CHECKPOINT", str(tmp_path))
    write_dataset(label=heart())
    teach(monkeypatch, Teacher({case: fat() for case in CASES}))


def step(name, **changes):
    run_steps(options(step=name, pseudo_dataset="toy", **changes), None)


def generate():
    step("generate", pseudo_dataset_key="train3d")


class User:
    """Answers what it was told to answer, and remembers the questions."""

    def __init__(self, *answers, before=None):
        self.answers, self.questions, self.before = list(answers), [], before or {}

    def __call__(self, question):
        self.questions.append(question)
        if action := self.before.get(len(self.questions)):
            action()
        return self.answers.pop(0)


def test_a_user_who_only_presses_enter_is_led_through_the_loop(tmp_path, capsys):
    folder = tmp_path / "pseudo" / "toy"
    label = folder / "batch-001" / "a_label.nii.gz"
    # Before the third question the annotator has done one case; the others are right as they are.
    user = User(
        "",
        "",
        "",
        "y",
        "y",
        "y",
        "",
        "q",
        before={3: lambda: paint(label, lambda array: 0 * array)},
    )
    run_steps(options(pseudo_dataset="toy", pseudo_dataset_key="train3d"), user)
    wanted = [q.removeprefix("What next? ") for q in user.questions if q.startswith("What next")]
    assert wanted == ["[generate] ", "[hand_out] ", "[take_back] ", "[merge] ", "[retrain] "]
    assert "b is as it was predicted. Is it right as it is? [y/N] " in user.questions
    assert dataset_path("baseline", "toy-corrected").exists()
    assert "next      --step retrain" in capsys.readouterr().out


def test_where_runs_of_several_datasets_are_stored_the_user_names_one_once(tmp_path, monkeypatch):
    for setting in ("here", "there"):
        (tmp_path / f"baseline-{setting}" / "unet-2d-none").mkdir(parents=True)
        (tmp_path / f"baseline-{setting}" / "unet-2d-none" / "run.json").write_text("{}")
    teacher, asked = Teacher({case: fat() for case in CASES}, name="there/unet-2d-none"), []
    teach(monkeypatch, teacher)
    choose = lambda options: asked.append(options.setting) or [teacher]  # noqa: E731
    monkeypatch.setattr("run.baseline.pseudo.generate.choose_teachers", choose)
    user = User("g", "there", "g", "q")
    run_steps(options(pseudo_dataset="toy", pseudo_dataset_key="train3d"), user)
    assert asked == [("there",), ("there",)]
    assert user.questions[1] == "The runs on which dataset may predict? (here, there) [here] "


def test_a_refusal_is_shown_and_the_user_goes_on(capsys):
    user = User("m", "x", "quit")
    run_steps(options(pseudo_dataset="toy", pseudo_dataset_key="train3d"), user)
    out = capsys.readouterr().out
    assert "not done: --step merge: nothing is predicted yet; --step generate first" in out
    assert "'x' is none of these" in out


def test_without_a_terminal_the_missing_step_is_named_with_the_one_that_is_next(monkeypatch):
    generate()
    with pytest.raises(BadInput, match="--step is missing.*no terminal. hand_out is next"):
        run_steps(options(pseudo_dataset="toy"), None)
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(BadInput, match="--step is missing"):
        main(["--pseudo_dataset", "toy"])


def test_which_work_is_asked_for_where_there_are_several_and_taken_where_there_is_one(
    tmp_path, capsys
):
    with pytest.raises(BadInput, match="--pseudo_output is missing: which work.*none is begun"):
        run_steps(options(step="status"), None)
    generate()
    run_steps(options(step="status"), None)
    assert "4 predicted" in capsys.readouterr().out
    other = str(tmp_path / "pseudo" / "other")
    run_steps(
        options(
            step="generate", pseudo_dataset="toy", pseudo_dataset_key="train3d", pseudo_output=other
        ),
        None,
    )
    with pytest.raises(BadInput, match="which work. .begun are: other, toy"):
        run_steps(options(step="status"), None)


def test_a_work_folder_is_about_one_source(tmp_path):
    generate()
    folder = str(tmp_path / "pseudo" / "toy")
    with pytest.raises(BadInput, match="--pseudo_dataset more: .* was begun with toy"):
        run_steps(options(step="status", pseudo_dataset="more", pseudo_output=folder), None)
    with pytest.raises(BadInput, match="--input: .* was begun with the dataset toy"):
        run_steps(options(step="generate", input=("x",), pseudo_output=folder), None)
    with pytest.raises(BadInput, match="--pseudo_dataset_key crop3d: .* was begun with train3d"):
        step("generate", pseudo_dataset_key="crop3d")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--pseudo_dataset_key", "test3d"), "validation and test cases get no pseudo-labels"),
        (("--pseudo_threshold", "74"), "--pseudo_threshold 74: needs a dice of 0 to 1"),
        (("--ensemble", "0"), "--ensemble 0: needs 1 or more"),
        (("--run", "nowhere"), "--run nowhere: no run.json there"),
        (("--corrected", "nowhere"), "--corrected nowhere: no such folder"),
        (("--step", "correct"), "take_back"),
    ],
)
def test_what_can_be_seen_without_images_is_said_at_once(flags, told):
    with pytest.raises(BadInput, match=told):
        main(["--pseudo_dataset", "toy", *flags])


def test_steps_before_there_is_anything_to_do_are_refused():
    with pytest.raises(BadInput, match="holds no pseudo-labels yet; --step generate first"):
        step("merge")
    generate()
    with pytest.raises(BadInput, match="nothing was handed out; --step hand_out first"):
        step("take_back")
    with pytest.raises(BadInput, match="nothing is merged yet; --step merge first"):
        step("retrain")


def test_a_key_of_ones_own_is_read(tmp_path):
    path = dataset_path("baseline", "toy")
    content = torch.load(path, weights_only=True)
    manifest = content["manifest"].replace('"train3d"', '"crop3d_yx"').replace('"aux"', '"pseudo"')
    torch.save({"crop3d_yx": content["train3d"], "manifest": manifest}, path)
    step("generate", pseudo_dataset_key="crop3d_yx", pseudo_output_labels=(1,))
    work = read_work(tmp_path / "pseudo" / "toy")
    assert work.having("predicted") == list(CASES)
    step("merge", include_predicted=True)
    assert dataset_path("baseline", "toy-corrected").exists()


def test_a_file_that_says_nothing_of_itself_needs_a_spacing_and_lies_along_the_axes(
    tmp_path, monkeypatch
):
    path = write_dataset(cases=("a",))
    volumes = torch.load(path, weights_only=True)["train3d"]
    torch.save({"crop3d": volumes}, path)
    case = open_bundle(path, "pseudo").cases["crop3d"][0].id  # named after its voxels
    teach(monkeypatch, Teacher({case: fat()}))
    with pytest.raises(BadInput, match="give --dataset_spacing d,h,w"):
        step("generate")
    step("generate", dataset_spacing=(5.0, 2.0, 1.0))
    work = read_work(tmp_path / "pseudo" / "toy")
    image = nibabel.load(work.path("images", case))
    assert image.shape == (8, 8, 4) and work.outputs == (1, 2)
    np.testing.assert_allclose(np.abs(np.diag(image.affine)), [1, 2, 5, 1])
    step("merge", include_predicted=True)
    merged = open_bundle(dataset_path("baseline", "toy-corrected"), "aux")
    assert merged.cases["train3d"][0].spacing == (5, 2, 1)
    assert torch.equal(merged.tensors["train3d"][0, 1], torch.from_numpy(fat()))
