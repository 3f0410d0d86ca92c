"""Landmark runs of a second or less, trained in the test's own process."""

from pathlib import Path

from mos.arguments import parse
from mos.folders import setting_folder
from run.landmark.model_arguments import TASK, ModelArguments
from run.landmark.train import train

SMALL = ["--model_channels", "4,8,8", "--heatmap_sigma", "3", "--device", "cpu", "--threads", "1"]


def train_tiny(*flags: object, epochs: int = 1) -> Path:
    """Trains on the tiny phantom below MOS_CHECKPOINT; the run's folder."""
    words = ["--train_dataset", "phantom-tiny", "--epoch_count", epochs, "--batch_size", "4"]
    argv = [str(word) for word in (*words, *SMALL, *flags)]
    done = parse(ModelArguments, argv, prog="test", description="")
    train(done.options, done.text, done.layers)
    return setting_folder(TASK, "phantom-tiny") / done.options.run_name
