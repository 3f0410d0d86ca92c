"""The doctor as a user calls it, and what it says of machines that are not well."""

import json
import os
import sys
from types import SimpleNamespace

import pytest

from mos.doctor import gpu, software, speed, system
from mos.doctor.finding import Finding, text
from mos.doctor.precision import look_at_precision
from mos.doctor.speed import Rate, judge


def test_the_doctor_names_this_machine_and_finds_nothing_wrong(launcher):
    pressed = launcher("doctor", "--json")
    assert pressed.returncode == 0, pressed.stdout + pressed.stderr
    found = {one["about"]: one for one in json.loads(pressed.stdout)}
    assert {"cpu", "memory", "datasets", "results", "python", "packages", "torch"} <= found.keys()
    assert "GFLOP/s" in found["conv 2-D"]["found"] and "GFLOP/s" in found["conv 3-D"]["found"]
    assert sys.prefix in found["python"]["found"]
    assert "--precision auto is" in found["precision"]["found"]
    # The launcher has set what keeps memory for the next step.
    assert found["allocator"]["verdict"] == "good" or "huge pages never" in str(found["allocator"])


def test_an_unknown_flag_is_refused_with_the_right_one(launcher):
    pressed = launcher("doctor", "--sped=false")
    assert pressed.returncode == 2 and "--speed" in pressed.stderr


def test_a_python_without_packages_is_told_to_install_them(launcher, tmp_path):
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')  # -S: no installed packages
    bare.chmod(0o755)
    pressed = launcher("doctor", MOS_PYTHON=str(bare))
    assert pressed.returncode == 1, pressed.stderr
    assert "is installed" in pressed.stdout and "any launcher installs them" in pressed.stdout


def test_an_advice_stands_under_what_it_is_about():
    lines = text([Finding("cpu", "2 cores"), Finding("gpu 0", "old", "wrong", "buy")]).splitlines()
    assert lines == ["  cpu    2 cores", "! gpu 0  old", "           -> buy"]


PINS = "torch==2.0\nnumpy==1.0  # why\n"


@pytest.mark.parametrize(
    "installed, verdict, said",
    [
        ({"torch": "2.0+cpu", "numpy": "1.0"}, "good", "all 2 as pinned"),
        ({"torch": "2.1", "numpy": "1.0"}, "note", "torch 2.1 (pinned 2.0)"),
        ({"torch": "2.0"}, "wrong", "missing: numpy"),
        ({}, "wrong", "none of the 2 is installed"),
    ],
)
def test_versions_are_held_against_the_pins(tmp_path, monkeypatch, installed, verdict, said):
    from importlib import metadata

    def version(name):
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    (tmp_path / "pins.txt").write_text(PINS)
    found = software._packages(tmp_path / "pins.txt")
    assert found.verdict == verdict and said in found.found
    assert bool(found.do) == (verdict != "good")


def test_a_package_that_does_not_load_is_named(monkeypatch):
    monkeypatch.setattr(software, "_LOADED", ("no_such_module_of_anybody",))
    assert "no_such_module_of_anybody does not load: ModuleNotFoundError" in software._broken()


def fake_torch(*, cuda=None, sees=0, capability=(9, 0), built=("sm_90",), free=1.0):
    """As much of torch as the doctor asks about GPUs."""
    whole = 80 * 2**30
    return SimpleNamespace(
        __version__="2.0",
        version=SimpleNamespace(cuda=cuda, hip=None),
        backends=SimpleNamespace(mkldnn=SimpleNamespace(is_available=lambda: True)),
        cuda=SimpleNamespace(
            is_available=lambda: sees > 0,
            device_count=lambda: sees,
            get_device_capability=lambda index=0: capability,
            get_device_name=lambda index=0: "NVIDIA H200",
            mem_get_info=lambda index=0: (int(free * whole), whole),
            get_arch_list=lambda: list(built),
        ),
    )


@pytest.mark.parametrize(
    "torch, driver, verdict, said",
    [
        (fake_torch(cuda="13.0"), None, "good", "trainings run on the CPU"),
        (fake_torch(), "580.65", "wrong", "build for CPUs"),
        (fake_torch(cuda="13.0"), "535.183.01", "wrong", "needs driver 580"),
        (fake_torch(cuda="13.0"), "580.65", "wrong", "CUDA_VISIBLE_DEVICES"),
        (fake_torch(cuda="13.0", sees=1), "580.65", "good", "bf16 yes"),
        (fake_torch(cuda="13.0", sees=1, free=0.3), "580.65", "note", "another program uses it"),
        (fake_torch(sees=1, built=("sm_80",)), "580.65", "wrong", "no kernels for it"),
        (fake_torch(sees=1, built=("compute_80",)), "580.65", "good", "H200"),
        (
            fake_torch(sees=1, capability=(7, 5), built=("sm_75",)),
            "580.65",
            "note",
            "--precision fp16",
        ),
    ],
)
def test_why_a_gpu_cannot_be_used_is_said(monkeypatch, torch, driver, verdict, said):
    monkeypatch.setattr(gpu, "driver_version", lambda: driver)
    last = gpu.look_at_gpus(torch)[-1]
    assert last.verdict == verdict and said in f"{last.found} {last.do}"


def test_the_driver_is_read_from_the_kernel(tmp_path, monkeypatch):
    file = tmp_path / "version"
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release\n")
    monkeypatch.setattr(gpu, "DRIVER_FILE", file)
    assert gpu.driver_version() == "580.65.06"
    monkeypatch.setattr(gpu, "DRIVER_FILE", tmp_path / "none")
    monkeypatch.setattr(gpu, "_ask", lambda *_: "")
    assert gpu.driver_version() is None


@pytest.mark.parametrize(
    "rate, paper, verdict, said",
    [
        (Rate(44, None), 160, "good", "28%"),
        (Rate(5, None), 160, "note", "slow"),
        (Rate(44, None), None, "good", "44 GFLOP/s"),
        (Rate(80, 20), 160, "note", "--precision fp32"),
        (Rate(40, 80), 160, "good", "80 in bf16"),
    ],
)
def test_a_convolution_is_judged_by_what_the_machine_should_do(rate, paper, verdict, said):
    found = judge("conv 3-D", rate, paper, "cpu")
    assert found.verdict == verdict and said in f"{found.found} {found.do}"


def test_what_a_core_does_on_paper_is_clock_times_vector_width(monkeypatch):
    monkeypatch.setattr(speed.machine, "clock_ghz", lambda: 2.0)
    monkeypatch.setattr(speed.machine, "cpu_flags", lambda: frozenset({"avx2", "avx512f"}))
    assert speed.paper_rate() == 128
    monkeypatch.setattr(speed.machine, "cpu_flags", lambda: frozenset({"avx2"}))
    assert speed.paper_rate() == 64
    monkeypatch.setattr(speed.machine, "clock_ghz", lambda: None)
    assert speed.paper_rate() is None


def test_the_precision_named_is_the_one_a_training_takes():
    import torch

    from mos.engine.device import choose_machine

    threads = torch.get_num_threads()
    taken = choose_machine("auto", "auto", threads, False).precision
    torch.set_num_threads(threads)
    assert f"auto is {taken}" in look_at_precision(torch).found


def test_a_full_disk_and_a_folder_of_others_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(system.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    found = system._disk("datasets", tmp_path / "not" / "there", "MOS_CACHE")
    assert found.verdict == "note" and "MOS_CACHE" in found.do
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = system._disk("results", tmp_path, "MOS_CHECKPOINT")
    assert found.verdict == "wrong" and "MOS_CHECKPOINT" in found.do


def test_the_file_system_is_that_of_the_innermost_mount(tmp_path):
    mounts = tmp_path / "mounts"
    inner = tmp_path / "my data"
    inner.mkdir()
    mounts.write_text(
        f"/dev/a / ext4 rw 0 0\nserver:/x {str(inner).replace(' ', chr(92)+'040')} nfs4 rw 0 0\n"
    )
    assert system._file_system(inner, mounts) == "nfs4"
    assert system._file_system(tmp_path, mounts) == "ext4"
