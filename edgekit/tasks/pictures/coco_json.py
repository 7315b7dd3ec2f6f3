"""Boxes in COCO's JSON, one file a split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.tasks.pictures.boxed_images import BoxedImages, File, check_box, make_truth, part_of
from edgekit.tasks.pictures.images import Split

_NAMES = {
    "train": ("instances_train*.json", "train.json"),
    "test": ("instances_val*.json", "instances_test*.json", "test.json", "val.json"),
}
_SLACK = 1.0  # pixel: COCO's own boxes reach so far beyond


def holds_coco(folder: Path) -> bool:
    """Whether there are annotations of that kind."""
    return _file(folder, "train") is not None


def read(path: Path, split: Split) -> BoxedImages:
    """Return a split: a folder has a file for each, one file alone is divided 80 to 20.

    The classes are the file's categories by id.

    Raises:
        InputError: a file cannot be read, or an entry in it is wrong.
    """
    if path.is_dir():
        found = _file(path, split)
        if found is None:
            raise InputError(f"{path}: no boxes of the {split} split",
                             expected=" or ".join(_NAMES[split]))  # fmt: skip
        return _read(found)
    every = _read(path)
    return every.subset(part_of(len(every), split))


def _file(folder: Path, split: Split) -> Path | None:
    places = (folder / "annotations", folder)
    found = (p for place in places for name in _NAMES[split] for p in sorted(place.glob(name)))
    return next(found, None)


def _read(path: Path) -> BoxedImages:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as JSON", got=reason) from None
    if not isinstance(raw, dict) or not isinstance(raw.get("images"), list):
        raise InputError(f"{path}: not of COCO", expected="images, annotations and categories")
    try:
        categories = sorted(raw["categories"], key=lambda category: category["id"])
        classes = tuple(str(category["name"]) for category in categories)
        images = {image["id"]: image for image in raw["images"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: images or categories", got=repr(error)) from None
    index = {category["id"]: number for number, category in enumerate(categories)}
    sizes = {key: _size(image, path) for key, image in images.items()}
    rows: dict[Any, list[Any]] = {key: [] for key in images}
    for number, item in enumerate(raw.get("annotations") or [], start=1):
        where = f"{path}: annotation {item.get('id', number) if isinstance(item, dict) else number}"
        key, row = _row(item, index, sizes, where)
        rows[key].append(row)
    pictures = [
        File(_place(path, image, f"{path}: image {key}"), make_truth(rows[key], sizes[key]),
             str(path))
        for key, image in images.items()
    ]  # fmt: skip
    return BoxedImages(classes, pictures)


def _size(image: Mapping[str, Any], path: Path) -> tuple[int, int]:
    try:
        return int(image["height"]), int(image["width"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: image {image.get('id')}", got="no height or width",
                         expected="both") from None  # fmt: skip


def _row(
    item: Any, index: Mapping[Any, int], sizes: Mapping[Any, tuple[int, int]], where: str
) -> tuple[Any, Any]:
    """Return one annotation's image and its box, class and whether it is a crowd."""
    try:
        key, category = item["image_id"], item["category_id"]
        left, top, width, height = map(float, item["bbox"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: malformed", got=repr(error),
                         expected="image_id, category_id, bbox of 4 numbers") from None  # fmt: skip
    if key not in sizes:
        raise InputError(f"{where}: unknown image", got=key)
    if category not in index:
        raise InputError(f"{where}: unknown class", got=f"category {category}",
                         expected="one of " + ", ".join(map(str, index)))  # fmt: skip
    box = [top, left, top + height, left + width]
    check_box(box, sizes[key], where, _SLACK)
    return key, (box, index[category], bool(item.get("iscrowd")))


def _place(path: Path, image: Mapping[str, Any], where: str) -> Path:
    """Return where a picture lies: beside the file, or in a folder as COCO has them."""
    name = str(image.get("file_name") or "")
    split = path.stem.removeprefix("instances_")
    roots = (path.parent, path.parent.parent)
    for root in roots:
        for folder in ("", "images", split, f"images/{split}"):
            if name and (root / folder / name).is_file():
                return root / folder / name
    raise InputError(f"{where}: its picture", got="no such file",
                     expected=f"{name or 'a file_name'} beside the file or in images/")  # fmt: skip
