/** What the seeded layers share: a strength and a seed, and smooth noise that is a function of seed and time alone. */
import { STEP, bitsOf, mixed } from "../counter_hash.ts";
import { RigError } from "../errors.ts";

const SEEDS = 2 ** 32;

export interface Seeded {
  /** Factor 0.1 to 2 on all motion of the layer. */
  strength: number;
  /** 0 to 2^32 - 1; 0 takes the seed of the blinks. */
  seed: number;
}

/** false for none, true for the default, a strength, or both values. */
export type SeededOption = boolean | number | Partial<Seeded> | null;

export function checkSeed(seed: number, what: string): number {
  if (Number.isInteger(seed) && seed >= 0 && seed < SEEDS) return seed;
  throw new RigError(`seed=${seed} of the ${what}`, `an integer from 0 to ${SEEDS - 1}`, "Choose one.");
}

/** What an option asks for, its seed that of the blinks where it has none of its own. */
export function seeded(given: SeededOption, what: string, blinkSeed: number): Seeded {
  const asked = typeof given === "number" ? { strength: given } : typeof given === "object" && given ? given : {};
  const { strength = 1, seed = 0 } = asked;
  checkSeed(seed, what);
  if (!(strength >= 0.1 && strength <= 2)) {
    throw new RigError(`strength=${strength} of the ${what}`, "a number from 0.1 to 2", "false switches it off.");
  }
  return { strength, seed: seed || blinkSeed };
}

/** Noise around 0, within -1 and 1: a uniform cubic spline through drawn values, so many milliseconds apart. */
export class SmoothNoise {
  private readonly unit: number;
  private index = -1;
  private held = [0, 0, 0, 0];

  constructor(
    private readonly base: bigint,
    spacing: number,
    fps: number,
  ) {
    this.unit = spacing * fps;
  }

  at(frame: number): number {
    // Time in units of 1 / fps ms: whole numbers at any frame rate.
    const now = 1000 * frame;
    const index = Math.floor(now / this.unit);
    if (index !== this.index) {
      this.index = index;
      this.held = [1, 2, 3, 4].map((place) => signed(mixed(this.base + BigInt(index + place) * STEP)));
    }
    const t = (now % this.unit) / this.unit;
    const s = 1 - t;
    const [a, b, c, d] = this.held;
    const [first, last] = [s * s * s * a, t * t * t * d];
    const [second, third] = [((3 * t - 6) * t * t + 4) * b, ((3 * s - 6) * s * s + 4) * c];
    return (first + second + third + last) / 6;
  }
}

/** 64 random bits as a number from -1 to 1. */
export function signed(random: bigint): number {
  return Number(random >> 11n) / 2 ** 52 - 1;
}

/** The 16 random bits from bit `from` on as a number from 0 to 1. */
export function part(random: bigint, from: number): number {
  return bitsOf(random, from) / 65536;
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** Share of the way to a new value that one frame goes: a low-pass filter of one pole, all of it for 0 seconds. */
export function follow(seconds: number, fps: number): number {
  return seconds ? 1 - Math.exp(-1 / (fps * seconds)) : 1;
}
