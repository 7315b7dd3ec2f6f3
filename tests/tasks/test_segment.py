"""A picture to a class for each pixel: geometry and mIOU against hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.tasks import segment
from edgekit.tasks.pictures.drawing import PALETTE
from edgekit.tasks.pictures.framing import Frame, cut

LABELS = ["ground", "thing", "other"]
VOID = 255


def spec(height: int = 8, width: int = 8, **changes) -> TensorSpec:
    known = {"layout": "NHWC", "mean": (127.5,), "std": (127.5,)}
    return TensorSpec("image", (1, height, width, 3), "float32", **{**known, **changes})


def mask(rows) -> segment.Mask:
    return segment.Mask(np.array(rows, np.uint8), tuple(LABELS))


def test_a_picture_is_scaled_to_fit_undistorted() -> None:
    picture = np.full((4, 8, 3), 255, np.uint8)
    tensor = segment.encode(picture, spec(), {})
    assert tensor.shape == (1, 8, 8, 3)
    assert (tensor[0, :4] == 1).all()
    assert (abs(tensor[0, 4:]) < 0.005).all()  # the mean, to half a level
    one = segment.encode(picture, spec(4, 8), {})
    assert (one == 1).all()
    first = TensorSpec("image", (1, 3, 8, 8), "float32", layout="NCHW", mean=(127.5,), std=(127.5,))
    np.testing.assert_array_equal(segment.encode(picture, first, {}), tensor.transpose(0, 3, 1, 2))


def test_pixels_go_in_as_they_are_where_they_are_the_input() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (8, 8, 3), np.uint8)
    raw = TensorSpec("image", (1, 8, 8, 3), "uint8", 1 / 128, 128, layout="NHWC")
    np.testing.assert_array_equal(segment.encode(picture, raw, {})[0], picture)


@pytest.mark.parametrize("align_corners", [True, False])
def test_scores_are_laid_over_the_picture_as_numpy_interpolates(align_corners: bool) -> None:
    """Separable linear interpolation, np.interp's, at where each pixel's centre lies."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(5, 5, 3)).astype(np.float32)
    side, height, width = 65, 40, 100
    content = 26  # of 65 rows: 40 x 65 / 100

    def places(count: int, taken: int) -> np.ndarray:
        at = (np.arange(count) + 0.5) * taken / count - 0.5
        return at * 4 / 64 if align_corners else (at + 0.5) * 5 / 65 - 0.5

    grid = np.arange(5)
    rows, columns = places(height, content), places(width, 65)
    down = np.stack([[np.interp(rows, grid, scores[:, j, k]) for k in range(3)] for j in range(5)])
    both = np.array([[np.interp(columns, grid, down[:, k, i]) for k in range(3)]
                     for i in range(height)])  # fmt: skip
    params = {"labels": LABELS, "resolution": side, "align_corners": align_corners}
    picture = np.zeros((height, width, 3), np.uint8)
    found = segment.decode({"logits": scores[np.newaxis]}, params, picture)
    assert found.classes.shape == (height, width)
    assert (found.classes == both.argmax(axis=1)).mean() > 0.999


def test_labels_are_taken_from_the_nearest_place() -> None:
    raw = np.arange(3, dtype=np.int32)[None, :, None].repeat(3, 2)  # rows 0, 1, 2
    params = {"labels": LABELS, "resolution": 5}
    found = segment.decode({"labels": raw}, params, np.zeros((5, 5, 3), np.uint8))
    assert found.classes[:, 0].tolist() == [0, 0, 1, 2, 2]  # 0, 0.5 (to even), 1, 1.5, 2
    same = segment.decode({"labels": raw}, {"labels": LABELS}, np.zeros((3, 3, 3), np.uint8))
    np.testing.assert_array_equal(same.classes, raw[0])


@pytest.mark.parametrize(("outputs", "says"), [
    ({"a": np.zeros((1, 2, 2)), "b": np.zeros((1, 2, 2))}, "outputs: got a, b"),
    ({"a": np.zeros((2, 2))}, r"output: got \[2, 2\]"),
    ({"a": np.full((1, 2, 2, 3), np.nan)}, "NaN or infinity: got 12 of 12"),
    ({"a": np.zeros((1, 2, 2, 4))}, "3 labels, expected 4"),
    ({"a": np.full((1, 2, 2), 3, np.int32)}, "a map of 3 to 3, expected 0 to 2"),
    ({"a": np.full((1, 2, 2), -1, np.int32)}, "a map of -1"),
])  # fmt: skip
def test_what_is_no_answer_is_refused(outputs, says: str) -> None:
    with pytest.raises(InputError, match=says):
        segment.decode(outputs, {"labels": LABELS}, np.zeros((2, 2, 3), np.uint8))


def test_miou_by_hand() -> None:
    """Void counts nowhere: of the other pixels 2/4, 2/3 and 1/2, on average 5/9."""
    truth = np.array([[0, 0, 0, VOID], [1, 1, 2, VOID], [2, VOID, VOID, VOID]], np.uint8)
    answer = mask([[0, 0, 1, 2], [1, 1, 0, 2], [2, 1, 0, 0]])
    counts = segment.confusion(truth, answer.classes, 3)
    assert counts.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 1]]
    miou, accuracy = segment.score([answer], [truth])
    assert miou.value == pytest.approx((2 / 4 + 2 / 3 + 1 / 2) / 3)
    assert accuracy.value == pytest.approx(5 / 7)
    assert (miou.metric, miou.n, miou.unit) == ("mIOU", 1, "1")


def test_miou_is_of_all_pictures_together_and_of_the_classes_that_occur() -> None:
    truths = [np.array([[0, 0, 2]], np.uint8), np.array([[2, 2, VOID]], np.uint8)]
    answers = [mask([[0, 2, 2]]), mask([[2, 2, 1]])]
    miou, _ = segment.score(answers, truths)
    assert miou.value == pytest.approx((1 / 2 + 3 / 4) / 2)  # nobody speaks of class 1 but in void
    low, high = miou.interval
    assert low <= miou.value <= high
    wrong, _ = segment.score([mask([[1, 0, 2]])], [truths[0]])
    assert wrong.value == pytest.approx((1 / 2 + 0 + 1) / 3)  # found where it is not: counts
    with pytest.raises(InputError, match="no examples"):
        segment.score([], [])


def test_lines_and_rows_are_largest_first() -> None:
    answer = mask([[0, 2, 2, 2]])
    assert segment.lines(answer) == [" 75.0%  other", " 25.0%  ground"]
    assert segment.describe(answer)[0] == {"index": 2, "label": "other", "share": 0.75}
    nameless = segment.Mask(answer.classes)
    assert segment.describe(nameless)[0]["label"] is None
    assert segment.lines(nameless)[0] == " 75.0%  index 2"
    assert "indices" in segment.remark({})
    assert segment.remark({"labels": LABELS}) is None


def test_the_overlay_colours_all_but_the_background() -> None:
    picture = np.full((400, 400, 3), 200, np.uint8)
    classes = np.zeros((400, 400), np.uint8)
    classes[100:200, 100:200] = 1
    overlay, drawn = segment.draw(picture, segment.Mask(classes, tuple(LABELS)))
    np.testing.assert_array_equal(drawn, classes)
    assert (overlay[:100] == 200).all()
    expected = 0.45 * 200 + 0.55 * PALETTE[1].astype(float)
    np.testing.assert_allclose(overlay[150, 150], expected, atol=1)
    assert (overlay[-60:] > 250).all(axis=2).any()  # the key's text is white
    assert (picture == 200).all()


def test_data_are_scored_by_names(tmp_path) -> None:
    """The data's classes are the model's by name, in whatever order either has them."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(2):
        Image.fromarray(np.zeros((1, 3, 3), np.uint8)).save(tmp_path / f"images/{i}.png")
        Image.fromarray(np.array([[0, 1, 255]], np.uint8)).save(tmp_path / f"masks/{i}.png")
    (tmp_path / "labels.txt").write_text("thing\nground\n")
    examples = segment.read(str(tmp_path), {"labels": LABELS})
    assert [truth.tolist() for _, truth in examples] == [[[1, 0, 255]]]
    (tmp_path / "labels.txt").write_text("thing\nunknown\n")
    with pytest.raises(InputError, match="class unknown is not a label"):
        segment.read(str(tmp_path), {"labels": LABELS})


def test_frames_by_hand() -> None:
    frame = Frame((100, 200), (64, 64))
    assert frame.content == (32, 64)
    assert Frame((1, 1000), (64, 64)).content == (1, 64)
    rows, columns = frame.places((64, 64), align_corners=True)
    assert (rows[0], rows[-1]) == pytest.approx((0, 31.34))  # (0.5 * 0.32 - 0.5) is clipped
    assert columns[100] == pytest.approx(100.5 * 0.32 - 0.5)


def test_a_cut_beyond_the_edges_is_filled() -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    found = cut(pixels, (-2, 1, 4, 4), (4, 4), 99, nearest=True)
    assert found.tolist() == [[99] * 4, [99] * 4, [1, 2, 3, 99], [5, 6, 7, 99]]
    twice = cut(pixels, (0, 0, 2, 2), (4, 4), 99, nearest=True)
    assert twice.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [4, 4, 5, 5], [4, 4, 5, 5]]
