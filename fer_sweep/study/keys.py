"""Keys: the identity of a configuration, as a short hash."""

import hashlib

from fer_sweep.spec.trial import TrialConfig


def config_key(config: TrialConfig, split_hash: str) -> str:
    """Equal exactly when two trials would train the same thing on the same splits (seeds aside); 16 hex digits."""
    base = TrialConfig.model_validate(config.model_dump(include=set(TrialConfig.model_fields)))
    return hashlib.sha256(f"{base.model_dump_json()} {split_hash}".encode()).hexdigest()[:16]
