"""Options: every layer, every kind of value, and what a slip of the fingers is told."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from mos.arguments import REQUIRED, option, parse
from mos.errors import BadInput
from mos.near_miss import nearest, slips
from mos.shapes import format_labels, parse_labels, parse_sizes, parse_spacing


@dataclass(frozen=True, kw_only=True)
class Toy:
    train_dataset: str = option("phantom-0", "main dataset", env="SETTING", group="Data")
    epoch_count: int = option(40, "epochs in all", env="COUNT")
    batch_size: int = option(16, "samples per step", env="BS")
    crop: tuple[int, ...] | None = option("128,128", "h,w or d,h,w in voxels", parse=parse_sizes)
    spacing: tuple[float, ...] | None = option(None, "d,h,w in mm", parse=parse_spacing)
    labels: tuple[int, ...] = option("", "label ids", parse=parse_labels, format=format_labels)
    learning_rate: float = option(1e-3, "peak rate, 100 % of it", group="Optimisation")
    clip: float | None = option(12.0, "largest norm; none: no clipping")
    increase_epoch: int | Literal["fix"] | None = option(None, "n more epochs")
    precision: Literal["auto", "bf16", "fp32"] = option("auto", "number format")
    profile: bool = option(False, "record a profile")
    note: str = option("", "free text")
    model_path: Path | None = option(None, "weights to start from")
    input: tuple[str, ...] = option((), "images")

    def check(self) -> None:
        if self.epoch_count < 1:
            raise BadInput(f"--epoch_count {self.epoch_count}: needs at least 1")


def read(*argv: str, **environ: str):
    return parse(Toy, argv, prog="toy", description="a toy", environ=environ)


def refusal(*argv: str, **environ: str) -> str:
    with pytest.raises(BadInput) as error:
        read(*argv, **environ)
    return str(error.value)


def test_what_is_not_said_keeps_its_default():
    resolved = read()
    assert resolved.options == Toy()
    assert resolved.options.crop == (128, 128)
    assert set(resolved.layers.values()) == {"default"}


def test_each_layer_beats_the_one_before(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("epoch_count: 3\n")
    environ, argv, expected = {}, [], [(40, "default")]
    seen = [(read().options.epoch_count, read().layers["epoch_count"])]
    # One more layer each time; `typed` says how many words at the end came from the user's hand.
    steps = [
        (["x"], {"COUNT": "2", "_MOS_DEFAULTS": "COUNT", "_MOS_TYPED": "0"}, 2, "launcher default"),
        (["--config", str(file)], {}, 3, f"file {file}"),
        ([], {"_MOS_DEFAULTS": "", "COUNT": "4"}, 4, "environment COUNT"),
        (["--epoch_count", "5"], {}, 5, "launcher"),
        (["--epoch_count", "6"], {"_MOS_TYPED": "2"}, 6, "command line"),
    ]
    for words, variables, value, layer in steps:
        argv += [word for word in words if word != "x"]
        environ |= variables
        resolved = read(*argv, **environ)
        seen.append((resolved.options.epoch_count, resolved.layers["epoch_count"]))
        expected.append((value, layer))
    assert seen == expected


def test_without_a_launcher_every_flag_was_typed():
    assert read("--batch_size", "2").layers["batch_size"] == "command line"


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--increase_epoch", "-5"], "increase_epoch", -5),
        (["--increase_epoch=-5"], "increase_epoch", -5),
        (["--increase_epoch", "fix"], "increase_epoch", "fix"),
        (["--increase_epoch", "3", "--increase_epoch", "none"], "increase_epoch", None),
        (["--learning_rate", "1e-3"], "learning_rate", 0.001),
        (["--learning_rate", "1"], "learning_rate", 1.0),
        (["--clip", "null"], "clip", None),
        (["--clip="], "clip", None),
        (["--profile"], "profile", True),
        (["--profile", "--note", "x"], "profile", True),
        (["--profile", "false"], "profile", False),
        (["--profile=false"], "profile", False),
        (["--precision", "bf16"], "precision", "bf16"),
        (["--crop", "16,128,128"], "crop", (16, 128, 128)),
        (["--crop", "none"], "crop", None),
        (["--spacing", "10,1.5,1.5"], "spacing", (10.0, 1.5, 1.5)),
        (["--labels", "1,3-5"], "labels", (1, 3, 4, 5)),
        (["--note", "-x #3: [y]"], "note", "-x #3: [y]"),
        (["--note", "007"], "note", "007"),
        (["--note=--profile"], "note", "--profile"),
        (["--model_path", "a b/w.pt"], "model_path", Path("a b/w.pt")),
        (["--input", "a,b.nii", "c d.nii", "--profile"], "input", ("a,b.nii", "c d.nii")),
        (["--input", "a", "--input", "b"], "input", ("a", "b")),
    ],
)
def test_a_flag_is_read_as_its_type(argv, name, value):
    got = getattr(read(*argv).options, name)
    assert got == value and type(got) is type(value)


def test_every_resolved_text_reads_back_to_the_same_value():
    argv = ["--increase_epoch", "-5", "--spacing", "10,1.5,1.5", "--labels", "1,3-5", "--profile"]
    first = read(*argv, "--clip", "none", "--note", "a 'b'", "--input", "a b", "c")
    again = read(*(f"--{name}={text}" for name, text in first.text.items() if name != "input"))
    assert first.text["input"] == "'a b' c" and first.text["labels"] == "1,3-5"
    for name in first.text.keys() - {"input"}:
        assert getattr(again.options, name) == getattr(first.options, name), name


@pytest.mark.parametrize(
    ("argv", "environ", "told"),
    [
        ([], {"MOS_LEARNING_RATE": "fast"}, "environment variable MOS_LEARNING_RATE='fast': needs a number"),
        (["--learning_rate", "nan"], {}, "--learning_rate 'nan': needs a number"),
        (["--learning_rate", ".inf"], {}, "--learning_rate '.inf': needs a finite number"),
        (["--clip", "1e999"], {}, "--clip '1e999': needs a finite number or none"),
        (["--batch_size", "2.5"], {}, "--batch_size '2.5': needs a whole number"),
        (["--batch_size", "none"], {}, "--batch_size 'none': needs a whole number"),
        (["--profile=maybe"], {}, "--profile 'maybe': needs true or false"),
        (["--precision", "bf61"], {}, "needs one of auto, bf16, fp32; did you mean bf16?"),
        (["--crop", "big"], {}, "--crop 'big': size 'big': needs h,w or d,h,w in voxels"),
        (["--crop", "big"], {"_MOS_TYPED": "0"}, "--crop 'big' in the launcher: "),
        ([], {"COUNT": "x", "_MOS_DEFAULTS": "COUNT"}, "launcher default COUNT='x': needs a whole number"),
        (["--lerning_rate", "1"], {}, "unknown option --lerning_rate; did you mean --learning_rate?"),
        (["--learning-rate=1"], {}, "unknown option --learning-rate; did you mean --learning_rate?"),
        (["--learning", "1"], {}, "unknown option --learning"),
        (["-n", "1"], {}, "unknown option -n"),
        (["acdc-0"], {}, "'acdc-0' stands alone; write options as --name value"),
        (["--profile", "acdc-0"], {}, "'acdc-0' stands alone"),
        (["--note", "--profile"], {}, "--note lacks its value: needs text"),
        (["--note"], {}, "--note lacks its value: needs text"),
        (["--epoch_count", "0"], {}, "--epoch_count 0: needs at least 1"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_refused_where_it_stands(argv, environ, told):
    assert told in refusal(*argv, **environ)


def test_an_unknown_mos_name_is_told_the_nearest_right_one():
    assert "write MOS_LEARNING_RATE=1" in refusal(MOS_LERNING_RATE="1")
    assert "write MOS_PYTHON=x" in refusal(MOS_PYTON="x")
    assert "write MOS_BATCH_SIZE" not in refusal(MOS_BATCH_SIZE="4")
    assert "write BS=4" in refusal(MOS_BATCH_SIZE="4")


@pytest.mark.parametrize(
    "slip", ["COUTN", "COUN", "OUNT", "COUUNT", "SETING", "ESTTING", "SETTIING"]
)
def test_setting_and_count_with_a_letter_off_are_refused(slip):
    right = "COUNT" if "U" in slip else "SETTING"
    assert f"write {right}=1" in refusal(**{slip: "1"})


def test_strangers_and_empty_variables_change_nothing():
    resolved = read(MODEL="x", NOTE="y", SETTING="", MOS_NOTE="", MOS_DEBUG="1", MOS_CACHE="/x")
    assert resolved.options == Toy()


def test_a_program_without_an_environment_layer_ignores_it(monkeypatch):
    monkeypatch.setenv("COUNT", "3")
    monkeypatch.setenv("MOS_NONSENSE", "3")
    assert parse(Toy, [], prog="toy", description="").options == Toy()


def test_a_file_may_be_yaml_or_the_record_of_a_run(tmp_path):
    yaml, record = tmp_path / "a.yaml", tmp_path / "run.json"
    yaml.write_text("learning_rate: 1e-2\nnote: on\nprofile: true\ncrop: [16, 64, 64]\n")
    record.write_text(json.dumps({"options": {"clip": None, "epoch_count": 7}, "host": "h"}))
    options = read("--config", str(yaml), "--config", str(record)).options
    assert (options.learning_rate, options.note, options.profile) == (0.01, "on", True)
    assert (options.crop, options.clip, options.epoch_count) == ((16, 64, 64), None, 7)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lerning_rate: 1\n", "unknown option 'lerning_rate'; did you mean learning_rate?"),
        ("learning_rate: fast\n", "learning_rate: 'fast': needs a number"),
        ("- 1\n", "needs lines such as `learning_rate: 1e-3`"),
        ("a: [1\n", "is no YAML"),
        ("note: {a: 1}\n", "found a mapping"),
        ("epoch_count: [1, 2]\n", "needs a whole number"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, text, told):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    message = refusal("--config", str(file))
    assert told in message and str(file) in message


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "none.yaml: No such file" in refusal("--config", str(tmp_path / "none.yaml"))


def test_a_required_option_is_asked_for():
    @dataclass(frozen=True, kw_only=True)
    class Needy:
        run: Path = option(REQUIRED, "folder of a run")

    with pytest.raises(BadInput, match="--run is missing: folder of a run"):
        parse(Needy, [], prog="needy", description="")
    assert parse(Needy, ["--run", "a"], prog="needy", description="").options.run == Path("a")


def test_dry_run_shows_every_option_and_its_layer_and_stops(capsys):
    with pytest.raises(SystemExit) as stop:
        read("--dry_run", "--crop", "8,8", COUNT="2")
    lines = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0
    assert any(line.split() == ["crop", "8,8", "command", "line"] for line in lines)
    assert any(line.split() == ["epoch_count", "2", "environment", "COUNT"] for line in lines)
    assert len({line.index(word) for line, word in zip(lines, ["set by", "default"])}) == 1


def test_help_shows_type_default_environment_name_and_group(capsys):
    with pytest.raises(SystemExit) as stop:
        read("--help", "--nonsense", COUNT="9", _MOS_DEFAULTS="COUNT")
    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    assert (
        "--learning_rate NUMBER peak rate, 100 % of it [default 0.001; MOS_LEARNING_RATE]" in text
    )
    assert "[default 9; COUNT]" in text, "the launcher's default is the one that holds"
    assert "--increase_epoch INT|fix|none" in text
    assert text.index("Data:") < text.index("--crop") < text.index("Optimisation:")


def test_slips_are_swaps_losses_and_doublings():
    assert slips("abc") == {"bac", "acb", "bc", "ac", "ab", "aabc", "abbc", "abcc"}


def test_nearest_ignores_case_and_dashes_and_knows_when_nothing_is_near():
    assert nearest("Learning-Rate", ["learning_rate", "loop"]) == "learning_rate"
    assert nearest("zzz", ["learning_rate"]) is None


def test_a_program_without_an_environment_layer_still_refuses_a_misspelt_folder_name(monkeypatch):
    monkeypatch.setenv("MOS_CHEKPOINT", "/scratch")
    with pytest.raises(BadInput, match="write MOS_CHECKPOINT=/scratch"):
        parse(Toy, [], prog="toy", description="")


def test_what_a_run_was_started_with_stands_between_the_launcher_and_the_user():
    environ = {"_MOS_DEFAULTS": "BS", "BS": "16"}
    stored = {"batch_size": "8", "learning_rate": "0.5"}
    resolved = parse(
        Toy, [], prog="toy", description="", environ=environ, remember=lambda _: stored
    )
    assert resolved.options.batch_size == 8 and resolved.layers["batch_size"] == "the run so far"
    typed = ["--learning_rate", "0.1"]
    resolved = parse(Toy, typed, prog="toy", description="", environ={}, remember=lambda _: stored)
    assert resolved.options.learning_rate == 0.1
    assert resolved.layers["learning_rate"] == "command line"
