"""Calibration data: what is read, when, and what is refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError
from edgekit.quantize.calibration import open_calibration, random_examples
from edgekit.signature import TensorSpec
from edgekit.tasks.pictures import images

PICTURE = TensorSpec("image", (1, 4, 6, 3), "float32", layout="NHWC", mean=(127.5,), std=(127.5,))
VECTOR = TensorSpec("x", (1, 3), "float32")
IDS = TensorSpec("ids", (1, 5), "int32")


def save(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def draw(folder: Path, count: int, value: int = 0) -> Path:
    """Write grey pictures; the n-th has the level `value` + n."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (6, 4), (value + number,) * 3).save(folder / f"{number:03}.png")
    return folder


def levels(source: Path, limit: int) -> list[int]:
    """Return the grey levels of the calibration pictures in `source`."""
    examples = open_calibration(source, [PICTURE], limit)
    return [round(float(e["image"].mean()) * 127.5 + 127.5) for e in examples]


def test_pictures_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = draw(tmp_path / "pictures", 12)
    reads: list[str] = []
    read = images.read_image
    monkeypatch.setattr(
        "edgekit.tasks.pictures.images.read_image",
        lambda path: reads.append(path.name) or read(path),
    )
    examples = iter(open_calibration(folder, [PICTURE]))
    assert reads == []
    next(examples)
    next(examples)
    assert reads == ["000.png", "001.png"]


def test_npy_is_mapped_not_loaded(tmp_path: Path) -> None:
    path = save(tmp_path / "large.npy", np.zeros((4000, 5000), np.float32))  # 80 MB
    wide = TensorSpec("x", (1, 5000), "float32")
    tracemalloc.start()
    examples = open_calibration(path, [wide], 100)
    assert sum(len(e["x"]) for e in examples) == 100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_pictures_become_values(tmp_path: Path) -> None:
    folder = draw(tmp_path / "pictures", 1, value=255)
    (example,) = open_calibration(folder, [PICTURE])
    assert example["image"].shape == (1, 4, 6, 3)
    assert example["image"].dtype == np.float32
    assert example["image"].min() == example["image"].max() == 1.0  # (255 - 127.5) / 127.5


def test_spread_evenly(tmp_path: Path) -> None:
    assert levels(draw(tmp_path / "pictures", 101), 5) == [0, 25, 50, 75, 100]
    assert levels(tmp_path / "pictures", 1) == [0]


def test_every_class_has_its_share(tmp_path: Path) -> None:
    for label in range(4):
        draw(tmp_path / "data" / "train" / str(label), 10, 50 * label)
        draw(tmp_path / "data" / "test" / str(label), 1, 200)
    found = levels(tmp_path / "data", 8)
    assert [sum(50 * label <= v < 50 * label + 10 for v in found) for label in range(4)] == [2] * 4


def test_every_class_of_shuffled_pictures_has_its_share(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(4), 25))
    pixels = np.broadcast_to(labels[:, None, None, None], (100, 4, 6, 3)).astype(np.uint8)
    path = tmp_path / "data.npz"
    np.savez(path, x_train=pixels, y_train=labels, x_test=pixels[:4], y_test=labels[:4])
    assert sorted(levels(path, 8)) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_digits_come_along() -> None:
    spec = TensorSpec("x", (1, 8, 8, 1), "float32", layout="NHWC", mean=(0.0,), std=(255.0,))
    examples = list(open_calibration("digits", [spec], 100))
    assert len(examples) == 100
    assert {e["x"].shape for e in examples} == {(1, 8, 8, 1)}
    assert max(e["x"].max() for e in examples) == 1.0


def test_npy_and_npz_are_values_as_they_are(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(4, 3)
    (first, *_) = open_calibration(save(tmp_path / "x.npy", values), [VECTOR])
    assert first["x"].dtype == np.float32
    assert first["x"].tolist() == [[0, 1, 2]]
    ids = np.arange(20).reshape(4, 5)
    np.savez(tmp_path / "both.npz", ids=ids, x=values, more=np.zeros(2))
    examples = list(open_calibration(tmp_path / "both.npz", [VECTOR, IDS]))
    assert [list(e) for e in examples] == [["x", "ids"]] * 4
    assert examples[3]["ids"].tolist() == [[15, 16, 17, 18, 19]]
    assert examples[3]["ids"].dtype == np.int32


def test_one_array_of_an_npz_needs_no_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", np.arange(12.0).reshape(4, 3))
    assert next(iter(open_calibration(tmp_path / "x.npz", [VECTOR])))["x"].tolist() == [[0, 1, 2]]
    with pytest.raises(InputError, match="no array for input x, ids: got arr_0, expected the inp"):
        open_calibration(tmp_path / "x.npz", [VECTOR, IDS])


def test_npy_of_bytes_holds_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.full((2, 4, 6, 3), 255, np.uint8))
    assert next(iter(open_calibration(path, [PICTURE])))["image"].max() == 1.0
    bare = TensorSpec("image", (1, 4, 6, 3), "float32", layout="NHWC")
    with pytest.raises(
        InputError, match="how pixels become input values is not known: give --mean"
    ):
        open_calibration(path, [bare])


def test_pictures_without_normalisation_are_refused(tmp_path: Path) -> None:
    bare = TensorSpec("image", (1, 4, 6, 3), "float32", layout="NHWC")
    with pytest.raises(InputError, match=r"not known: give --mean and --std, as --mean 127\.5"):
        open_calibration(draw(tmp_path / "p", 2), [bare])


def test_pictures_for_a_vector_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pictures cannot calibrate this model: got x \[1, 3\]"):
        open_calibration(draw(tmp_path / "p", 2), [VECTOR])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_named(tmp_path: Path, bad: float) -> None:
    values = np.zeros((5, 3), np.float32)
    values[3, 1:] = bad
    examples = open_calibration(save(tmp_path / "x.npy", values), [VECTOR])
    with pytest.raises(InputError, match=r"x\.npy: calibration example 3, input x: got 2 NaN or"):
        list(examples)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((0, 3)), "no calibration examples: got an empty set"),
        (
            np.zeros((5, 4)),
            r"input x does not fit: got float64 \[5, 4\], expected float32 \[N, 3\]",
        ),
        (np.zeros(3), r"does not fit: got float64 \[3\]"),
        (np.float64(1), r"does not fit: got float64 \[\]"),
        (np.zeros((5, 3), "U1"), r"does not fit: got <U1 \[5, 3\]"),
        (np.zeros((5, 3), complex), "does not fit: got complex128"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, array: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_calibration(save(tmp_path / "x.npy", array), [VECTOR])


def test_fractions_for_an_integer_input_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.full((5, 5), 0.5))
    with pytest.raises(InputError, match=r"expected int32 \[N, 5\]"):
        open_calibration(path, [IDS])


def test_one_array_for_two_inputs(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.zeros((5, 3)))
    with pytest.raises(InputError, match=r"one array for 2 inputs: give an \.npz with .* x, ids"):
        open_calibration(path, [VECTOR, IDS])


def test_inputs_of_different_length(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", ids=np.zeros((4, 5), int), x=np.zeros((5, 3)))
    with pytest.raises(InputError, match=r"inputs differ in length: got {'x': 5, 'ids': 4}"):
        open_calibration(tmp_path / "b.npz", [VECTOR, IDS])


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x93NUMPY\x01\x00", b"text"])
def test_damaged_files_are_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        open_calibration(tmp_path / name, [VECTOR])


@pytest.mark.parametrize("name", ["none.npy", "none.npz", "none"])
def test_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="none"):
        open_calibration(tmp_path / name, [PICTURE])


def test_noise_is_seeded_and_fits() -> None:
    first, again, other = (list(random_examples([VECTOR, IDS], 4, s)) for s in (0, 0, 1))
    for one, two in zip(first, again, strict=True):
        assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(first[0]["x"], other[0]["x"])
    assert all(np.abs(e["x"]).max() <= 1 for e in first)
    ids = np.concatenate([e["ids"] for e in first])
    assert ids.dtype == np.int32
    assert set(ids.ravel()) == {0, 1}
