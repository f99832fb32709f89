/** What `face.npz` and `golden.npz` of a package hold, checked against its manifest. */
import { TemplateError, repr } from "./errors.ts";
import { NO_COEFFICIENTS, assetArrays, readAssets, takeBasis, type FaceAssets } from "./face_assets.ts";
import type { Manifest } from "./manifest.ts";
import { sorted } from "./manifest_checks.ts";
import { isText } from "./manifest_schema.ts";
import type { TensorSpec } from "./manifest_stages.ts";
import { arrayFault, checkFinite, readArrays, takeArray, type Arrays, type NpyArray } from "./npz_file.ts";
import { sha256, type Allowance } from "./package_files.ts";

export const FACE = "face.npz";
export const GOLDEN = "golden.npz";
const MOST_FRAME = 2 ** 31;
const MOST_SHAPES = 4096;
const SHAPE_ARRAYS = ["blendshape_names", "blendshapes", "blendshape_step"];
const BASIS = ["basis", "basis_names"];

/** Vertex offsets of K named shapes at weight 1, (K, V, 3) in C order. */
export class Blendshapes {
  constructor(
    readonly names: readonly string[],
    readonly shapes: Float32Array<ArrayBuffer>,
  ) {}

  get length(): number {
    return this.names.length;
  }

  /** V. */
  get vertices(): number {
    return this.shapes.length / 3 / this.names.length;
  }

  /** The offsets (V, 3) of one shape: a view. */
  get(name: string): Float32Array<ArrayBuffer> {
    const size = this.vertices * 3;
    const index = this.names.indexOf(name);
    return this.shapes.subarray(index * size, (index + 1) * size);
  }

  equals(other: Blendshapes | null): boolean {
    if (other === this) return true;
    if (!other || other.names.join("\n") !== this.names.join("\n")) return false;
    return other.shapes.length === this.shapes.length && other.shapes.every((value, i) => value === this.shapes[i]);
  }
}

/** The face a package animates; fields as of `emoface.Face`. */
export interface Face extends FaceAssets {
  template: Float32Array<ArrayBuffer>;
  faces: Int32Array<ArrayBuffer>;
  colours: Float32Array<ArrayBuffer>;
  masks: Map<string, Int32Array<ArrayBuffer>>;
  unitInMetres: number;
  blendshapes: Blendshapes | null;
  basis: Blendshapes | null;
  textures: Map<string, Uint8Array>;
}

/** A short input and what every stage gave for it in fp32 PyTorch. */
export interface Golden {
  audio: Float32Array<ArrayBuffer>;
  frames: number[];
  conditions: Map<string, Float32Array<ArrayBuffer>>;
  outputs: Map<string, NpyArray>;
}

/** The face as one of its named identities, with its pivots and its motion basis. */
export function withIdentity(face: Face, name: string): Face {
  const identity = face.identities.get(name);
  if (!identity) {
    const known = [...face.identities.keys()];
    throw new TemplateError(
      `identity=${repr(name)}`, known.length ? `one of ${known.join(", ")}` : "none: the face has none", "Leave it out.",
    );
  }
  const basis = face.basis && identity.basis ? new Blendshapes(face.basis.names, identity.basis) : face.basis;
  return { ...face, template: identity.template, pivots: identity.pivots ?? face.pivots, basis };
}

export async function readFace(manifest: Manifest, data: Uint8Array, allowance: Allowance): Promise<Face> {
  const arrays = await readArrays(FACE, data, allowance);
  const count = manifest.vertices;
  const masks = sorted(arrays.keys()).filter((key) => key.startsWith("mask_") && key !== "mask_");
  const second = manifest.format >= 2;
  const assets = second ? assetArrays(arrays) : [];
  const basis = second ? BASIS.filter((key) => arrays.has(key)) : [];
  const known = ["template", "faces", "colours", ...masks, ...SHAPE_ARRAYS, ...basis, ...assets];
  refuseUnknown(FACE, arrays, known, manifest.format);
  const template = takeArray(FACE, arrays, "template", [count, 3], "<f4").float32();
  const faces = takeArray(FACE, arrays, "faces", [null, 3], "<i4").int32();
  const colours = takeArray(FACE, arrays, "colours", [count, 3], "<f4").float32();
  const indices = new Map([["faces", faces]]);
  for (const key of masks) indices.set(key, takeArray(FACE, arrays, key, [null], "<i4").int32());
  for (const [key, array] of indices) {
    const wrong = array.find((index) => index < 0 || index >= count);
    if (wrong !== undefined) throw arrayFault(FACE, key, `index ${wrong}`, `vertex indices from 0 to ${count - 1}`);
  }
  checkFinite(FACE, "template", template);
  checkFinite(FACE, "colours", colours);
  const blendshapes = readBlendshapes(arrays, count);
  const face: Face = {
    template,
    faces,
    colours,
    masks: new Map(masks.map((key) => [key.slice("mask_".length), indices.get(key) as Int32Array<ArrayBuffer>])),
    unitInMetres: manifest.unitInMetres,
    blendshapes,
    basis: readBasis(manifest, only(arrays, basis), blendshapes),
    textures: new Map(),
    ...readAssets(only(arrays, assets), count, faces.length / 3, manifest.coefficients),
  };
  const digest = await sha256(new Uint8Array(faces.buffer));
  if (digest !== manifest.facesSha256) throw arrayFault(FACE, "faces", `SHA-256 ${digest}`, manifest.facesSha256);
  return face;
}

export async function readGolden(manifest: Manifest, data: Uint8Array, allowance: Allowance): Promise<Golden> {
  const arrays = await readArrays(GOLDEN, data, allowance);
  const outputs = new Map<string, TensorSpec>();
  for (const stage of manifest.stages) for (const each of stage.outputs) outputs.set(`${stage.name}.${each.name}`, each);
  const conditions = new Map([...manifest.conditions].map(([name, spec]) => [`condition.${name}`, spec]));
  refuseUnknown(GOLDEN, arrays, ["audio", "frames", ...conditions.keys(), ...outputs.keys()], manifest.format);
  const audio = takeArray(GOLDEN, arrays, "audio", [null], "<f4").float32();
  if (!audio.length) throw arrayFault(GOLDEN, "audio", "no samples", "the samples of a short sound");
  checkFinite(GOLDEN, "audio", audio);
  const frames = takeArray(GOLDEN, arrays, "frames", [null], "<i8").integers();
  if (frames.some((frame) => frame < 0 || frame >= MOST_FRAME)) {
    throw arrayFault(GOLDEN, "frames", "a number that is none", "numbers of frames");
  }
  const golden: Golden = { audio, frames, conditions: new Map(), outputs: new Map() };
  for (const key of sorted(arrays.keys())) {
    const condition = conditions.get(key);
    if (!condition) continue;
    const values = takeArray(GOLDEN, arrays, key, condition.shape, "<f4").float32();
    checkFinite(GOLDEN, key, values);
    golden.conditions.set(key.slice("condition.".length), values);
  }
  for (const key of sorted(arrays.keys())) {
    const output = outputs.get(key);
    if (!output) continue;
    const rows = [null, ...output.shape.slice(2).map(Number)];
    const found = arrays.get(key) as NpyArray;
    // With or without a batch axis of 1.
    const shape = found.shape.length === rows.length + 1 ? [1, ...rows] : rows;
    const dtypes = { float32: "<f4", float16: "<f2", int64: "<i8", int32: "<i4" };
    const array = takeArray(GOLDEN, arrays, key, shape, dtypes[output.dtype]);
    if (array.dtype.startsWith("<f")) checkFinite(GOLDEN, key, array.float32());
    golden.outputs.set(key, array);
  }
  return golden;
}

/** The named shapes among the arrays of `face.npz`, null where there are none. */
function readBlendshapes(arrays: Arrays, vertices: number): Blendshapes | null {
  if (!SHAPE_ARRAYS.some((key) => arrays.has(key))) return null;
  const names = takeNames(arrays, "blendshape_names", null);
  const whole = arrays.get("blendshapes")?.dtype !== "<f4";
  const array = takeArray(FACE, arrays, "blendshapes", [names.length, vertices, 3], whole ? "<i2" : "<f4");
  if (!whole) {
    if (arrays.has("blendshape_step")) {
      throw arrayFault(FACE, "blendshape_step", "an array", "none beside blendshapes of float32");
    }
    const shapes = array.float32();
    checkFinite(FACE, "blendshapes", shapes);
    return new Blendshapes(names, shapes);
  }
  const step = takeArray(FACE, arrays, "blendshape_step", [names.length], "<f4").float32();
  checkFinite(FACE, "blendshape_step", step);
  const integers = array.int16();
  const shapes = new Float32Array(integers.length);
  const width = vertices * 3;
  step.forEach((unit, shape) => {
    for (let i = shape * width; i < (shape + 1) * width; i++) shapes[i] = integers[i] * unit;
  });
  checkFinite(FACE, "blendshapes", shapes);
  return new Blendshapes(names, shapes);
}

/** The motion basis that the manifest's coefficients are of: an array of its own, or the blendshapes. */
function readBasis(manifest: Manifest, arrays: Arrays, blendshapes: Blendshapes | null): Blendshapes | null {
  const rank = manifest.coefficients;
  if (!rank) {
    for (const key of sorted(arrays.keys())) throw arrayFault(FACE, key, "an array", NO_COEFFICIENTS);
    return null;
  }
  if (!arrays.has("basis")) {
    if (arrays.has("basis_names")) throw arrayFault(FACE, "basis", "nothing", "the shapes that basis_names are of");
    const count = blendshapes?.length ?? 0;
    if (count === rank) return blendshapes;
    const expected = `a basis of ${rank}, as coefficients has`;
    throw arrayFault(FACE, "basis", `nothing, and ${count} blendshapes`, expected);
  }
  const shapes = takeBasis(arrays, "basis", rank, manifest.vertices);
  const names = arrays.has("basis_names")
    ? takeNames(arrays, "basis_names", rank)
    : Array.from({ length: rank }, (_, index) => `basis_${String(index).padStart(3, "0")}`);
  return new Blendshapes(names, shapes);
}

/** Texts, all different, none empty or with control characters. */
function takeNames(arrays: Arrays, key: string, count: number | null): string[] {
  const array = takeArray(FACE, arrays, key, [count], null);
  const kind = array.dtype.startsWith("<U");
  if (!kind || array.shape[0] < 1 || array.shape[0] > MOST_SHAPES) {
    throw arrayFault(FACE, key, `(${array.shape.join(", ")}) ${array.dtype}`, `1 to ${MOST_SHAPES} texts`);
  }
  const names = array.texts();
  if (!names.every((name) => isText(name)) || new Set(names).size !== names.length) {
    throw arrayFault(FACE, key, "a name twice, without or with control characters", "distinct names");
  }
  return names as string[];
}

function refuseUnknown(file: string, arrays: Arrays, known: string[], version: number): void {
  for (const key of sorted(arrays.keys())) {
    if (!known.includes(key)) throw arrayFault(file, key, "an unknown array", `only the arrays of format ${version}`);
  }
}

function only(arrays: Arrays, keys: string[]): Arrays {
  return new Map(keys.map((key) => [key, arrays.get(key) as NpyArray]));
}
