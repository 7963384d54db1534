"""The study: an Optuna search over the space, run by one coordinator that keeps caps, seeds and results exact."""
