"""A fitted pipeline: everything between a picture (or a row of features) and class probabilities, and nothing more.

This floor and those below are what a served model takes along: no training, no Optuna, no MLflow. What is heavy (torch,
torchvision, OpenCV) is imported only by pipelines that need it.
"""

from fer_sweep.serving.classifier import Classifier, Heat, predict
from fer_sweep.serving.folder import load, save
from fer_sweep.serving.pipeline import FeatureRows, FittedPipeline

__all__ = ["Classifier", "FeatureRows", "FittedPipeline", "Heat", "load", "predict", "save"]
