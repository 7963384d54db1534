"""Keys: the identity of a configuration, as a short hash, and the seed of a trial."""

import hashlib

from fer_sweep.spec.trial import TrialConfig
from fer_sweep.study.events import Trial
from fer_sweep.training.seeds import derive_seed

NEWER = {"augment": ("rotation",), "removal": ("at_random",)}
"""Fields that earlier versions did not have. At its default such a field is no part of a key, so that what an earlier
version measured is found."""


def config_key(config: TrialConfig, split_hash: str) -> str:
    """Equal exactly when two trials would train the same thing on the same splits (seeds aside); 16 hex digits."""
    base = TrialConfig.model_validate(config.model_dump(include=set(TrialConfig.model_fields)))
    written = base.model_dump_json(exclude=_unset(base))
    return hashlib.sha256(f"{written} {split_hash}".encode()).hexdigest()[:16]


def _unset(config: TrialConfig) -> dict[str, set[str]]:
    """Section -> newer fields of it that are at their defaults."""
    unset: dict[str, set[str]] = {}
    for name, newer in NEWER.items():
        section = getattr(config, name)
        fields = type(section).model_fields
        unset[name] = {f for f in newer if f in fields and getattr(section, f) == fields[f].default}
    return unset


def trial_seed(study_seed: int, trial: Trial) -> int:
    """The seed of a trial's initial weights: a function of the study's seed, the stage and the number alone."""
    return derive_seed(study_seed, "confirm" if trial.stage == "confirm" else "trial", trial.number)
