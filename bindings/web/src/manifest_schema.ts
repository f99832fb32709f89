/** Typed reading of JSON fields with errors that name file, field, got, expected and remedy. */
import { ManifestError, repr } from "./errors.ts";
import { plain, type Json } from "./strict_json.ts";

export const MOST_INTEGER = 2 ** 40;
export const MOST_FLOAT32 = 3.4028234663852886e38;
const MOST_EXTENT = 2 ** 31;
const MOST_AXES = 16;
const MOST_NAMES = 4096;
const MOST_TEXT = 1000;

const FILE = "manifest.json";
const REMEDY = "Export the package again with `emoface export`, or fetch an undamaged copy.";
const FILE_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_-])?$/;
// Names that Windows gives to devices, whatever comes after a dot.
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?$/i;
const EXTENT = /^(?:([2-9]|[1-9][0-9]{1,8})\*)?n(?:\+([1-9][0-9]{0,8}))?$/;
// eslint-disable-next-line no-control-regex
const NO_TEXT = /[\x00-\x1f\x7f-\x9f\ud800-\udfff]/u;

export type Extent = number | string;
export type Shape = readonly Extent[];

/** The error for a field of the manifest. */
export function fault(field: string, got: string, expected: string): ManifestError {
  return new ManifestError(FILE, field, got.length <= 200 ? got : `${got.slice(0, 200)}...`, expected, REMEDY);
}

/** A key as it stands in the path of a field: printable ASCII, 64 characters at most. */
export function shown(key: string): string {
  const points = [...key].slice(0, 65).map((point) => (/[^\x20-\x7e]/u.test(point) ? "?" : point));
  return points.length <= 64 ? points.join("") : `${points.slice(0, 64).join("")}...`;
}

/** Whether a value is a text of 1 to 1000 characters, none of them a control character. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && [...value].length <= MOST_TEXT && !NO_TEXT.test(value);
}

/** Whether a name is a plain file name on every system: no path, no device, nothing hidden. */
export function isFileName(name: string): boolean {
  return FILE_NAME.test(name) && !DEVICE.test(name);
}

/** Refuse every name that is not a plain file name. */
export function checkFileName(name: string, field: string): void {
  if (!isFileName(name)) {
    throw fault(field, repr(name), "a plain file name inside the package: letters, digits, '_', '.', '-'");
  }
}

/** How `factor` n + `offset` is written in a shape. */
export function affine(factor: number, offset: number): string {
  return (factor !== 1 ? `${factor}*n` : "n") + (offset ? `+${offset}` : "");
}

/** Value of one axis: an int, "B", "n" or `a*n+b`. */
export function evaluateExtent(extent: Extent, n: number, batch = 1): number {
  if (typeof extent === "number") return extent;
  if (extent === "B") return batch;
  const match = EXTENT.exec(extent);
  if (match === null) throw fault("shape", repr(extent), 'an int, "B", "n" or "a*n+b"');
  return Number(match[1] ?? 1) * n + Number(match[2] ?? 0);
}

/** Reads one JSON object field by field and remembers which fields it knows. */
export class Reader {
  private readonly known = new Set<string>();
  private readonly data: Map<string, Json>;

  constructor(
    data: Json | undefined,
    private readonly path: string,
  ) {
    if (!(data instanceof Map)) throw fault(path || "JSON", kindOf(data), "a JSON object");
    this.data = data;
  }

  /** The path of a field of this object. */
  field(key: string): string {
    return this.path ? `${this.path}.${key}` : key;
  }

  has(key: string): boolean {
    return this.data.has(key);
  }

  private get(key: string, expected: string): Json {
    this.known.add(key);
    const value = this.data.get(key);
    if (value === undefined) throw fault(this.field(key), "nothing (the field is missing)", expected);
    return value;
  }

  /** Refuse fields that nothing asked for: a misspelt field must not be ignored silently. */
  refuseUnknown(): void {
    for (const key of this.data.keys()) {
      if (!this.known.has(key)) {
        throw fault(this.field(shown(key)), "an unknown field", `only ${[...this.known].sort().join(", ")}`);
      }
    }
  }

  text(key: string): string {
    const value = this.get(key, "text");
    if (!isText(value)) {
      throw fault(this.field(key), repr(value), `text of 1 to ${MOST_TEXT} characters, no control characters`);
    }
    return value;
  }

  choice(key: string, choices: readonly string[]): string {
    const value = this.get(key, "text");
    if (typeof value !== "string" || !choices.includes(value)) {
      throw fault(this.field(key), repr(value), `one of ${choices.join(", ")}`);
    }
    return value;
  }

  sha256(key: string): string {
    const value = this.get(key, "a SHA-256");
    if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) {
      throw fault(this.field(key), repr(value), "64 lower-case hexadecimal digits");
    }
    return value;
  }

  integer(key: string, low: number, high = MOST_INTEGER): number {
    return integerOf(this.get(key, "an integer"), this.field(key), low, high);
  }

  number(key: string, low = -Infinity, high = Infinity): number {
    return numberOf(this.get(key, "a number"), this.field(key), low, high);
  }

  private list(key: string, expected: string, most: number): Json[] {
    const value = this.get(key, expected);
    if (!Array.isArray(value)) throw fault(this.field(key), kindOf(value), expected);
    if (value.length > most) throw fault(this.field(key), `${value.length} values`, `at most ${most}`);
    return value;
  }

  /** From `least` to `most` integers from `low` to `high`. */
  integers(key: string, low: number, high: number, least: number, most: number): number[] {
    const values = this.list(key, "a list of integers", MOST_INTEGER);
    if (values.length < least || values.length > most) {
      throw fault(this.field(key), `${values.length} values`, `${least} to ${most} values`);
    }
    return values.map((value, index) => integerOf(value, `${this.field(key)}[${index}]`, low, high));
  }

  /** Numbers that float32 holds. */
  floats(key: string, most: number): number[] {
    return this.list(key, "a list of numbers", most).map((value, index) =>
      numberOf(value, `${this.field(key)}[${index}]`, -MOST_FLOAT32, MOST_FLOAT32),
    );
  }

  texts(key: string): string[] {
    const values = this.list(key, "a list of names", MOST_NAMES);
    values.forEach((value, index) => {
      if (isText(value)) return;
      const expected = `a name of 1 to ${MOST_TEXT} characters, no control characters`;
      throw fault(`${this.field(key)}[${index}]`, repr(value), expected);
    });
    if (new Set(values).size !== values.length) throw fault(this.field(key), "a name twice", "distinct names");
    return values as string[];
  }

  shape(key: string): Shape {
    return this.list(key, "a shape", MOST_AXES).map((value, index) => {
      const field = `${this.field(key)}[${index}]`;
      if (typeof value !== "string") return integerOf(value, field, 1, MOST_EXTENT);
      if (value !== "B" && value !== "m" && !EXTENT.test(value)) {
        throw fault(field, repr(value), 'an int, "B", "n", "a*n+b", or "m" of a clip stage');
      }
      return value;
    });
  }

  map(key: string, most = MOST_INTEGER): Map<string, Json> {
    const value = this.get(key, "a JSON object");
    if (!(value instanceof Map)) throw fault(this.field(key), kindOf(value), "a JSON object");
    if (value.size > most) throw fault(this.field(key), `${value.size} entries`, `at most ${most}`);
    return value;
  }

  /** A free object that may be left out. */
  optionalMap(key: string): Map<string, Json> {
    this.known.add(key);
    return this.data.has(key) ? this.map(key) : new Map();
  }

  textMap(key: string, most: number): Map<string, string> {
    const values = this.map(key, most);
    for (const [name, value] of values) {
      if (!isText(value)) {
        throw fault(`${this.field(key)}.${shown(name)}`, repr(value), "text without control characters");
      }
    }
    return values as Map<string, string>;
  }

  children(key: string, most: number): [string, Reader][] {
    // One after the other, as its fields are read: the first fault is named.
    return lazily([...this.map(key, most)], ([name, value]) => [name, new Reader(value, `${this.field(key)}.${shown(name)}`)]);
  }

  items(key: string, most: number): Reader[] {
    return lazily([...this.list(key, "a list of objects", most).entries()], ([index, value]) =>
      new Reader(value, `${this.field(key)}[${index}]`),
    );
  }
}

/** An array whose elements are made when they are reached by `map` or a loop. */
function lazily<A, B>(items: A[], make: (item: A) => B): B[] {
  const made: B[] = [];
  items.forEach((item, index) => {
    let value: B | undefined;
    Object.defineProperty(made, index, { enumerable: true, configurable: true, get: () => (value ??= make(item)) });
  });
  return made;
}

function integerOf(value: Json, field: string, low: number, high: number): number {
  if (typeof value !== "bigint" || value < low || value > high) {
    throw fault(field, repr(value), `an integer from ${low} to ${high}, written without point and exponent`);
  }
  return Number(value);
}

function numberOf(value: Json, field: string, low: number, high: number): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !(number >= low && number <= high)) {
    throw fault(field, repr(plain(value)), `a number from ${low} to ${high}`);
  }
  return number;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "NoneType";
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "dict";
  const kinds: Record<string, string> = { string: "str", boolean: "bool", bigint: "int", number: "float" };
  return kinds[typeof value] ?? typeof value;
}
