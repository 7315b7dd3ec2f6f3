"""One benchmark on several devices: side by side, and on each device in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edgekit.device import Device
from edgekit.device.process import end_all
from edgekit.errors import EdgekitError, SetupError
from edgekit.profile.timing.bench import bench
from edgekit.profile.timing.measurement import Options, Report, Row
from edgekit.profile.timing.targets import Target

TIDY_SECONDS = 30.0  # for removing our folders everywhere after an interrupt


class _StoppedError(Exception):
    """The user interrupted; this device is left."""


def bench_side_by_side(
    targets: Sequence[Target],
    devices: Sequence[Device],
    options: Options,
    progress: Callable[[str], None] = lambda line: None,
    *,
    kept: Sequence[Row] = (),
    keep: Callable[[Sequence[Report]], None] = lambda reports: None,
) -> list[Report]:
    """Enter every device, benchmark `targets` there, and return a report for each, in order.

    A device that cannot be used has a report without new rows, whose failures say why.

    Args:
        targets: the files.
        devices: not yet entered.
        options: how, on each.
        progress: told what is done next, and where.
        kept: rows of an earlier call that was cut short.
        keep: told what there is on all devices after every process on one.

    Raises:
        EdgekitError: nothing was finished on any device; the first device's reason.
        KeyboardInterrupt: after every device was tidied up.
    """
    reports = [_nothing_yet(device, options, kept) for device in devices]
    errors: dict[int, EdgekitError] = {}
    lock, stop = threading.Lock(), threading.Event()

    def store(i: int, report: Report) -> None:
        with lock:
            if not stop.is_set():
                reports[i] = report
                keep(reports)

    def tell(line: str) -> None:
        if stop.is_set():
            raise _StoppedError
        progress(line)

    def run(i: int) -> None:
        device = devices[i]
        try:
            with device:
                report = bench(
                    targets, device, options,
                    lambda line: tell(f"{device.url}: {line}"),
                    kept=kept, keep=lambda report: store(i, report), pause=stop.wait,
                )  # fmt: skip
        except _StoppedError:
            return
        except EdgekitError as error:
            errors[i] = error
            report = _nothing_yet(device, options, kept, error)
        except Exception as error:  # of a thread, which would only print it
            errors[i] = SetupError(f"{device.url}: internal error", got=repr(error))
            report = _nothing_yet(device, options, kept, errors[i])
        store(i, report)

    if len(devices) == 1:
        run(0)
    else:
        threads = [
            threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(devices))
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            stop.set()
            end_all()
            for thread in threads:
                thread.join(TIDY_SECONDS)
            raise
    if errors and not any(r.rows or r.counts for r in reports):
        raise errors[min(errors)]
    return reports


def _nothing_yet(
    device: Device, options: Options, kept: Sequence[Row], error: EdgekitError | None = None
) -> Report:
    """Return a report of what an earlier call left."""
    return Report(
        rows=tuple(row for row in kept if row.device == device.url),
        device={"url": device.url, "kind": device.kind},
        options=options,
        failures={device.url: str(error)} if error else {},
        exit_code=error.exit_code if error else 0,
        finished=False,
    )
