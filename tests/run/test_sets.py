"""Several datasets in one run: which labels come from which, and what does not go together."""

import pytest
import torch
from tests.run.several_files import NAMES, put
from tests.run.small_file import options

from mos.engine.device import Machine
from mos.errors import BadInput
from run.baseline.data_arguments import format_label_lists, parse_label_lists, parse_names
from run.baseline.sets import describe_sets, open_sets
from run.baseline.task import make_task

CPU = Machine(torch.device("cpu"), "fp32")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path))


def asked(**changes):
    """Options of a run on `heart` with the auxiliary set `other`."""
    given = {"train_dataset": "heart", "aux_dataset": "other", "batch_size": 4}
    return options(**given | changes)


def two(main=None, aux=None, **changes):
    """Writes and opens `heart` (all labels) and `other` (labels 2 and 3)."""
    put("heart", scored=("c", "d"), **main or {})
    put("other", **{"annotated": (2, 3), "people": ("e", "f", "g"), "seed": 1} | (aux or {}))
    wanted = asked(**changes)
    wanted.check()
    return wanted, open_sets(wanted)


def test_what_is_learnt_is_what_any_set_annotates_and_what_is_scored_is_the_main_sets():
    _, (bundle, aux, labels) = two({"annotated": (1,)})
    assert list(aux) == ["other"] and bundle.kind == "main"
    assert (labels.count, labels.train, labels.evaluate) == (4, (1, 2, 3), (1,))
    assert (labels.main, labels.aux) == ((1,), ((2, 3),))
    assert labels.names == NAMES


def test_a_set_gives_the_labels_it_is_asked_for():
    _, (_, _, labels) = two({"annotated": (1,)}, aux_dataset_labels=((3,),))
    assert labels.train == (1, 3) and labels.aux == ((3,),)


def test_label_lists_of_several_sets_read_back_as_they_are_written():
    lists = ((1, 3, 4, 5), (), (3,))
    assert format_label_lists(lists) == "1,3-5;;3" and parse_label_lists("1,3-5;;3") == lists
    assert parse_label_lists("") == () and format_label_lists(()) == ""


def test_without_the_main_set_only_labels_learnt_elsewhere_are_scored():
    _, (_, _, labels) = two(aux_dataset_only=True)
    assert (labels.train, labels.evaluate, labels.count) == ((2, 3), (2, 3), 4)


def test_with_the_main_set_alone_the_network_still_has_room_for_all_labels():
    _, (_, _, labels) = two({"annotated": (1,)}, main_dataset_only=True)
    assert (labels.train, labels.evaluate, labels.count) == ((1,), (1,), 4)


def test_a_file_that_does_not_say_what_it_annotates_annotates_what_it_holds():
    wanted, (_, _, labels) = two(
        aux={"known": False, "annotated": (3,)}, dataset_spacing=(8.0, 2.0, 2.0)
    )
    assert labels.aux == ((3,),)


def test_a_main_set_serves_as_an_auxiliary_one_with_what_it_trains_on():
    _, (_, aux, _) = two(aux={"scored": ("h", "i")})
    assert set(aux["other"].tensors) == {"train2d", "train3d"}


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,a", "a is given twice"),
        ("none,a", "none means no auxiliary set"),
        ("a,,b", "'' is no name of a dataset"),
        ("../a", "is no name of a dataset"),
    ],
)
def test_names_of_sets_that_cannot_be(text, message):
    with pytest.raises(BadInput, match=message):
        parse_names(text)


def test_names_are_read_with_blanks_and_none_means_none():
    assert parse_names(" a, b") == "a,b" and parse_names("") == "none"
    assert options(aux_dataset="none").aux_names == ()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"aux_dataset": "none", "aux_dataset_only": True}, "--aux_dataset_only: there is no aux"),
        ({"aux_dataset": "none", "aux_dataset_labels": ((1,),)}, "there is no auxiliary set"),
        ({"aux_dataset": "none", "aux_dataset_weight": (2.0,)}, "there is no auxiliary set"),
        ({"aux_dataset_only": True, "main_dataset_only": True}, "leave nothing to train on"),
        ({"aux_dataset_only": True, "dataset_train_all": True}, "give one"),
        ({"aux_dataset": "other,heart"}, "heart is the main dataset itself"),
        ({"aux_dataset_labels": ((1,), (2,))}, "2 label lists for 1 sets"),
        ({"aux_dataset_weight": (1.0, 2.0)}, "2 weights for 1 sets"),
        ({"aux_dataset": "a,b,c", "batch_size": 3}, r"BS=3 .* of the 4 sets .*give BS=4 or more"),
    ],
)
def test_options_that_contradict_are_refused_before_any_data_is_read(changes, message):
    with pytest.raises(BadInput, match=message):
        asked(**changes).check()


def test_a_batch_too_small_for_all_sets_is_large_enough_for_those_trained_on():
    asked(batch_size=1, main_dataset_only=True).check()
    asked(batch_size=1, aux_dataset_only=True).check()


@pytest.mark.parametrize(
    "main, aux, changes, message",
    [
        (
            {},
            {},
            {"aux_dataset_labels": ((1, 2),)},
            r"id 1 is not annotated in .*other.pt.*\[2, 3\]",
        ),
        (
            {},
            {},
            {"aux_dataset_labels": ((7,),)},
            "--aux_dataset_labels: id 7 needs --label_count 8",
        ),
        (
            {},
            {},
            {"aux_dataset_only": True, "dataset_eval_labels": (1,)},
            r"ids \[1\] are not learnt; add them to --aux_dataset_labels, if other annotate",
        ),
        (
            {"annotated": (1,)},
            {},
            {"dataset_eval_labels": (2,)},
            "id 2 is not annotated in .*heart",
        ),
        (
            {},
            {"names": NAMES | {3: "liver"}},
            {},
            "label id 3 is 'top' in .*'liver' in .*label_map",
        ),
        ({}, {"channels": 2}, {}, "other.pt has 2 image channels, .*heart.pt has 1"),
        ({}, {"people": ("e", "d")}, {}, "patient d would train there and is in test3d of .*heart"),
        ({}, {"people": ("c", "d")}, {}, "patient c would train there and is in valid3d"),
        (
            {"annotated": (1,)},
            {},
            {"partial_labels": "ignore"},
            "no set annotates all that is learnt .heart: 1; other: 2-3., .*use marginal or mask",
        ),
    ],
)
def test_files_that_do_not_go_together_are_refused(main, aux, changes, message):
    with pytest.raises(BadInput, match=message):
        two(main, aux, **changes)


def test_names_that_differ_in_case_and_blanks_alone_are_the_same():
    _, (_, _, labels) = two(aux={"names": NAMES | {3: "TOP "}})
    assert labels.names[3] == "top"


def test_an_id_that_is_not_learnt_may_mean_something_else():
    two(aux={"names": NAMES | {3: "liver"}}, aux_dataset_labels=((2,),))


def test_a_missing_set_is_told_with_how_to_build_it():
    put("heart", scored=("c", "d"))
    with pytest.raises(BadInput, match="--aux_dataset mnms: .*build --kind aux --name mnms"):
        open_sets(asked(aux_dataset="mnms"))


def test_one_set_under_two_names_is_refused():
    put("heart", scored=("c", "d"))
    put("other", annotated=(2, 3), people=("e", "f"), seed=1)
    put("again", annotated=(2, 3), people=("x", "y"), seed=1)
    with pytest.raises(BadInput, match="again holds the same volumes and labels as other"):
        open_sets(asked(aux_dataset="other,again"))
    put("heart", people=("a", "b"), scored=("c", "d"), seed=5)
    put("copy", people=("x", "y"), scored=("v", "w"), seed=5)
    with pytest.raises(BadInput, match="copy holds the same volumes and labels as heart"):
        open_sets(asked(aux_dataset="copy"))


def test_patients_of_a_file_without_names_are_known_by_their_voxels():
    put("heart", scored=("c", "d"))
    path = put("other", annotated=(2, 3), people=("e", "f"), known=False, seed=1)
    content = torch.load(path)
    content["train3d"][1, 0] = torch.load(put("heart", scored=("c", "d")))["test3d"][0, 0]
    torch.save(content, path)
    with pytest.raises(BadInput, match="would train there and is in test3d"):
        open_sets(asked(dataset_spacing=(8.0, 2.0, 2.0)))


def test_the_console_names_every_set_with_its_samples_and_its_part_of_a_batch():
    wanted, (bundle, aux, labels) = two(aux_dataset_weight=(3.0,))
    task = make_task(wanted, bundle, labels, CPU, aux)
    assert describe_sets(wanted, bundle, aux, labels, task) == [
        "data     baseline-heart.pt: volumes train 2, valid 1, test 1; training samples 4",
        "aux      baseline-other.pt: volumes 3; training samples 6; labels 2-3",
        "batch    1 of heart, 3 of other; what a set does not annotate: marginal",
    ]


def test_patients_who_train_in_both_sets_are_said():
    wanted, (bundle, aux, labels) = two(aux={"people": ("a", "e")})
    said = describe_sets(wanted, bundle, aux, labels, make_task(wanted, bundle, labels, CPU, aux))
    assert said[-1] == "note     1 patients train in other and in the main set too"


def test_where_nothing_of_the_main_set_is_learnt_nothing_is_scored_and_that_is_said():
    wanted, (bundle, aux, labels) = two({"annotated": (1,)}, aux_dataset_only=True)
    task = make_task(wanted, bundle, labels, CPU, aux)
    assert labels.evaluate == ()
    assert (len(task.datasets["valid"]), len(task.datasets["test"])) == (0, 0)
    said = describe_sets(wanted, bundle, aux, labels, task)
    assert said[0].endswith("not trained on") and "best is the latest epoch" in said[-1]


@pytest.mark.parametrize("crop, count", [((8, 8), 8), ((4, 8, 8), 4)])
def test_all_of_the_main_set_trains_and_none_of_it_is_scored(crop, count):
    wanted, (bundle, aux, labels) = two(dataset_train_all=True, dataset_crop_size=crop)
    task = make_task(wanted, bundle, labels, CPU, aux)
    assert [pool.count for pool in task.pools] == [count, 6 if len(crop) == 2 else 3]
    names = [task.datasets["train"].describe(index)["case"] for index in range(count)]
    assert {name.split()[1] for name in names} == {"a_tr", "b_tr", "c_va", "d_te"}
    assert (len(task.datasets["valid"]), len(task.datasets["test"])) == (0, 0)
    said = describe_sets(wanted, bundle, aux, labels, task)
    assert "all of the main set trains" in said[-1]


def test_training_on_everything_may_share_patients():
    two(aux={"people": ("d", "e")}, dataset_train_all=True)


def test_a_set_made_for_each_fold_has_one_name_in_all_runs_and_its_own_file_in_each():
    third = asked(train_dataset="heart-3", aux_dataset="taught-{fold},other")
    assert third.aux_names == ("taught-3", "other")
    assert third.run_name == "unet-2d-taught,other"
    assert (
        asked(train_dataset="heart-0", aux_dataset="taught-{fold},other").run_name == third.run_name
    )
    assert third.filled("ck/{setting}/{fold}/latest") == "ck/heart-3/3/latest"


def test_the_fold_of_a_setting_without_one_is_refused():
    with pytest.raises(BadInput, match="the number at the end of SETTING, and heart ends in none"):
        asked(aux_dataset="taught-{fold}").check()
    assert asked().filled("ck/{setting}") == "ck/heart"


@pytest.mark.parametrize("name", ["taught-{number}", "taught-{fold", "a{}"])
def test_no_other_braces_are_taken_for_a_name(name):
    with pytest.raises(BadInput, match="is no name of a dataset"):
        parse_names(name)
