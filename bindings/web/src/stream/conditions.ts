/** Conditions that change in time: from which moment of the audio each value holds. As `emoface.stream.conditions`. */
import { ConditionError, repr } from "../errors.ts";
import type { ConditionSpec, Manifest } from "../manifest.ts";

const HEAVIEST = 10;
const FARTHEST = 1e4;
const LATEST = 1e9;
// What a package cannot be steered by may only be left as it is.
const NEUTRAL: Record<string, string | null> = {
  style: null, emotion: "auto", level: "normal", person: null, speaker_mean: null,
};

export type Vector = Float32Array<ArrayBuffer>;
/** A name, weights by name, numbers in the manifest's order, or null for the package's default. */
export type ConditionValue = string | Record<string, number> | ArrayLike<number> | null | undefined;

/** A caller's value as the condition's vector; ConditionError for what is none. */
export function conditionVector(manifest: Manifest, name: string, value: ConditionValue): Vector {
  const spec = manifest.conditions.get(name);
  if (!spec) {
    const known = [...manifest.conditions.keys()].join(", ") || "none";
    throw new ConditionError(`condition ${repr(name)}`, `one of ${known}`, "This package cannot be steered by it.");
  }
  if (value === null || value === undefined) return Float32Array.from(spec.default);
  if (typeof value === "string") return weights(manifest, name, { [value]: 1 }, spec);
  if (typeof value === "object" && !isNumbers(value)) return weights(manifest, name, value, spec);
  return numbers(manifest, name, value as ArrayLike<number>, spec);
}

function isNumbers(value: object): value is ArrayLike<number> {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

function weights(manifest: Manifest, name: string, given: Record<string, number>, spec: ConditionSpec): Vector {
  const choices = manifest.choices(name);
  const entries = Object.entries(given);
  if (!entries.length) throw new ConditionError(`${name}={}`, "at least one weight", `Use ${choices.join(", ")}.`);
  const vector = new Float32Array(spec.shape[0]);
  for (const [key, weight] of entries) {
    if (!choices.includes(key)) {
      const expected = choices.length ? `one of ${choices.join(", ")}` : `an array of shape (${spec.shape[0]},)`;
      throw new ConditionError(`${name} ${repr(key)}`, expected, "Names are case-sensitive.");
    }
    if (!(typeof weight === "number" && weight >= 0 && weight <= HEAVIEST)) {
      throw new ConditionError(
        `${name} ${repr(key)}: ${weight}`, `numbers from 0 to ${HEAVIEST}`, "Pass for example 0.5 for half of it.",
      );
    }
    vector[choices.indexOf(key)] = weight;
  }
  return vector;
}

function numbers(manifest: Manifest, name: string, given: ArrayLike<number>, spec: ConditionSpec): Vector {
  const values = Array.from(given);
  if (values.length !== spec.shape[0]) {
    throw new ConditionError(
      `${name} of ${values.length} values`, `${spec.shape[0]} values`, "Pass one number per entry, in the manifest's order.",
    );
  }
  const [least, most] = manifest.choices(name).length ? [0, HEAVIEST] : [-FARTHEST, FARTHEST];
  if (!values.every((value) => typeof value === "number" && value >= least && value <= most)) {
    throw new ConditionError(`${name}=${repr(values)}`, `numbers from ${least} to ${most}`, "Pass numbers in range.");
  }
  return Float32Array.from(values);
}

export interface ConditionOptions {
  style?: ConditionValue;
  emotion?: ConditionValue;
  level?: ConditionValue;
  person?: ConditionValue;
  speakerMean?: ConditionValue;
  /** 0 to 1 (default), how far "auto" follows the voice; the rest is neutral. */
  autoStrength?: number;
}

/** Vectors of all the package's conditions: what was given, defaults for the rest. */
export function initialConditions(manifest: Manifest, options: ConditionOptions): Map<string, Vector> {
  const given: Record<string, ConditionValue> = {
    style: options.style ?? null,
    emotion: options.emotion ?? "auto",
    level: options.level ?? "normal",
    person: options.person ?? null,
    speaker_mean: options.speakerMean ?? null,
  };
  for (const [name, value] of Object.entries(given)) {
    const left = value === null || value === NEUTRAL[name];
    if (!manifest.conditions.has(name) && !left) conditionVector(manifest, name, value);
    if (left && typeof value === "string" && !manifest.choices(name).includes(value)) given[name] = null;
  }
  const strength = checkAutoStrength(manifest, options.autoStrength ?? 1);
  const vectors = new Map<string, Vector>();
  for (const name of manifest.conditions.keys()) {
    vectors.set(name, weakened(manifest, name, conditionVector(manifest, name, given[name]), strength));
  }
  return vectors;
}

export function checkAutoStrength(manifest: Manifest, strength: number): number {
  if (!(strength >= 0 && strength <= 1)) {
    throw new ConditionError(`auto_strength=${strength}`, "a number from 0 to 1", "1 follows the voice as heard.");
  }
  const choices = manifest.choices("emotion");
  if (strength < 1 && !(choices.includes("auto") && choices.includes("neutral"))) {
    throw new ConditionError(
      `auto_strength=${strength} with emotions ${choices.join(", ") || "none"}`,
      "auto and neutral among them",
      "This package does not weigh the voice against a neutral face; leave it out.",
    );
  }
  return strength;
}

/** A condition's vector; of `emotion`, all but `strength` of the weight of "auto" given to "neutral". */
export function weakened(manifest: Manifest, name: string, vector: Vector, strength: number): Vector {
  if (name !== "emotion" || strength === 1) return vector;
  const choices = manifest.choices(name);
  const [auto, neutral] = [choices.indexOf("auto"), choices.indexOf("neutral")];
  const mixed = Float64Array.from(vector);
  mixed[neutral] += (1 - strength) * mixed[auto];
  mixed[auto] *= strength;
  return Float32Array.from(mixed);
}

/** The audio time from which a change holds: `at`, or `now` for null. */
export function changeMoment(name: string, at: number | null, now: number, earliest: number): number {
  const moment = at ?? now;
  if (!(typeof moment === "number" && Math.abs(moment) <= LATEST)) {
    throw new ConditionError(`at=${moment}`, `seconds of audio time, at most ${LATEST}`, "Pass a number or null.");
  }
  if (moment < earliest) {
    throw new ConditionError(
      `${name} at ${moment} s`,
      `a time from ${earliest} s on: earlier frames were already computed`,
      "Announce changes before feeding the audio they belong to, or leave `at` out.",
    );
  }
  return moment;
}

/** Per condition the values and the audio time, in seconds, from which each holds. */
export class ConditionTimeline {
  private readonly changes = new Map<string, [number, Vector][]>();

  constructor(private readonly initial: Map<string, Vector>) {
    this.reset();
  }

  reset(): void {
    for (const [name, vector] of this.initial) this.changes.set(name, [[-Infinity, vector]]);
  }

  /** Let `vector` hold from `at` on; a later call wins where two name the same moment. */
  set(name: string, vector: Vector, at: number): void {
    const changes = this.changes.get(name) as [number, Vector][];
    let position = changes.length;
    while (changes[position - 1][0] > at) position -= 1;
    changes.splice(position, 0, [at, vector]);
  }

  value(name: string, time: number): Vector {
    const changes = this.changes.get(name) as [number, Vector][];
    let index = changes.length - 1;
    while (changes[index][0] > time) index -= 1;
    return changes[index][1];
  }

  forgetBefore(time: number): void {
    for (const changes of this.changes.values()) while (changes.length > 1 && changes[1][0] <= time) changes.shift();
  }
}
