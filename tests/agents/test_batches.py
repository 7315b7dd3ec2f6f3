"""Batches: what is written reads back, what users bring is read by hand, what is wrong is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
pytest.importorskip("tensorflow")

from edgekit.agents.apprentice import Apprenticeship  # noqa: E402
from edgekit.agents.batch import Batch, check, join, read_batch, write_batch  # noqa: E402
from edgekit.agents.collection import collect, collect_within  # noqa: E402
from edgekit.agents.hdf5 import read_d4rl, read_minari  # noqa: E402
from edgekit.agents.replay import Transitions  # noqa: E402
from edgekit.environments import make  # noqa: E402
from edgekit.errors import InputError  # noqa: E402

LIMIT = np.array([2.0, 4.0], np.float32)


def batch(count: int = 6) -> Batch:
    rng = np.random.default_rng(0)
    s, following = rng.standard_normal((2, count, 2)).astype(np.float32)
    a = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    steps = Transitions(s, a, np.arange(count, dtype=np.float32), following, np.zeros(count, "f"))
    return Batch(steps, "point-robot", {"behaviour": "random", "seed": 0})


def test_what_was_written_reads_back(tmp_path: Path) -> None:
    write_batch(tmp_path / "b.npz", batch())
    found = read_batch(tmp_path / "b.npz")
    assert (found.environment, found.origin, found.sha256) == (
        "point-robot", {"behaviour": "random", "seed": 0}, batch().sha256,
    )  # fmt: skip
    for one, other in zip(found.steps.arrays(), batch().steps.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_changed_batch_is_refused(tmp_path: Path) -> None:
    write_batch(tmp_path / "b.npz", batch())
    with np.load(tmp_path / "b.npz") as file:
        arrays = dict(file)
    arrays["r"][2] += 1
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(InputError, match="changed since it was written"):
        read_batch(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("s", lambda a: np.where(a == a.max(), np.nan, a), r"b: s: got NaN or infinity in 1 of 12"),
        ("r", lambda a: a + np.inf, "b: r: got NaN or infinity in 6 of 6"),
        ("a", lambda a: a[:, :1], r"b: actions: got \[6, 1\], expected \[6, 2\]"),
        ("a", lambda a: a * 9, "of the environment's limit, expected at most 1"),
        ("s", lambda a: a[:0], "no transitions"),
    ],
)
def test_what_teaches_nothing_is_refused(name, change, line) -> None:
    arrays = vars(batch().steps) | {name: change(getattr(batch().steps, name))}
    with pytest.raises(InputError, match=line):
        check(Batch(Transitions(**arrays), None), "b", make("point-robot"))


def test_joined_batches_keep_where_they_are_from() -> None:
    both = join([batch(2), batch(3)])
    np.testing.assert_array_equal(both.steps.r, [0, 1, 0, 1, 2])
    assert [part["behaviour"] for part in both.origin["parts"]] == ["random", "random"]


def d4rl(path: Path, **changes) -> Path:
    """Write 5 steps: the third ends in a fall, the fifth by time."""
    arrays = {
        "observations": np.arange(10.0).reshape(5, 2), "actions": np.full((5, 2), 2.0),
        "rewards": np.arange(5.0), "terminals": [0, 0, 1, 0, 0], "timeouts": [0, 0, 0, 0, 1],
    } | changes  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if array is not None:
                file[name] = np.asarray(array)
    return path


def test_d4rl_by_hand(tmp_path: Path) -> None:
    steps = read_d4rl(d4rl(tmp_path / "a.hdf5"), LIMIT).steps
    np.testing.assert_array_equal(steps.r, [0, 1, 2, 3])  # what follows the timeout is unknown
    np.testing.assert_array_equal(steps.ended, [0, 0, 1, 0])
    np.testing.assert_array_equal(steps.a, np.tile([1.0, 0.5], (4, 1)))
    np.testing.assert_array_equal(steps.following[[0, 1, 3]], [[2, 3], [4, 5], [8, 9]])


def test_d4rl_with_next_observations_keeps_every_row(tmp_path: Path) -> None:
    following = np.arange(10.0).reshape(5, 2) + 100
    steps = read_d4rl(d4rl(tmp_path / "a.hdf5", next_observations=following), LIMIT).steps
    np.testing.assert_array_equal(steps.following, following)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"rewards": None}, "no array rewards"),
        ({"timeouts": None}, "next_observations or timeouts as well"),
        ({"rewards": np.zeros(3)}, "rows: got"),
        ({"actions": np.zeros((5, 3))}, r"actions: got \[5, 3\], expected \[N, 2\]"),
    ],
)
def test_d4rl_that_cannot_be_read(changes, line, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=line):
        read_d4rl(d4rl(tmp_path / "a.hdf5", **changes), LIMIT)


def test_truncated_hdf5_is_one_line(tmp_path: Path) -> None:
    path = d4rl(tmp_path / "a.hdf5")
    whole = path.read_bytes()
    for share in (0.3, 0.7, 0.95):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match="damaged, or not HDF5") as caught:
            read_d4rl(path, LIMIT)
        assert "\n" not in str(caught.value)


def minari(folder: Path, observations: int = 3) -> Path:
    (folder / "data").mkdir(parents=True)
    spec = json.dumps({"id": "Some-v1"})
    (folder / "data" / "metadata.json").write_text(json.dumps({"env_spec": spec}))
    with h5py.File(folder / "data" / "main_data.hdf5", "w") as file:
        for number in (0, 10, 2):  # in the order of their numbers, not of their names
            group = file.create_group(f"episode_{number}")
            group["observations"] = np.full((observations, 2), float(number))
            group["actions"] = np.full((2, 2), 4.0)
            group["rewards"] = [number, number + 0.5]
            group["terminations"] = [False, True]
            group["truncations"] = [False, False]
    return folder


def test_minari_by_hand(tmp_path: Path) -> None:
    found = read_minari(minari(tmp_path / "set"), LIMIT)
    assert found.environment == "Some-v1"
    np.testing.assert_array_equal(found.steps.r, [0, 0.5, 2, 2.5, 10, 10.5])
    np.testing.assert_array_equal(found.steps.ended, [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(found.steps.a[0], [2, 1])
    assert found.steps.following.shape == (6, 2)


def test_minari_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 3: one more than actions"):
        read_minari(minari(tmp_path / "set", observations=2), LIMIT)
    with pytest.raises(InputError, match="expected a Minari folder"):
        read_minari(tmp_path, LIMIT)


def test_random_actions_are_uniform_and_repeat() -> None:
    found = collect("point-robot", "random", 2_000, seed=3)
    a = found.steps.a
    assert len(found) == 2_000
    assert abs(a.mean()) < 0.03
    assert a.var() == pytest.approx(1 / 3, abs=0.02)  # of a uniform -1..1
    # What follows is where the action leads: clipped to .1 an axis.
    np.testing.assert_allclose(found.steps.following, found.steps.s + 0.1 * a, atol=1e-6)
    assert found.sha256 == collect("point-robot", "random", 2_000, seed=3).sha256
    assert found.sha256 != collect("point-robot", "random", 2_000, seed=4).sha256


def test_no_such_behaviour() -> None:
    with pytest.raises(InputError, match="one of random, medium, mixed, expert"):
        collect("point-robot", "random+best", 10, seed=0)


def test_a_batch_is_made_at_a_return() -> None:
    """The first judgement that lies within is taken; where none does, the best is told."""
    how = Apprenticeship(steps=60, hidden=(8,), batch_size=8, members=2, random_steps=20,
                         judged_every=1, episodes=2)  # fmt: skip
    made = collect_within("point-robot", (-1e3, 0.0), 30, 0, how)
    assert (len(made), made.environment) == (30, "point-robot")
    assert made.origin["steps"] == 40  # random ones, then a round of ten in two environments
    assert -1e3 <= made.origin["return"] <= 0
    assert made.origin["by_step"] == pytest.approx(made.origin["return"] / 20)  # all last 20 steps
    with pytest.raises(InputError, match=r"at best -\d.*, expected a return from 5 to 6, let "):
        collect_within("point-robot", (5.0, 6.0), 30, 0, how)
    with pytest.raises(InputError, match=r"to 0, and 0\.1 a step"):  # all rewards are below 0
        collect_within("point-robot", (-1e3, 0.0), 30, 0, how, pace=0.1)
