/** One voice without clocks, threads or sockets: an animator, and an interruption that brings the mouth to rest. */
import { Animator, type AnimatorOptions, type FrameBatch } from "../animator.ts";
import type { Chunk } from "../audio/chunk.ts";
import type { Package } from "../package.ts";
import type { RigOptions } from "../rig/choices.ts";
import type { ConditionValue } from "../stream/conditions.ts";
import type { Engine } from "../stream/engine.ts";

type Floats = Float32Array<ArrayBuffer>;
const REST_S = 0.2; // from an interruption until the mouth is at rest
const KEPT_S = 3; // of frames that an interruption may go back to

export class LiveVoice {
  /** The last frames, one by one. */
  private held: FrameBatch[] = [];
  private offset = 0;

  private constructor(readonly animator: Animator) {}

  static async open(package_: Package, engine: Engine, options: AnimatorOptions): Promise<LiveVoice> {
    return new LiveVoice(await Animator.open(package_, engine, options));
  }

  async step(chunk: Chunk): Promise<FrameBatch> {
    return this.later(await this.animator.step(chunk));
  }

  async flush(tailS: number): Promise<FrameBatch> {
    return this.later(await this.animator.flush(tailS));
  }

  /**
   * Barge-in: audio that no frame was made of is dropped, the face goes to rest within 200 ms, and numbers of frames and
   * their time go on. Conditions are those that the voice was opened with.
   *
   * @param after number of the last frame that was shown: those that follow it are taken back. null: all were shown.
   */
  interrupt(after: number | null = null): FrameBatch {
    const { animator } = this;
    const held = this.held.findLast((frame) => after === null || frame.first <= after);
    const { fps, face } = animator;
    const count = held ? Math.floor(REST_S * fps) : 0;
    const first = held ? held.first + 1 : this.offset;
    const batch = emptyBatch(count, first, fps);
    if (held) {
      const shares = Float32Array.from({ length: count }, (_, index) => {
        const t = (index + 1) / count;
        return 1 - t * t * (3 - 2 * t);
      });
      batch.vertices = repeated(held.vertices, shares, (value, share, i) => {
        const rest = face.template[i];
        return rest + (value - rest) * share;
      });
      for (const name of ["blendshapeWeights", "coefficients", "emotionCoefficients"] as const) {
        batch[name] = repeated(held[name], shares, (value, share) => value * share);
      }
      for (const name of ["emotion", "emotionWeight", "headRotation", "headTranslation", ...AFFECT] as const) {
        batch[name] = repeated(held[name], shares, (value) => value);
      }
    }
    animator.reset();
    this.offset = first + count;
    this.held = count ? [frameOf(batch, count - 1)] : [];
    return batch;
  }

  set(name: string, value: ConditionValue, at: number | null): void {
    this.animator.setCondition(name, value, at === null ? null : at - this.offset / this.animator.fps);
  }

  setRig(options: RigOptions): void {
    this.animator.setRig(options);
  }

  /** The batch with numbers and time that go on after interruptions; its frames are kept. */
  private later(batch: FrameBatch): FrameBatch {
    batch.first += this.offset;
    for (let index = 0; index < batch.count; index++) batch.time[index] += this.offset / this.animator.fps;
    for (let index = 0; index < batch.count; index++) this.held.push(frameOf(batch, index));
    this.held = this.held.slice(-KEPT_S * this.animator.fps);
    return batch;
  }
}

const AFFECT = ["arousal", "valence", "confidence"] as const;
const ARRAYS = [
  "vertices", "emotion", "emotionWeight", "blendshapeWeights", "headRotation", "headTranslation", ...AFFECT,
  "coefficients", "emotionCoefficients",
] as const;

function emptyBatch(count: number, first: number, fps: number): FrameBatch {
  const time = Float64Array.from({ length: count }, (_, index) => (first + index) / fps);
  const arrays = Object.fromEntries(ARRAYS.map((name) => [name, new Float32Array(0)]));
  return { count, first, time, ...arrays } as FrameBatch;
}

/** One frame of a batch as a batch of its own. */
function frameOf(batch: FrameBatch, index: number): FrameBatch {
  const made = emptyBatch(1, batch.first + index, 1);
  for (const name of ARRAYS) {
    const width = batch[name].length / batch.count;
    made[name] = batch[name].slice(width * index, width * (index + 1));
  }
  return made;
}

function repeated(frame: Floats, shares: Floats, change: (value: number, share: number, i: number) => number): Floats {
  const made = new Float32Array(frame.length * shares.length);
  shares.forEach((share, index) => {
    for (let i = 0; i < frame.length; i++) made[index * frame.length + i] = change(frame[i], share, i);
  });
  return made;
}

/** The arrays of a batch, to hand over to another thread. */
export function buffersOf(batch: FrameBatch): ArrayBuffer[] {
  return [batch.time.buffer, ...ARRAYS.map((name) => batch[name].buffer)].filter((buffer) => buffer.byteLength);
}
