/** What relates the fields of a manifest to each other: sources, cadences, shapes, files, latency. */
import { repr } from "./errors.ts";
import { MANIFEST_NAME, MOST_COEFFICIENTS, MOST_NOISE_VALUES, ROLES, splitSource, type Manifest, type Role } from "./manifest.ts";
import { MOST_FLOAT32, affine, checkFileName, evaluateExtent, fault, shown, type Shape } from "./manifest_schema.ts";
import { CADENCES, PRECISIONS, type InputSpec, type StageSpec, type TensorSpec } from "./manifest_stages.ts";

const NAME = /^[a-z][a-z0-9_]{0,63}$/;
// Roles of format 2 that come from stages of frames alone, and what else there must be.
const BESIDE: Record<string, readonly string[]> = {
  head_rotation: ["head_translation"],
  head_translation: ["head_rotation"],
  coefficients: [],
  emotion_coefficients: ["coefficients", "emotion_weight"],
};
const REQUIRED_FILES = ["face.npz", "golden.npz"];
const MOST_PACKAGE_BYTES = 8 * 2 ** 30;
// An input or output may hold this many values at n = 1000 for one voice, all states together that many.
const MOST_VALUES = 2 ** 33;
const MOST_STATE_VALUES = 2 ** 28;
const MOST_INITIAL: Record<string, number> = {
  float32: MOST_FLOAT32, float16: 65504, int32: 2 ** 31 - 1, int64: 2 ** 53,
};

/** ManifestError for the first inconsistency; the order is the same in every reader. */
export function checkManifest(manifest: Manifest): void {
  checkListedFiles(manifest);
  checkClock(manifest);
  checkLengths(manifest);
  checkConditions(manifest);
  checkNoise(manifest);
  checkStages(manifest);
  checkOutputs(manifest);
  checkTextures(manifest);
  if (!manifest.precisions().includes(manifest.defaultPrecision)) {
    const expected = `one that every stage has files for: ${manifest.precisions().join(", ") || "there is none"}`;
    throw fault("default_precision", repr(manifest.defaultPrecision), expected);
  }
  for (const name of REQUIRED_FILES) {
    if (!manifest.files.has(name)) throw fault(`files.${name}`, "nothing", "an entry with sha256 and bytes");
  }
}

/** In the order of code points, as Python sorts. */
export function sorted(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => {
    const [left, right] = [[...a], [...b]];
    for (let i = 0; i < Math.min(left.length, right.length); i++) {
      const difference = (left[i].codePointAt(0) as number) - (right[i].codePointAt(0) as number);
      if (difference) return difference;
    }
    return left.length - right.length;
  });
}

function checkListedFiles(manifest: Manifest): void {
  const folded = new Set<string>();
  let total = 0;
  for (const name of sorted(manifest.files.keys())) {
    const field = `files.${shown(name)}`;
    checkFileName(name, field);
    const lower = name.toLowerCase();
    if (folded.has(lower) || lower === MANIFEST_NAME) {
      throw fault(field, repr(name), `names that differ in more than case, and not ${MANIFEST_NAME}`);
    }
    folded.add(lower);
    total += manifest.files.get(name)?.bytes ?? 0;
  }
  if (total > MOST_PACKAGE_BYTES) throw fault("files", `${total} bytes in all`, `at most ${MOST_PACKAGE_BYTES}`);
}

function checkClock(manifest: Manifest): void {
  if (manifest.hop * manifest.featureRate !== manifest.sampleRate) {
    const got = `${manifest.hop} (x feature_rate ${manifest.featureRate})`;
    throw fault("hop", got, `sample_rate / feature_rate = ${manifest.sampleRate / manifest.featureRate}`);
  }
  const [low, high] = manifest.allowedBlockFeatures;
  if (manifest.blockFeatures < low || manifest.blockFeatures > high) {
    throw fault("block_features", `${manifest.blockFeatures}`, `${low} to ${high} (allowed_block_features)`);
  }
  if (!manifest.streams) {
    checkWholeClips(manifest);
    return;
  }
  const latency = manifest.clock().latency(manifest.sampleRate, (samples) => samples);
  if (manifest.latencySamples !== latency) {
    throw fault("latency_samples", `${manifest.latencySamples}`, `${latency} (emoface.manifest's formula)`);
  }
}

/** Without a stream there are no blocks and no latency to declare. */
function checkWholeClips(manifest: Manifest): void {
  if (manifest.format !== 1) throw fault("format", `${manifest.format}`, "1: the package hears whole clips");
  const fixed = [
    ["block_features", manifest.blockFeatures, 1],
    ["delay_features", manifest.delayFeatures, 0],
    ["latency_samples", manifest.latencySamples, 0],
  ] as const;
  for (const [name, value, expected] of fixed) {
    if (value !== expected) throw fault(name, `${value}`, `${expected}: the package hears whole clips`);
  }
  manifest.stages.forEach((stage, index) => {
    if (stage.cadence === "block") {
      throw fault(`stages[${index}].cadence`, "'block'", "no block stages in a package that hears whole clips");
    }
  });
}

function checkLengths(manifest: Manifest): void {
  if (!(manifest.unitInMetres > 0)) throw fault("unit_in_metres", `${manifest.unitInMetres}`, "a positive number");
  if (!(manifest.motionRangeM > 0)) {
    throw fault("motion_range_m", `${manifest.motionRangeM}`, "a positive number of metres");
  }
}

function checkConditions(manifest: Manifest): void {
  for (const [name, spec] of manifest.conditions) {
    checkName(name, `conditions.${shown(name)}`);
    if (spec.shape[0] !== spec.default.length) {
      throw fault(`conditions.${name}.default`, `${spec.default.length} values`, `shape [${spec.shape[0]}], 1-D`);
    }
  }
  const named: [string, string[], number][] = [
    ["style", manifest.styles, 0], ["emotion", manifest.emotions, 1], ["level", manifest.levels, 0],
  ];
  if (manifest.format >= 2) named.push(["person", manifest.persons, 0]);
  for (const [name, names, extra] of named) {
    const size = manifest.conditions.get(name)?.shape[0];
    if (size !== undefined && (size < names.length || size > names.length + extra)) {
      throw fault(`conditions.${name}.shape`, `[${size}]`, `as many entries as names: ${names.join(", ")}`);
    }
  }
}

function checkNoise(manifest: Manifest): void {
  for (const name of sorted(manifest.noise.keys())) {
    checkName(name, `noise.${shown(name)}`);
    const shape = manifest.noise.get(name)?.shape ?? [];
    if (product(shape) > MOST_NOISE_VALUES) {
      throw fault(`noise.${name}.shape`, repr(shape), `at most ${MOST_NOISE_VALUES} values`);
    }
  }
}

function checkStages(manifest: Manifest): void {
  if (!manifest.stages.length) throw fault("stages", "an empty list", "at least one stage");
  const seen = new Map<string, StageSpec>();
  const taken = manifest.format < 2 ? ["audio", "condition"] : ["audio", "condition", "noise"];
  let stateValues = 0;
  manifest.stages.forEach((stage, index) => {
    const path = `stages[${index}]`;
    checkName(stage.name, `${path}.name`);
    if (seen.has(stage.name) || taken.includes(stage.name)) {
      throw fault(`${path}.name`, repr(stage.name), "a name that is not taken");
    }
    checkFiles(manifest, stage, path);
    for (const [kind, specs] of [["inputs", stage.inputs], ["outputs", stage.outputs], ["state", stage.state]] as const) {
      checkTensors(specs, `${path}.${kind}`);
    }
    stage.inputs.forEach((item, position) => checkSource(manifest, seen, stage, item, `${path}.inputs[${position}]`));
    stage.outputs.forEach((output, position) =>
      checkTimeAxis(stage, output.shape, `${path}.outputs[${position}].shape`),
    );
    stage.state.forEach((state, position) => {
      const where = `${path}.state[${position}]`;
      stateValues += values(state.shape);
      if (stateValues > MOST_STATE_VALUES) {
        throw fault(`${where}.shape`, `${stateValues} values of state in all`, `at most ${MOST_STATE_VALUES}`);
      }
      if (state.batchAxis >= state.shape.length || state.shape[state.batchAxis] !== "B") {
        throw fault(`${where}.batch_axis`, `${state.batchAxis}`, `the axis of "B" in ${repr([...state.shape])}`);
      }
      if (state.shape.some((extent, axis) => typeof extent === "string" && axis !== state.batchAxis)) {
        throw fault(`${where}.shape`, repr([...state.shape]), 'integers and one "B": a state has a fixed size');
      }
      const most = MOST_INITIAL[state.dtype];
      const whole = !state.dtype.startsWith("float");
      if (Math.abs(state.initial) > most || (whole && !Number.isInteger(state.initial))) {
        throw fault(`${where}.initial`, `${state.initial}`, `a value of ${state.dtype}`);
      }
    });
    seen.set(stage.name, stage);
  });
}

function checkName(name: string, field: string): void {
  if (!NAME.test(name)) throw fault(field, repr(name), "a lower-case identifier");
}

function checkFiles(manifest: Manifest, stage: StageSpec, path: string): void {
  if (!stage.files.size) throw fault(`${path}.files`, "nothing", "at least one graph file");
  for (const precision of sorted(stage.files.keys())) {
    const field = `${path}.files.${shown(precision)}`;
    if (!(PRECISIONS as readonly string[]).includes(precision)) {
      throw fault(field, repr(precision), `one of ${PRECISIONS.join(", ")}`);
    }
    const name = stage.files.get(precision) as string;
    checkFileName(name, field);
    if (!manifest.files.has(name)) throw fault(field, repr(name), "a file listed under `files`");
  }
}

function checkTensors(specs: readonly TensorSpec[], path: string): void {
  const names = new Set<string>();
  specs.forEach((spec, position) => {
    checkName(spec.name, `${path}[${position}].name`);
    if (names.has(spec.name)) throw fault(`${path}[${position}].name`, repr(spec.name), "distinct names");
    if (!spec.shape.includes("B")) {
      throw fault(`${path}[${position}].shape`, repr([...spec.shape]), 'a shape with the batch axis "B"');
    }
    if (values(spec.shape) > MOST_VALUES) {
      throw fault(`${path}[${position}].shape`, repr([...spec.shape]), "a tensor that fits in memory");
    }
    names.add(spec.name);
  });
}

function product(extents: readonly number[]): number {
  return extents.reduce((a, b) => a * b, 1);
}

/** Values of a tensor of one voice at n = 1000, more than any block or its frames have. */
function values(shape: Shape): number {
  return product(shape.map((extent) => (extent === "m" ? 1000 : evaluateExtent(extent, 1000))));
}

function checkTimeAxis(stage: StageSpec, shape: Shape, field: string): void {
  const time = stage.cadence === "frame" ? 1 : stage.cadence === "clip" ? "m" : "n";
  if (shape.length < 2 || shape[0] !== "B" || shape[1] !== time) {
    throw fault(field, repr([...shape]), `["B", ${repr(time)}, ...]: batch first, then time`);
  }
  if (shape.slice(2).some((extent) => typeof extent === "string")) {
    throw fault(field, repr([...shape]), "integers after batch and time");
  }
}

const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((extent, axis) => extent === b[axis]);
const told = (spec: TensorSpec): string => `${repr([...spec.shape])} ${spec.dtype}`;

function checkSource(
  manifest: Manifest, seen: Map<string, StageSpec>, stage: StageSpec, item: InputSpec, path: string,
): void {
  const field = `${path}.source`;
  if (item.source === "audio") {
    const samples = stage.cadence === "clip" ? "n" : affine(manifest.hop, manifest.overlap);
    if (stage.cadence !== "block" && stage.cadence !== "clip") {
      throw fault(field, "'audio'", "a block or clip stage: others read no audio");
    }
    if (!same(item.shape, ["B", samples]) || item.dtype !== "float32") {
      throw fault(`${path}.shape`, told(item), `["B", "${samples}"] float32`);
    }
    return;
  }
  const [owner, name] = splitSource(item.source);
  if (owner === "condition") {
    const spec = manifest.conditions.get(name);
    if (!spec) {
      throw fault(field, repr(item.source), `one of the conditions ${repr(sorted(manifest.conditions.keys()))}`);
    }
    if (!same(item.shape, ["B", ...spec.shape]) || item.dtype !== "float32") {
      throw fault(`${path}.shape`, repr([...item.shape]), `["B", ${spec.shape[0]}] float32`);
    }
    return;
  }
  if (owner === "noise" && manifest.format >= 2) {
    const spec = manifest.noise.get(name);
    if (!spec) throw fault(field, repr(item.source), `one of the noises ${repr(sorted(manifest.noise.keys()))}`);
    checkTimeAxis(stage, item.shape, `${path}.shape`);
    if (!same(item.shape.slice(2), spec.shape) || item.dtype !== "float32") {
      throw fault(`${path}.shape`, told(item), `batch, time, ${repr(spec.shape)} float32`);
    }
    return;
  }
  const source = seen.get(owner);
  const output = source?.outputs.find((each) => each.name === name);
  if (!source || !output) throw fault(field, repr(item.source), "audio, condition.<name> or <earlier stage>.<output>");
  if (CADENCES.indexOf(source.cadence) > CADENCES.indexOf(stage.cadence)) {
    const expected = `an output that a ${stage.cadence} stage can follow`;
    throw fault(field, `${repr(item.source)} (${source.cadence})`, expected);
  }
  checkTimeAxis(stage, item.shape, `${path}.shape`);
  if (!same(item.shape.slice(2), output.shape.slice(2)) || item.dtype !== output.dtype) {
    throw fault(`${path}.shape`, told(item), told(output));
  }
  if (source.cadence === "block" && stage.cadence !== "block" && output.dtype !== "float32") {
    const expected = "float32: features are interpolated to the frame rate";
    throw fault(field, `${repr(item.source)} (${output.dtype})`, expected);
  }
}

function checkOutputs(manifest: Manifest): void {
  const shapes = manifest.roleShapes;
  const known = (Object.keys(ROLES) as Role[]).filter((role) => ROLES[role] <= manifest.format);
  const { outputs } = manifest;
  if (!outputs.has("offsets") && !(known.includes("coefficients") && outputs.has("coefficients"))) {
    throw fault("outputs.offsets", "nothing", "<stage>.<output>");
  }
  for (const key of sorted(outputs.keys())) {
    const source = outputs.get(key) as string;
    if (!(known as string[]).includes(key)) {
      throw fault(`outputs.${shown(key)}`, "an unknown output", `only ${known.join(", ")}`);
    }
    for (const other of BESIDE[key] ?? []) {
      if (!outputs.has(other)) throw fault(`outputs.${other}`, "nothing", `<stage>.<output>: ${key} needs ${other}`);
    }
    const [owner, name] = splitSource(source);
    const stage = manifest.stages.find((each) => each.name === owner);
    const output = stage?.outputs.find((each) => each.name === name);
    if (!stage || !output) throw fault(`outputs.${key}`, repr(source), "<stage>.<output> of a stage in the list");
    const got = `${source} ${told(output)}`;
    const rank = manifest.coefficients;
    if (key === "coefficients" && !(rank > 0 && rank <= MOST_COEFFICIENTS)) {
      throw fault(`outputs.${key}`, got, `time, then one axis of at most ${MOST_COEFFICIENTS}, float32`);
    }
    if (!same(output.shape.slice(2), shapes[key as Role]) || output.dtype !== "float32") {
      throw fault(`outputs.${key}`, got, `time, then ${repr(shapes[key as Role])}, float32`);
    }
    if (key in BESIDE && stage.cadence !== "frames" && stage.cadence !== "frame") {
      throw fault(`outputs.${key}`, `${source} (${stage.cadence})`, "a stage of cadence frames or frame");
    }
  }
}

function checkTextures(manifest: Manifest): void {
  for (const name of sorted(manifest.textures.keys())) {
    const file = manifest.textures.get(name) as string;
    const field = `textures.${shown(name)}`;
    checkName(name, field);
    if (!manifest.files.has(file) || !file.endsWith(".png")) {
      throw fault(field, repr(file), "a .png file listed under `files`");
    }
  }
}
