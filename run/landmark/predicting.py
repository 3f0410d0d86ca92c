"""Finding points in new pictures with stored runs: their preparation, the scored path, the picture's own pixels."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mos.data.points import to_original
from mos.engine.progress import progress
from mos.errors import BadInput
from mos.files import write_text
from mos.io.fit_picture import prepare_picture
from run.landmark.dataset import resize_images
from run.landmark.predict_ensemble import Grid, mean_heat
from run.landmark.predict_inputs import Pictures, find_pictures
from run.landmark.predict_members import Member, open_members, run_places
from run.landmark.predict_outputs import (
    challenge_json,
    csv_text,
    output_format,
    write_challenge_json,
)
from run.landmark.predict_points import points_of, predict_heat
from run.landmark.stored import load_network


def predict(options: Any) -> None:
    """Finds the points of every picture of `--input` and writes them to `--output`, all or nothing.

    Args:
        options: `run.landmark.cmd.predict.Options`.

    Raises:
        BadInput: a run or a picture that cannot be used, runs that have no mean, an output that cannot
            be written.
    """
    output = Path(options.output)
    form = output_format(output, options.format)
    members = open_members(run_places(options.run, options.epoch), options)
    pictures = find_pictures(options.input, options.exif)
    used = [pictures.stack.path] if pictures.stack else pictures.files
    if output.resolve() in [file.resolve() for file in used]:
        raise BadInput(f"--output {output}: is one of the pictures; give another file")
    points = find_points(pictures, members)
    if form == "csv":
        write_text(output, csv_text(points, pictures.names))
    else:
        own = members[0].stored.names
        names = own if options.names else [str(number) for number in range(1, len(own) + 1)]
        content = challenge_json(points, names)
        if not pictures.stack:
            # Nothing else would tell which picture a number stands for.
            content["files"] = list(pictures.names)
        write_challenge_json(output, content)
    who = ", ".join(sorted(one.name for one in members))
    who = f"the mean of {len(members)} runs ({who})" if len(members) > 1 else who
    print(f"{who}: {points.shape[1]} points in each of {len(points)} pictures, {output}")


def find_points(pictures: Pictures, members: Sequence[Member]) -> np.ndarray:
    """The points of all pictures.

    Returns:
        (n, point_count, [xy]) float64 in pixels of the pictures as they were given, zero padding
        included; pixel centres are whole numbers.

    Raises:
        BadInput: a picture that cannot be used; names it.
    """
    networks = [load_network(one.stored, one.epoch, one.machine) for one in members]
    found = [
        _locate(name, pixels, members, networks, padded=pictures.stack is not None)
        for name, pixels in progress(pictures.read(), total=len(pictures), title="predict")
    ]
    return np.stack(found)


def _locate(
    name: str,
    pixels: np.ndarray,
    members: Sequence[Member],
    networks: Sequence[nn.Module],
    *,
    padded: bool,
) -> np.ndarray:
    """(point_count, [xy]) of one picture (ch, h, w), in its pixels.

    Args:
        padded: it comes from a stack, so zeros at its edges are no part of it, also where the
            dataset was built of pictures without padding.
    """
    preparation = members[0].preparation
    if padded:
        preparation = dataclasses.replace(preparation, cut_padding=True)
    fitted = prepare_picture(pixels, preparation, name)
    stored = torch.from_numpy(fitted.image)[None]
    grids, ratios = [], []
    for member, network in zip(members, networks, strict=True):
        image, ratio = stored, torch.ones(2, dtype=torch.float64)
        if tuple(stored.shape[2:]) != member.stored.size:
            image, ratio = resize_images(stored, member.stored.size)
        image = image.to(member.machine.device).float().div_(255.0)
        with torch.no_grad(), member.machine.autocast():
            heat = predict_heat(network, image, member.options, member.stored.order)
        x, y = (ratio * member.options.heatmap_stride).tolist()
        grids.append(Grid(heat, (x, y)))
        ratios.append(ratio)
    chances = members[0].options.heatmap_loss == "cross_entropy"
    heat, chosen = mean_heat(grids, chances=chances)
    points = points_of(heat, members[chosen].options)[0].double().cpu()
    factor = torch.tensor(fitted.fit.factor, dtype=torch.float64) * ratios[chosen]
    offset = torch.tensor(fitted.fit.offset, dtype=torch.float64)
    return to_original(points, factor, offset).numpy()
