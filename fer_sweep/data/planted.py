"""Wrong labels that are planted on purpose, so that removal rules can be scored."""

import numpy as np
import numpy.typing as npt

from fer_sweep.data.samples import IntArray


def plant(
    truth: IntArray, share: float, *, classes: int, random: np.random.Generator
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """The labels with exactly round(share * N) of them replaced by one of the others, and which those are."""
    wrong = random.choice(len(truth), size=round(share * len(truth)), replace=False)
    planted = np.zeros(len(truth), dtype=np.bool_)
    planted[wrong] = True
    y = truth.copy()
    y[wrong] = (y[wrong] + random.integers(1, classes, size=len(wrong))) % classes
    return y, planted


def warnings_of(planted: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """What to know of scores on such samples."""
    n, wrong = len(planted), int(planted.sum())
    said = f"{wrong} of {n} labels are wrong on purpose, on the test side too, which limits every score."
    return (said,) if wrong else ()
