"""What the paper claims, as statements that our numbers can contradict."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fer_sweep.reporting.document import Prose, Section, Table
from fer_sweep.reporting.paper.network import BDR, FULLY, losses
from fer_sweep.reporting.paper.studies import PaperStudy
from fer_sweep.reporting.study_tables import interval, p, points
from fer_sweep.study.comparison import paired
from fer_sweep.study.measured import Measured
from fer_sweep.study.statistics import Comparison, corrected_comparison, half_width, holm
from fer_sweep.tracking.figures.canvas import FloatArray

CONVERGED = 0.5
"""Training loss at which a network counts as converged, when speeds are compared."""
Expected = Literal["more", "fewer", "same"]


@dataclass(frozen=True)
class Claim:
    """A statement, the difference that decides it, and what it should be. in_points: of accuracy, else of epochs."""

    statement: str
    difference: Comparison
    expected: Expected
    in_points: bool = True


def claims_section(studies: Mapping[str, PaperStudy]) -> Section:
    """Every claim with its corrected interval."""
    claims = list(_claims(studies))
    corrected = holm([claim.difference for claim in claims])
    rows = tuple(
        (claim.statement, *_numbers(claim, c), p(c.p_holm), _verdict(claim, c))
        for claim, c in zip(claims, corrected, strict=True)
    )
    caption = (
        "Differences are paired by fold on the same random splits; intervals are corrected for overlapping "
        "training sets (Nadeau and Bengio), p also for the number of claims (Holm)."
    )
    leak = _flattery(studies)
    return Section(
        "What the paper claims", (Table(("claim", "difference", "95 %", "p", "found"), rows, caption), *leak)
    )


def _claims(studies: Mapping[str, PaperStudy]) -> list[Claim]:
    raw, normalized = studies["paper-raw-random"], studies["paper-normalized-random"]
    optimizer = studies["paper-optimizer-random"]
    adam, sgd = optimizer.trial({"train.optimizer": "adam"}), optimizer.trial({"train.optimizer": "sgd"})
    full, short, bdr = normalized.trial(FULLY), normalized.trial({**FULLY, "train.epochs": 50}), normalized.trial(BDR)
    random = normalized.trial({"removal.at_random": True})
    raw_full, raw_bdr = raw.trial(FULLY), raw.trial(BDR)
    strict = raw.trial({"removal.rule": "bdr", "removal.alpha": 0.1})
    wanted: list[tuple[str, Measured | None, Measured | None, Expected]] = [
        ("Adam reaches more accuracy than SGD.", sgd, adam, "more"),
        ("Normalization makes the network more accurate.", raw_full, full, "more"),
        ("BDR gains about a point over the fully trained network (normalized).", full, bdr, "more"),
        ("BDR gains about a point over the fully trained network (unnormalized).", raw_full, raw_bdr, "more"),
        ("... and over one that is stopped after 50 epochs (normalized).", short, bdr, "more"),
        ("... and over removing as many samples at random (normalized).", random, bdr, "more"),
        ("Alpha hardly matters: 1.0 against 0.1 (unnormalized).", strict, raw_bdr, "same"),
    ]
    claims = [
        Claim(statement, paired(a.scores, b.scores, "accuracy", a.split), expected)
        for statement, a, b, expected in wanted
        if a is not None and b is not None
    ]
    if raw_full is not None and full is not None:
        faster = _epochs_until(full) - _epochs_until(raw_full)
        difference = corrected_comparison(faster, test_to_train=full.split.test_to_train)
        statement = f"Normalization makes training converge faster: epochs until a training loss of {CONVERGED}."
        claims.insert(1, Claim(statement, difference, "fewer", in_points=False))
    return claims


def _epochs_until(measured: Measured) -> FloatArray:
    """(networks,) the first epoch with a training loss of at most CONVERGED; the last one where there is none."""
    reached = losses(measured) <= CONVERGED
    first: FloatArray = np.where(reached.any(axis=1), reached.argmax(axis=1), reached.shape[1] - 1).astype(np.float64)
    return first


def _flattery(studies: Mapping[str, PaperStudy]) -> tuple[Prose, ...]:
    """Random splits against film-disjoint ones; the folds are different ones, so nothing can be paired."""
    random = studies["paper-normalized-random"].trial(FULLY)
    person = studies["paper-normalized-person"].trial(FULLY)
    if random is None or person is None:
        return ()
    difference, squares = random.scores.accuracy.mean - person.scores.accuracy.mean, 0.0
    for one in (random, person):
        folds = one.scores.by_network["accuracy"].ravel()
        spread = float(folds.std(ddof=1))
        squares += half_width(spread, n=folds.size, test_to_train=one.split.test_to_train) ** 2
    half = math.sqrt(squares)
    holds = "That is beyond the noise." if difference > half else "That cannot be told from noise with so few repeats."
    return (
        Prose(
            f"Random splits flatter: the fully trained network on normalized features gains {points(difference)} "
            f"points [{points(difference - half)}, {points(difference + half)}] when films may be on both sides. "
            f"{holds}",
            strong=True,
        ),
    )


def _numbers(claim: Claim, c: Comparison) -> tuple[str, str]:
    if claim.in_points:
        return f"{points(c.difference)} points", interval(c)
    return f"{c.difference:+.0f} epochs".replace("-", "−"), f"[{c.low:+.0f}, {c.high:+.0f}]".replace("-", "−")


def _verdict(claim: Claim, c: Comparison) -> str:
    """What an interval says of a claim."""
    if claim.expected == "same":
        return "no difference seen" if c.low <= 0 <= c.high else "it matters"
    above, below = (c.low > 0, c.high < 0) if claim.expected == "more" else (c.high < 0, c.low > 0)
    if above and c.p_holm < 0.05:
        return "holds"
    return "does not hold" if below else "cannot be told from noise"
