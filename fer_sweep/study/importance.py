"""Which parameters matter: importance over the finished trials of a search."""

import optuna


def importance(study: optuna.Study) -> dict[str, float]:
    """Share of each parameter in what separates good trials from the rest (PED-ANOVA), largest first. Empty with
    fewer than 10 finished trials or nothing to tell apart."""
    finished = [t for t in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)) if t.params]
    if len(finished) < 10 or len({t.value for t in finished}) < 2:
        return {}
    copy = optuna.create_study(direction=study.direction)  # without a base that lies outside the space
    copy.add_trials(finished)
    return dict(optuna.importance.get_param_importances(copy))
