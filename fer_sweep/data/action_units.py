"""The Facial Action Coding System in small: which action units an expression consists of, and what they do to a face.

Prototypes follow EMFACS and FACS table 11-1; optional units and their frequencies Du, Tao and Martinez, PNAS 2014. They
are prototypes: fear and surprise, and anger and disgust, share units on purpose, as people confuse them.
"""

from collections.abc import Mapping

import numpy as np

PROTOTYPES: Mapping[str, tuple[Mapping[int, float], ...]] = {
    "Angry": ({4: 1.0, 5: 0.7, 7: 1.0, 23: 1.0, 24: 0.5, 10: 0.26, 17: 0.52},),
    "Disgust": ({9: 1.0, 15: 0.8, 16: 0.8, 4: 0.31, 26: 0.26}, {10: 1.0, 17: 1.0, 4: 0.6, 24: 0.26}),
    "Fear": ({1: 1.0, 2: 0.57, 4: 1.0, 5: 0.8, 20: 1.0, 25: 1.0, 26: 0.33},),
    "Happy": ({12: 1.0, 25: 0.9, 6: 0.7},),
    "Neutral": ({},),
    "Sad": ({1: 0.8, 4: 1.0, 15: 1.0, 6: 0.3, 11: 0.26, 17: 0.67},),
    "Surprise": ({1: 1.0, 2: 1.0, 25: 1.0, 26: 0.9, 5: 0.66},),
}
"""Expression -> variants: action unit -> how often it takes part."""

EFFECTS: Mapping[int, Mapping[str, float]] = {
    1: {"brow_inner": 1.0, "forehead": 0.6},  # inner brow raiser
    2: {"brow_outer": 1.0, "forehead": 0.5},  # outer brow raiser
    4: {"brow_inner": -0.75, "brow_outer": -0.25, "brow_gap": -1.0, "glabella": 1.0},  # brow lowerer
    5: {"eye_open": 0.65},  # upper lid raiser
    6: {"lower_lid": 0.5, "eye_open": -0.15, "cheek": 1.0},  # cheek raiser
    7: {"lower_lid": 0.6, "eye_open": -0.3},  # lid tightener
    9: {"nose": 1.0, "brow_inner": -0.4, "upper_lip": 0.5, "furrow": 0.7, "eye_open": -0.2},  # nose wrinkler
    10: {"upper_lip": 1.0, "furrow": 0.9, "nose": 0.3},  # upper lip raiser
    11: {"furrow": 0.7},  # nasolabial deepener
    12: {"corner": 1.0, "mouth_width": 0.7, "furrow": 0.7, "cheek": 0.4},  # lip corner puller
    15: {"corner": -1.0},  # lip corner depressor
    16: {"lower_lip": 0.7, "part": 0.25},  # lower lip depressor
    17: {"chin": 1.0, "corner": -0.35, "lower_lip": -0.4},  # chin raiser
    20: {"mouth_width": 0.9, "corner": -0.2},  # lip stretcher
    23: {"lip_thick": -0.8, "mouth_width": -0.4},  # lip tightener
    24: {"lip_thick": -1.0, "mouth_width": -0.2},  # lip pressor
    25: {"part": 0.45},  # lips part
    26: {"part": 0.8, "jaw": 1.0, "mouth_width": -0.3},  # jaw drop
}
"""Action unit -> changes of the face at full intensity, in the units of face_drawing.Expression."""

LEAST, MOST = 0.55, 1.1
"""Intensities are drawn from this range: C to E of the FACS scale, which people can see."""
CLOSING = (23, 24)


def draw_action_units(expression: str, strength: float, rng: np.random.Generator) -> dict[int, float]:
    """Action unit -> intensity of one picture of an expression; empty for Neutral."""
    variants = PROTOTYPES[expression]
    chosen = variants[int(rng.integers(len(variants)))]
    overall = rng.uniform(LEAST, MOST)
    return {
        unit: strength * float(np.clip(overall + rng.normal(0.0, 0.12), 0.1, 1.2))
        for unit, share in chosen.items()
        if rng.random() < share
    }


def effects_of(units: Mapping[int, float]) -> dict[str, float]:
    """The summed changes of a face. Pressed or tightened lips (23, 24) do not part."""
    total: dict[str, float] = {}
    for unit, intensity in units.items():
        for name, effect in EFFECTS[unit].items():
            total[name] = total.get(name, 0.0) + intensity * effect
    if any(unit in units for unit in CLOSING):
        total["part"] = 0.0
    return total
