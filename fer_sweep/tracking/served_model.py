"""What MLflow runs when it serves a model: this file is copied into every logged model (models from code, no pickle).

It and the floors up to `serving` are all of fer-sweep that a served model has.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model

from fer_sweep.serving import Classifier, FeatureRows, load
from fer_sweep.serving.requests import IMAGE, columns_of, pictures_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of MLflow about its own type hints
    from mlflow.pyfunc.model import PythonModel, PythonModelContext

LABEL = "label"


class ServedModel(PythonModel):
    """A table in, a table out: `label`, and the probability of every class as `probability_CLASS`. A row that training
    would have left out (no face, a missing value) has no label and no probabilities."""

    def load_context(self, context: PythonModelContext) -> None:
        self._classifier = Classifier(load(Path(context.artifacts["pipeline"])))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """(n, 1 + C). model_input: the features' columns, or a column `image` of paths, bytes, base64 text or arrays.

        Raises DataError for what is neither.
        """
        pipeline = self._classifier.pipeline
        if isinstance(pipeline.input, FeatureRows):
            columns = columns_of(pipeline.input, list(model_input.columns))
            answers = self._classifier.of_rows(model_input.iloc[:, columns].to_numpy(dtype=np.float64))
        else:
            answers = self._classifier.of_pictures(pictures_of(list(model_input[IMAGE])))
        table = pd.DataFrame(index=model_input.index)
        table[LABEL] = [None if np.isnan(row).any() else pipeline.class_names[int(row.argmax())] for row in answers]
        for c, name in enumerate(pipeline.class_names):
            table[f"probability_{name}"] = answers[:, c].astype(np.float64)
        unknown = table[LABEL].isna()
        return table.astype(object).mask(unknown, None) if unknown.any() else table  # MLflow would write NaN into JSON


set_model(ServedModel())
