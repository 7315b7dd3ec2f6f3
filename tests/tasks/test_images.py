"""Labelled pictures: against TensorFlow, Pillow's own files and arithmetic; and bad input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError
from edgekit.tasks.pictures import images
from edgekit.tasks.pictures.images import (
    divide,
    read_image,
    read_labelled_images,
    resize,
    with_channels,
)


def picture(path: Path, color=(200, 30, 60), size=(12, 10), **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count in (("cat", 10), ("dog 🐕\n'x'", 5)):
        for i in range(count):
            picture(tmp_path / "set" / name / f"{i}.png", (i, 0, 0))
    return tmp_path / "set"


def one_line(source: object, split="train") -> str:
    with pytest.raises(InputError) as caught:
        read_labelled_images(str(source), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_digits_are_split_80_to_20_within_each_class_without_overlap():
    from sklearn.datasets import load_digits

    raw = load_digits()
    train, test = (read_labelled_images("digits", s) for s in ("train", "test"))
    assert train.classes == tuple("0123456789")
    assert len(train) + len(test) == len(raw.target) == 1797
    for label in range(10):
        share = (test.labels == label).sum() / (raw.target == label).sum()
        assert abs(share - 0.2) < 0.01
    # Together they are the published pictures, each once.
    ours = np.concatenate([train.items, test.items])[..., 0] / 255 * 16
    key = lambda a: sorted(map(tuple, np.rint(a).reshape(len(a), -1).astype(int)))  # noqa: E731
    assert key(ours) == key(raw.images)
    assert train.items.max() == 255
    assert train.pixels(0).shape == (8, 8, 1)
    assert train.labels.dtype == np.int64
    again = read_labelled_images("digits", "test")
    assert (again.items == test.items).all()


def test_folder_of_classes(folder: Path):
    train, test = (read_labelled_images(str(folder), s) for s in ("train", "test"))
    assert train.classes == ("cat", "dog 🐕\n'x'")
    assert np.bincount(train.labels).tolist() == [8, 4]
    assert np.bincount(test.labels).tolist() == [2, 1]
    assert not set(train.items) & set(test.items)
    assert {p.parent.name for p in train.items} == set(train.classes)
    index = int(np.flatnonzero(train.labels == 0)[3])
    assert train.pixels(index)[0, 0].tolist() == [int(train.items[index].stem), 0, 0]


@pytest.mark.parametrize("name", ["test", "val"])
def test_folder_with_its_own_split(tmp_path: Path, name: str):
    for i in range(3):
        picture(tmp_path / "train" / "a" / f"{i}.jpg")
        picture(tmp_path / "train" / "b" / f"{i}.jpg")
    picture(tmp_path / name / "b" / "x.jpg")
    assert len(read_labelled_images(str(tmp_path), "train")) == 6
    test = read_labelled_images(str(tmp_path), "test")
    assert test.classes == ("a", "b")
    assert test.labels.tolist() == [1]
    picture(tmp_path / name / "c" / "x.jpg")
    assert "got c" in one_line(tmp_path, "test")


def test_a_text_file_called_jpg_is_named(folder: Path):
    (folder / "cat" / "notes.jpg").write_text("not a picture")
    assert "notes.jpg" in one_line(folder)


def test_a_truncated_jpeg_is_named(folder: Path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = folder / "cat" / "cut.jpg"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.jpg.*truncated"):
        read_image(path)


def test_files_that_are_no_pictures_are_said_to_be_left_out(folder: Path, caplog):
    (folder / "cat" / "readme.txt").write_text("hello")
    (folder / "cat" / ".DS_Store").write_text("")
    caplog.set_level("WARNING", "edgekit")
    assert len(read_labelled_images(str(folder), "train")) == 12
    assert "1 files are not pictures" in caplog.text


def test_bad_folders(tmp_path: Path, folder: Path):
    (tmp_path / "empty").mkdir()
    assert "no class folders" in one_line(tmp_path / "empty")
    (tmp_path / "hollow" / "a").mkdir(parents=True)
    assert "without pictures" in one_line(tmp_path / "hollow")
    picture(tmp_path / "lonely" / "a" / "1.png")
    picture(tmp_path / "lonely" / "a" / "2.png")
    assert "one class only" in one_line(tmp_path / "lonely")
    picture(folder / "wolf" / "1.png")
    assert "class wolf cannot be split" in one_line(folder)
    picture(tmp_path / "half" / "train" / "a" / "1.png")
    assert "without a test split" in one_line(tmp_path / "half")
    assert "not found" in one_line(tmp_path / "no\nwhere")
    (tmp_path / "file.txt").write_text("x")
    assert "not a data set" in one_line(tmp_path / "file.txt")


def test_npz(tmp_path: Path):
    x = np.arange(12 * 5 * 4, dtype=np.uint8).reshape(12, 5, 4)
    y = np.arange(12) % 3
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:3], y_test=y[:3, None])
    train, test = (read_labelled_images(tmp_path / "a.npz", s) for s in ("train", "test"))
    assert train.classes == ("0", "1", "2")
    assert (train.items[..., 0] == x).all()
    assert test.labels.tolist() == [0, 1, 2]
    np.savez(tmp_path / "b.npz", x=x.astype(np.float64), y=y, classes=["r", "g", "b"])
    train, test = (read_labelled_images(tmp_path / "b.npz", s) for s in ("train", "test"))
    assert train.classes == ("r", "g", "b")
    assert np.bincount(test.labels).tolist() == [1, 1, 1]
    assert len(train) == 9


GOOD = np.zeros((6, 4, 4, 3), np.uint8)
LABELS = np.arange(6) % 2


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.full((6, 4, 4), np.nan), "y": LABELS}, "x: NaN"),
        ({"x": np.full((6, 4, 4), 0.5), "y": LABELS}, "0.5 to 0.5"),
        ({"x": np.full((6, 4, 4), 256), "y": LABELS}, "256"),
        ({"x": GOOD[:, 0, 0], "y": LABELS}, "x: got uint8 [6, 3]"),
        ({"x": GOOD, "y": LABELS[:5]}, "5 labels for 6 pictures"),
        ({"x": GOOD, "y": LABELS - 1}, "got -1"),
        ({"x": GOOD, "y": LABELS + 0.5}, "integer labels"),
        ({"x": GOOD, "y": LABELS, "classes": ["a"]}, "label out of range: got 1"),
        ({"x": GOOD, "y": LABELS * 0}, "one class only"),
        ({"x": GOOD[:0], "y": LABELS[:0]}, "0 labels"),
        ({"x": GOOD.astype(object), "y": LABELS}, "pickle"),
        ({"pictures": GOOD}, "got pictures"),
        ({}, "got none"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays, says: str):
    np.savez(tmp_path / "bad.npz", **arrays)
    line = one_line(tmp_path / "bad.npz")
    assert says in line
    assert "bad.npz" in line


def test_npz_that_is_none(tmp_path: Path):
    (tmp_path / "text.npz").write_text("hello")
    assert "cannot be read as .npz" in one_line(tmp_path / "text.npz")
    np.savez(tmp_path / "cut.npz", x=GOOD, y=LABELS)
    content = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    assert "cannot be read as .npz" in one_line(tmp_path / "cut.npz")
    assert "not found" in one_line(tmp_path / "none.npz")


def test_exif_orientation_turns_the_picture(tmp_path: Path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :4] = 255  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise: left becomes top
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    read = read_image(tmp_path / "turned.png")
    assert read.shape == (16, 8, 3)
    assert (read[:4] == 255).all()
    assert (read[4:] == 0).all()


def test_read_image_takes_grey_palette_and_alpha_but_not_16_bits(tmp_path: Path):
    for mode in ("L", "P", "RGBA", "1", "CMYK"):
        suffix = "tif" if mode == "CMYK" else "png"
        Image.new(mode, (3, 2)).save(tmp_path / f"x.{suffix}")
        assert read_image(tmp_path / f"x.{suffix}").shape == (2, 3, 3)
    Image.fromarray(np.full((2, 2), 40000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="more than 8 bits"):
        read_image(tmp_path / "deep.png")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch):
    path = picture(tmp_path / "set" / "a" / "big.png", size=(40, 40))
    picture(tmp_path / "set" / "b" / "1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="too large a picture"):
        read_image(path)
    assert "big.png" in one_line(tmp_path / "set")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # beyond twice the limit Pillow itself acts
    with pytest.raises(InputError, match="too large a picture"):
        read_image(path)


def test_not_found_and_no_picture(tmp_path: Path):
    with pytest.raises(InputError, match="not found"):
        read_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize("size", [(224, 224), (96, 32), (300, 500), (7, 5)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_resize_equals_tensorflow_within_one_level(size, channels: int):
    tf = pytest.importorskip("tensorflow")
    pixels = np.random.default_rng(1).integers(0, 256, (173, 211, channels), np.uint8)
    ours = resize(pixels, size)
    theirs = tf.image.resize(pixels.astype(np.float32), size, antialias=True).numpy()
    assert ours.shape == (*size, channels)
    assert np.abs(ours - theirs).max() <= 1


def test_resize_equals_tensorflow_on_a_photograph(shared_data: Path):
    tf = pytest.importorskip("tensorflow")
    pixels = read_image(shared_data / "images" / "grace_hopper.bmp")
    decoded = tf.io.decode_bmp((shared_data / "images" / "grace_hopper.bmp").read_bytes()).numpy()
    assert (pixels == decoded).all()
    theirs = tf.image.resize(decoded, (224, 224), antialias=True).numpy()
    assert np.abs(resize(pixels, (224, 224)) - theirs).max() <= 1


def test_channels():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert (with_channels(grey, 3) == np.concatenate([grey] * 3, axis=2)).all()
    color = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    pillow = np.asarray(Image.fromarray(color).convert("L"), int)
    assert np.abs(with_channels(color, 1)[..., 0] - pillow).max() <= 1
    with pytest.raises(InputError, match="channels"):
        with_channels(np.zeros((2, 2, 4), np.uint8), 3)


def test_divide_by_hand():
    labels = np.array([0] * 10 + [1] * 4 + [2])
    rest, share = divide(labels, 0.25, seed=3)
    assert np.bincount(labels[share], minlength=3).tolist() == [2, 1, 0]
    assert sorted([*rest, *share]) == list(range(15))
    assert (divide(labels, 0.25, seed=3)[1] == share).all()
    assert any((divide(labels, 0.25, seed=s)[1] != share).any() for s in range(4, 9))


def test_missing_pillow_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(images.MissingExtraError, match=r"edgekit\[litert\]"):
        read_image("x.png")
