/** The manifest's stage list, made ready to run: where every input comes from, stages grouped by cadence. */
import type { Engine, StageStream } from "./engine.ts";
import { splitSource, type Manifest, type Role } from "../manifest.ts";
import type { StageSpec } from "../manifest_stages.ts";

/** One stage of one stream with its inputs sorted by source: pairs of input name and source. */
export interface PlannedStage {
  spec: StageSpec;
  stream: StageStream;
  audio: string[];
  conditions: [string, string][];
  noise: [string, string][];
  links: [string, string][];
  outputs: [string, string][];
}

export interface Plan {
  block: PlannedStage[];
  frames: PlannedStage[];
  frame: PlannedStage[];
  /** Block outputs ("stage.output") that stages of a frame cadence, or the caller, read. */
  interpolated: string[];
  /** Output role -> "stage.output", of those that are taken. */
  results: Map<Role, string>;
}

/**
 * Open stages on `engine` and resolve sources.
 *
 * @param offsets whether the stages' offsets are taken; stages that lead to nothing else are then left out.
 * @param probed whether every stage is to be seen.
 */
export function makePlan(manifest: Manifest, engine: Engine, offsets: boolean, probed: boolean): Plan {
  const all = [...manifest.outputs] as [Role, string][];
  const results = new Map(all.filter(([role]) => offsets || role !== "offsets"));
  const everything = probed || results.size === all.length;
  const stages = everything ? manifest.stages : neededStages(manifest, [...results.values()]);
  const planned = stages.map((stage) => planStage(stage, engine, manifest));
  const of = (cadence: string): PlannedStage[] => planned.filter((stage) => stage.spec.cadence === cadence);
  const [block, frames, frame] = [of("block"), of("frames"), of("frame")];
  const ofBlocks = new Set(block.flatMap((stage) => stage.outputs.map(([, key]) => key)));
  const wanted = [...frames, ...frame].flatMap((stage) => stage.links.map(([, key]) => key));
  wanted.push(...results.values());
  const interpolated = [...new Set(wanted.filter((key) => ofBlocks.has(key)))];
  return { block, frames, frame, interpolated, results };
}

export function stagesOf(plan: Plan): PlannedStage[] {
  return [...plan.block, ...plan.frames, ...plan.frame];
}

export function reads(stages: PlannedStage[], condition: string): boolean {
  return stages.some((stage) => stage.conditions.some(([, name]) => name === condition));
}

/** The stages that `results` come from, directly or by others, and all that have a state. */
export function neededStages(manifest: Manifest, results: string[]): StageSpec[] {
  const wanted = new Set(results.map((key) => splitSource(key)[0]));
  const needed: StageSpec[] = [];
  for (const stage of [...manifest.stages].reverse()) {
    if (!stage.state.length && !wanted.has(stage.name)) continue;
    needed.push(stage);
    for (const input of stage.inputs) wanted.add(splitSource(input.source)[0]);
  }
  return needed.reverse();
}

function planStage(spec: StageSpec, engine: Engine, manifest: Manifest): PlannedStage {
  const stage: PlannedStage = {
    spec,
    stream: engine.openStage(spec),
    audio: [],
    conditions: [],
    noise: [],
    links: [],
    outputs: spec.outputs.map((output) => [output.name, `${spec.name}.${output.name}`]),
  };
  for (const { name, source } of spec.inputs) {
    const [owner, rest] = splitSource(source);
    if (source === "audio") stage.audio.push(name);
    else if (owner === "condition") stage.conditions.push([name, rest]);
    else if (owner === "noise" && manifest.format >= 2) stage.noise.push([name, rest]);
    else stage.links.push([name, source]);
  }
  return stage;
}
