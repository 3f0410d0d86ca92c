"""The launchers as a user presses them: help, dry run, what they tell of a slip."""

import ast
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SCRIPTS = PROJECT / ".scripts"
LAUNCHERS = sorted(str(f.relative_to(SCRIPTS)) for f in SCRIPTS.glob("*/**/*") if f.is_file())
# Launchers of networks are one text (tests/run/test_network_launchers.py): one of each shape is pressed.
_ALIKE = re.compile(r"baseline/(?!unet-|segnet-)[a-z0-9]+-[23]d-none")
PRESSED = [name for name in LAUNCHERS if not _ALIKE.fullmatch(name)]
EXPERIMENTS = [name for name in PRESSED if "/cmd/" not in name]
TOOLS = {"doctor": "mos.doctor", "benchmark": "tests.benchmark.all"}  # of no task
_GRAMMAR = {
    "baseline": re.compile(r"[a-z0-9_]+(\[[^\]]+\])?-(2d|3d)-[a-z0-9_,-]+(\[[^\]]+\])?"),
    "landmark": re.compile(r"[a-z0-9_]+(\[[^\]]+\])?-[0-9]+(\[[^\]]+\])?"),
}


def layers(text: str) -> dict[str, tuple[str, str]]:
    """`--dry_run`'s table: option -> (value, what set it)."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()[1:]]
    return {name: (value, layer) for name, value, layer in rows}


@pytest.mark.parametrize("name", [*PRESSED, *TOOLS])
def test_a_launcher_is_a_labelled_button(name):
    text = (SCRIPTS / name).read_text()
    lines = text.splitlines()
    assert (SCRIPTS / name).stat().st_mode & 0o111, "must be executable"
    assert lines[0] == "#!/usr/bin/env bash" and lines[1].startswith("# ")
    assert any(line.startswith("# Writes ") for line in lines)
    assert lines[-1].startswith(f"mos_run {TOOLS.get(name, 'run.')}") and lines[-1].endswith('"$@"')
    assert subprocess.run(["bash", "-n", SCRIPTS / name]).returncode == 0


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_name_of_a_launcher_follows_the_grammar(name):
    assert _GRAMMAR[Path(name).parent.name].fullmatch(Path(name).name)


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> dict[str, str]:
    """A cache folder for all of these tests: the first press asks the interpreter what it has, and notes it."""
    return {"MOS_CACHE": str(tmp_path_factory.mktemp("cache"))}


@pytest.mark.parametrize("name", [*PRESSED, *TOOLS])
def test_help_answers_within_half_a_second_of_work(name, launcher, asked):
    if name in TOOLS or not any(Path(asked["MOS_CACHE"]).iterdir()):
        launcher(name, "--help", **asked)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pressed = launcher(name, "--help", **asked)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert pressed.returncode == 0 and "--dry_run" in pressed.stdout, pressed.stderr
    # Processor time, so that a busy machine does not count.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_dry_run_names_the_layer_of_every_option(name, launcher, asked, tmp_path):
    pressed = launcher(name, "--dry_run", "--note", "a b", cwd=tmp_path, BS="3", **asked)
    assert pressed.returncode == 0, pressed.stderr
    table = layers(pressed.stdout)
    assert table["train_dataset"] == ("phantom-0", "launcher default")
    assert table["epoch_count"] == ("20", "launcher default")
    assert table["batch_size"] == ("3", "environment BS")
    assert table["model"] == (Path(name).name.split("-")[0], "launcher")
    assert table["note"] == ("a b", "command line")
    assert table["weight_decay"][1] == "default"
    if name.startswith("baseline/"):
        assert len(table["dataset_crop_size"][0].split(",")) == (3 if "-3d-" in name else 2)
    else:
        assert table["image_side"] == (Path(name).name.split("-")[1], "launcher")


def test_a_flag_typed_by_hand_beats_the_launchers(launcher):
    table = layers(launcher(EXPERIMENTS[0], "--dry_run", "--epoch_count", "2", COUNT="3").stdout)
    assert table["epoch_count"] == ("2", "command line")


@pytest.mark.parametrize(
    ("args", "environ", "told"),
    [
        (["--lerning_rate", "1"], {}, "did you mean --learning_rate?"),
        ([], {"COUTN": "100"}, "write COUNT=100"),
        ([], {"MOS_LERNING_RATE": "1"}, "write MOS_LEARNING_RATE=1"),
        ([], {"COUNT": "many"}, "environment variable COUNT='many': needs a whole number"),
    ],
)
def test_a_slip_is_told_at_once_with_exit_code_2(args, environ, told, launcher):
    refused = launcher(EXPERIMENTS[0], *args, **environ)
    assert refused.returncode == 2 and refused.stdout == ""
    assert told in refused.stderr and "Traceback" not in refused.stderr


def test_a_launcher_works_from_a_clone_in_a_folder_with_spaces(clean_environ, tmp_path):
    clone = tmp_path / "my clone"
    clone.mkdir()
    for name in (".scripts", "mos", "run", "requirements.txt", "requirements_dev.txt"):
        (clone / name).symlink_to(PROJECT / name)
    command = [f"../my clone/.scripts/{EXPERIMENTS[0]}", "--dry_run"]
    (tmp_path / "elsewhere").mkdir()
    pressed = subprocess.run(
        command, env=clean_environ, cwd=tmp_path / "elsewhere", capture_output=True, text=True
    )
    assert pressed.returncode == 0, pressed.stderr


def test_requirements_pin_exact_versions_and_what_is_imported_is_listed():
    """Every third-party module that the code imports has its line in a requirements file."""
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    listed = {pin.partition("==")[0].lower() for pin in pins}
    import_names = {
        "yaml": "pyyaml",
        "PIL": "pillow",
        "segmentation_models_pytorch": "segmentation-models-pytorch",
    }
    used = set()
    for file in [*PROJECT.glob("mos/**/*.py"), *PROJECT.glob("run/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(node.module)
            roots = {name.partition(".")[0] for name in names}
            used |= {import_names.get(root, root).lower() for root in roots}
    used -= {name.lower() for name in sys.stdlib_module_names} | {"mos", "run"}
    assert used <= listed, f"imported but not in requirements.txt: {sorted(used - listed)}"
