"""The picture of a promotion's evidence: sizes, what is drawn, and that nothing is cut off."""

import io

import numpy as np
import pytest
from PIL import Image

from fer_sweep.data import load_samples
from fer_sweep.spec import TrialConfig
from fer_sweep.spec.search import Metric
from fer_sweep.study.gate import gate_split
from fer_sweep.study.verdict import GateOptions, Verdict, judge
from fer_sweep.tracking.figures import evidence
from fer_sweep.training.metrics import Scores, scores

CONFIG = TrialConfig.model_validate({"data": {"source": "synthetic_features", "samples": 140, "persons": 20}})
SAMPLES = load_samples(CONFIG.data)
PINK = (250, 235, 227)


def side(rng: np.random.Generator, accuracy: float, repeats: int) -> Scores:
    def network() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        hits = rng.binomial(10, accuracy, 7)
        return np.diag(hits) + np.roll(np.diag(10 - hits), 1, axis=1)

    return scores([network() for _ in range(2 * repeats)], repeats=repeats)


def verdict(ours: float | None, theirs: float | None, options: GateOptions, goal: str = "maximize") -> Verdict:
    rng = np.random.default_rng(1)
    split = gate_split(CONFIG, SAMPLES, repeats=options.repeats)
    metric = Metric.model_validate({"goal": goal})
    challenger = "out of memory" if ours is None else side(rng, ours, options.repeats)
    champion = None if theirs is None else side(rng, theirs, options.repeats)
    return judge(challenger, champion, SAMPLES, split, metric=metric, options=options)


def picture(found: Verdict, title: str = "Accepted: faces version 2, against version 1") -> Image.Image:
    return Image.open(io.BytesIO(evidence(found, title=title)))


@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (0.8, 0.5, GateOptions()),
        (0.5, 0.8, GateOptions(min_recall=0.7, min_accuracy=0.9)),
        (0.8, None, GateOptions(repeats=2)),
        (0.8, 0.8, GateOptions(repeats=40, min_recall=0.0)),
        (None, 0.8, GateOptions()),
    ],
)
def test_every_verdict_has_a_picture_with_clean_edges(
    ours: float | None, theirs: float | None, options: GateOptions
) -> None:
    image = picture(verdict(ours, theirs, options), title="Refused: a-model-with-a-very-long-name" * 4)

    assert image.width == 880
    pixels = np.asarray(image)
    edges = [pixels[:, :3], pixels[:, -3:], pixels[:2], pixels[-2:]]
    assert all((edge == 255).all() for edge in edges)


def test_too_much_harm_is_a_red_area_on_the_side_where_it_is() -> None:
    def columns_of_red(goal: str) -> float:
        pixels = np.asarray(picture(verdict(0.8, 0.8, GateOptions(max_harm=0.05), goal)))
        _, columns = np.nonzero((np.abs(pixels.astype(int) - PINK) < 6).all(axis=2))
        return float(columns.mean())

    assert columns_of_red("maximize") < columns_of_red("minimize")


def test_equal_evidence_is_an_equal_picture() -> None:
    assert evidence(verdict(0.8, 0.5, GateOptions()), title="x") == evidence(
        verdict(0.8, 0.5, GateOptions()), title="x"
    )
