"""Changes of training pictures: exactly what they say, and nothing when they are off."""

import pytest
import torch

from fer_sweep.models.pictures import plain_batch
from fer_sweep.spec.train import AugmentConfig
from fer_sweep.training.augmentation import changed_batch, erased, mixed

N, SIZE = 64, 20


@pytest.fixture
def draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (N, SIZE, SIZE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


ROWS = torch.arange(N)


def test_without_changes_a_batch_is_the_pictures(pixels: torch.Tensor, draw: torch.Generator) -> None:
    assert torch.equal(changed_batch(pixels, ROWS, AugmentConfig(), draw), plain_batch(pixels, ROWS))
    assert torch.equal(plain_batch(pixels, ROWS[3:5])[0, :, 2, 7] * 255, pixels[3, 2, 7].float())


def test_a_flip_mirrors_about_half_of_the_pictures_exactly(pixels: torch.Tensor, draw: torch.Generator) -> None:
    plain, changed = plain_batch(pixels, ROWS), changed_batch(pixels, ROWS, AugmentConfig(flip=True), draw)
    same = [bool(torch.equal(a, b)) for a, b in zip(plain, changed, strict=True)]
    mirrored = [bool(torch.equal(a.flip(-1), b)) for a, b in zip(plain, changed, strict=True)]

    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 0.3 * N < sum(mirrored) < 0.7 * N


def test_a_crop_shifts_by_at_most_its_share_and_mirrors_the_border(pixels: torch.Tensor, draw: torch.Generator) -> None:
    plain, changed = plain_batch(pixels, ROWS), changed_batch(pixels, ROWS, AugmentConfig(crop=0.1), draw)
    padded = torch.nn.functional.pad(plain, (2, 2, 2, 2), mode="reflect")
    shifts = set()
    for one, all_shifts in zip(changed, padded, strict=True):
        found = [
            (y, x) for y in range(5) for x in range(5) if torch.equal(all_shifts[:, y : y + SIZE, x : x + SIZE], one)
        ]
        assert len(found) == 1
        shifts.add(found[0])

    assert len(shifts) > 12


def test_a_rotation_turns_about_the_centre_by_at_most_its_degrees_in_both_directions(draw: torch.Generator) -> None:
    side = 41
    pictures = torch.zeros(N, side, side, 3, dtype=torch.uint8)
    pictures[:, 19:22, 34:37] = 255  # three pixels wide, 15 to the right of the centre
    changed = changed_batch(pictures, ROWS, AugmentConfig(rotation=30.0), draw).mean(1)

    line = torch.arange(side) - side // 2
    mass = changed.sum((1, 2))
    along, down = (changed.sum(1) * line).sum(1) / mass, (changed.sum(2) * line).sum(1) / mass
    degrees = torch.rad2deg(torch.atan2(down, along))
    torch.testing.assert_close(torch.hypot(along, down), torch.full((N,), 15.0), atol=0.1, rtol=0)
    assert degrees.abs().max() <= 30.5
    assert degrees.max() > 20.0
    assert degrees.min() < -20.0


def test_what_a_rotation_lays_bare_is_filled_with_the_picture(draw: torch.Generator) -> None:
    pictures = torch.full((N, SIZE, SIZE, 3), 200, dtype=torch.uint8)
    changed = changed_batch(pictures, ROWS, AugmentConfig(rotation=180.0), draw)

    torch.testing.assert_close(changed, plain_batch(pictures, ROWS))


def test_colours_stay_in_range_and_change(pixels: torch.Tensor, draw: torch.Generator) -> None:
    changed = changed_batch(pixels, ROWS, AugmentConfig(colour=0.8), draw)

    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    assert not torch.allclose(changed, plain_batch(pixels, ROWS), atol=0.05)


def test_erasing_blanks_one_rectangle_in_about_its_share_of_the_pictures(draw: torch.Generator) -> None:
    x = torch.ones(400, 3, SIZE, SIZE)
    changed = erased(x, 0.25, draw)
    blanked = (changed == 0).any(dim=1)
    hit = blanked.flatten(1).any(dim=1)

    assert 60 < int(hit.sum()) < 140
    for picture in blanked[hit]:
        rows, columns = picture.any(1).nonzero(), picture.any(0).nonzero()
        height, width = (int(places.max() - places.min()) + 1 for places in (rows, columns))
        assert int(picture.sum()) == height * width
    assert torch.equal(erased(x, 0.0, draw), x)


def test_mixup_blends_pictures_and_goals_alike(draw: torch.Generator) -> None:
    goals = torch.eye(8)
    x = goals[:, :, None, None].expand(8, 8, 4, 4)[:, :3]
    blended, mixed_goals = mixed(x.clone(), goals, 0.4, draw)

    torch.testing.assert_close(mixed_goals.sum(1), torch.ones(8))
    torch.testing.assert_close(blended[:, :, 0, 0], mixed_goals[:, :3])
