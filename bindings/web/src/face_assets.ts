/** What a face of format 2 may bring beside its mesh: texture coordinates, sharp edges, pivots, named identities. */
import { sorted } from "./manifest_checks.ts";
import { arrayFault, checkFinite, takeArray, type Arrays } from "./npz_file.ts";

export const PIVOTS = ["head", "jaw", "eye_left", "eye_right"];
export const NO_COEFFICIENTS = "none: no output of the manifest has the role coefficients";
const MOST_IDENTITIES = 256;
const FILE = "face.npz";
const WHOLE = ["uvs", "uv_faces", "normal_groups", "pivots"];
const IDENTITY = /^identity\.([a-z][a-z0-9_]{0,63})(?:\.(pivots|basis))?$/;

type Floats = Float32Array<ArrayBuffer>;

/** Another neutral face of the package's topology. */
export interface Identity {
  template: Floats;
  pivots: Floats | null;
  basis: Floats | null;
}

export interface FaceAssets {
  uvs: Floats | null;
  uvFaces: Int32Array<ArrayBuffer> | null;
  normalGroups: Int32Array<ArrayBuffer> | null;
  pivots: Floats | null;
  identities: Map<string, Identity>;
}

/** The names of arrays that belong to assets. */
export function assetArrays(arrays: Arrays): string[] {
  return [...arrays.keys()].filter((key) => WHOLE.includes(key) || IDENTITY.test(key));
}

/** The assets among the arrays of `face.npz`. */
export function readAssets(arrays: Arrays, vertices: number, triangles: number, coefficients: number): FaceAssets {
  const [uvs, uvFaces] = readUvs(arrays, triangles);
  const groups = arrays.has("normal_groups")
    ? takeArray(FILE, arrays, "normal_groups", [triangles], "<i4").int32()
    : null;
  const negative = groups?.find((group) => group < 0);
  if (negative !== undefined) throw arrayFault(FILE, "normal_groups", `group ${negative}`, "numbers from 0 on");
  const pivots = arrays.has("pivots") ? points(arrays, "pivots", PIVOTS.length) : null;
  const identities = readIdentities(arrays, vertices, coefficients);
  return { uvs, uvFaces, normalGroups: groups, pivots, identities };
}

function readUvs(arrays: Arrays, triangles: number): [Floats, Int32Array<ArrayBuffer>] | [null, null] {
  if (!arrays.has("uvs") && !arrays.has("uv_faces")) return [null, null];
  const uvs = takeArray(FILE, arrays, "uvs", [null, 2], "<f4").float32();
  checkFinite(FILE, "uvs", uvs);
  const corners = takeArray(FILE, arrays, "uv_faces", [triangles, 3], "<i4").int32();
  const rows = uvs.length / 2;
  const wrong = corners.find((corner) => corner < 0 || corner >= rows);
  if (wrong !== undefined) throw arrayFault(FILE, "uv_faces", `index ${wrong}`, `rows of uvs from 0 to ${rows - 1}`);
  return [uvs, corners];
}

/** A motion basis (R, V, 3), float32 or float16, as float32. */
export function takeBasis(arrays: Arrays, key: string, coefficients: number, vertices: number): Floats {
  const kind = arrays.get(key)?.dtype === "<f2" ? "<f2" : "<f4";
  const shapes = takeArray(FILE, arrays, key, [coefficients, vertices, 3], kind).float32();
  checkFinite(FILE, key, shapes);
  return shapes;
}

function readIdentities(arrays: Arrays, vertices: number, coefficients: number): Map<string, Identity> {
  const names = new Set<string>();
  for (const key of arrays.keys()) {
    const match = IDENTITY.exec(key);
    if (match) names.add(match[1]);
  }
  if (names.size > MOST_IDENTITIES) {
    throw arrayFault(FILE, "identity", `${names.size} identities`, `at most ${MOST_IDENTITIES}`);
  }
  const identities = new Map<string, Identity>();
  for (const name of sorted(names)) {
    const identity: Identity = { template: points(arrays, `identity.${name}`, vertices), pivots: null, basis: null };
    let key = `identity.${name}.pivots`;
    if (arrays.has(key)) {
      if (!arrays.has("pivots")) throw arrayFault(FILE, key, "an array", "none where the face itself has no pivots");
      identity.pivots = points(arrays, key, PIVOTS.length);
    }
    key = `identity.${name}.basis`;
    if (arrays.has(key)) {
      if (!coefficients) throw arrayFault(FILE, key, "an array", NO_COEFFICIENTS);
      identity.basis = takeBasis(arrays, key, coefficients, vertices);
    }
    identities.set(name, identity);
  }
  return identities;
}

function points(arrays: Arrays, key: string, count: number): Floats {
  const values = takeArray(FILE, arrays, key, [count, 3], "<f4").float32();
  checkFinite(FILE, key, values);
  return values;
}
