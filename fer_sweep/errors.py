"""The exception tree. Every message says the problem, the value, what is allowed and the remedy.

FerSweepError
├── SpecError            the sweep file (or a --set override) is wrong           exit code 2
├── DataError            the data the file points to is wrong                    exit code 2
├── StudyError           the study cannot be opened or continued as asked        exit code 2
├── ModelError           there is no such model, or it cannot be used            exit code 2
├── TrackingError        the tracking store cannot be reached or written         exit code 4
│   └── TrackingRefused  it answers, but does not take what it is given          exit code 4
└── TrainingFailed       a model could not be trained (loss no number, memory)   exit code 3

A promotion that the gate refuses is an answer, not an error: it ends with exit code 5. A full disk can be met at any
write, and is no class of its own: `out_of_space` tells it from other errors. It ends with exit code 7.
"""

import errno
import sqlite3


class FerSweepError(Exception):
    """Base of everything fer-sweep raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 2


class SpecError(FerSweepError):
    """The sweep file is wrong; the message lists every problem found, one per line."""


class DataError(FerSweepError):
    """A data source cannot be read as configured; the message names the row and column where it can."""


class StudyError(FerSweepError):
    """A study cannot be opened, resumed or continued as asked."""


class ModelError(FerSweepError):
    """A model that was asked for is not there, or is none of fer-sweep."""


class TrackingError(FerSweepError):
    """The MLflow store cannot be reached or written."""

    exit_code = 4


class TrackingRefused(TrackingError):
    """The MLflow store answers, but does not take what it is given; asking again will not help."""


class TrainingFailed(FerSweepError):
    """A model that was to be kept could not be trained; in a study such a trial fails and the study goes on."""

    exit_code = 3


def out_of_space(error: BaseException | None) -> str | None:
    """What a full disk (or a used-up quota) had to say, if that is what an error, or one that led to it, comes from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return str(error)
        if isinstance(error, sqlite3.Error) and "full" in str(error):
            return str(error)
        error = error.__cause__ or error.__context__
    return None
