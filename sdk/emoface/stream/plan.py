"""The manifest's stage list, made ready to run: where every input comes from, stages grouped by cadence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emoface.backends import Engine, StageStream
from emoface.manifest import CADENCES, Manifest, StageSpec


@dataclass(frozen=True)
class PlannedStage:
    """One stage of one stream with its inputs sorted by source.

    Attributes:
        spec: the manifest's entry.
        stream: the stage's graph and state.
        audio: input names fed with audio.
        conditions: (input name, condition name).
        noise: (input name, noise name).
        links: (input name, "stage.output").
        outputs: (output name, "stage.output").
    """

    spec: StageSpec
    stream: StageStream
    audio: tuple[str, ...]
    conditions: tuple[tuple[str, str], ...]
    noise: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Plan:
    """All stages of one stream.

    Attributes:
        clip, block, frames, frame: stages by cadence, in the manifest's order.
        interpolated: block outputs ("stage.output") that stages of a frame cadence, or the caller, read.
        results: output role ("offsets", "emotion", "emotion_weight") -> "stage.output", of those that are taken.
    """

    clip: tuple[PlannedStage, ...]
    block: tuple[PlannedStage, ...]
    frames: tuple[PlannedStage, ...]
    frame: tuple[PlannedStage, ...]
    interpolated: tuple[str, ...]
    results: dict[str, str]

    @property
    def stages(self) -> tuple[PlannedStage, ...]:
        """Every stage."""
        return (*self.clip, *self.block, *self.frames, *self.frame)

    def reads_in_blocks(self, condition: str) -> bool:
        """Whether a block stage reads this condition."""
        return any(condition == name for stage in self.block for _, name in stage.conditions)

    def reads_in_frames(self, condition: str) -> bool:
        """Whether a frames or frame stage reads this condition."""
        return any(condition == name for stage in (*self.frames, *self.frame) for _, name in stage.conditions)


def make_plan(manifest: Manifest, engine: Engine, offsets: bool = True, probed: bool = True) -> Plan:
    """Open stages on `engine` and resolve sources.

    offsets: whether the stages' offsets are taken. probed: whether every stage is to be seen; else those that give
    nothing but offsets, or what leads to them, are left out where the offsets are not taken.
    """
    results = {role: source for role, source in manifest.outputs.items() if offsets or role != "offsets"}
    everything = probed or len(results) == len(manifest.outputs)
    needed = manifest.stages if everything else needed_stages(manifest, results.values())
    groups: dict[str, list[PlannedStage]] = {cadence: [] for cadence in CADENCES}
    for stage in needed:
        groups[stage.cadence].append(_planned(stage, engine, manifest))
    of_blocks = {key for stage in groups["block"] for _, key in stage.outputs}
    wanted = [key for stage in (*groups["frames"], *groups["frame"]) for _, key in stage.links]
    wanted += list(results.values())
    return Plan(
        clip=tuple(groups["clip"]),
        block=tuple(groups["block"]),
        frames=tuple(groups["frames"]),
        frame=tuple(groups["frame"]),
        interpolated=tuple(dict.fromkeys(key for key in wanted if key in of_blocks)),
        results=results,
    )


def needed_stages(manifest: Manifest, results: Iterable[str]) -> tuple[StageSpec, ...]:
    """The stages that `results` ("stage.output") come from, directly or by others, and all that have a state: what a
    snapshot holds does not depend on what is asked for."""
    wanted = {key.partition(".")[0] for key in results}
    needed: list[StageSpec] = []
    for stage in reversed(manifest.stages):
        if stage.state or stage.name in wanted:
            needed.append(stage)
            wanted |= {item.source.partition(".")[0] for item in stage.inputs}
    return tuple(reversed(needed))


def _planned(stage: StageSpec, engine: Engine, manifest: Manifest) -> PlannedStage:
    audio, conditions, noise, links = [], [], [], []
    for item in stage.inputs:
        if item.source == "audio":
            audio.append(item.name)
        elif item.source.startswith("condition."):
            conditions.append((item.name, item.source.removeprefix("condition.")))
        elif manifest.format >= 2 and item.source.startswith("noise."):
            noise.append((item.name, item.source.removeprefix("noise.")))
        else:
            links.append((item.name, item.source))
    return PlannedStage(
        spec=stage,
        stream=engine.open_stage(stage),
        audio=tuple(audio),
        conditions=tuple(conditions),
        noise=tuple(noise),
        links=tuple(links),
        outputs=tuple((output.name, f"{stage.name}.{output.name}") for output in stage.outputs),
    )
