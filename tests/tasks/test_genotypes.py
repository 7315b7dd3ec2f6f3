"""Matrices from files, and what is refused of them, by line and column."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import InputError, MissingExtraError
from edgekit.tasks.matrices.genotypes import Genotypes, read_genotypes
from edgekit.tasks.matrices.perfect import UNKNOWN


def read(tmp_path: Path, text: str, name: str = "m.csv") -> Genotypes:
    path = tmp_path / name
    path.write_text(text)
    return read_genotypes(path)


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("cell,TP53,KRAS\nc1,1,0\nc2,NA,1\n", ("c1", "c2"), ("TP53", "KRAS")),
        (",TP53,KRAS\n1,1,0\n2,3,1\n", ("1", "2"), ("TP53", "KRAS")),
        ("x\tTP53\tKRAS\nc1\t1\t0\nc2\t?\t1\n", ("c1", "c2"), ("TP53", "KRAS")),
        ("TP53;KRAS\n1;0\n3;1\n", ("1", "2"), ("TP53", "KRAS")),
        ("1,0\n3.0,1.0\n", ("1", "2"), ("1", "2")),
        ("c1,1,0\nc2,3,1\n", ("1",), ()),
    ],
)
def test_names_are_told_from_entries(tmp_path, text, rows, columns) -> None:
    if len(rows) < 2:  # a first line with a name in it is a header
        with pytest.raises(InputError, match="too few rows"):
            read(tmp_path, text)
        return
    found = read(tmp_path, text)
    assert (found.rows, found.columns) == (rows, columns)
    assert found.values.tolist() == [[1, 0], [UNKNOWN, 1]]


BAD = {
    "a two": ("cell,A,B\nc1,1,0\nc2,2,1\n", "line 3, column A: got '2'"),
    "an empty cell": ("cell,A,B\nc1,1,0\n\nc2,1,\n", "line 4, column B: got an empty cell"),
    "a word": ("A,B\n1,0\n1,yes\n", "line 3, column B"),
    "ragged": ("cell,A,B\nc1,1,0\nc2,1,0,1\n", "line 3: got 4 columns, expected 3"),
    "one row": ("cell,A,B\nc1,1,0\n", "too few rows: got 1 row"),
    "one column": ("cell,A\nc1,1\nc2,0\n", "too few columns: got 1 column"),
    "names alone": ("cell,A,B\n", "too few rows: got 0 row"),
    "nothing": ("", "empty"),
    "blank": ("\n\n", "empty"),
    "a name twice": ("cell,A,A\nc1,1,0\nc2,1,0\n", "line 1, column A: got the name twice"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_named_by_line_and_column(case, tmp_path) -> None:
    text, named = BAD[case]
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text(tmp_path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_genotypes(tmp_path / "m.csv")
    with pytest.raises(InputError, match="not found"):
        read_genotypes(tmp_path / "other.csv")


def test_h5ad_asks_for_its_extra(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    (tmp_path / "m.h5ad").write_bytes(b"")
    with pytest.raises(MissingExtraError, match=r"pip install 'edgekit\[anndata\]'"):
        read_genotypes(tmp_path / "m.h5ad")


def test_h5ad_of_a_tumour(shared_data) -> None:
    pytest.importorskip("anndata")
    found = read_genotypes(shared_data / "phylogeny" / "tnbc.h5ad")
    assert found.values.shape == (16, 20)
    assert set(np.unique(found.values)) <= {0, 1, UNKNOWN}
