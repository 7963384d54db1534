"""fer-sweep: sweeps for facial expression recognition, tracked and honestly compared."""

__version__ = "0.1.0"
