"""Class names and their order: the seven expressions, however they are spelled, or any other set of labels."""

import re
from collections.abc import Sequence

import numpy as np

from fer_sweep.data.samples import IntArray

EXPRESSIONS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
"""Order of the SFEW workbook (labels 1..7) and of Dhall et al. 2011, Table 3."""

_SPELLINGS = {
    "angry": ("anger",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid"),
    "happy": ("happiness", "joy"),
    "neutral": ("neutrality",),
    "sad": ("sadness",),
    "surprise": ("surprised",),
}
_EXPRESSION = {spelling: name for name in EXPRESSIONS for spelling in (name.lower(), *_SPELLINGS[name.lower()])}
_INTEGER = re.compile(r"[+-]?\d+(\.0*)?")


def expression_of(spelling: str) -> str | None:
    """The expression that a name spells, in any case; None if it spells none."""
    return _EXPRESSION.get(spelling.strip().lower())


def encode_labels(labels: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Class index (N,) of every label, and the class names in index order.

    Labels that all spell one of the seven expressions (in any case) become those of EXPRESSIONS that occur, in its
    order. Labels that are all integers are sorted by value. Anything else is sorted by name.
    """
    spelled = set(labels)
    if all(label.lower() in _EXPRESSION for label in spelled):
        name_of = {label: _EXPRESSION[label.lower()] for label in spelled}
        present = set(name_of.values())
        names = tuple(name for name in EXPRESSIONS if name in present)
    elif all(_INTEGER.fullmatch(label) for label in spelled):
        name_of = {label: str(int(float(label))) for label in spelled}
        names = tuple(sorted(set(name_of.values()), key=int))
    else:
        name_of = {label: label for label in spelled}
        names = tuple(sorted(spelled))
    index = {name: i for i, name in enumerate(names)}
    return np.array([index[name_of[label]] for label in labels], dtype=np.int64), names
