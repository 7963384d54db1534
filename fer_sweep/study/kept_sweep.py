"""The sweep of a study in its database, where those find it who steer the study from elsewhere."""

from optuna.storages import RDBStorage

from fer_sweep.spec import SweepSpec, load_kept, to_yaml
from fer_sweep.study.facts import load_facts
from fer_sweep.study.home import Home
from fer_sweep.study.stored import storage_with

_SWEEP = "sweep"


def keep_sweep(storage: RDBStorage, name: str, spec: SweepSpec) -> None:
    """Put it there. The caller holds the study's lock: caps and budgets may change with every run."""
    study_id, text = storage.get_study_id_from_name(name), to_yaml(spec)
    if storage.get_study_user_attrs(study_id).get(_SWEEP) != text:
        storage.set_study_user_attr(study_id, _SWEEP, text)


def kept_sweep(home: Home, name: str) -> SweepSpec:
    """The sweep as the last run of the study had it. Raises StudyError, with the names that exist, if there is none."""
    with storage_with(home, name) as storage:
        text = storage.get_study_user_attrs(storage.get_study_id_from_name(name)).get(_SWEEP)
    if text is None:  # last run before 2026-11-27
        return load_facts(name, home.study(name)).spec
    return load_kept(text, f"study {name}")
