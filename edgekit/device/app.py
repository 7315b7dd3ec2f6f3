"""The app on a phone: its benchmark screen, started by an intent, and the result that it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgekit.device.adb import AdbDevice
from edgekit.device.remote import RemoteCommand
from edgekit.errors import InputError, SetupError

PACKAGE = "edgekit.demo"
FOLDER = f"/sdcard/Android/data/{PACKAGE}/files"  # the app's own, where adb reads
RESULT, FAILURE = "bench.json", "bench.failure"
# It prints the result, a word of REMEDIES, or the app's own line. `am` ends well in any case, and
# -W waits for the screen, so that there is a process to look for: a new one, so that no benchmark
# of before goes on in it and its peak of memory is its own.
SCRIPT = f"""
    am force-stop {PACKAGE} >/dev/null 2>&1
    folder=$1 && shift && rm -f "$folder/{RESULT}" "$folder/{FAILURE}" 2>/dev/null
    [ -e "$folder/{RESULT}" ] && exec echo kept
    said=$(am start -W -n {PACKAGE}/.BenchmarkActivity --ez run true "$@" 2>&1)
    case $said in *Error*) exec echo missing ;; esac
    while [ ! -e "$folder/{RESULT}" ]; do
        [ -e "$folder/{FAILURE}" ] && exec cat "$folder/{FAILURE}"
        pidof {PACKAGE} >/dev/null || [ -e "$folder/{RESULT}" ] || exec echo ended
        sleep 1
    done
    cat "$folder/{RESULT}"
"""
REMEDIES = {
    "missing": ("the app is not installed", "run: adb install android_demo/build/edgekit.apk"),
    "ended": ("the app ended before its benchmark did", "look why: adb logcat -s edgekit"),
    "kept": ("an older result cannot be removed", f"remove {FOLDER}/{RESULT} there"),
}


def run_benchmark(device: AdbDevice, extras: Sequence[str], *, timeout_s: float) -> str:
    """Start the benchmark screen and return the JSON that it writes.

    Args:
        device: that was entered.
        extras: of the intent; see `intent_extras`.
        timeout_s: for all of it.

    Raises:
        InputError: the app says why it cannot do it, as a model that it has not.
        SetupError: it is not installed, it ended early or took too long; the phone was lost.
    """
    command = RemoteCommand(SCRIPT, (FOLDER, *extras))
    text = device.call(
        command, what="the app's benchmark came to no end", timeout_s=timeout_s
    ).strip()
    if text in REMEDIES:
        what, remedy = REMEDIES[text]
        raise SetupError(f"{device.url}: {what}", do=remedy)
    if not text.startswith("{"):
        raise InputError(f"{device.url}: the app", got=text)
    return text


def intent_extras(values: Mapping[str, int | float | Sequence[str]]) -> list[str]:
    """Return the words that give `am start` these extras, by their types; empty ones are left out.

    Raises:
        InputError: a text with a comma, which divides them there.
    """
    words: list[str] = []
    for name, value in values.items():
        if isinstance(value, int):
            words += ["--ei", name, str(value)]
        elif isinstance(value, float):
            words += ["--ef", name, repr(value)]
        elif value:
            if divided := [text for text in value if "," in text]:
                raise InputError(f"{name}: {divided[0]}", got="a comma", expected="names without")
            words += ["--esa", name, ",".join(value)]
    return words
