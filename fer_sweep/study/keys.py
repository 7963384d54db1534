"""Keys: the identity of a configuration, as a short hash, and the seed of a trial."""

import hashlib

from fer_sweep.spec.trial import TrialConfig
from fer_sweep.study.events import Trial
from fer_sweep.training.seeds import derive_seed


def config_key(config: TrialConfig, split_hash: str) -> str:
    """Equal exactly when two trials would train the same thing on the same splits (seeds aside); 16 hex digits."""
    base = TrialConfig.model_validate(config.model_dump(include=set(TrialConfig.model_fields)))
    return hashlib.sha256(f"{base.model_dump_json()} {split_hash}".encode()).hexdigest()[:16]


def trial_seed(study_seed: int, trial: Trial) -> int:
    """The seed of a trial's initial weights: a function of the study's seed, the stage and the number alone."""
    return derive_seed(study_seed, "confirm" if trial.stage == "confirm" else "trial", trial.number)
