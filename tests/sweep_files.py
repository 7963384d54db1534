"""The repository's sweep files in a form that takes seconds, and the data that they ask for."""

from pathlib import Path

import openpyxl

from fer_sweep.data import load_samples
from fer_sweep.data.synthetic_faces import write_faces
from fer_sweep.spec import load_sweep
from fer_sweep.spec.data import SyntheticFaces

ROOT = Path(__file__).parent.parent
HEADER = [None, "label", "First 5 Principal Components of LPQ", *[None] * 4, "First 5 PCs of PHOG", *[None] * 4]
EPOCHS, START = 60, 10


def write_inputs(folder: Path) -> dict[str, str]:
    """A small workbook in the layout of the real one (12 films, 7 classes) and a folder of drawn faces. Returns the
    environment variables by which sweep files name them."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER)
    for i in range(84):
        values = [0.01 * ((7 * i + 3 * j) % 19) + 0.02 * (i % 7) for j in range(10)]
        sheet.append([f"Film{'ABCDEFGHIJKL'[i // 7]}_{i:09d}_{i:08d}.mat", i % 7 + 1, *values])
    book.save(folder / "features.xlsx")
    drawn = SyntheticFaces(source="synthetic_faces", samples=56, persons=8, size=48)
    write_faces(load_samples(drawn), folder / "faces")
    return {"FER_SFEW_WORKBOOK": str(folder / "features.xlsx"), "FER_FACES": str(folder / "faces")}


def shortened(file: Path) -> list[str]:
    """Overrides that make a sweep small without changing what it is about."""
    spec = load_sweep(file)
    epochs = 2 if spec.trains_on_pictures else EPOCHS
    overrides = ["run_cap=3", f"train.epochs={epochs}", "protocol.repeats=1"]
    if spec.data.source == "synthetic_features":
        overrides += ["data.samples=84", "data.persons=12"]
    if spec.data.source == "synthetic_faces":
        overrides += ["data.samples=84", "data.persons=12", "data.size=48"]
    if spec.model.kind == "cnn":
        overrides += ["model.input_size=16", "model.width=4"]
    if spec.model.kind == "resnet":  # no weights are downloaded by a test
        overrides += ["model.input_size=32", "model.weights=none"]
    if spec.schedule.kind == "step":
        overrides.append("schedule.at=[10, 20]")
    if spec.schedule.warm_up >= epochs:
        overrides.append("schedule.warm_up=1")
    if spec.trains_on_pictures:  # what a confirmation is, the others show
        overrides.append("confirm=null")
    elif spec.confirm is not None:
        overrides += ["confirm.repeats=2", "confirm.top_k=1"]
    if spec.removal.rule == "bdr":
        overrides.append(f"removal.start={START}")
    elif "removal.rule" in spec.parameters and "removal.interval" not in spec.parameters:
        overrides.append("parameters.removal.interval={value: 5, when: {removal.rule: bdr}}")
    for path, small in (("train.epochs", [EPOCHS, 20]), ("removal.start", [START, 20])):
        parameter = spec.parameters.get(path)
        if parameter is not None and parameter.values is not None:
            overrides.append(f"parameters.{path}.values={small}")
        elif parameter is not None:
            overrides.append(f"parameters.{path}.value={small[0]}")
    return [part for override in overrides for part in ("--set", override)]
