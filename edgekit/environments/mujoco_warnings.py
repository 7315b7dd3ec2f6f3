"""MuJoCo's warnings, each told once.

By itself it repeats them for every model that is loaded, a hundred for a hundred tasks, on stderr
and in a MUJOCO_LOG.TXT wherever one happens to be.
"""

from __future__ import annotations

import logging

_log = logging.getLogger("edgekit")
_told: set[str] = set()


def tell(text: str) -> None:
    """Log a warning that was not told yet; what is deprecated in a model concerns its author."""
    if text not in _told:
        _told.add(text)
        _log.log(logging.INFO if "deprecated" in text else logging.WARNING, "MuJoCo: %s", text)


def redirect() -> None:
    """Have MuJoCo's warnings told here, if it is installed and nobody else has asked for them."""
    try:
        import mujoco
    except ImportError:
        return
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(tell)
