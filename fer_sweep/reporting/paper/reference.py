"""What the paper reports, as printed (Tables 1 and 2)."""

from dataclasses import dataclass

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


@dataclass(frozen=True)
class Reported:
    """A row of Table 1: accuracy in %, and shares by class in the order of CLASSES (the paper prints Sad and Surprise
    after Neutral, as here)."""

    system: str
    accuracy: float
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    specificity: tuple[float, ...]


SFEW_BASELINE = Reported(
    "SFEW baseline (SVM, other images)",
    19.0,
    (0.17, 0.15, 0.20, 0.28, 0.22, 0.16, 0.15),
    (0.21, 0.13, 0.18, 0.29, 0.21, 0.16, 0.16),
    (0.48, 0.66, 0.64, 0.51, 0.61, 0.60, 0.66),
)
RAW = Reported(
    "NN, unnormalized",
    24.24,
    (0.30, 0.17, 0.28, 0.26, 0.18, 0.29, 0.20),
    (0.34, 0.17, 0.26, 0.22, 0.18, 0.33, 0.20),
    (0.86, 0.90, 0.88, 0.89, 0.86, 0.87, 0.85),
)
RAW_BDR = Reported(
    "NN with BDR, unnormalized",
    25.52,
    (0.36, 0.20, 0.27, 0.28, 0.21, 0.29, 0.20),
    (0.27, 0.18, 0.33, 0.30, 0.27, 0.27, 0.15),
    (0.92, 0.90, 0.83, 0.87, 0.82, 0.89, 0.89),
)
NORMALIZED = Reported(
    "NN, normalized",
    26.48,
    (0.35, 0.17, 0.31, 0.28, 0.18, 0.28, 0.28),
    (0.34, 0.19, 0.28, 0.24, 0.19, 0.31, 0.28),
    (0.89, 0.88, 0.89, 0.89, 0.86, 0.87, 0.86),
)
NORMALIZED_BDR = Reported(
    "NN with BDR, normalized",
    27.45,
    (0.35, 0.18, 0.33, 0.34, 0.20, 0.31, 0.23),
    (0.37, 0.16, 0.29, 0.25, 0.28, 0.34, 0.22),
    (0.88, 0.91, 0.89, 0.92, 0.81, 0.88, 0.86),
)
CNN = Reported(
    "Self-designed CNN",
    37.03,
    (0.44, 0.42, 0.40, 0.35, 0.35, 0.43, 0.32),
    (0.51, 0.45, 0.46, 0.32, 0.29, 0.38, 0.22),
    (0.83, 0.92, 0.88, 0.89, 0.90, 0.91, 0.92),
)
RESNET50 = Reported(
    "ResNet-50, fine-tuned",
    44.74,
    (0.50, 0.46, 0.57, 0.48, 0.30, 0.53, 0.36),
    (0.45, 0.39, 0.53, 0.44, 0.36, 0.56, 0.41),
    (0.92, 0.95, 0.93, 0.91, 0.85, 0.91, 0.87),
)

TABLE_2 = {18: (29.03, 42.97), 50: (34.07, 44.74), 101: (34.67, 41.93)}
"""Depth -> accuracy in % as a fixed feature extractor, and fine-tuned."""
