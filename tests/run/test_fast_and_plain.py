"""What makes a run fast changes none of its numbers beyond rounding."""

import numpy as np
import pytest
import torch
from torch import nn

from mos.engine.device import Machine
from mos.engine.distributed import Processes
from mos.engine.evaluate import evaluate
from mos.engine.train import train_epoch
from mos.metrics import kernel
from run.baseline.labels import labels_for
from run.baseline.task import make_task
from tests.run.small_file import bundle, options


class Compiled(Machine):
    """Compiles as far as a C++ compiler is not needed for."""

    def compile(self, network: nn.Module) -> nn.Module:
        return torch.compile(network, backend="aot_eager")


def learned(tmp_path, optimizer, machine, **given):
    """The losses of two epochs, and the metric table of what they led to."""
    asked = options(
        batch_size=4, sample_count=8, loop=3, image_enhance_level=3, model_norm="batch", **given
    )
    file = bundle(tmp_path)
    task = make_task(asked, file, labels_for(asked, file, {}), machine)
    stepping, losses = optimizer(task.network), []
    for epoch in (1, 2):
        table, _ = train_epoch(
            task,
            machine.compile(task.network),
            stepping,
            machine.scaler(),
            epoch=epoch,
            schedule_epochs=2,
            options=asked,
            machine=machine,
            processes=Processes(),
        )
        losses += table["epoch_losses"].tolist()
    return losses, evaluate(task, "valid", machine, Processes(), quiet=True)


def plain(network):
    return torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.0, foreach=False)


def fused(network):
    return torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.0, fused=True)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", [Machine, Compiled])
def test_fast_and_plain_settings_give_the_same_numbers(kind, tmp_path, monkeypatch, one_thread):
    cpu = torch.device("cpu")
    fast = learned(tmp_path, fused, kind(cpu, "fp32"), channels_last="on")
    monkeypatch.setenv("MOS_KERNEL", "off")
    kernel.load.cache_clear()
    slow = learned(tmp_path, plain, Machine(cpu, "fp32"), channels_last="off")
    kernel.load.cache_clear()
    assert len(slow[0]) > 3 and slow[0][0] != slow[0][-1]
    np.testing.assert_allclose(fast[0], slow[0], rtol=2e-4)
    assert fast[1].keys() == slow[1].keys()
    for key, value in slow[1].items():
        if isinstance(value, torch.Tensor):
            np.testing.assert_allclose(fast[1][key], value, rtol=1e-3, atol=1e-6, err_msg=key)
