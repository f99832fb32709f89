/** Takes a constant offset (DC) out of the model's audio: whole numbers decide, as in `emoface.audio.offset`. */
const WINDOW = 4096;
const UNITS = 2 ** 24;
const FINER = 1 << 10;
const QUIET = 2 ** -12;

type Floats = Float32Array<ArrayBuffer>;

export class OffsetRemover {
  private sum = 0;
  private count = 0;

  constructor(
    private readonly hop: number,
    private readonly overlap: number,
  ) {}

  reset(): void {
    this.sum = this.count = 0;
  }

  /**
   * Samples without the offset.
   *
   * @param samples whole segments.
   * @param at number of the first of them in the stream: where a segment begins.
   * @param heard number of samples of sound in the stream; what lies beyond is padding, and silence.
   */
  remove(samples: Floats, at: number, heard: number): Floats {
    const out = new Float32Array(samples.length);
    const count = Math.max(0, Math.min(samples.length, heard - at));
    let start = 0;
    while (start < count) {
      const length = at === 0 && start === 0 ? this.hop + this.overlap : this.hop;
      const stop = Math.min(count, start + length);
      this.segment(samples.subarray(start, stop), out.subarray(start, stop));
      start = stop;
    }
    return out;
  }

  private segment(samples: Floats, out: Floats): void {
    const length = samples.length;
    let [total, least, most] = [0, Infinity, -Infinity];
    for (const sample of samples) {
      total += Math.floor(sample * UNITS + 0.5);
      least = Math.min(least, sample);
      most = Math.max(most, sample);
    }
    const [first, step] = this.line(total, length, most - least <= QUIET);
    for (let i = 0; i < length; i++) {
      out[i] = (samples[i] * UNITS - (step * ((i + 1) / FINER) + first / FINER)) / UNITS;
    }
  }

  /** What is subtracted from a segment: its sample i, from 0, loses first + (i + 1) second, in units of 2^-34. */
  private line(total: number, length: number, pause: boolean): [number, number] {
    const known = this.count;
    const before = known ? floorDiv(this.sum * FINER, known) : null;
    if (!pause || known < WINDOW) {
      const kept = Math.min(known, Math.max(0, WINDOW - length));
      if (kept < known) this.sum = floorDiv(this.sum * kept, known);
      this.sum += total;
      this.count = kept + length;
    }
    if (pause) return [floorDiv(total * FINER, length), 0];
    const after = floorDiv(this.sum * FINER, this.count);
    return before === null ? [after, 0] : [before, floorDiv(after - before, length)];
  }
}

/** Exact for dividends below 2^53: a float's quotient may round up to the next whole number. */
function floorDiv(a: number, b: number): number {
  const remainder = ((a % b) + b) % b;
  return (a - remainder) / b;
}
