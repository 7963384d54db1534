"""Who is drawn, and under which circumstances: everything about a drawn face but its expression. Lengths are shares of
the picture's side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
Point = tuple[float, float]

_SKINS = ((241, 206, 178), (229, 184, 148), (205, 150, 113), (168, 112, 79), (124, 80, 56), (90, 58, 42))
_HAIRS = ((38, 28, 24), (70, 46, 32), (122, 82, 48), (182, 142, 84), (120, 116, 112), (140, 64, 36))
_IRISES = ((72, 48, 32), (60, 90, 120), (70, 100, 66), (40, 32, 28))


@dataclass(frozen=True)
class Identity:
    """What stays the same in all pictures of a person."""

    skin: Colour
    hair: Colour
    iris: Colour
    width: float
    height: float
    jaw: float
    eye_gap: float
    eye_size: float
    eye_height: float
    brow_height: float
    brow_thick: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lips: float
    hair_style: int
    glasses: bool
    beard: bool


def draw_identity(rng: np.random.Generator) -> Identity:
    """A random person."""

    def near(middle: float, spread: float) -> float:
        return middle * float(1.0 + spread * rng.uniform(-1.0, 1.0))

    def tinted(colours: Sequence[Colour]) -> Colour:
        r, g, b = colours[int(rng.integers(len(colours)))]
        shift = rng.integers(-10, 11)
        return int(np.clip(r + shift, 0, 255)), int(np.clip(g + shift, 0, 255)), int(np.clip(b + shift, 0, 255))

    return Identity(
        skin=tinted(_SKINS), hair=tinted(_HAIRS), iris=tinted(_IRISES),
        width=near(0.30, 0.10), height=near(0.40, 0.07), jaw=near(0.72, 0.15),
        eye_gap=near(0.125, 0.10), eye_size=near(0.062, 0.14), eye_height=near(-0.07, 0.25),
        brow_height=near(0.075, 0.15), brow_thick=near(0.018, 0.35),
        nose_length=near(0.13, 0.14), nose_width=near(0.05, 0.22),
        mouth_width=near(0.105, 0.13), mouth_height=near(0.205, 0.08), lips=near(0.017, 0.35),
        hair_style=int(rng.integers(3)), glasses=bool(rng.random() < 0.12), beard=bool(rng.random() < 0.12),
    )  # fmt: skip


def _muted(colour: npt.NDArray[np.int64]) -> Colour:
    r, g, b = (round(0.5 * value + 0.5 * float(colour.mean())) for value in colour.tolist())
    return r, g, b


@dataclass(frozen=True)
class Circumstances:
    """What differs between two pictures of the same face. Angles in radians; light: direction and depth of shading."""

    roll: float
    yaw: float
    pitch: float
    scale: float
    shift: Point
    light: Point
    brightness: float
    background: tuple[Colour, Colour]
    blur: float
    noise: float
    asymmetry: float


def draw_circumstances(rng: np.random.Generator) -> Circumstances:
    """Random pose, light, background and camera."""
    low, high = (_muted(rng.integers(30, 220, size=3)) for _ in range(2))
    return Circumstances(
        roll=float(rng.normal(0.0, 0.05)),
        yaw=float(rng.normal(0.0, 0.016)),
        pitch=float(rng.normal(0.0, 0.015)),
        scale=float(rng.uniform(0.9, 1.12)),
        shift=(float(rng.normal(0.0, 0.015)), float(rng.normal(0.0, 0.015))),
        light=(float(rng.uniform(-0.35, 0.35)), float(rng.uniform(-0.3, 0.1))),
        brightness=float(rng.uniform(0.75, 1.15)),
        background=(low, high),
        blur=float(rng.uniform(0.0, 0.7)),
        noise=float(rng.uniform(1.0, 4.0)),
        asymmetry=float(rng.normal(0.0, 0.12)),
    )
