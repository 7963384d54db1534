"""A fitted pipeline at work: input in, class probabilities out, by the very functions that training uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_sweep.errors import DataError
from fer_sweep.features.projection import project
from fer_sweep.models.svm import SvmWeights, svm_votes
from fer_sweep.serving.pipeline import FeatureRows, FittedPipeline
from fer_sweep.spec.data import FaceOptions
from fer_sweep.spec.models import SvmModel

if TYPE_CHECKING:
    from fer_sweep.data.pictures import Pictures

Floats = npt.NDArray[np.float32]

PICTURES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Heat:
    """Grad-CAM of one picture. face: (S, S, 3) as the network sees it; heat: (S, S) in [0, 1]."""

    face: npt.NDArray[np.uint8]
    heat: Floats


class Classifier:
    """A pipeline with its network built, ready to be asked again and again. Computes in float32 on the CPU."""

    def __init__(self, pipeline: FittedPipeline) -> None:
        self.pipeline = pipeline
        self._network: Any = None
        if not isinstance(pipeline.model, SvmModel):
            from fer_sweep.serving.network import Network  # here, because an SVM needs no torch

            self._network = Network(pipeline.model, pipeline.weights, classes=len(pipeline.class_names))

    def of_rows(self, x: npt.NDArray[np.floating], names: Sequence[str] | None = None) -> Floats:
        """(n, C) probabilities of rows of features (n, d), d in the order of the pipeline's names; NaN in rows that
        training would have left out for a missing value. names: what rows are called in errors, `row 0` by default.

        Raises DataError for another number of features, a missing value that is not allowed, or an infinite one.
        """
        rows = self.pipeline.input
        assert isinstance(rows, FeatureRows)
        complete, x = _checked(rows, x, names)
        answers = np.full((len(x), len(self.pipeline.class_names)), np.nan, dtype=np.float32)
        if complete.any():
            answers[complete] = self._of_features(x[complete])
        return answers

    def of_pictures(self, pictures: "Pictures") -> Floats:
        """(n, C) probabilities of pictures; NaN where no face was found and the pipeline's `no_face` is `drop`."""
        assert isinstance(self.pipeline.input, FaceOptions)
        batches = [
            self._of_some(pictures.select(range(begin, min(begin + PICTURES_AT_ONCE, len(pictures)))))
            for begin in range(0, len(pictures), PICTURES_AT_ONCE)
        ]
        return np.concatenate([np.empty((0, len(self.pipeline.class_names)), np.float32), *batches])

    @property
    def sees_pictures(self) -> bool:
        """Whether the pictures themselves go through a network, and so can be explained."""
        return isinstance(self.pipeline.input, FaceOptions) and self.pipeline.descriptors is None

    def explain(self, pictures: "Pictures") -> tuple[Floats, list[Heat | None]]:
        """What `of_pictures` answers, and what in each picture speaks for the class that is predicted; None where there
        is no answer. All pictures at once."""
        assert self.sees_pictures
        answers = self._unanswered(len(pictures))
        heats: list[Heat | None] = [None] * len(pictures)
        faces, wanted = self._faces_of(pictures)
        if len(wanted):
            pixels = faces.pixels(self._network.input_size)
            answers[wanted] = self._network.of_pixels(pixels)
            for i, face, heat in zip(wanted.tolist(), pixels, self._network.heat_of(pixels), strict=True):
                heats[i] = Heat(face, heat)
        return answers, heats

    def _of_some(self, pictures: "Pictures") -> Floats:
        answers = self._unanswered(len(pictures))
        faces, wanted = self._faces_of(pictures)
        if len(wanted):
            answers[wanted] = self._of_faces(faces)
        return answers

    def _unanswered(self, count: int) -> Floats:
        return np.full((count, len(self.pipeline.class_names)), np.nan, dtype=np.float32)

    def _faces_of(self, pictures: "Pictures") -> "tuple[Pictures, npt.NDArray[np.intp]]":
        """The faces that get an answer, and which of the pictures they are."""
        from fer_sweep.data.faces import look_at_faces  # here, because rows of features need no Pillow

        options = self.pipeline.input
        assert isinstance(options, FaceOptions)
        if not len(pictures):
            return pictures, np.empty(0, dtype=np.intp)
        faces, found = look_at_faces(pictures, options)
        wanted = np.flatnonzero(found | (options.no_face != "drop"))
        return faces.select(wanted.tolist()), wanted

    def _of_faces(self, faces: "Pictures") -> Floats:
        pipeline = self.pipeline
        if pipeline.descriptors is None:
            return np.asarray(self._network.of_pixels(faces.pixels(self._network.input_size)))
        from fer_sweep.features.descriptors import describe  # here, because only these pipelines need OpenCV

        return self._of_features(project(pipeline.projection or {}, describe(faces, pipeline.descriptors)))

    def _of_features(self, x: Floats) -> Floats:
        pipeline = self.pipeline
        scaled = x if pipeline.scaling is None else pipeline.scaling.apply(x)
        if isinstance(pipeline.model, SvmModel):
            svm = SvmWeights(**pipeline.weights)
            return svm_votes(pipeline.model, svm, scaled, len(pipeline.class_names))
        return np.asarray(self._network.of_features(scaled))


def predict(pipeline: FittedPipeline, inputs: "npt.NDArray[np.floating] | Pictures") -> Floats:
    """(n, C) class probabilities of rows of features (n, d) or of n pictures, whichever the pipeline takes; NaN as
    Classifier says. For many calls keep a Classifier: this builds one each time."""
    classifier = Classifier(pipeline)
    return classifier.of_rows(inputs) if isinstance(inputs, np.ndarray) else classifier.of_pictures(inputs)


def _checked(
    rows: FeatureRows, x: npt.NDArray[np.floating], names: Sequence[str] | None
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which rows (n,) can be answered, and all of them as float32 with zeros where that is what `missing` says."""
    if x.ndim != 2 or x.shape[1] != len(rows.names):
        raise DataError(
            f"the model takes {len(rows.names)} features a row ({', '.join(rows.names)}), but the input has the shape "
            f"{x.shape}. Give an array of shape (n, {len(rows.names)}), or a table with these columns."
        )
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    missing = np.isnan(x)
    for wrong, what in ((np.isinf(x), "is not finite in float32"), (missing & (rows.missing == "error"), "is missing")):
        if wrong.any():
            i, j = np.argwhere(wrong)[0]
            row = f"row {i}" if names is None else names[i]
            raise DataError(f"{row}, column {rows.names[j]}: the value {what}. Features are finite numbers.")
    if rows.missing == "impute":
        return np.ones(len(x), dtype=np.bool_), np.where(missing, np.float32(0.0), x)
    return ~missing.any(axis=1), x
