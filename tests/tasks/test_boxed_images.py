"""Pascal VOC's XML and COCO's JSON: what is read, and what is refused by file and entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError
from edgekit.tasks.pictures.boxed_images import holds_boxes, read_boxed_images
from edgekit.tasks.pictures.scattered import draw_picture

OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"""


def xml(*objects: str, name: str = "", size: tuple[int, int] = (40, 30)) -> str:
    return (f"<annotation><filename>{name}</filename><size><width>{size[0]}</width>"
            f"<height>{size[1]}</height></size>{''.join(objects)}</annotation>")  # fmt: skip


def thing(name: str = "cat", box: tuple[Any, ...] = (1, 1, 10, 20), difficult: int = 0) -> str:
    return OBJECT.format(name=name, box=box, difficult=difficult)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Four pictures of 40 x 30, one without a box, one with a difficult one."""
    folder = tmp_path / "a voc 🦝"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    bodies = [xml(thing()), xml(thing("dog", (5, 6, 40, 30))), xml(),
              xml(thing(difficult=1), thing("dog"))]  # fmt: skip
    for number, body in enumerate(bodies):
        (folder / f"Annotations/{number}.xml").write_text(body)
        Image.new("RGB", (40, 30)).save(folder / f"JPEGImages/{number}.jpg")
    (folder / "ImageSets/Main/trainval.txt").write_text("0\n1\n2\n")
    (folder / "ImageSets/Main/test.txt").write_text("3\n")
    return folder


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Three pictures in a folder of COCO's, one without a box, one with a crowd."""
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30)).save(folder / f"images/{number}.png")
    for split in ("train2017", "val2017"):
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(document()))
    return folder


def document() -> dict[str, Any]:
    images = [{"id": 7 + n, "width": 40, "height": 30, "file_name": f"{n}.png"} for n in range(3)]
    return {
        "images": images,
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "bbox": [5, 6, 10, 20], "iscrowd": 0},
            {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 40, 30], "iscrowd": 1},
        ],
    }


def test_voc_counts_pixels_from_one_and_ends_included(voc: Path) -> None:
    found = read_boxed_images(voc, "train")
    assert found.classes == ("aeroplane", *found.classes[1:])  # cats and dogs are Pascal's
    cat, dog = found.classes.index("cat"), found.classes.index("dog")
    truths = [picture.truth for picture in found.pictures]
    np.testing.assert_array_equal(truths[0].boxes, [[0, 0, 20, 10]])
    np.testing.assert_array_equal(truths[1].boxes, [[5, 4, 30, 40]])
    assert [t.classes.tolist() for t in truths] == [[cat], [dog], []]
    assert truths[2].boxes.shape == (0, 4)
    (test,) = read_boxed_images(voc, "test").pictures
    assert test.truth.ignore.tolist() == [True, False]
    assert test.pixels().shape == (30, 40, 3)


def test_classes_of_ones_own(voc: Path) -> None:
    (voc / "Annotations/0.xml").write_text(xml(thing("raccoon")))
    assert read_boxed_images(voc, "train").classes == ("cat", "dog", "raccoon")
    (voc / "labels.txt").write_text("raccoon\ndog\ncat\n")
    assert read_boxed_images(voc, "train").classes == ("raccoon", "dog", "cat")


def test_coco_reads_classes_by_id_and_crowds(coco: Path) -> None:
    found = read_boxed_images(coco, "test")
    assert found.classes == ("cat", "dog")
    truths = [picture.truth for picture in found.pictures]
    np.testing.assert_array_equal(truths[0].boxes, [[6, 5, 26, 15]])
    assert [t.classes.tolist() for t in truths] == [[1], [], [0]]
    assert truths[2].ignore.tolist() == [True]


def test_one_file_is_divided_always_alike(coco: Path) -> None:
    path = coco / "all.json"
    path.write_text(json.dumps(document()))
    parts = {split: read_boxed_images(path, split) for split in ("train", "test")}
    places = {s: {p.path.name for p in part.pictures} for s, part in parts.items()}
    assert places["train"] | places["test"] == {"0.png", "1.png", "2.png"}
    assert not places["train"] & places["test"]


def test_shared_sets_are_whole(shared_data: Path) -> None:
    raccoons = [read_boxed_images(shared_data / "raccoon", s) for s in ("train", "test")]
    assert [len(r) for r in raccoons] == [160, 40]
    assert raccoons[0].classes == ("raccoon",)
    with pytest.raises(InputError, match=r"BloodImage_00338\.xml: object \d+: a box without area"):
        read_boxed_images(shared_data / "bccd/BCCD", "train")


def put(file: str, body: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(body) and None


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        body = document()
        change(body)
        (folder / "annotations/instances_train2017.json").write_text(json.dumps(body))

    return apply


@pytest.mark.parametrize(("spoil", "says"), [
    (put("Annotations/1.xml", "<annotation>"), r"1\.xml: cannot be read as XML"),
    (put("Annotations/1.xml", xml(thing(box=(5, 5, 5, 9)))), r"1\.xml: object 1: a box with"),
    (put("Annotations/1.xml", xml(thing(), thing(box=(5, 5, 41, 9)))), "object 2: a box beyond"),
    (put("Annotations/1.xml", xml(thing(box=("nan", 5, 9, 9)))), "object 1: a box without"),
    (put("Annotations/1.xml", xml(thing(box=("x", 5, 9, 9)))), r"bndbox/xmin: got x"),
    (put("Annotations/1.xml", xml(thing(""))), r"1\.xml: object 1: no name"),
    (put("labels.txt", "cat\n"), r"1\.xml: object 1: unknown class: got dog"),
    (put("Annotations/1.xml", "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>"), "declares entities"),
    (put("ImageSets/Main/trainval.txt", "0\n9\n"), r"9\.xml: not found"),
    (lambda folder: (folder / "JPEGImages/1.jpg").unlink(), r"1\.xml: its picture"),
    (lambda folder: (folder / "ImageSets/Main/trainval.txt").unlink(), "no list of the train"),
])  # fmt: skip
def test_bad_voc_is_refused_by_file_and_entry(voc: Path, spoil: Any, says: str) -> None:
    spoil(voc)
    with pytest.raises(InputError, match=says):
        read_boxed_images(voc, "train")


@pytest.mark.parametrize(("spoil", "says"), [
    (put("annotations/instances_train2017.json", "{"), "cannot be read as JSON"),
    (put("annotations/instances_train2017.json", "[]"), "not of COCO"),
    (edit(lambda d: d["annotations"][0].update(category_id=4)), "annotation 1: unknown class"),
    (edit(lambda d: d["annotations"][1].update(image_id=99)), "annotation 2: unknown image"),
    (edit(lambda d: d["annotations"][0].update(bbox=[5, 6, 0, 20])), "annotation 1: a box without"),
    (edit(lambda d: d["annotations"][0].update(bbox=[5, 6, 60, 20])), "annotation 1: a box beyond"),
    (edit(lambda d: d["annotations"][0].update(bbox=[5, 6, 60])), "annotation 1: malformed"),
    (edit(lambda d: d["images"][0].pop("height")), "image 7: got no height"),
    (edit(lambda d: d["images"][0].update(file_name="x.png")), "image 7: its picture"),
])  # fmt: skip
def test_bad_coco_is_refused_by_file_and_entry(coco: Path, spoil: Any, says: str) -> None:
    spoil(coco)
    with pytest.raises(InputError, match=says):
        read_boxed_images(coco, "train")


def test_a_picture_of_another_size_is_refused(voc: Path) -> None:
    Image.new("RGB", (20, 30)).save(voc / "JPEGImages/0.jpg")
    with pytest.raises(InputError, match=r"0\.jpg: not of the size .*: got 20 x 30"):
        read_boxed_images(voc, "train").pictures[0].pixels()


def test_what_holds_boxes(voc: Path, coco: Path, tmp_path: Path) -> None:
    assert holds_boxes(voc)
    assert holds_boxes(coco)
    assert holds_boxes("scattered")
    assert not holds_boxes(tmp_path)


def test_drawn_boxes_fit_their_ink() -> None:
    """Each box is the extent of its digit in the mask, and digits do not touch."""
    seen = 0
    for number in range(20):
        pixels, truth, mask = draw_picture("train", number)
        assert pixels.shape[:2] == mask.shape == truth.size
        for index, (top, left, bottom, right) in enumerate(truth.boxes, start=1):
            down, across = np.nonzero(mask == index)
            assert (down.min(), across.min(), down.max() + 1, across.max() + 1) == (
                top, left, bottom, right)  # fmt: skip
            seen += 1
    assert seen > 20
    again = draw_picture("train", 3)
    np.testing.assert_array_equal(again[0], draw_picture("train", 3)[0])
    assert not np.array_equal(again[0], draw_picture("test", 3)[0])
