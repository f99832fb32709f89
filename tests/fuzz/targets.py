"""Every target by its name."""

from __future__ import annotations

from collections.abc import Callable

from file_targets import CalibrationTarget, PersonTarget, RigTarget, SoundTarget, TemplateTarget
from package_targets import PackageTarget, SnapshotTarget
from target import Target

TARGETS: dict[str, Callable[[], Target]] = {
    "snapshot": SnapshotTarget,
    "manifest": lambda: PackageTarget("manifest"),
    "archive": lambda: PackageTarget("archive"),
    "arrays": lambda: PackageTarget("arrays"),
    "graph": lambda: PackageTarget("graph"),
    "calibration": CalibrationTarget,
    "person": PersonTarget,
    "template": TemplateTarget,
    "rig": RigTarget,
    "sound": SoundTarget,
}
