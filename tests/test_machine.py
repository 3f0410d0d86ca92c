"""What the operating system grants is read from its files, here laid out by hand."""

import os
from pathlib import Path

import pytest

from mos import machine

GIB = 2**30


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def sixteen_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


@pytest.mark.parametrize(
    "files, cores",
    [
        ({}, 16),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, 16),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "400000 100000"}, 4),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
        # The quota of a group further out counts for those inside it.
        ({"proc/self/cgroup": "0::/job/step", "sys/fs/cgroup/job/cpu.max": "300000 100000"}, 3),
        (
            {
                "proc/self/cgroup": "2:cpu,cpuacct:/docker/ab\n1:memory:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            16,
        ),
    ],
)
def test_cores_are_those_of_the_container_and_not_of_its_host(
    tmp_path, sixteen_cores, files, cores
):
    assert machine.cores(lay(tmp_path, files)) == cores


MEMINFO = f"MemTotal: {64 << 20} kB\nMemAvailable: {60 << 20} kB\n"


def test_memory_is_what_the_container_may_use_and_file_pages_are_free(tmp_path):
    root = lay(tmp_path, {"proc/meminfo": MEMINFO})
    assert machine.memory(root) == (60 * GIB, 64 * GIB)
    lay(
        root,
        {
            "proc/self/cgroup": "0::/",
            "sys/fs/cgroup/memory.max": str(8 * GIB),
            "sys/fs/cgroup/memory.current": str(6 * GIB),
            "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {3 * GIB}\n",
        },
    )
    assert machine.memory(root) == (5 * GIB, 8 * GIB)


def test_memory_of_a_system_that_does_not_tell_is_unknown(tmp_path):
    assert machine.memory(tmp_path) is None


@pytest.mark.parametrize(
    "text, name, clock",
    [
        ("model name : Xeon  CPU @ 2.50GHz\ncpu MHz : 3100.0\n", "Xeon CPU @ 2.50GHz", 2.5),
        ("model name : EPYC\ncpu MHz : 1500.0\ncpu MHz : 3400.0\n", "EPYC", 3.4),
    ],
)
def test_the_clock_is_that_of_the_name_else_the_fastest_now(tmp_path, text, name, clock):
    root = lay(tmp_path, {"proc/cpuinfo": text})
    assert (machine.cpu_name(root), machine.clock_ghz(root)) == (name, clock)


def test_instruction_sets_are_whole_words(tmp_path):
    root = lay(tmp_path, {"proc/cpuinfo": "flags\t\t: fpu avx512_bf16x avx2\n"})
    assert machine.cpu_flags(root) == {"fpu", "avx512_bf16x", "avx2"}
    assert not machine.cpu_flags(root) & machine.BF16_FLAGS
    assert machine.cpu_flags(tmp_path / "nowhere") == frozenset()
