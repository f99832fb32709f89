/** The package manifest, formats 1 and 2, as `emoface.manifest` reads it: same fields, limits, order and faults. */
import { PackageFormatError } from "./errors.ts";
import { Reader, fault, shown, type Shape } from "./manifest_schema.ts";
import { MOST_TENSORS, PRECISIONS, readStage, type StageSpec } from "./manifest_stages.ts";
import { checkManifest } from "./manifest_checks.ts";
import { parseObject, plain, type Json } from "./strict_json.ts";
import { Clock } from "./timing.ts";

export const FORMATS = [1, 2] as const;
export const MANIFEST_NAME = "manifest.json";
export const MAX_MANIFEST_BYTES = 4 << 20;
export const MOST_NOISE_VALUES = 1 << 16;
export const MOST_COEFFICIENTS = 4096;
const MOST_LEVELS = 64;
const MOST_BRACKETS = 100_000;
const MAX_FILE_BYTES = 4 * 2 ** 30;
const MAX_VERTICES = 1 << 20;
const MOST_RATE = 1_000_000;
const MOST_OVERLAP = 1 << 24;
const MOST_BLOCK = 1000;
const MOST_STAGES = 64;
const MOST_CONDITIONS = 64;
const MOST_CONDITION_VALUES = 1 << 16;
const MOST_NOISES = 64;
const MOST_FILES = 1024;
const MOST_TEXTURES = 16;
const LENGTHS = [1e-9, 1e9] as const;

export const AFFECT = ["arousal", "valence", "confidence"] as const;
/** Roles that a stage's output can have, in the order of a frame's arrays, and the first format that knows each. */
export const ROLES = {
  offsets: 1, emotion: 1, emotion_weight: 1, head_rotation: 2, head_translation: 2,
  arousal: 2, valence: 2, confidence: 2, coefficients: 2, emotion_coefficients: 2,
} as const;
export type Role = keyof typeof ROLES;
export const ROLE_NAMES = Object.keys(ROLES) as Role[];

export interface ConditionSpec {
  shape: number[];
  default: number[];
}
export interface FileEntry {
  sha256: string;
  bytes: number;
}

interface Fields {
  format: number; name: string; family: string; modelSha256: string; licence: string; fps: number; sampleRate: number;
  featureRate: number; hop: number; overlap: number; blockFeatures: number; allowedBlockFeatures: number[];
  delayFeatures: number; latencySamples: number; vertices: number; facesSha256: string; unitInMetres: number;
  axes: string; styles: string[]; emotions: string[]; levels: string[]; persons: string[]; defaultPrecision: string;
  conditions: Map<string, ConditionSpec>; noise: Map<string, { shape: number[] }>; stages: StageSpec[];
  outputs: Map<string, string>; textures: Map<string, string>; motionRangeM: number;
  provenance: Record<string, unknown>; verification: Record<string, unknown>; files: Map<string, FileEntry>;
}

export interface Manifest extends Readonly<Fields> {}

/** `manifest.json`, format 1 or 2. */
export class Manifest {
  private constructor(fields: Fields) {
    Object.assign(this, fields);
  }

  /** Read and check the bytes of `manifest.json`; PackageFormatError or ManifestError. */
  static fromJson(source: Uint8Array): Manifest {
    const reader = new Reader(parseManifest(source), "");
    const version = reader.integer("format", 1);
    if (!(FORMATS as readonly number[]).includes(version)) {
      const known = FORMATS.join(" or ");
      throw new PackageFormatError(
        `${MANIFEST_NAME}: format = ${version}`,
        `format ${known}`,
        `Use a newer version of this page, or export the package again in format ${known}.`,
      );
    }
    const says = (key: string): boolean => version >= 2 && reader.has(key);
    // In this order, so that every reader names the same field of a manifest with several faults.
    const fields: Fields = {
      format: version,
      name: reader.text("name"),
      family: reader.text("family"),
      modelSha256: says("model_sha256") ? reader.sha256("model_sha256") : "",
      licence: reader.text("licence"),
      fps: reader.integer("fps", 1, 1000),
      sampleRate: reader.integer("sample_rate", 1, MOST_RATE),
      featureRate: reader.integer("feature_rate", 1, 1000),
      hop: reader.integer("hop", 1, MOST_RATE),
      overlap: reader.integer("overlap", 0, MOST_OVERLAP),
      blockFeatures: reader.integer("block_features", 1, MOST_BLOCK),
      allowedBlockFeatures: reader.integers("allowed_block_features", 1, MOST_BLOCK, 2, 2),
      delayFeatures: reader.integer("delay_features", 0, 1000),
      latencySamples: reader.integer("latency_samples", 0),
      vertices: reader.integer("vertices", 1, MAX_VERTICES),
      facesSha256: reader.sha256("faces_sha256"),
      unitInMetres: reader.number("unit_in_metres", ...LENGTHS),
      axes: reader.text("axes"),
      styles: reader.texts("styles"),
      emotions: reader.texts("emotions"),
      levels: reader.texts("levels"),
      persons: says("persons") ? reader.texts("persons") : [],
      defaultPrecision: reader.text("default_precision"),
      conditions: new Map(reader.children("conditions", MOST_CONDITIONS).map(([name, item]) => [name, condition(item)])),
      noise: says("noise") ? noise(reader) : new Map(),
      stages: reader.items("stages", MOST_STAGES).map(readStage),
      outputs: reader.textMap("outputs", MOST_TENSORS),
      textures: says("textures") ? reader.textMap("textures", MOST_TEXTURES) : new Map(),
      motionRangeM: reader.number("motion_range_m", ...LENGTHS),
      provenance: plain(reader.optionalMap("provenance")) as Record<string, unknown>,
      verification: verification(reader),
      files: new Map(reader.children("files", MOST_FILES).map(([name, item]) => [name, file(item)])),
    };
    reader.refuseUnknown();
    const manifest = new Manifest(fields);
    checkManifest(manifest);
    return manifest;
  }

  /** Whether frames come while the audio is fed; false where a stage hears whole clips. */
  get streams(): boolean {
    return this.stages.every((stage) => stage.cadence !== "clip");
  }

  /** R, a frame's coefficients in the motion basis of the face; 0 where the package gives none. */
  get coefficients(): number {
    const shape = this.shapeOf(this.outputs.get("coefficients") ?? "");
    return shape?.length === 3 ? Number(shape[2]) : 0;
  }

  /** What a frame's output of each role is shaped like. */
  get roleShapes(): Record<Role, number[]> {
    const rank = this.coefficients;
    return {
      offsets: [this.vertices, 3],
      emotion: [this.emotions.length],
      emotion_weight: [this.vertices],
      head_rotation: [3, 3],
      head_translation: [3],
      arousal: [1],
      valence: [1],
      confidence: [1],
      coefficients: [rank],
      emotion_coefficients: [rank],
    };
  }

  private shapeOf(source: string): Shape | undefined {
    const [owner, name] = splitSource(source);
    const outputs = this.stages.filter((stage) => stage.name === owner).flatMap((stage) => stage.outputs);
    return outputs.find((output) => output.name === name)?.shape;
  }

  /** Precisions that the package can run in. */
  precisions(): string[] {
    return PRECISIONS.filter(
      (p) =>
        this.stages.some((stage) => stage.files.has(p)) &&
        this.stages.every((stage) => stage.files.has(p) || stage.files.has("fp32")),
    );
  }

  /** Names of a condition's entries; `emotion` ends with "auto" where the vector has the unknown class. */
  choices(name: string): string[] {
    const named: Record<string, string[]> = {
      style: this.styles, emotion: this.emotions, level: this.levels, person: this.persons,
    };
    const names = Object.hasOwn(named, name) ? named[name] : [];
    const spec = this.conditions.get(name);
    return name === "emotion" && spec?.shape[0] === names.length + 1 ? [...names, "auto"] : names;
  }

  clock(blockFeatures = this.blockFeatures): Clock {
    return new Clock(
      this.fps, this.sampleRate, this.featureRate, this.hop, this.overlap, blockFeatures, this.delayFeatures,
    );
  }
}

/** "stage.output" in two. */
export function splitSource(source: string): [string, string] {
  const dot = source.indexOf(".");
  return dot < 0 ? [source, ""] : [source.slice(0, dot), source.slice(dot + 1)];
}

function parseManifest(source: Uint8Array): Map<string, Json> {
  if (source.length > MAX_MANIFEST_BYTES) throw fault("size", `${source.length}`, `at most ${MAX_MANIFEST_BYTES} bytes`);
  try {
    let brackets = 0;
    for (const byte of source) if (byte === 0x5b || byte === 0x7b) brackets += 1;
    if (brackets > MOST_BRACKETS) throw new Error(`more than ${MOST_BRACKETS} objects and lists`);
    return parseObject(source, MOST_LEVELS);
  } catch (error) {
    throw fault("JSON", `'${(error as Error).message}'`, "a JSON object in UTF-8 (RFC 8259) without a key twice");
  }
}

function condition(reader: Reader): ConditionSpec {
  const shape = reader.integers("shape", 1, MOST_CONDITION_VALUES, 1, 1);
  const spec = { shape, default: reader.floats("default", MOST_CONDITION_VALUES) };
  reader.refuseUnknown();
  return spec;
}

function noise(reader: Reader): Map<string, { shape: number[] }> {
  const specs = new Map<string, { shape: number[] }>();
  for (const [name, item] of reader.children("noise", MOST_NOISES)) {
    specs.set(name, { shape: item.integers("shape", 1, MOST_NOISE_VALUES, 1, 2) });
    item.refuseUnknown();
  }
  return specs;
}

function file(reader: Reader): FileEntry {
  const entry = { sha256: reader.sha256("sha256"), bytes: reader.integer("bytes", 0, MAX_FILE_BYTES) };
  reader.refuseUnknown();
  return entry;
}

/** Free but for the limits that a verification compares with. */
function verification(reader: Reader): Record<string, unknown> {
  const stated = reader.optionalMap("verification");
  if (stated.has("tolerances")) {
    const tolerances = new Reader(stated, "verification");
    for (const [precision, limits] of tolerances.children("tolerances", PRECISIONS.length)) {
      if (!(PRECISIONS as readonly string[]).includes(precision)) {
        const field = `verification.tolerances.${shown(precision)}`;
        throw fault(field, "an unknown precision", `one of ${PRECISIONS.join(", ")}`);
      }
      for (const key of ["relative", "offsets_mm"]) if (limits.has(key)) limits.number(key, 0, 1e9);
      limits.refuseUnknown();
    }
  }
  return plain(stated) as Record<string, unknown>;
}
