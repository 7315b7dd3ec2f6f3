"""A SavedModel: its graph read for ops that reach outside, then one signature as a function.

Only the graph is loaded, never the Python objects that Keras keeps beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from edgekit.errors import InputError
from edgekit.export.source import Source
from edgekit.signature import DEFAULT_SIGNATURE
from edgekit.sources import SAVED_MODEL, tree_sha256
from edgekit.sources.keras_config import TRUST
from edgekit.sources.weights import check_finite

# Ops of files, processes, networks, datasets and Python. TensorFlow has no list of them, so this
# is by the words in their names; arithmetic has none of these.
_REACHING = re.compile(
    r"PyFunc|File|Dataset|Reader|Save|Restore|Checkpoint|Summary|Iterator|Rpc|RPC|Snapshot|Lmdb"
    r"|LMDB|LoadAndRemap|Collective|^_?Send|^_?Recv|Host(Send|Recv)|TPU|Mlir|XlaLaunch|Custom"
    r"|BigQuery|Socket|Debug|Print"
)
# TensorFlow's own pair that a signature never calls; loading reads variables without them.
_SAVER = re.compile(r"__inference__traced_(save|restore)_\d+")


def load(path: Path, *, trust: bool = False, signature: str | None = None) -> Source:
    """Screen `path` and return one of its signatures.

    Args:
        path: the folder with saved_model.pb.
        trust: let its graph hold ops that read or write files or call Python.
        signature: serving_default or the only one, where not given.

    Raises:
        InputError: damaged, reaching outside without `trust`, no such signature, or weights that
            are no numbers.
    """
    message = _read(path)
    if not trust:
        check_graph(message, path)
    try:
        loaded = tf.saved_model.load(str(path))
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(f"{path}: TensorFlow cannot load it", got=_brief(error)) from None
    name = _choose(list(loaded.signatures), signature, path)
    function = loaded.signatures[name]
    check_finite(((v.name, v.numpy()) for v in function.variables), path)
    return Source(
        name=path.resolve().name,
        model=function,
        kind="saved_model",
        provenance={
            "source": str(path),
            "sha256": tree_sha256(path),
            "tensorflow_version": message.meta_graphs[0].meta_info_def.tensorflow_version,
            "signature": name,
            "trusted": trust,
        },
        owner=loaded,
    )


def check_graph(message: Any, path: Path) -> None:
    """Refuse a graph that reaches outside itself.

    Raises:
        InputError: the line names the op and where it stands.
    """
    for graph in message.meta_graphs:
        for where, node in _nodes(graph.graph_def):
            calls = {a.func.name for a in node.attr.values() if a.func.name}
            calls |= {f.name for a in node.attr.values() for f in a.list.func}
            saver = any(_SAVER.fullmatch(name) for name in {node.op, *calls})
            if _REACHING.search(node.op) or (saver and where != "the graph"):
                raise InputError(
                    f"{path}: {where}, node {node.name}",
                    got=f"op {node.op}",
                    expected="ops that only compute",
                    do=TRUST,
                )


def _nodes(graph: Any) -> Iterator[tuple[str, Any]]:
    """Yield every node but those of TensorFlow's own saver, which a signature may not call."""
    yield from (("the graph", node) for node in graph.node)
    for function in graph.library.function:
        if not _SAVER.fullmatch(function.signature.name):
            where = f"function {function.signature.name}"
            yield from ((where, node) for node in function.node_def)


def _read(path: Path) -> Any:
    message = saved_model_pb2.SavedModel()
    for other in ("saved_model.cpb", "saved_model.pbtxt"):
        # TensorFlow prefers the split form: what was screened has to be what is loaded.
        if (path / other).exists():
            raise InputError(f"{path}: {other}", expected=f"{SAVED_MODEL} alone")
    try:
        message.ParseFromString((path / SAVED_MODEL).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read", got=error.strerror or error) from None
    except (DecodeError, ValueError) as error:
        raise InputError(f"{path}: {SAVED_MODEL} is damaged", got=_brief(error)) from None
    if len(message.meta_graphs) != 1:
        raise InputError(f"{path}: {SAVED_MODEL}", got=f"{len(message.meta_graphs)} graphs",
                         expected="one, of TensorFlow 2")  # fmt: skip
    return message


def _choose(names: Iterable[str], wanted: str | None, path: Path) -> str:
    found = [name for name in names if not name.startswith("__")]
    name = wanted or (found[0] if len(found) == 1 else DEFAULT_SIGNATURE)
    if name not in found:
        raise InputError(
            f"{path}: no signature {name}",
            expected="one of " + ", ".join(found) if found else "a model saved with signatures",
        )
    return name


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
