/** Features on their fixed grid, interpolated to the frame rate in integer time. */
import type { Clock } from "../timing.ts";
import type { Tensor } from "./engine.ts";

type Floats = Float32Array<ArrayBuffer>;

/** The features of one block output that coming frames still read: rows from index `start` on. */
export class FeatureTrack {
  private start = 0;
  private values: Floats = new Float32Array(0);
  private dims: readonly number[] = [];
  private width = 1;

  /** Append rows `skip` and later of an array (1, k, ...). */
  append({ data, dims }: Tensor, skip: number): void {
    this.dims = dims.slice(2);
    this.width = this.dims.reduce((a, b) => a * b, 1);
    const rows = (data as Floats).subarray(skip * this.width);
    const joined = new Float32Array(this.values.length + rows.length);
    joined.set(this.values);
    joined.set(rows, this.values.length);
    this.values = joined;
  }

  /** Drop features before `index`, as far as there are any. */
  forgetBefore(index: number): void {
    const drop = Math.min(Math.max(0, index - this.start), this.values.length / this.width);
    this.values = this.values.slice(drop * this.width);
    this.start += drop;
  }

  /** Features at frames [first, last): (1, frames, ...), as a + (b - a) w in float32. */
  interpolated(clock: Clock, first: number, last: number): Tensor {
    const { width, values } = this;
    const made = new Float32Array((last - first) * width);
    for (let frame = first; frame < last; frame++) {
      const position = frame * clock.featureRate;
      const left = Math.floor(position / clock.fps);
      const remainder = position % clock.fps;
      const a = (left - this.start) * width;
      const b = a + (remainder > 0 ? width : 0);
      const weight = Math.fround(remainder / clock.fps);
      const at = (frame - first) * width;
      for (let i = 0; i < width; i++) {
        made[at + i] = values[a + i] + Math.fround(Math.fround(values[b + i] - values[a + i]) * weight);
      }
    }
    return { data: made, dims: [1, last - first, ...this.dims] };
  }
}
