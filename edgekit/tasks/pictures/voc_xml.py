"""Boxes in Pascal VOC's XML, one file a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgekit.errors import InputError
from edgekit.tasks.pictures.boxed_images import BoxedImages, File, check_box, make_truth, part_of
from edgekit.tasks.pictures.images import SUFFIXES, Split

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
LABELS = "labels.txt"
_FOLDERS = (("Annotations", "JPEGImages"), ("annotations", "images"))
_LISTS = {"train": ("trainval", "train"), "test": ("test", "val")}
_SIZE_LIMIT_BYTES = 4 << 20  # of a file of boxes

Entry = tuple[str, list[tuple[str, list[float], bool]], tuple[int, int], str]


def holds_voc(folder: Path) -> bool:
    """Whether there are annotations of that kind."""
    return any((folder / boxes).is_dir() and any((folder / boxes).glob("*.xml"))
               for boxes, _ in _FOLDERS)  # fmt: skip


def read(folder: Path, split: Split) -> BoxedImages:
    """Return a split: by the lists of ImageSets/Main where they are, else 80 to 20.

    The classes are those of labels.txt; Pascal VOC's own twenty where no other occurs; else those
    that occur, sorted.

    Raises:
        InputError: a file cannot be read, or an entry in it is wrong.
    """
    boxes, images = next((folder / b, folder / i) for b, i in _FOLDERS if (folder / b).is_dir())
    every = sorted(boxes.glob("*.xml"), key=lambda path: _natural(path.stem))
    entries = {path.stem: _entry(path) for path in every}
    classes = _classes(folder, entries.values())
    chosen = _listed(folder, split)
    if chosen is None:
        names = list(entries)
        chosen = [names[i] for i in part_of(len(names), split)]
    pictures = []
    for name in chosen:
        if name not in entries:
            raise InputError(f"{boxes / name}.xml: not found", expected="boxes of a listed picture")
        pictures.append(_picture(entries[name], name, classes, images))
    return BoxedImages(classes, pictures)


def _picture(entry: Entry, name: str, classes: Sequence[str], images: Path) -> File:
    told, rows, size, where = entry
    stems = (Path(told).name, *(name + suffix for suffix in SUFFIXES))
    path = next((images / stem for stem in stems if (images / stem).is_file()), None)
    if path is None:
        raise InputError(f"{where}: its picture", got="no such file",
                         expected=str(images / (Path(told).name or f"{name}.jpg")))  # fmt: skip
    found = []
    for number, (label, box, difficult) in enumerate(rows, start=1):
        if label not in classes:
            raise InputError(f"{where}: object {number}: unknown class", got=label,
                             expected="one of " + ", ".join(classes))  # fmt: skip
        found.append((box, classes.index(label), difficult))
    return File(path, make_truth(found, size), where)


def _classes(folder: Path, entries: Any) -> tuple[str, ...]:
    if (folder / LABELS).is_file():
        lines = (folder / LABELS).read_text(encoding="utf-8").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    found = sorted({label for _, rows, _, _ in entries for label, _, _ in rows})
    if not found:
        raise InputError(f"{folder}: no boxes in any file", expected="at least one")
    return VOC_CLASSES if set(found) <= set(VOC_CLASSES) else tuple(found)


def _listed(folder: Path, split: Split) -> list[str] | None:
    lists = folder / "ImageSets" / "Main"
    for name in _LISTS[split]:
        path = lists / f"{name}.txt"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            return [line.split()[0] for line in lines if line.strip()]
    if lists.is_dir():
        raise InputError(f"{lists}: no list of the {split} split",
                         expected=" or ".join(f"{name}.txt" for name in _LISTS[split]))  # fmt: skip
    return None


def _entry(path: Path) -> Entry:
    """Return a file's picture, objects and size, checked."""
    try:
        if path.stat().st_size > _SIZE_LIMIT_BYTES:
            raise InputError(f"{path}: too large", expected=f"below {_SIZE_LIMIT_BYTES >> 20} MiB")
        text = path.read_bytes()
        if b"<!ENTITY" in text:  # of which a few can fill a memory
            raise InputError(f"{path}: declares entities", expected="Pascal VOC's XML")
        root = ElementTree.fromstring(text)
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as XML", got=error) from None
    where = str(path)
    width, height = (int(_number(root, f"size/{side}", where)) for side in ("width", "height"))
    rows = list(_objects(root, (height, width), where))
    return root.findtext("filename", ""), rows, (height, width), where


def _objects(
    root: Any, size: tuple[int, int], where: str
) -> Iterator[tuple[str, list[float], bool]]:
    """Yield label, box and whether it is difficult. VOC's pixels count from 1, ends included."""
    for number, item in enumerate(root.findall("object"), start=1):
        at = f"{where}: object {number}"
        label = (item.findtext("name") or "").strip()
        if not label:
            raise InputError(f"{at}: no name")
        top, left, bottom, right = (
            _number(item, f"bndbox/{side}", at) for side in ("ymin", "xmin", "ymax", "xmax")
        )
        check_box((top, left, bottom, right), size, at)
        box = [max(top - 1, 0.0), max(left - 1, 0.0), bottom, right]
        yield label, box, (item.findtext("difficult") or "0").strip() == "1"


def _number(item: Any, tag: str, where: str) -> float:
    text = item.findtext(tag)
    try:
        return float(text)
    except (TypeError, ValueError):
        raise InputError(f"{where}: {tag}", got=text, expected="a number") from None


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
