"""Tracking: from events to MLflow, by explicit client and run ids."""
