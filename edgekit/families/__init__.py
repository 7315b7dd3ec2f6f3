"""The families: what can be built and trained, by name.

A family is one folder. Its `__init__` is light and says what the family is; its `network`, `data`
and `fit` modules import TensorFlow and are loaded when they are needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from edgekit.errors import InputError, MissingExtraError

MODULES = {
    "mobilenet_v2": "edgekit.families.mobilenet_v2",
    "deeplab_v3": "edgekit.families.deeplab_v3",
    "ssdlite": "edgekit.families.ssdlite",
    "gp": "edgekit.families.gp",
    "phylogeny": "edgekit.families.phylogeny",
    "bear": "edgekit.families.bear",
    "pearl": "edgekit.families.pearl.family",
}


@dataclass(frozen=True)
class Preset:
    """A configuration with a name, and the counts that its paper or checkpoint states."""

    config: Any  # the family's own frozen dataclass
    params: int  # all parameters, batch norm included
    madds: int  # multiply-adds of one inference
    training: Mapping[str, Any] = field(default_factory=dict)  # a recipe, where one is known


@dataclass(frozen=True)
class Family:
    """A kind of network: how it is built, fed, trained and judged."""

    name: str
    task: str  # a name in edgekit.tasks
    source: str  # the paper
    schemes: tuple[str, ...]  # what it can be exported to
    presets: Mapping[str, Preset]
    tiny: Any  # the configuration that shrinks it to seconds; every contract test uses it
    mean: tuple[float, ...] | None  # of pixels, for a network of pictures: (pixel - mean) / std
    std: tuple[float, ...] | None
    max_drop: float  # allowed loss of the task's metric under int8, in points of 100
    module: str  # where network, data and fit lie
    data: str | None = None  # what it is trained on unless told otherwise
    heeds: tuple[str, ...] | None = None  # fields of train.Options that mean something; all if None
    refuses: Mapping[str, str] = field(default_factory=dict)  # options of `fit`, and why
    source_module: str = "edgekit.families.trained"  # reads a run back
    dial: tuple[str, ...] = ()  # what `convert` may ask of a run, as max_bytes or answer
    distills: bool = False  # whether its float network can teach a fake-quantized copy
    integer: bool = False  # whether integer schemes are made from a network of their own
    finishes: bool = False  # whether files answer with more than the network that is trained
    tails: bool = False  # whether something in float may follow, whatever the scheme
    scales: bool = False  # whether a network takes any size, so that several can be averaged
    divides: bool = False  # whether parts of the network are entered one by one
    signatures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # further: outputs
    describe: Callable[[Any], Mapping[str, Any]] = lambda config: {}  # a config's task parameters

    def build(self, config: Any) -> Any:
        """Return the untrained Keras network of `config`."""
        return self._heavy("network").build(config)

    def finish(self, network: Any, config: Any) -> Any:
        """Return a built network with what its files have behind it: in most families nothing."""
        return self._heavy("network").finish(network, config) if self.finishes else network

    def tail(self, network: Any, config: Any) -> Callable[[str], Any] | None:
        """Return what builds, for a format, what files compute in float behind a built network."""
        found: Callable[[str], Any] | None = None
        if self.tails:
            found = self._heavy("network").tail(network, config)
        return found

    def divide(self, source: Any, config: Any) -> Any:
        """Return an export.source.Source with its entry points: in most families it has one."""
        return self._heavy("network").divide(source, config) if self.divides else source

    def task_of(self, config: Any) -> str:
        """Return the task of a network of `config`, the family's unless the config says another."""
        return str(getattr(config, "task", self.task))

    def build_integer(self, config: Any) -> Mapping[int, Callable[[], Any]]:
        """Return what builds the untrained networks of integer schemes, by activation bits.

        They are for families whose float network loses its meaning in 8 bits; else there are none.
        """
        return self._heavy("network").build_integer(config) if self.integer else {}

    def restore(self, run: Any, dial: Mapping[str, Any]) -> Any:
        """Return what the run trained, as an export.source.Source.

        Raises:
            InputError: it is not trained yet, or there is no such dial.
        """
        for name, value in dial.items():
            if value is not None and name not in self.dial:
                option = name.replace("_", "-")
                raise InputError(f"--{option}: not an option of {self.name}", do="leave it out")
        return _module(self.source_module).source(run, **{k: dial.get(k) for k in self.dial})

    def evaluate_at_scales(
        self, run: Any, source: str, scales: Sequence[float], *, mirror: bool, on_done: Any = None
    ) -> Any:  # fmt: skip
        """Return the scores, on the test split of `source`, of a run's float network at scales.

        Args:
            run: a families.run.Run that is trained.
            source: the data, as the task reads it.
            scales: of the picture; probabilities are averaged over them.
            mirror: whether the mirrored pictures are asked as well.
            on_done: called with how many examples are done and how many there are.

        Raises:
            InputError: the family's networks have one size, or the data does not fit.
        """
        if not self.scales:
            raise InputError("--scales and --mirror: not options of " + self.name,
                             expected="a segmenter's run")  # fmt: skip
        return self._heavy("multi_scale").evaluate(
            run, source, scales, mirror=mirror, on_done=on_done
        )

    def check_options(self, given: Mapping[str, Any]) -> None:
        """Refuse training options that this family would ignore.

        Raises:
            InputError: there is one.
        """
        for name in given:
            if self.heeds is not None and name not in self.heeds:
                raise InputError(
                    f"--{name.replace('_', '-')}: not an option of {self.name}",
                    expected=", ".join("--" + n.replace("_", "-") for n in self.heeds),
                )

    def load_weights(
        self, network: Any, config: Any, weights: str, sha256: str | None = None
    ) -> str:
        """Load published weights by name, or a file's, and return their SHA-256."""
        found: str = self._heavy("pretrained").load_pretrained(
            network, config, weights, sha256=sha256
        )
        return found

    def load_data(self, source: str, config: Any) -> Any:
        """Return the training and test data in `source` as the family's network takes them."""
        return self._heavy("data").load(source, config)

    def fit(
        self, run: Any, *, sha256: str | None = None, resume: bool = False,
        distributed: bool = False,
    ) -> Any:  # fmt: skip
        """Train what a families.run.Run asks for, and return it with scores on test data.

        Args:
            run: its folder, configuration, options and data, and the weights to start from if any.
            sha256: what those weights must hash to.
            resume: go on from the newest checkpoint.
            distributed: over TF_CONFIG's workers or this machine's GPUs.

        Raises:
            InputError: data, options or weights do not fit, or the family refuses one of them.
            CheckFailedError: training diverged.
        """
        given = {"weights": run.weights, "sha256": sha256, "qat": run.qat, "resume": resume,
                 "distributed": distributed}  # fmt: skip
        for option, reason in self.refuses.items():
            if given[option]:
                raise InputError(f"{self.name}: --{option}", do=f"leave it out: {reason}")
        return self._heavy("fit").fit(run, sha256=sha256, resume=resume, distributed=distributed)

    def distill(self, *args: Any, **options: Any) -> Any:
        """Fine-tune quantization-aware without labels; see the family's `distill` module.

        Raises:
            InputError: the family has none.
        """
        if not self.distills:
            raise InputError(f"train --teacher: {self.name} cannot teach a copy of itself")
        return self._heavy("distill").distill(*args, **options)

    def preset(self, name: str) -> Preset:
        """Return the preset called `name`.

        Raises:
            InputError: there is none; the line lists some.
        """
        if name in self.presets:
            return self.presets[name]
        raise InputError(
            f"{self.name}:{name}: no such preset",
            expected="one of " + ", ".join(self.presets),
        )

    def config(self, fields: Mapping[str, Any]) -> Any:
        """Return the configuration that `fields` describe, as a manifest or a run stores them."""
        kind = type(self.tiny)
        known = {f.name for f in dataclasses.fields(kind)}
        return kind(**{k: v for k, v in fields.items() if k in known})

    def _heavy(self, part: str) -> Any:
        return _module(f"{self.module}.{part}")


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("edgekit"):
            raise
        raise MissingExtraError(error.name or "TensorFlow", "train") from None


def family(name: str) -> Family:
    """Return the family called `name`.

    Raises:
        InputError: there is none.
    """
    if name not in MODULES:
        raise InputError(f"{name}: no such family", expected="one of " + ", ".join(MODULES))
    found: Family = import_module(MODULES[name]).FAMILY
    return found
