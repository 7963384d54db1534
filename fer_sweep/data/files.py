"""Reading the file a data source points to."""

from pathlib import Path

from fer_sweep.errors import DataError


def read_data_file(path: str) -> bytes:
    """The whole content of the file at `path` (`~` is expanded); DataError if there is no readable file."""
    file = Path(path).expanduser()
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"data.path: {path} does not exist (looked for {file.absolute()}). Correct the path, or run from the "
            "folder that relative paths start in."
        ) from None
    except IsADirectoryError:
        raise DataError(f"data.path: {path} is a directory. Name the file in it.") from None
    except OSError as error:
        raise DataError(f"data.path: {path} cannot be read: {error.strerror}.") from error
