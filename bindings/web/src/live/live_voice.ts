/** One voice without clocks, threads or sockets, as `emoface.live.LiveVoice`: numbered frames, and barge-in. */
import { Animator, type AnimatorOptions, type FrameBatch } from "../animator.ts";
import type { Chunk } from "../audio/chunk.ts";
import { UsageError } from "../errors.ts";
import { towardsRest } from "../head_pose.ts";
import type { Package } from "../package.ts";
import type { RigOptions } from "../rig/choices.ts";
import type { ConditionValue } from "../stream/conditions.ts";
import type { Engine } from "../stream/engine.ts";

type Floats = Float32Array<ArrayBuffer>;
const REST_S = 0.2; // in which an interrupted face returns to rest
const KEPT_S = 10; // of frames that an interruption may go back to
const FADING = ["blendshapeWeights", "coefficients", "emotionCoefficients", "headTranslation"] as const;
const ARRAYS = [
  "vertices", "emotion", "emotionWeight", "headRotation", "arousal", "valence", "confidence", ...FADING,
] as const;

/** Frames are numbered on one timeline that never goes back: an interrupted voice goes on counting. */
export class LiveVoice {
  /** Number of the frame that comes next. */
  nextFrame = 0;
  private start = 0; // number of this stretch's first frame
  private rising = 0; // frames over which a stretch after an interruption rises from rest
  private held: FrameBatch[] = []; // the last frames, one by one
  private readonly changes = new Map<string, [number, ConditionValue][]>();

  private constructor(readonly animator: Animator) {}

  static async open(package_: Package, engine: Engine, options: AnimatorOptions): Promise<LiveVoice> {
    return new LiveVoice(await Animator.open(package_, engine, options));
  }

  /** Seconds of the voice's audio time up to which sound was heard. */
  get position(): number {
    return this.start / this.animator.fps + this.animator.fed / this.animator.sampleRate;
  }

  /** Hear the next sound; the frames that are complete. */
  async feed(chunk: Chunk): Promise<FrameBatch> {
    return this.numbered(await this.animator.step(chunk));
  }

  /** End the sound: the frames still due, then `tailS` seconds in which the face returns to rest. */
  async finish(tailS = 0): Promise<FrameBatch> {
    return this.numbered(await this.animator.flush(tailS));
  }

  /** Change a condition from second `at` of the voice's audio time on; it outlasts interruptions. */
  set(name: string, value: ConditionValue, at: number | null = null): void {
    const moment = at ?? this.position;
    this.animator.setCondition(name, value, Math.max(0, moment - this.start / this.animator.fps));
    const before = (this.changes.get(name) ?? []).filter(([time]) => time < moment);
    this.changes.set(name, [...before, [moment, value]]);
  }

  setRig(options: RigOptions): void {
    this.animator.setRig(options);
  }

  /**
   * Barge-in: forget what was heard and not yet shown; the frames returned lead to rest within 200 ms and are numbered
   * on; whatever is heard next begins behind them. Conditions stay as they are.
   *
   * @param at number of the first frame that was handed out and not shown: it and the later ones are withdrawn, and
   *   their numbers used again. null: all were shown.
   * @throws UsageError: a frame that was not handed out. One from longer ago than 10 s leaves no way to rest: no frames.
   */
  interrupt(at: number | null = null): FrameBatch {
    const { animator } = this;
    const heard = this.position;
    if (at !== null) this.withdraw(at);
    const shown = this.held.at(-1);
    const count = shown ? Math.ceil(REST_S * animator.fps) : 0;
    const first = this.nextFrame;
    const batch = emptyBatch(count, first, animator.fps);
    if (shown) {
      for (const name of ARRAYS) batch[name] = repeated(shown[name], count);
      this.scale(batch, Float32Array.from({ length: count }, (_, index) => 1 - smooth((index + 1) / count)));
    }
    animator.reset();
    this.start = this.nextFrame = first + count;
    this.rising = count;
    const now = this.start / animator.fps;
    for (const [name, changes] of this.changes) {
      const known = Math.max(now, heard);
      const past = changes.filter(([time]) => time <= known).slice(-1);
      const kept = [
        ...past.map(([time, value]): [number, ConditionValue] => [Math.min(time, now), value]),
        ...changes.filter(([time]) => time > known),
      ];
      this.changes.set(name, kept);
      for (const [time, value] of kept) animator.setCondition(name, value, Math.max(0, time - now));
    }
    this.keep(batch);
    return batch;
  }

  private withdraw(at: number): void {
    if (!Number.isInteger(at) || at < 0 || at > this.nextFrame) {
      throw new UsageError(`frame ${at}`, `0 to ${this.nextFrame}`, "Name the first frame that was not shown.");
    }
    this.held = this.held.filter((frame) => frame.first < at);
    this.nextFrame = at;
  }

  private numbered(batch: FrameBatch): FrameBatch {
    if (this.start) {
      batch.first += this.start;
      for (let index = 0; index < batch.count; index++) batch.time[index] += this.start / this.animator.fps;
      if (batch.first < this.start + this.rising) {
        const share = (index: number): number => smooth(Math.min(1, (batch.first + index - this.start + 1) / this.rising));
        this.scale(batch, Float32Array.from({ length: batch.count }, (_, index) => share(index)));
      }
    }
    this.nextFrame = batch.first + batch.count;
    this.keep(batch);
    return batch;
  }

  private keep(batch: FrameBatch): void {
    for (let index = 0; index < batch.count; index++) this.held.push(oneOf(batch, index));
    this.held = this.held.slice(-KEPT_S * this.animator.fps);
  }

  /** Leave a share of each frame's motion. */
  private scale(batch: FrameBatch, shares: Floats): void {
    const { template } = this.animator.face;
    shares.forEach((share, index) => {
      for (const name of FADING) {
        const row = rowOf(batch, name, index);
        for (let i = 0; i < row.length; i++) row[i] *= share;
      }
      const vertices = rowOf(batch, "vertices", index);
      for (let i = 0; i < vertices.length; i++) {
        vertices[i] = template[i] + Math.fround(Math.fround(vertices[i] - template[i]) * share);
      }
    });
    towardsRest(batch.headRotation, shares, 0);
  }
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}

function emptyBatch(count: number, first: number, fps: number): FrameBatch {
  const time = Float64Array.from({ length: count }, (_, index) => (first + index) / fps);
  const arrays = Object.fromEntries(ARRAYS.map((name) => [name, new Float32Array(0)]));
  return { count, first, time, ...arrays } as FrameBatch;
}

function rowOf(batch: FrameBatch, name: (typeof ARRAYS)[number], index: number): Floats {
  const width = batch[name].length / batch.count;
  return batch[name].subarray(width * index, width * (index + 1));
}

/** One frame of a batch, copied, as a batch of its own. */
function oneOf(batch: FrameBatch, index: number): FrameBatch {
  const made = emptyBatch(1, batch.first + index, 1);
  for (const name of ARRAYS) made[name] = rowOf(batch, name, index).slice();
  return made;
}

function repeated(frame: Floats, count: number): Floats {
  const made = new Float32Array(frame.length * count);
  for (let index = 0; index < count; index++) made.set(frame, index * frame.length);
  return made;
}

/** The arrays of a batch, to hand over to another thread. */
export function buffersOf(batch: FrameBatch): ArrayBuffer[] {
  return [batch.time.buffer, ...ARRAYS.map((name) => batch[name].buffer)].filter((buffer) => buffer.byteLength);
}
