"""What a sweep's file asks for, and what of it is refused before anything starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from mos.errors import BadInput
from run.baseline.sweep import plan
from run.baseline.sweep.grid import read_grid
from run.baseline.sweep.plan import make_plan
from run.baseline.sweep.queue import share_machine
from run.baseline.sweep.slurm import parse_minutes

PROJECT = Path(__file__).resolve().parents[2]
# What `unet-2d-none --dry_run` says the launcher sets by itself, shortened.
SAID = {
    "defaults": ["epoch_count=20", "batch_size=16", "dataset_crop_size=128,128"],
    "flags": ["model=unet", "model_dims=2"],
}
SMALL = "launchers: [unet-2d-none]\nsettings: [phantom-tiny]\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "my sweep.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def cells(file, tmp_path, monkeypatch):
    """`cells(text)`: the plan of a file, without pressing the launchers."""
    monkeypatch.setenv("MOS_CHECKPOINT", str(tmp_path / "ck"))
    monkeypatch.setenv("MOS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(plan, "_ask_launcher", lambda *_: SAID)
    return lambda text, **environ: make_plan(file(text), environ)


def test_launchers_times_settings_times_variants_times_seeds(file):
    asked = read_grid(file("""
launchers: [unet-2d-none, unet-3d-none: {BS: 4}]
settings: [heart-0..2, knee-all]
options: {COUNT: 5, BS: 8, dir_postfix: '[a]'}
variants: [{}, {dir_postfix: '[lr3]', learning_rate: 3e-3}]
grid: {model_dropout: [0, 0.2]}
seeds: [0, 1]
"""))
    assert len(asked) == 2 * 4 * 2 * 2 * 2
    assert [a.setting for a in asked[::8]][:4] == ["heart-0", "heart-1", "heart-2", "knee-all"]
    assert {a.options["BS"] for a in asked if a.launcher == "unet-3d-none"} == {"4"}
    assert {a.options["BS"] for a in asked if a.launcher == "unet-2d-none"} == {"8"}
    last = asked[-1]
    assert last.options["learning_rate"] == "3e-3" and last.options["seed"] == "1"
    assert last.postfix == "[a][lr3][model_dropout=0.2][seed1]"


def test_a_cell_says_its_command_and_its_folder_with_brackets_and_commas_quoted(cells, tmp_path):
    text = SMALL + "options: {COUNT: 5, epoch_count: 6, dataset_crop_size: [32, 32]}\n"
    text += "variants: [{dir_postfix: '[a,b]', note: it's}]\n"
    (cell,) = cells(text)
    assert cell.command == (
        "SETTING=phantom-tiny COUNT=6 .scripts/baseline/unet-2d-none --dataset_crop_size 32,32 "
        "--note 'it'\"'\"'s' --dir_postfix '[a,b]'"
    )
    assert cell.run == tmp_path / "ck/baseline-phantom-tiny/unet-2d-none[a,b]"
    assert cell.folder == tmp_path / "ck/sweep/my sweep/phantom-tiny/unet-2d-none[a,b]"
    assert cell.epochs == 6 and cell.name == "phantom-tiny/unet-2d-none[a,b]"


def test_the_epochs_of_a_cell_come_from_file_shell_or_launcher_in_this_order(cells):
    assert cells(SMALL)[0].epochs == 20
    assert cells(SMALL, COUNT="7")[0].epochs == 7
    assert cells(SMALL + "options: {COUNT: 5}\n", COUNT="7")[0].epochs == 5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("variants: [{}, {learning_rate: 3e-3}]", ["same run folder", "dir_postfix", "3e-3"]),
        ("launchers: [unet-2d-none]\nsettings: [phantom-tiny, phantom-tiny]", ["same run folder"]),
        ("seeds: [1, 1]", ["same run folder"]),
        ("seeds: [one]", ["seeds", "[0, 1, 2]"]),
        ("options: {lerning_rate: 1}", ["lerning_rate", "did you mean learning_rate?"]),
        ("options: {COUTN: 1}", ["COUTN", "did you mean COUNT?"]),
        ("options: {learning_rate: fast}", ["unet-2d-none, phantom-tiny", "'fast'", "a number"]),
        ("options: {model_dropout: 2}", ["--model_dropout 2", "below 1"]),
        ("options: {increase_epoch: 3}", ["increase_epoch", "COUNT"]),
        ("options: {SETTING: a}", ["settings"]),
        ("options: {dir_postfix: [lr3]}", ["dir_postfix: '[lr3]'"]),
        ("options: {config: no.yaml}", ["no.yaml", "No such file"]),
        ("variant: [{}]", ["'variant'", "did you mean variants?"]),
        ("variants: {a: 1}", ["variants", "needs a list"]),
        ("grid: {learning_rate: 1e-3}", ["grid", "learning_rate", "[1e-3, 3e-3]"]),
        ("grid: {note: [a/b]}", ["a/b", "variants"]),
        ("settings: [hart-0]", ["hart-0", "baseline-hart-0.pt", "cmd/build"]),
        ("settings: [phantom-tni]", ["phantom-tni", "did you mean phantom-tiny?"]),
        ("settings: [phantom-aux]", ["phantom-aux", "aux set", "phantom-0"]),
        ("settings: [heart-4..0]", ["heart-4..0", "upwards"]),
        ("settings: []", ["settings is missing", "launchers: ["]),
        ("launchers: [", ["no YAML", "quotes"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_could_not_run_is_refused_with_the_fix(text, parts, cells, tmp_path):
    lines = dict(line.split(":", 1) for line in (SMALL + text).splitlines())
    with pytest.raises(BadInput) as refused:
        cells("\n".join(f"{key}:{value}" for key, value in lines.items()))
    assert all(part in str(refused.value) for part in [*parts, "my sweep.yaml"]), refused.value
    assert not (tmp_path / "ck").exists()


def test_a_run_trained_with_another_value_is_not_taken_for_the_cell(cells, tmp_path):
    text = SMALL + "options: {learning_rate: 3e-3, note: new, COUNT: 9}\n"
    run = cells(text)[0].run
    run.mkdir(parents=True)
    record = '{"options": {"learning_rate": "%s", "note": "old", "epoch_count": "4"}}'
    (run / "run.json").write_text(record % "0.001")
    with pytest.raises(BadInput, match="learning_rate 0.001, the file says 0.003.*dir_postfix"):
        cells(text)
    (run / "run.json").write_text(record % "0.003")
    assert cells(text)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("4:00:00", 240),
        ("0:00:30", 1),
        ("30:30", 31),
        ("2-12", 3600),
        ("1-01:30", 1530),
    ],
)
def test_a_time_limit_reads_as_sbatch_reads_it(text, minutes):
    assert parse_minutes(text) == minutes


@pytest.mark.parametrize("text", ["soon", "", "4h", "1:2:3:4"])
def test_another_time_limit_is_refused(text):
    with pytest.raises(BadInput, match="--slurm_time"):
        parse_minutes(text)


def test_gpus_are_dealt_out_and_threads_divided(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    share = share_machine(0, "auto", 0, {"CUDA_VISIBLE_DEVICES": "2,5"})
    assert (share.jobs, share.gpus, share.threads) == (2, ("2", "5"), 4)
    pair = share_machine(0, "0,1,2,3", 0, {"MOS_PROCESSES": "2"})
    assert (pair.jobs, pair.gpus_each) == (2, 2)
    assert share_machine(3, "none", 0, {}).threads == 2
    with pytest.raises(BadInput, match="MOS_PROCESSES=2.*needs 2 GPUs, there are 1"):
        share_machine(0, "0", 0, {"MOS_PROCESSES": "2"})
    with pytest.raises(BadInput, match="--gpus 0,0"):
        share_machine(0, "0,0", 0, {})


def test_checking_a_file_loads_no_torch(file, clean_environ):
    program = (
        "import sys; sys.path.insert(0, '.')\n"
        "from run.baseline.cmd.sweep import main\n"
        "try:\n    main(['--file', sys.argv[1]])\n"
        "except Exception as error:\n    print(error)\n"
        "print({'torch', 'pandas', 'submitit', 'numpy'} & set(sys.modules))\n"
    )
    path = file(SMALL + "variants: [{}, {learning_rate: 3e-3}]")
    words = [sys.executable, "-c", program, path]
    done = subprocess.run(words, cwd=PROJECT, env=clean_environ, capture_output=True, text=True)
    assert "same run folder" in done.stdout and done.stdout.endswith("set()\n"), done
