/**
 * Streaming rational resampler: a polyphase FIR with integer positions, as `emoface.audio.resampler`. Output sample k
 * lies at time k / target; its bits do not depend on how the input was cut. At the target rate samples pass through.
 */
import type { Kernel } from "./kernel.ts";

type Floats = Float32Array<ArrayBuffer>;
const MOST_ROWS = 4096; // phases whose taps are kept

export class Resampler {
  readonly half: number;
  /** Number of input samples so far. */
  received = 0;
  private readonly up: number;
  private readonly down: number;
  private readonly rows = new Map<number, Floats>();
  private held: Floats = new Float32Array(0);
  private base = 0;
  private produced = 0;

  constructor(
    readonly rate: number,
    readonly target: number,
    private readonly kernel: Kernel,
  ) {
    const divisor = gcd(rate, target);
    this.up = target / divisor;
    this.down = rate / divisor;
    const scale = Math.min(1, target / rate) * kernel.rolloff;
    this.half = rate === target ? 0 : Math.ceil(kernel.zeroCrossings / scale);
    this.reset();
  }

  /** Back to the start of a stream: silence before the first sample. */
  reset(): void {
    this.held = new Float32Array(this.half);
    this.base = -this.half;
    this.received = this.produced = 0;
  }

  /** Number of input samples that determine the first `outputs` output samples. */
  needed = (outputs: number): number =>
    outputs <= 0 ? 0 : Math.floor(((outputs - 1) * this.down) / this.up) + this.half + 1;

  /** Number of output samples that lie within the first `inputs` input samples. */
  outputsOf(inputs: number): number {
    return Math.ceil((inputs * this.up) / this.down);
  }

  append(samples: Floats): void {
    const joined = new Float32Array(this.held.length + samples.length);
    joined.set(this.held);
    joined.set(samples, this.held.length);
    this.held = joined;
    this.received += samples.length;
  }

  /** The next `count` output samples. */
  read(count: number): Floats {
    const output = new Float32Array(count);
    for (let index = 0; index < count; index++) {
      // Input position of output k is k down / up, in integers.
      const position = (this.produced + index) * this.down;
      const first = Math.floor(position / this.up) - this.base;
      if (this.half === 0) {
        output[index] = this.held[first];
        continue;
      }
      const taps = this.taps(position % this.up);
      const begin = first - this.half + 1;
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap++) sum += this.held[begin + tap] * taps[tap];
      output[index] = sum;
    }
    this.produced += count;
    this.discard();
    return output;
  }

  /** Filter taps of an output phase, by linear interpolation of the stored table. */
  private taps(phase: number): Floats {
    const kept = this.rows.get(phase);
    if (kept) return kept;
    const { table, pointsPerCrossing, rolloff } = this.kernel;
    const scale = Math.min(1, this.target / this.rate) * rolloff;
    const row = new Float32Array(2 * this.half);
    for (let tap = 0; tap < row.length; tap++) {
      const distance = Math.abs(1 - this.half + tap - phase / this.up);
      const position = Math.min(distance * (scale * pointsPerCrossing), table.length - 2);
      const index = Math.floor(position);
      const left = table[index];
      row[tap] = (left + (table[index + 1] - left) * (position - index)) * scale;
    }
    if (this.rows.size < MOST_ROWS) this.rows.set(phase, row);
    return row;
  }

  /** Forget samples that no later output reads. */
  private discard(): void {
    const first = Math.floor((this.produced * this.down) / this.up) - this.half + (this.half && this.produced ? 1 : 0);
    const drop = Math.min(Math.max(-this.half, first) - this.base, this.held.length);
    if (drop > 0) {
      this.held = this.held.slice(drop);
      this.base += drop;
    }
  }
}

function gcd(a: number, b: number): number {
  return b ? gcd(b, a % b) : a;
}
