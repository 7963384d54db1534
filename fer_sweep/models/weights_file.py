"""Files of weights: a state_dict as torch saves it and, in those of fer-sweep pretrain, how they came about.

Plain tensors, texts and numbers: reading one runs no code.
"""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fer_sweep.errors import DataError
from fer_sweep.spec.search import Scalar

ORIGIN = "fer_sweep_pretraining"
"""Key of what is known of a file beside its `state_dict`."""


@dataclass(frozen=True)
class Origin:
    """How weights came about.

    version:       of fer-sweep
    configuration: dotted path -> value, of data, protocol, model and training
    seed:          of the initial weights and the order of batches; the split depends on protocol.seed alone
    fingerprint, class_names, samples, persons: of all data
    trained_on, held_out: number of pictures
    person_independent: whether nobody in the held-out part was trained on
    train_loss, train_accuracy: of the last epoch, while it was trained on
    accuracy, macro_f1, uar: on the held-out part, as shares of 1; None where nothing was held out
    most_frequent: share of the commonest class in the held-out part, what always answering it scores; None as well
    pictures:      content hashes of all pictures trained on, those of the weights it started from included
    """

    version: str
    configuration: Mapping[str, Scalar | None]
    seed: int
    fingerprint: str
    class_names: tuple[str, ...]
    samples: int
    persons: int
    trained_on: int
    held_out: int
    person_independent: bool
    train_loss: float
    train_accuracy: float
    accuracy: float | None
    macro_f1: float | None
    uar: float | None
    most_frequent: float | None
    pictures: tuple[str, ...]


def weights_file(weights: Mapping[str, npt.NDArray[Any]], origin: Origin) -> bytes:
    """The content of a file that `model.weights` may name. weights: tensors of a ResNet by name; its last layer, which
    nobody would use, is left out."""
    state = {name: torch.from_numpy(np.array(x)) for name, x in weights.items() if not name.startswith("fc.")}
    written = io.BytesIO()
    torch.save({"state_dict": state, ORIGIN: asdict(origin)}, written)
    return written.getvalue()


def read_state(path: str) -> dict[str, Tensor]:
    """The state_dict of a file. Raises DataError if there is no such file, or none in it."""
    state = _content(path)
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise DataError(
            f"model.weights: {path} holds no state_dict (names and tensors). Save one with "
            "torch.save(model.state_dict(), path)."
        )
    return state


def pictures_behind(path: str) -> frozenset[str]:
    """Content hashes of the pictures that weights were trained on, as far as fer-sweep trained them; empty for files of
    others. Raises DataError if there is no such file."""
    content = _content(path)
    return frozenset(content[ORIGIN]["pictures"]) if isinstance(content, dict) and ORIGIN in content else frozenset()


def _content(path: str) -> Any:
    file = Path(path).expanduser()
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(
            f"model.weights: {path} does not exist (looked for {file.absolute()}). Allowed: imagenet, none, or the "
            "path of a file with a state_dict."
        ) from None
    except OSError as error:
        raise DataError(f"model.weights: {path} cannot be read: {error}. Name a file that may be read.") from error
    except Exception as error:  # what torch raises for a file that is none of its own has no end
        raise DataError(  # torch advises to load it in a way that runs what is in it
            f"model.weights: {path} cannot be loaded as plain tensors: it is damaged, or holds more than tensors. Save "
            "the state_dict alone: torch.save(model.state_dict(), path)."
        ) from error
