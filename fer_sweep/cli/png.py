"""PNG files that a user asks for by an option."""

from pathlib import Path

from fer_sweep.errors import DataError


def check_png(file: Path, *, option: str) -> None:
    """Raises DataError unless a PNG file can be written there: first, so that nobody waits to be told of a mistake."""
    if file.is_dir() or file.suffix.lower() != ".png":
        raise DataError(f"{option}: {file} is no name of a PNG file. Give a file that ends in .png.")
    if not file.parent.is_dir():
        raise DataError(f"{option}: there is no folder {file.parent} to write {file.name} into. Make it first.")


def write_png(content: bytes, file: Path, *, option: str) -> None:
    """Raises DataError if it cannot be written."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise DataError(f"{option}: {file} cannot be written: {error.strerror}. Name another file.") from error
