"""The identity of a study: what must stay equal for its trials to belong together."""

from fer_sweep.spec import SweepSpec, flatten
from fer_sweep.spec.search import Scalar

_FREE_TO_CHANGE = (
    "name",
    "description",
    "run_cap",
    "budget.",
    "confirm",
    "resources.device",
    "resources.executor",
    "resources.slots",
    "resources.trial_timeout",
    "resources.ray_address",
    "resources.cpus_per_trial",
    "resources.gpus_per_trial",
    "data.path",
)
"""Parts of a sweep file that may change between two runs of one study: they do not change what a trial means."""


def identity(spec: SweepSpec, *, fingerprint: str, split_hash: str) -> dict[str, Scalar | None]:
    """What must stay equal for trials to belong together: dotted path -> value, data content and splits included."""
    fixed = {path: v for path, v in flatten(spec).items() if not path.startswith(_FREE_TO_CHANGE)}
    return {**fixed, "(data content)": fingerprint, "(splits)": split_hash}
