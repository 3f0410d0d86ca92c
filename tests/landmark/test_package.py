"""cmd/package: a folder that answers without this clone, and whose check finds what is wrong with it."""

import json
import shutil
import subprocess
import sys

import pytest

from mos.errors import BadInput
from run.landmark import package_guard
from run.landmark.cmd import package, predict
from run.landmark.package_check import difference
from run.landmark.package_code import needed_modules, pinned
from run.landmark.package_write import EXAMPLE, EXPECTED
from tests.landmark.stored_runs import train_tiny

CPU = ["--device", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A package of two runs, and the runs."""
    root = tmp_path_factory.mktemp("package")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOS_CACHE", str(root / "cache"))
        patch.setenv("MOS_CHECKPOINT", str(root / "checkpoint"))
        runs = [train_tiny(), train_tiny("--seed", "1", "--dir_postfix", "[other]")]
        words = ["--run", *map(str, runs), "--output", str(root / "packed"), "--scales", "0.8,1"]
        assert package.main([*words, *CPU]) == 0
        yield root / "packed", runs


@pytest.fixture
def copied(packed, tmp_path):
    """A package to spoil."""
    return shutil.copytree(packed[0], tmp_path / "copied")


def test_a_package_answers_without_this_clone_as_cmd_predict_does(packed, tmp_path, capsys):
    folder, runs = packed
    names = {path.name for path in folder.iterdir()}
    assert names == {"Dockerfile", "README.md", "check", "code", "model", "package.json"} | {
        "process.py",
        "requirements.txt",
    }
    assert len((folder / "README.md").read_text().splitlines()) == 3
    assert package.main(["--check", str(folder), *CPU]) == 0
    told = capsys.readouterr().out
    assert "answers as it did, within 0.5 pixels" in told and "python -I" in told
    where = ["--input", str(folder / EXAMPLE), "--output", str(tmp_path / "points.json")]
    averaged = ["--scales", "0.8,1", "--precision", "fp32"]
    predict.main(["--run", *map(str, runs), *where, *averaged, *CPU])
    expected = json.loads((folder / EXPECTED).read_text())
    assert json.loads((tmp_path / "points.json").read_text()) == expected
    assert len(expected["points"]) == 2 * 19


def test_a_package_holds_the_code_it_needs_and_nothing_of_this_machine(packed):
    folder, runs = packed
    code = {path.relative_to(folder / "code").as_posix() for path in folder.rglob("code/**/*.py")}
    assert {"mos/networks/heatmap_unet.py", "run/landmark/predicting.py", "mos/__init__.py"} <= code
    assert not any(
        part in path for path in code for part in ("baseline", "report", "heatmap_hrnet")
    )
    pins = (folder / "requirements.txt").read_text().split()
    assert all("==" in pin for pin in pins)
    assert {"torch", "numpy", "monai", "safetensors", "SimpleITK"} <= {
        p.split("==")[0] for p in pins
    }
    assert not {"matplotlib", "pandas", "tensorboard"} & {p.split("==")[0] for p in pins}
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".md", ".txt") or path.name == "Dockerfile":
            assert str(runs[0].parent.parent) not in path.read_text(), path


def test_the_check_names_the_point_that_is_elsewhere(copied, capsys):
    path = copied / EXPECTED
    content = json.loads(path.read_text())
    entry = content["points"][19 + 6]
    assert (entry["name"], entry["point"][2]) == ("7", 2)
    entry["point"][0] += 0.8
    path.write_text(json.dumps(content))
    assert package.main(["--check", str(copied), *CPU]) == 1
    told = capsys.readouterr().err
    assert "point 7 of image 2 is at x " in told and "0.80 pixels apart, more than 0.5" in told


def _content(*points):
    entries = [{"name": name, "point": [x, y, image]} for name, x, y, image in points]
    return {"name": "n", "type": "t", "version": {}, "points": entries}


def test_answers_are_compared_point_by_point():
    one = _content(("1", 3.0, 4.0, 1), ("2", 5.0, 6.0, 1))
    assert difference(one, one, 0) == ""
    near = _content(("1", 3.3, 4.4, 1), ("2", 5.0, 6.0, 1))
    assert difference(one, near, 0.51) == "" and "point 1 of image 1" in difference(one, near, 0.49)
    assert difference(one, _content(("1", 3.0, 4.0, 1)), 9) == "point 2 of image 1 is missing"
    more = _content(("1", 3.0, 4.0, 1), ("2", 5.0, 6.0, 1), ("1", 0.0, 0.0, 2))
    assert difference(one, more, 9) == "point 1 of image 2 is not expected"
    nowhere = _content(("1", float("nan"), 4.0, 1), ("2", 5.0, 6.0, 1))
    assert "point 1 of image 1" in difference(one, nowhere, 9)
    assert "version is 2, expected {}" in difference(one, one | {"version": 2}, 9)


def test_missing_and_exchanged_weights_are_named(copied):
    (copied / "model/1/weights.safetensors").rename(copied / "model/first")
    with pytest.raises(BadInput, match="model/1/weights.safetensors: is missing from the package"):
        package.main(["--check", str(copied)])
    shutil.copy(copied / "model/2/weights.safetensors", copied / "model/1/weights.safetensors")
    with pytest.raises(BadInput, match="model/1/weights.safetensors: is not the file"):
        package.main(["--check", str(copied)])
    with pytest.raises(BadInput, match="package.json: no such file; needs a folder"):
        package.main(["--check", str(copied.parent)])


def test_a_package_is_checked_with_what_it_requires_and_nothing_else(copied, capsys):
    check = ["--check", str(copied), "--install", "true", *CPU]
    requirements = copied / "requirements.txt"
    requirements.write_text("# nothing: this test installs nothing\n")
    assert package.main(check) == 1
    assert "process.py ended with 1: ModuleNotFoundError" in capsys.readouterr().err
    requirements.write_text("./gone-1.0-py3-none-any.whl\n")
    with pytest.raises(BadInput, match="cannot be installed: .*gone-1.0"):
        package.main(check)


def _guarded(tmp_path, text):
    (tmp_path / "process.py").write_text(text)
    words = [sys.executable, "-I", package_guard.__file__, str(tmp_path / "process.py")]
    return subprocess.run(words, capture_output=True, text=True)


def test_the_guard_refuses_network_and_code_from_outside(tmp_path):
    done = _guarded(tmp_path, "import socket\nsocket.create_connection(('127.0.0.1', 9))\n")
    assert done.returncode == 1 and "a packaged run has no network" in done.stderr
    (tmp_path / "else" / "mos").mkdir(parents=True)
    (tmp_path / "else" / "mos" / "__init__.py").write_text("")
    (tmp_path / "inner").mkdir()
    text = f"import sys\nsys.path.insert(0, {str(tmp_path / 'else')!r})\nimport mos\n"
    done = _guarded(tmp_path / "inner", text)
    assert done.returncode == package_guard.STRANGE and "code from outside" in done.stderr
    done = _guarded(tmp_path, "import sys\nsys.exit(2)\n")
    assert done.returncode == 2
    assert _guarded(tmp_path, "print('done')\n").stdout == "done\n"


def test_a_package_is_never_written_over_and_never_half_there(packed, tmp_path):
    folder, runs = packed
    with pytest.raises(BadInput, match="is there already; give the name of a new folder"):
        package.main(["--run", str(runs[0]), "--output", str(folder), *CPU])
    (tmp_path / "example.png").write_bytes(b"")
    words = ["--run", str(runs[0]), "--output", str(tmp_path / "new" / "packed"), *CPU]
    with pytest.raises(BadInput, match="no such file|is empty|is no stack"):
        package.main([*words, "--example", str(tmp_path / "example.png")])
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(BadInput, match="say what to do"):
        package.main(["--run", str(runs[0])])
    with pytest.raises(BadInput, match="leave --run and --output out"):
        package.main(["--check", str(folder), "--run", str(runs[0])])


def test_needed_modules_follow_imports_inside_functions_and_pins_what_they_import():
    modules, imported = needed_modules(["run.landmark.package_process"])
    assert {"run.landmark.package_answer", "mos.io.stack", "mos.errors", "mos", "run"} <= set(
        modules
    )
    assert {"torch", "numpy", "PIL", "SimpleITK"} <= imported and "os" not in imported
    assert [line.split("==")[0] for line in pinned(["PIL", "nothing_such"])] == ["pillow"]
