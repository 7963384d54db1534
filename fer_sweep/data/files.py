"""Reading the file a data source points to."""

from pathlib import Path

from fer_sweep.errors import DataError


def read_data_file(path: str, *, setting: str = "data.path") -> bytes:
    """The whole content of the file at `path` (`~` is expanded), which `setting` names; DataError if there is no
    readable file."""
    file = Path(path).expanduser()
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{setting}: {path} does not exist (looked for {file.absolute()}). Correct the path, or run from the "
            "folder that relative paths start in."
        ) from None
    except IsADirectoryError:
        raise DataError(f"{setting}: {path} is a directory. Name the file in it.") from None
    except OSError as error:
        raise DataError(f"{setting}: {path} cannot be read: {error.strerror}.") from error


def read_text_file(path: str, *, setting: str = "data.path") -> str:
    """As `read_data_file`, decoded; DataError naming byte and row if it is not UTF-8."""
    content = read_data_file(path, setting=setting)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{setting}: {path} is not UTF-8: byte {content[error.start]:#04x} in row {row}. Save it as UTF-8."
        ) from None
