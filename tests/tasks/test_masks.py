"""Pictures with masks from every kind of place, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError
from edgekit.tasks.pictures.drawing import PALETTE, save_png
from edgekit.tasks.pictures.masks import VOC_CLASSES, holds_masks, read_mask, read_masked_images
from edgekit.tasks.pictures.scenes import CLASSES, SIZE, Scenes


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_pair(folder: Path, name: str, mask: np.ndarray | None = None) -> Path:
    save(folder / "images" / f"{name}.jpg", np.zeros((6, 8, 3), np.uint8))
    mask = (
        np.array([[0, 1], [255, 1]], np.uint8).repeat(3, 0).repeat(4, 1) if mask is None else mask
    )
    return save(folder / "masks" / f"{name}.png", mask)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(10):
        write_pair(tmp_path / "set", f"p{number}")
    (tmp_path / "set" / "labels.txt").write_text("ground\nthing\n")
    return tmp_path / "set"


def test_a_folder_of_pairs_is_divided_always_in_the_same_way(folder: Path) -> None:
    train, test = (read_masked_images(folder, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (8, 2)
    assert train.classes == ("ground", "thing")
    names = [p.stem for p, _ in [*train.examples.pairs, *test.examples.pairs]]
    assert sorted(names) == [f"p{i}" for i in range(10)]
    again = read_masked_images(folder, "test")
    assert again.examples.pairs == test.examples.pairs
    pixels, mask = test.examples[0]
    assert pixels.shape == (6, 8, 3)
    assert set(np.unique(mask)) == {0, 1, 255}


def test_splits_of_its_own(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_pair(tmp_path / split, split)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    assert len(read_masked_images(tmp_path, "train")) == 1
    assert read_masked_images(tmp_path, "test").examples.pairs[0][0].stem == "val"


def test_pascal_voc(tmp_path: Path) -> None:
    """Indexed PNG in the data set's colours, void along the edges."""
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split, name in (("train", "2007_000032"), ("val", "2007_000033")):
        (lists / f"{split}.txt").write_text(f"{name}\n")
        save(tmp_path / "JPEGImages" / f"{name}.jpg", np.zeros((5, 4, 3), np.uint8))
        mask = np.full((5, 4), 3, np.uint8)
        mask[0] = 255
        (tmp_path / "SegmentationClass").mkdir(exist_ok=True)
        save_png(tmp_path / "SegmentationClass" / f"{name}.png", mask)
    found = read_masked_images(tmp_path, "test")
    assert found.classes == VOC_CLASSES
    assert found.classes[3] == "bird"
    _, mask = found.examples[0]
    assert mask[1, 0] == 3
    assert mask[0, 0] == 255
    (lists / "val.txt").write_text("2007_000039\n")
    with pytest.raises(InputError, match=r"2007_000039.jpg: not found"):
        read_masked_images(tmp_path, "test")


def test_the_palette_is_pascal_vocs() -> None:
    """As the data set's own PNGs have it: bird olive, person, tvmonitor, void cream."""
    assert PALETTE[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert PALETTE[15].tolist() == [192, 128, 128]
    assert PALETTE[20].tolist() == [0, 64, 128]
    assert PALETTE[255].tolist() == [224, 224, 192]


@pytest.mark.parametrize(("mask", "says"), [
    (np.zeros((6, 9), np.uint8), "p3.png: not of its picture's size: got 9 x 6, expected 8 x 6"),
    (np.full((6, 8), 2, np.uint8), "p3.png: unknown palette index: got 2, expected 0 to 1, or 255"),
    (np.full((6, 8), 255, np.uint8), "p3.png: void alone"),
    (np.zeros((6, 8, 3), np.uint8), "p3.png: not a mask: got mode RGB"),
    (np.zeros((6, 8), bool), "p3.png: not a mask: got mode 1"),
])  # fmt: skip
def test_a_bad_mask_is_named(folder: Path, mask: np.ndarray, says: str) -> None:
    write_pair(folder, "p3", mask)
    examples = [e for s in ("train", "test") for e in [read_masked_images(folder, s).examples]]
    with pytest.raises(InputError) as error:
        [list(of_split) for of_split in examples]
    assert says in str(error.value)


def test_what_has_no_partner_is_named(folder: Path) -> None:
    (folder / "masks/p4.png").unlink()
    with pytest.raises(InputError, match=r"p4.jpg: no mask of that name"):
        read_masked_images(folder, "train")
    (folder / "images/p4.jpg").unlink()
    (folder / "images/p5.jpg").unlink()
    with pytest.raises(InputError, match=r"p5.png: no picture of that name"):
        read_masked_images(folder, "train")


def test_places_without_masks(folder: Path, tmp_path: Path) -> None:
    assert holds_masks(folder)
    assert not holds_masks(tmp_path)
    for source, says in (("nowhere", "not found"), (tmp_path, "no masks")):
        with pytest.raises(InputError, match=says):
            read_masked_images(source, "train")
    (folder / "labels.txt").unlink()
    with pytest.raises(InputError, match=r"labels.txt: cannot be read"):
        read_masked_images(folder, "train")
    (folder / "masks/p1.png").write_bytes(b"damage")
    with pytest.raises(InputError, match=r"p1.png: cannot be read as a picture"):
        read_mask(folder / "masks/p1.png")


def test_scenes_are_functions_of_their_number() -> None:
    one, other = Scenes(3, seed=1), Scenes(3, seed=1)
    for number in range(3):
        for a, b in zip(one[number], other[number], strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one[0][1], one[1][1])
    assert not np.array_equal(one[0][1], Scenes(3, seed=2)[0][1])
    with pytest.raises(IndexError):
        one[3]


def test_scenes_show_every_class_in_measure() -> None:
    """Areas of the shapes are known: radius 14% to 30% of the side, 2 to 4 of them."""
    masks = np.stack([mask for _, mask in Scenes(200, seed=5)])
    shares = np.bincount(masks.reshape(-1), minlength=len(CLASSES)) / masks.size
    assert masks.shape == (200, SIZE, SIZE)
    assert 0.6 < shares[0] < 0.85
    assert (shares[1:] > 0.015).all()


def test_shapes_are_vivid_and_the_ground_is_dull() -> None:
    """Saturation, (max - min) / max of the mean colour: at most 0.25 of the ground, 0.6 of shapes.

    The second colour of a texture moves both a little.
    """
    found: dict[bool, list[float]] = {True: [], False: []}
    for pixels, mask in Scenes(100, seed=6):
        for index in np.unique(mask):
            colour = pixels[mask == index].mean(axis=0)
            found[bool(index)].append((colour.max() - colour.min()) / colour.max())
    assert np.median(found[False]) < 0.3
    assert np.median(found[True]) > 0.5
