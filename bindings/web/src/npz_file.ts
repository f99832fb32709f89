/** Arrays of npz files: plain little-endian numbers and texts, never more than allowed. As `emoface.npz_file`. */
import { Archive } from "./archive.ts";
import { ManifestError } from "./errors.ts";
import { FETCH, bomb, type Allowance } from "./package_files.ts";

const MOST_BYTES = 2 * 2 ** 30;
const MOST_HEADER = 10_000;
const MOST_AXES = 8;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\.npy$/;
// The header is a Python literal: read by its one form, not evaluated.
const EXTENTS = "(?:0|[1-9][0-9]{0,9})";
const HEADER = new RegExp(
  String.raw`^\{'descr': *'([^'\\\n]{1,16})', *'fortran_order': *(False|True), *'shape': *` +
    String.raw`\(((?:${EXTENTS}(?:, *${EXTENTS})*,?)?)\),? *\} *\n?$`,
);
const NUMBER = /^(?:\|[uib]1|<[iu][248]|<f[248])$/;
const TEXT = /^<U([1-9][0-9]{0,4})$/;

/** An array as its file has it: little-endian bytes in C order. */
export class NpyArray {
  constructor(
    readonly dtype: string,
    readonly shape: number[],
    private readonly bytes: Uint8Array<ArrayBuffer>,
  ) {}

  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  private buffer(): ArrayBuffer {
    return this.bytes.buffer.slice(this.bytes.byteOffset, this.bytes.byteOffset + this.bytes.byteLength);
  }

  /** Of <f4, or of <f2 widened. */
  float32(): Float32Array<ArrayBuffer> {
    if (this.dtype !== "<f2") return new Float32Array(this.buffer());
    return Float32Array.from(new Uint16Array(this.buffer()), fromHalf);
  }

  float64(): Float64Array<ArrayBuffer> {
    return new Float64Array(this.buffer());
  }

  int32(): Int32Array<ArrayBuffer> {
    return new Int32Array(this.buffer());
  }

  int16(): Int16Array<ArrayBuffer> {
    return new Int16Array(this.buffer());
  }

  /** Of <i8 or <i4; exact below 2^53. */
  integers(): number[] {
    return this.dtype === "<i8" ? Array.from(new BigInt64Array(this.buffer()), Number) : [...this.int32()];
  }

  /** Of <U: texts, and null for one that holds what is no character. */
  texts(): (string | null)[] {
    const width = Number(TEXT.exec(this.dtype)?.[1] ?? 0);
    const codes = new Uint32Array(this.buffer());
    return Array.from({ length: this.size }, (_, index) => {
      const text = codes.subarray(index * width, (index + 1) * width);
      if (text.some((code) => code > 0x10ffff || (code >= 0xd800 && code < 0xe000))) return null;
      let end = width;
      while (end && text[end - 1] === 0) end -= 1;
      return String.fromCodePoint(...text.subarray(0, end));
    });
  }
}

export type Arrays = Map<string, NpyArray>;

/** The float32 value of 16 bits. */
export function fromHalf(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
}

/** All arrays of an npz file, by name; ManifestError (field `contents`) for anything else. */
export async function readArrays(file: string, data: Uint8Array, allowance: Allowance): Promise<Arrays> {
  const fault = (why: string): ManifestError =>
    new ManifestError(file, "contents", why, "an npz file of plain little-endian arrays", FETCH);
  const archive = new Archive(data, fault, (member) => {
    if (!NAME.test(member)) throw fault("a member that is no array");
  });
  if (archive.inflated > MOST_BYTES || !allowance.spend(archive.inflated)) throw bomb(file, archive.inflated);
  const arrays: Arrays = new Map();
  for (const member of archive.members.keys()) {
    arrays.set(member.slice(0, -4), readArray(await archive.read(member), fault));
  }
  return arrays;
}

function readArray(data: Uint8Array<ArrayBuffer>, fault: (why: string) => ManifestError): NpyArray {
  const magic = String.fromCharCode(...data.subarray(0, 6));
  if (magic !== "\x93NUMPY" || data.length < 12) throw fault("no .npy file");
  const [version, minor] = [data[6], data[7]];
  const width = version === 1 ? 2 : 4;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const start = 8 + width + (width === 2 ? view.getUint16(8, true) : view.getUint32(8, true));
  const unknown = version < 1 || version > 3 || minor !== 0;
  if (unknown || start - 8 - width > MOST_HEADER || start > data.length) throw fault("a broken array header");
  const header = String.fromCharCode(...data.subarray(8 + width, start));
  const match = HEADER.exec(header);
  if (match === null) throw fault("a broken array header");
  const [, dtype, order, extents] = match;
  const shape = (extents.match(/[0-9]+/g) ?? []).map(Number);
  const text = TEXT.exec(dtype);
  if (!NUMBER.test(dtype) && !text) throw fault(`an array of dtype '${dtype}'`);
  const itemsize = text ? 4 * Number(text[1]) : Number(dtype[2]);
  const least = shape.reduce((a, b) => a * (b || 1), 1) * itemsize;
  const bytes = shape.reduce((a, b) => a * b, 1) * itemsize;
  if (shape.length > MOST_AXES || least > MOST_BYTES || bytes !== data.length - start) {
    throw fault("an array whose bytes do not fit its shape");
  }
  const body = data.subarray(start);
  return new NpyArray(dtype, shape, order === "True" ? inRowOrder(body, shape, itemsize) : body);
}

/** The bytes of an array in Fortran's order in C's. */
function inRowOrder(body: Uint8Array, shape: number[], itemsize: number): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(body.length);
  const count = shape.reduce((a, b) => a * b, 1);
  const index = shape.map(() => 0);
  for (let place = 0; place < count; place++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * shape[axis] + index[axis];
    made.set(body.subarray(from * itemsize, (from + 1) * itemsize), place * itemsize);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return made;
}

/** An array of this shape (null: any extent) and dtype (null: text). */
export function takeArray(
  file: string, arrays: Arrays, key: string, shape: (number | null)[], dtype: string | null,
): NpyArray {
  const expected = `an array of shape (${shape.map((extent) => extent ?? "any").join(", ")}) ${dtype ?? "text"}`;
  const array = arrays.get(key);
  if (!array) throw arrayFault(file, key, "nothing", expected);
  const fits =
    array.shape.length === shape.length && shape.every((extent, axis) => extent === null || extent === array.shape[axis]);
  if (!fits || (dtype !== null && array.dtype !== dtype)) {
    throw arrayFault(file, key, `shape (${array.shape.join(", ")}) ${array.dtype}`, expected);
  }
  return array;
}

/** ManifestError for floats with NaN or infinity. */
export function checkFinite(file: string, key: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) throw arrayFault(file, key, "NaN or infinite values", "finite values");
  }
}

/** The error for an array of an npz file of a package. */
export function arrayFault(file: string, field: string, got: string, expected: string): ManifestError {
  return new ManifestError(file, field, got, expected, FETCH);
}
