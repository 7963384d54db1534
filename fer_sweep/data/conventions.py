"""How data sets of faces are laid out in folders: which file has which label, person and official part.

Sources: the data sets' own documentation: SFEW 1.0 and 2.0 (Dhall et al. 2011),
CK+ (Lucey et al. 2010), JAFFE (Lyons et al. 1998), RAF-DB (Li et al. 2017).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fer_sweep.data.counts import counted
from fer_sweep.data.labels import EXPRESSIONS, expression_of
from fer_sweep.data.picture_files import is_hidden, picture_files
from fer_sweep.errors import DataError
from fer_sweep.spec.data import PICTURE_SUFFIXES

TRAINING, VALIDATION, TEST = 0, 1, 2

_PARTS = {"train": TRAINING, "val": VALIDATION, "test": TEST, "set1": TRAINING, "set2": TEST}
_PART_FOLDER = re.compile(r"(train|val|test|set1|set2)(ing|id|idation|ing set)?([ _-].*)?", re.IGNORECASE)
_JAFFE = re.compile(r"(?P<person>[A-Z]{2})\.(?P<label>AN|DI|FE|HA|NE|SA|SU)\d\.\d+")
_JAFFE_LABELS = dict(
    zip(
        ["AN", "DI", "FE", "HA", "NE", "SA", "SU"],
        ["Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"],
        strict=True,
    )
)
_RAF_LABELS = dict(enumerate(["Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral"], start=1))
_CK_LABELS = {0: "Neutral", 1: "Angry", 3: "Disgust", 4: "Fear", 5: "Happy", 6: "Sad", 7: "Surprise"}
_CK_CONTEMPT = 2
_CK_LAST = 3
"""Frames at the end of a CK+ sequence that show its label, as is customary; the first shows a neutral face."""


@dataclass(frozen=True)
class Labelled:
    """A picture file and what its place and name say about it. part: 0 training, 1 validation, 2 test."""

    path: Path
    label: str
    person: str | None = None
    part: int | None = None


@dataclass(frozen=True)
class Layout:
    """What a folder was recognized as."""

    name: str
    pictures: tuple[Labelled, ...]
    warnings: tuple[str, ...] = ()


def recognize(root: Path, labels: Sequence[str] | None) -> Layout:
    """The layout of a folder; labels: names of numeric class folders in ascending order of their numbers.

    Raises DataError if no layout fits, or numeric folders have no names.
    """
    if (root / "EmoLabel" / "list_patition_label.txt").is_file():
        return _raf(root)
    if (root / "Emotion").is_dir() and (images := sorted(root.glob("*cohn-kanade-images"))):
        return _ck(root, images[0])
    found = picture_files(root)
    layout = _by_names(root, found.files, labels)
    if not found.hidden:
        return layout
    example = found.hidden[0].relative_to(root).as_posix()
    hidden = f"Ignored: {counted(len(found.hidden), 'hidden file')} named like a picture, such as {example}."
    return replace(layout, warnings=(*layout.warnings, hidden))


def _by_names(root: Path, files: Sequence[Path], labels: Sequence[str] | None) -> Layout:
    """The layout of a folder whose files' labels stand in the names of folders or files."""
    if not files:
        raise DataError(
            f"data.path: {root} holds no picture files ({', '.join(PICTURE_SUFFIXES)}). Name a folder with one "
            "folder per expression, or give a data.manifest."
        )
    if any(_class_of(path, root) for path in files):
        return _class_folders(root, files)
    jaffe = [Labelled(p, _JAFFE_LABELS[m["label"]], m["person"]) for p in files if (m := _JAFFE.match(p.name))]
    if jaffe:
        return Layout("JAFFE", tuple(jaffe), _ignored(root, files, jaffe))
    return _foreign_folders(root, files, labels)


def _class_of(path: Path, root: Path) -> str | None:
    """The expression that the nearest folder above names."""
    names = path.relative_to(root).parts[:-1]
    return next((found for name in reversed(names) if (found := expression_of(name))), None)


def _part_of(path: Path, root: Path) -> int | None:
    matches = (_PART_FOLDER.fullmatch(name) for name in path.relative_to(root).parts[:-1])
    return next((_PARTS[match[1].lower()] for match in matches if match), None)


def _class_folders(root: Path, files: Sequence[Path]) -> Layout:
    pictures = [Labelled(path, label, part=_part_of(path, root)) for path in files if (label := _class_of(path, root))]
    official = {picture.part for picture in pictures} - {None}
    name = "a folder per expression"
    if len(official) > 1:
        name += ", divided into official parts"
    return Layout(name, tuple(pictures), _ignored(root, files, pictures))


def _foreign_folders(root: Path, files: Sequence[Path], labels: Sequence[str] | None) -> Layout:
    """Class folders with numbers, or names that are no expressions."""
    inside = [path for path in files if path.parent != root and not _PART_FOLDER.fullmatch(path.parent.name)]
    if not inside:
        raise DataError(
            f"data.path: {root} has {counted(len(files), 'picture')} but no class folders. Put the pictures of each "
            "expression into a folder named after it, or give a data.manifest (CSV with the columns path and label)."
        )
    names = sorted({path.parent.name for path in inside})
    label_of = {name: name for name in names}
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
        if labels is None or len(labels) != len(names):
            given = "no names" if labels is None else counted(len(labels), "name")
            raise DataError(
                f"data.path: {root} has {counted(len(names), 'numeric class folder')} ({', '.join(names)}), but "
                f"data.labels gives {given}. Name the classes in ascending order of their numbers, as in "
                f"data.labels: [{', '.join(_example(len(names)))}] (--labels of `fer-sweep data inspect`)."
            )
        label_of = dict(zip(names, labels, strict=True))
    pictures = tuple(Labelled(p, label_of[p.parent.name], part=_part_of(p, root)) for p in inside)
    return Layout("a folder per class", pictures, _ignored(root, files, pictures))


def _example(classes: int) -> Sequence[str]:
    """Names for so many classes, as a user may have in mind."""
    return EXPRESSIONS if classes == len(EXPRESSIONS) else [f"name{i}" for i in range(1, classes + 1)]


def _ignored(root: Path, files: Sequence[Path], used: Sequence[Labelled]) -> tuple[str, ...]:
    """A warning that names the folders whose pictures have no label."""
    taken = {picture.path for picture in used}
    left = Counter(path.parent.relative_to(root).as_posix() for path in files if path not in taken)
    if not left:
        return ()
    places = ", ".join(f"{place} ({count})" for place, count in left.most_common(5))
    return (f"Ignored: {counted(left.total(), 'picture')} in folders that name no expression: {places}.",)


def _raf(root: Path) -> Layout:
    folder = next((f for f in (root / "Image" / "aligned", root / "Image" / "original") if f.is_dir()), None)
    if folder is None:
        raise DataError(
            f"data.path: {root} looks like RAF-DB, but has neither Image/aligned nor Image/original. Unpack "
            "aligned.zip or original.zip there."
        )
    listing = root / "EmoLabel" / "list_patition_label.txt"
    pictures = tuple(_raf_pictures(listing, folder))
    if not pictures:
        raise DataError(f"{listing} lists no pictures. It has lines such as `train_00001.jpg 5`; unpack it again.")
    return Layout("RAF-DB", pictures)


def _raf_pictures(listing: Path, folder: Path) -> Iterator[Labelled]:
    for number, line in enumerate(_label_text(listing).splitlines(), start=1):
        match = re.fullmatch(r"((train|test)_\w+)(\.\w+)\s+([1-7])", line.strip())
        if match is None and line.strip():
            raise DataError(
                f"{listing}, line {number}: {line!r} is not of the form `train_00001.jpg 5` with a label 1..7. Correct "
                "or remove the line."
            )
        if match is not None:
            aligned, plain = folder / f"{match[1]}_aligned{match[3]}", folder / f"{match[1]}{match[3]}"
            part = TRAINING if match[2] == "train" else TEST
            yield Labelled(aligned if aligned.exists() else plain, _RAF_LABELS[int(match[4])], part=part)


def _ck(root: Path, images: Path) -> Layout:
    files = [f for f in sorted((root / "Emotion").glob("*/*/*_emotion.txt")) if not is_hidden(f, root)]
    if not files:
        raise DataError(
            f"data.path: {root} looks like CK+, but {root / 'Emotion'} has no file <subject>/<sequence>/*_emotion.txt. "
            "Unpack Emotion_labels.zip there."
        )
    pictures: list[Labelled] = []
    contempt = 0
    for file in files:
        subject, sequence = file.parts[-3:-1]
        code = _ck_code(file)
        if code == _CK_CONTEMPT:
            contempt += 1
            continue
        place = images / subject / sequence
        found = (path for path in sorted(place.glob("*")) if path.suffix.lower() in PICTURE_SUFFIXES)
        frames = [path for path in found if not is_hidden(path, root)]
        if not frames:
            raise DataError(
                f"{file} labels the sequence {subject}/{sequence}, which has no pictures in {images}. Unpack them "
                "there, or remove the label."
            )
        first, rest = frames[:1], frames[1:]  # a single frame shows its label
        pictures += [Labelled(frame, _CK_LABELS[code], subject) for frame in (rest or first)[-_CK_LAST:]]
        pictures += [Labelled(frame, "Neutral", subject) for frame in first if rest]
    warning = f"{contempt} sequences labelled contempt are left out: it is not one of the seven expressions."
    return Layout("CK+", tuple(pictures), (warning,) if contempt else ())


def _ck_code(file: Path) -> int:
    """The emotion's number in a label file of CK+, which writes `   3.0000000e+00`."""
    text = _label_text(file).strip()
    try:
        code = float(text)
    except ValueError:
        code = -1.0
    if code not in (*_CK_LABELS, _CK_CONTEMPT):
        meaning = ", ".join(
            f"{number} {name}" for number, name in sorted({**_CK_LABELS, _CK_CONTEMPT: "contempt"}.items())
        )
        raise DataError(f"{file}: {text[:40]!r} is not one of {meaning}. Correct the file, or remove it.")
    return int(code)


def _label_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no text: byte {error.start} is not UTF-8. Unpack it again, or remove it.") from None
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}. Check its permissions.") from error
