/** Noise that stages read: standard normal values, each a function of seed, noise, item and index; as `emoface.stream.noise`. */
import { STEP, mixed } from "../counter_hash.ts";
import { UsageError } from "../errors.ts";
import { sorted } from "../manifest_checks.ts";
import type { Tensor } from "./engine.ts";

// Coefficients of algorithm AS 241 (PPND16), numerators and denominators, the highest power first.
const CENTRE = [
  [2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.387132872796366608],
  [5.226495278852854561e3, 2.8729085735721942674e4, 3.930789580009271061e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.871870074920579083e2, 4.2313330701600911252e1, 1],
];
const SIDE = [
  [7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734],
  [1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1,
    6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1],
];
const TAIL = [
  [2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
    2.9656057182850489123e-1, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772],
  [2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
    1.48753612908506148525e-2, 1.3692988092273580531e-1, 5.9983220655588793769e-1, 1],
];
// log m = 2 s (1 + s^2 / 3 + s^4 / 5 + ...) with s = (m - 1) / (m + 1), m between sqrt(1/2) and sqrt(2).
const ATANH = Array.from({ length: 12 }, (_, index) => 1 / (23 - 2 * index));
const [SQRT_HALF, LN2] = [0.7071067811865476, 0.6931471805599453];
const view = new DataView(new ArrayBuffer(8));

function horner(coefficients: number[], x: number): number {
  return coefficients.reduce((value, coefficient) => value * x + coefficient);
}

function ratio(pair: number[][], x: number): number {
  return horner(pair[0], x) / horner(pair[1], x);
}

/** The natural logarithm of a positive normal number. */
function logarithm(x: number): number {
  view.setFloat64(0, x);
  let exponent = ((view.getUint32(0) >>> 20) & 0x7ff) - 1022;
  view.setUint32(0, (view.getUint32(0) & 0x800fffff) | (1022 << 20));
  let m = view.getFloat64(0);
  if (m < SQRT_HALF) {
    m *= 2;
    exponent -= 1;
  }
  const s = (m - 1) / (m + 1);
  return exponent * LN2 + 2 * s * horner(ATANH, s * s);
}

/** The standard normal value of 64 uniform bits. */
export function standardNormal(bits: bigint): number {
  // 52 bits and a half: exact, and never 0 or 1.
  const uniform = (Number(bits >> 12n) + 0.5) * 2 ** -52;
  const q = uniform - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(CENTRE, 0.180625 - q * q);
  const r = Math.sqrt(-logarithm(Math.min(uniform, 1 - uniform)));
  const size = r <= 5 ? ratio(SIDE, r - 1.6) : ratio(TAIL, r - 5);
  return uniform < 0.5 ? -size : size;
}

/** The noises of one stream. */
export class NoiseSource {
  private readonly begin = new Map<string, [bigint, number[]]>();

  /** @param seed 0 to 2^64 - 1. */
  constructor(specs: Map<string, { shape: number[] }>, seed: bigint) {
    const begin = mixed(seed);
    // Numbered by name: no reader depends on the order of a JSON object.
    sorted(specs.keys()).forEach((name, number) => {
      this.begin.set(name, [mixed(begin ^ BigInt(number)), specs.get(name)?.shape ?? []]);
    });
  }

  /** Noise `name` of items [first, first + count): (1, count, ...). */
  values(name: string, first: number, count: number): Tensor {
    const [begin, shape] = this.begin.get(name) as [bigint, number[]];
    const size = shape.reduce((a, b) => a * b, 1);
    const made = new Float32Array(count * size);
    for (let item = 0; item < count; item++) {
      const base = mixed(begin ^ BigInt.asUintN(64, BigInt(first + item)));
      for (let draw = 1; draw <= size; draw++) {
        made[item * size + draw - 1] = standardNormal(mixed(base + BigInt(draw) * STEP));
      }
    }
    return { data: made, dims: [1, count, ...shape] };
  }
}

export function checkNoiseSeed(seed: bigint | number): bigint {
  if (typeof seed === "bigint" || Number.isSafeInteger(seed)) {
    const value = BigInt(seed);
    if (value >= 0n && value < 1n << 64n) return value;
  }
  throw new UsageError(`noise_seed=${seed}`, "an integer from 0 to 2^64 - 1", "Choose one.");
}
