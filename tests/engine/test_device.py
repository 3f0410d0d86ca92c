"""What is asked of the machine is checked before anything is read."""

import pytest
import torch

from torch import nn

from mos.engine import device
from mos.engine.device import choose_machine, device_type, layout
from mos.errors import BadInput


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("wanted", ["gpu", "cude", "tpu:0", ""])
def test_an_unknown_device_is_refused_with_the_known_ones(wanted):
    with pytest.raises(BadInput, match="needs auto, cpu, cuda or cuda:<number>"):
        device_type(wanted)


def test_a_gpu_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_type("auto") == "cpu"
    with pytest.raises(BadInput, match="torch sees no GPU here"):
        choose_machine("cuda", "fp32", 1, False)


def test_half_precision_is_refused_on_a_cpu():
    with pytest.raises(BadInput, match="--precision fp16: needs a GPU"):
        choose_machine("cpu", "fp16", 1, False)


@pytest.mark.parametrize("fast, precision", [(True, "bf16"), (False, "fp32")])
def test_auto_takes_bf16_only_where_it_is_fast(monkeypatch, fast, precision):
    monkeypatch.setattr(device, "_fast_bf16", lambda kind: fast)
    assert choose_machine("cpu", "auto", 1, False).precision == precision
    assert choose_machine("cpu", "fp32", 1, False).precision == "fp32"


def test_threads_are_shared_by_the_processes_of_one_machine(monkeypatch):
    monkeypatch.setattr(device, "cores", lambda: 8)
    for local_world, threads in ((1, 8), (2, 4), (16, 1)):
        choose_machine("cpu", "fp32", 0, False, local_world=local_world)
        assert torch.get_num_threads() == threads
    choose_machine("cpu", "fp32", 3, False, local_world=2)
    assert torch.get_num_threads() == 3


def test_in_fp32_nothing_is_computed_lower():
    machine = choose_machine("cpu", "fp32", 1, False)
    with machine.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    low = choose_machine("cpu", "bf16", 1, False)
    with low.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert not low.scaler().is_enabled() and low.peak_memory_mib() > 0


def test_the_start_says_in_one_line_what_was_chosen_and_why(monkeypatch):
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset())
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "1")
    line = choose_machine("cpu", "auto", 1, False).describe()
    assert line.startswith("CPU, 1 CPU threads, torch ") and "\n" not in line
    assert "fp32 (no bf16 instructions), fused AdamW" in line
    assert "memory kept between steps in huge pages" in line
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_")
    line = choose_machine("cpu", "auto", 1, False).describe()
    assert "bf16, fused AdamW" in line and "kept" not in line and "no bf16" not in line


@pytest.mark.parametrize(
    "wanted, norm, precision, last",
    [
        ("auto", "batch", "fp32", True),
        ("auto", "batch", "bf16", True),
        ("auto", "group", "fp32", True),
        ("auto", "group", "bf16", False),
        ("auto", "instance", "fp32", False),
        ("on", "instance", "fp32", True),
        ("off", "batch", "fp32", False),
    ],
)
def test_channels_last_is_taken_where_it_is_faster_or_asked_for(wanted, norm, precision, last):
    machine = choose_machine("cpu", precision, 1, False)
    assert machine.channels_last(wanted, norm) == last


def test_the_layout_of_a_network_is_read_from_its_weights():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 1))
    assert layout(network) == "channels first"
    assert layout(network.to(memory_format=torch.channels_last)) == "channels_last"
    assert layout(nn.Linear(2, 2)) == "channels first"


def test_compiled_steps_share_the_weights_of_the_network_that_is_stored(monkeypatch):
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compiler(network, backend="eager"))
    monkeypatch.setattr(device.shutil, "which", lambda name: f"/usr/bin/{name}")
    network = nn.Linear(2, 2)
    plain = choose_machine("cpu", "fp32", 1, False)
    assert plain.compile(network) is network and "not compiled" in plain.describe()
    machine = choose_machine("cpu", "fp32", 1, False, compiled=True)
    faster = machine.compile(network)
    assert [p.data_ptr() for p in faster.parameters()] == [
        p.data_ptr() for p in network.parameters()
    ]
    assert torch.equal(faster(torch.ones(1, 2)), network(torch.ones(1, 2)))
    assert machine.describe("channels_last", "data elsewhere").endswith(", compiled") or (
        ", compiled, " in machine.describe()
    )


def test_nothing_to_compile_with_is_said_before_the_data_is_read(monkeypatch):
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    with pytest.raises(BadInput, match="--compile on: needs a C\\+\\+ compiler.*CXX"):
        choose_machine("cpu", "fp32", 1, False, compiled=True)
