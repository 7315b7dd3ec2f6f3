"""What a file answers on a device, against the source's own answers that its artifact keeps."""

from __future__ import annotations

from edgekit.artifact import Artifact, ModelFile
from edgekit.device import Device
from edgekit.parity import Parity, compare, gate_of
from edgekit.profile.timing.on_device import DeviceSession


def check_on_device(
    artifact: Artifact, file: ModelFile, device: Device, runtime: str | None = None
) -> list[Parity]:
    """Run the artifact's reference inputs through `file` on a device and compare every output.

    Args:
        artifact: that holds the file.
        file: one of its files.
        device: that was entered.
        runtime: to open the file with; by default the one for its format.

    Raises:
        InputError: the artifact keeps no reference, or the runtime refuses the file.
        SetupError: the runtime is not there, or the device was lost.
    """
    inputs, expected = artifact.reference_of(file)
    ((name, signature),) = file.signatures.items()
    raw = {
        spec.name: spec.quantize(
            inputs[spec.name].transpose(0, 3, 1, 2) if spec.layout == "NCHW" else inputs[spec.name]
        )
        for spec in signature.inputs
    }
    session = DeviceSession(
        artifact.path(file), device, file.signatures, sha256=file.sha256, runtime=runtime
    )
    answers = session(raw, name)
    real = {spec.name: spec.dequantize(answers[spec.name]) for spec in signature.outputs}
    gate = gate_of(file.scheme, artifact.manifest.provenance)
    return [compare(output, expected[output], real[output], gate) for output in expected]
