/** Frames in the order of their time, and the one to show now. */
import type { FrameBatch } from "../animator.ts";

type Floats = Float32Array<ArrayBuffer>;
const KEPT_S = 1; // of frames that were shown

/** One frame: views of its batch. */
export interface Frame {
  number: number;
  time: number;
  vertices: Floats;
  emotion: Floats;
  emotionWeight: Floats;
  blendshapeWeights: Floats;
  headRotation: Floats;
  headTranslation: Floats;
}

/** Holds frames until the sound that they belong to is heard. */
export class Playout {
  private frames: Frame[] = [];

  /** Time of the last frame, or -1 for none. */
  get end(): number {
    return this.frames.at(-1)?.time ?? -1;
  }

  add(batch: FrameBatch): void {
    for (let index = 0; index < batch.count; index++) this.frames.push(frameOf(batch, index));
  }

  /** Forget what comes after `time`. */
  cut(time: number): void {
    this.frames = this.frames.filter((frame) => frame.time <= time);
  }

  clear(): void {
    this.frames = [];
  }

  /** The last frame at or before `time`; null where there is none. Frames long past are forgotten. */
  at(time: number): Frame | null {
    let low = 0;
    let high = this.frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.frames[middle].time <= time) low = middle + 1;
      else high = middle;
    }
    const found = this.frames[low - 1] ?? null;
    const old = this.frames.findIndex((frame) => frame.time > time - KEPT_S);
    if (old > 64) this.frames.splice(0, old);
    return found;
  }
}

export function frameOf(batch: FrameBatch, index: number): Frame {
  const row = (array: Floats): Floats => {
    const width = array.length / batch.count;
    return array.subarray(index * width, (index + 1) * width);
  };
  return {
    number: batch.first + index,
    time: batch.time[index],
    vertices: row(batch.vertices),
    emotion: row(batch.emotion),
    emotionWeight: row(batch.emotionWeight),
    blendshapeWeights: row(batch.blendshapeWeights),
    headRotation: row(batch.headRotation),
    headTranslation: row(batch.headTranslation),
  };
}
