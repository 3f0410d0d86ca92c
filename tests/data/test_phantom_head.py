"""The built-in X-rays: the same everywhere, with points that vary together and lie on what is drawn."""

import hashlib

import numpy as np
import pytest

from mos.data.phantom_head import NAMES, make_head
from mos.data.phantom_head_shape import make_skull
from mos.data.phantom_random import Draw

TINY = {"frame": (84, 66), "coarse": 4.0}


@pytest.fixture(scope="module")
def heads():
    return [make_head(f"tinyhead{number:03d}", **TINY) for number in range(1, 17)]


def test_the_same_name_gives_the_same_bytes_as_ever(heads):
    """The hash was taken when the phantom was made: a change of it changes everyone's numbers."""
    head = heads[0]
    digest = hashlib.sha256(head.picture.tobytes() + np.round(head.points, 6).tobytes())
    assert digest.hexdigest()[:16] == "b6ca74e5b7e2a2e0"


def test_patients_differ_in_anatomy_scale_and_padding(heads):
    assert len({head.scale for head in heads}) == len(heads)
    assert len({head.content for head in heads}) > 1
    for head in heads:
        h, w = head.content
        assert not head.picture[h:].any() and not head.picture[:, w:].any()
        assert head.picture[:h].any(axis=1).all() and head.picture[:, :w].any(axis=0).all()
        assert head.points.shape == (19, 2)


def test_some_heads_are_cut_and_most_are_whole(heads):
    def outside(head):
        h, w = head.content
        return ((head.points < -0.5) | (head.points > np.array([w, h]) - 0.5)).any()

    assert 2 <= sum(map(outside, heads)) <= 6


def test_points_are_linked_as_anatomy_links_them():
    """Over many heads chin points move together, and sella, the origin, not at all."""
    skulls = [make_skull(Draw("head", f"x{number}")).points for number in range(60)]
    y = {name: np.array([points[name][1] for points in skulls]) for name in NAMES}
    assert np.corrcoef(y["menton"], y["gnathion"])[0, 1] > 0.9
    assert y["menton"].std() > 5
    assert y["sella"].std() == 0
    below = y["menton"] > y["pogonion"]
    assert below.all() and (y["ANS"] < y["A point"]).mean() > 0.99


def test_bone_is_brighter_than_air_at_its_points():
    bright = []
    for number in range(1, 4):
        head = make_head(f"head{number:03d}")
        x, y = np.rint(head.points[NAMES.index("nasion")]).astype(int)
        bright.append(
            head.picture[y, x - 4 : x + 1].max() / max(1, head.picture[y, x + 30 : x + 34].mean())
        )
    assert min(bright) > 1.5
