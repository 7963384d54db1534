"""Other sweepers, with a trial that sleeps for a millisecond: what `benchmarks/tracking.py` sets beside fer-sweep.

    PYTHON benchmarks/others/sweepers.py hydra|ray TRIALS

Run by an interpreter that has them (they need not live beside fer-sweep), prints seconds per trial: as they are after
installation, without MLflow; their start is not counted.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def trial() -> float:
    """What is measured: a trial that trains for a millisecond."""
    time.sleep(0.001)
    return 0.5


def hydra_optuna(trials: int, folder: Path) -> float:
    """Hydra's Optuna sweeper on SQLite, one trial after the other."""
    import hydra
    from hydra.core.config_store import ConfigStore

    sweeper: dict[str, Any] = {"n_trials": trials, "n_jobs": 1, "storage": f"sqlite:///{folder}/optuna.db",
                               "study_name": "hydra"}  # fmt: skip
    new = hasattr(_hydra_config(), "params")  # 1.2 and later; before, ranges were mappings
    range_ = {"params": {"rate": "interval(0.001, 0.1)"}} if new else {
        "search_space": {"rate": {"type": "float", "low": 0.001, "high": 0.1}}
    }  # fmt: skip
    config = {
        "defaults": [{"override hydra/sweeper": "optuna"}],
        "rate": 0.01,
        "hydra": {"sweeper": {**sweeper, **range_}, "sweep": {"dir": str(folder)}},
    }
    ConfigStore.instance().store("config", config)
    moments: list[float] = []

    def objective(_: object) -> float:
        moments.append(time.perf_counter())
        return trial()

    sys.argv = ["sweepers", "--multirun"]
    hydra.main(version_base=None, config_name="config")(objective)()
    return (moments[-1] - moments[0]) / (trials - 1)


def _hydra_config() -> object:
    from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf

    return OptunaSweeperConf()


def ray_tune(trials: int, folder: Path) -> float:
    """Ray Tune's random search, one trial at a time."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    import ray
    from ray import tune

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    tuner = tune.Tuner(
        lambda _: {"accuracy": trial()},
        param_space={"rate": tune.loguniform(1e-3, 1e-1)},
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=1),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    )
    begun = time.perf_counter()
    results = tuner.fit()
    assert len(results) == trials
    return (time.perf_counter() - begun) / trials


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds per trial of another sweeper.")
    parser.add_argument("sweeper", choices=["hydra", "ray"])
    parser.add_argument("trials", type=int)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        seconds = {"hydra": hydra_optuna, "ray": ray_tune}[asked.sweeper](asked.trials, Path(folder))
    print(seconds)


if __name__ == "__main__":
    main()
