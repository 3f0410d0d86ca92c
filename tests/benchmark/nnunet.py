"""Samples per second of nnU-Net v2's trainer and of ours: the same network, the same volumes, batches as large.

The network is nnU-Net's own PlainConvUNet (without deep supervision), the very module in both; loss, optimiser,
sampling and augmentation are each trainer's own. On one thread, nnU-Net's augmentation in the same process, in
processor time: what either takes of a machine, however it spreads it. With profiles of where the time goes.

nnU-Net brings many packages, so it may live in an environment of its own that sees MOS's too: PEERS_PYTHON names its
Python. Without either the row says that it was skipped.
"""

import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mos.data.bundle import Bundle, open_bundle
from mos.engine.device import choose_machine
from mos.engine.distributed import Processes
from mos.engine.optimizer import make_optimizer
from mos.engine.train import train_epoch
from mos.folders import dataset_path, project_folder
from run.baseline.labels import labels_for
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.phantom import ensure
from run.baseline.task import make_task
from tests.benchmark import is_quick, plain_row, say

REACH = 2.0
NAME = "Dataset001_Phantom"
SETTINGS = {
    2: {"dataset_crop_size": (128, 128), "batch_size": 8, "model_norm": "instance"},
    3: {"dataset_crop_size": (16, 64, 64), "batch_size": 2, "model_norm": "instance"},
}
FEATURES = {2: (16, 32, 64, 128), 3: (16, 32, 64)}


def write_volumes(bundle: Bundle, folder: Path, patch: tuple[int, ...]) -> None:
    """The training volumes as nnU-Net's preprocessing leaves them, in blocks for batches of this size."""
    from nnunetv2.training.dataloading import nnunet_dataset

    store = nnunet_dataset.nnUNetDatasetBlosc2

    folder.mkdir(parents=True)
    for number, volume in enumerate(bundle.tensors["train3d"].numpy()):
        data = volume[:-1].astype(np.float32)
        data = (data - data.mean()) / data.std()
        seg = volume[-1:].astype(np.int16)
        places = {k: np.argwhere(seg == k) for k in np.unique(seg[seg > 0]).tolist()}
        properties = {"class_locations": places, "spacing": [8.0, 1.0, 1.0]}
        blocks, chunks = nnunet_dataset.comp_blosc2_params(data.shape, patch)
        name = str(folder / f"case_{number:03d}")
        store.save_case(data, seg, properties, name, chunks, blocks)


def plans(dims: int, labels: int, bundle: Bundle) -> tuple[dict[str, Any], dict[str, Any]]:
    """What nnU-Net's planner writes, for these volumes and this network; and the dataset's description."""
    given, conv = SETTINGS[dims], f"torch.nn.modules.conv.Conv{dims}d"
    features = FEATURES[dims]
    shape = bundle.tensors["train3d"].shape[-3:]
    architecture = {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": len(features),
            "features_per_stage": list(features),
            "conv_op": conv,
            "kernel_sizes": [[3] * dims] * len(features),
            "strides": [[1] * dims] + [[1, 2, 2][-dims:]] * (len(features) - 1),
            "n_conv_per_stage": [2] * len(features),
            "n_conv_per_stage_decoder": [2] * (len(features) - 1),
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    configuration = {
        "data_identifier": f"volumes-{dims}d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": given["batch_size"],
        "patch_size": list(given["dataset_crop_size"]),
        "median_image_size_in_voxels": list(shape)[-dims:],
        "spacing": [8.0, 1.0, 1.0][-dims:],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "architecture": architecture,
        "batch_dice": dims == 2,
    }
    whole = {
        "dataset_name": NAME,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [8.0, 1.0, 1.0],
        "original_median_shape_after_transp": list(shape),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {f"{dims}d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": {}},
        "continue_training": False,
    }
    names = {"background": 0, **{f"label{i}": i for i in range(1, labels)}}
    return whole, {"channel_names": {"0": "MRI"}, "labels": names, "file_ending": ".nii.gz"}


def peer(dims: int, labels: int, bundle: Bundle) -> Any:
    """nnU-Net's trainer with its data loader, ready to step."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    made, about = plans(dims, labels, bundle)
    trainer = nnUNetTrainer(made, f"{dims}d", "all", about, torch.device("cpu"))
    trainer.enable_deep_supervision = False
    trainer.initialize()
    trainer.dataloader_train, trainer.dataloader_val = trainer.get_dataloaders()
    trainer.network.train()
    return trainer


def compare(dims: int, steps: int, rounds: int, folder: Path) -> None:
    """Prints the row of one dimension."""
    given = SETTINGS[dims]
    options = ModelArguments(
        sample_count=steps * given["batch_size"], model_channels=FEATURES[dims], **given
    )
    bundle = open_bundle(dataset_path(TASK, "phantom-0"))
    labels = labels_for(options, bundle, {})
    machine = choose_machine("cpu", "auto", 1, False)
    task = make_task(options, bundle, labels, machine)
    write_volumes(
        bundle, folder / "preprocessed" / NAME / f"volumes-{dims}d", options.dataset_crop_size
    )
    trainer = peer(dims, labels.count, bundle)
    network: nn.Module = copy.deepcopy(trainer.network)
    object.__setattr__(task, "network", network)
    optimizer = make_optimizer(network, 1e-3, 1e-2)
    parts = {"theirs": 0.0, "ours": 0.0}

    def theirs() -> None:
        for _ in range(steps):
            started = time.process_time()
            batch = next(trainer.dataloader_train)
            parts["theirs"] += time.process_time() - started
            trainer.train_step(batch)

    make = type(task.datasets["train"]).batch

    def ours() -> None:
        train_epoch(
            task,
            network,
            optimizer,
            machine.scaler(),
            epoch=1,
            schedule_epochs=10,
            options=options,
            machine=machine,
            processes=Processes(),
        )

    class Timed:
        """The dataset, whose batches are timed."""

        def __len__(self) -> int:
            return len(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(data, name)

        def batch(self, *asked: Any) -> Any:
            started = time.process_time()
            batch = make(data, *asked)
            parts["ours"] += time.process_time() - started
            return batch

    data = task.datasets["train"]
    object.__setattr__(task, "datasets", {**task.datasets, "train": Timed()})
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds + 1):
        for name, run in (("ours", ours), ("theirs", theirs)):
            started = time.process_time()
            run()
            if number:
                times[name].append((time.process_time() - started) / steps)
            else:
                parts[name] = 0.0
    size = "x".join(map(str, options.dataset_crop_size))
    rate = {name: options.batch_size / min(of) for name, of in times.items()}
    ratio = rate["ours"] / rate["theirs"]
    middle = statistics.median(times["theirs"]) / statistics.median(times["ours"])
    bounded = "no: no bf16 instructions here" if machine.precision == "fp32" else False
    plain_row(
        f"nnU-Net's network, {dims}-D, batch {options.batch_size} of {size}, {machine.precision}, augmented, a thread",
        f"{rate['ours']:.1f} samples/s",
        f"nnU-Net v2's trainer {rate['theirs']:.1f} samples/s",
        f"{ratio:.2f}x (medians {middle:.2f}x)",
        f">= {REACH:g}x",
        True if ratio >= REACH else bounded,
    )
    made = {name: 1e3 * of / (steps * rounds) for name, of in parts.items()}
    say(
        f"{dims}-D, a step: ours {1e3 * min(times['ours']):.0f} ms, of which the batch {made['ours']:.1f}; "
        f"nnU-Net {1e3 * min(times['theirs']):.0f} ms, of which the batch {made['theirs']:.1f}"
    )


def main() -> None:
    quick = is_quick(__doc__)
    if find_spec("nnunetv2") is None:
        python = os.environ.get("PEERS_PYTHON")
        if python:
            command = [python, "-m", "tests.benchmark.nnunet", *sys.argv[1:]]
            raise SystemExit(subprocess.run(command, cwd=project_folder()).returncode)
        plain_row(
            "samples per second against nnU-Net v2's trainer",
            "-",
            "nnunetv2 is not installed: PEERS_PYTHON names a Python that has it and MOS's packages",
            "-",
            f">= {REACH:g}x",
            "skipped",
        )
        return
    ensure("phantom-0")
    with tempfile.TemporaryDirectory() as name:
        for key in ("raw", "preprocessed", "results"):
            os.environ[f"nnUNet_{key}"] = f"{name}/{key}"
        os.environ["nnUNet_n_proc_DA"] = "0"
        for dims in SETTINGS:
            compare(dims, 2 if quick else 12, 1 if quick else 5, Path(name))


if __name__ == "__main__":
    main()
