/** The animator: one voice's stream, `step(audio chunk)` -> frames. As `emoface.Animator`, but for promises. */
import { checkRate, toMono, type Chunk } from "./audio/chunk.ts";
import { loadKernel, type Kernel } from "./audio/kernel.ts";
import { ConcurrentUseError, EmoFaceError, RuntimeFailure, StreamEndedError, UsageError } from "./errors.ts";
import { withIdentity, type Blendshapes, type Face } from "./face_file.ts";
import type { Role } from "./manifest.ts";
import type { Package } from "./package.ts";
import { openRig, type Rig, type RigOptions } from "./rig/choices.ts";
import { LayerFrames } from "./rig/layers.ts";
import {
  ConditionTimeline, conditionVector, initialConditions, weakened, type ConditionOptions, type ConditionValue,
} from "./stream/conditions.ts";
import { Driver, type Probe } from "./stream/driver.ts";
import type { Engine } from "./stream/engine.ts";
import { offsetSource } from "./stream/expansion.ts";
import type { Motion } from "./stream/motion.ts";
import { checkNoiseSeed } from "./stream/noise.ts";

type Floats = Float32Array<ArrayBuffer>;
const LONGEST_TAIL_S = 60;

/** What an animator is made with; see `emoface.options.AnimatorOptions`. */
export interface AnimatorOptions extends ConditionOptions, RigOptions {
  /** Rate of the audio that will be fed, 4000 to 384000 Hz; 16000 by default. */
  sampleRate?: number;
  /** Audio per step of the encoders, a multiple of 20 ms for 50 features per second; the package's by default. */
  blockMs?: number | null;
  /** The name of one of the package's own neutral faces; null is the canonical one. */
  identity?: string | null;
  /** false for coefficients without vertices, of packages whose motion lies in a basis. */
  vertices?: boolean;
  /** 0 to 2^64 - 1, of the noise that the stages of some packages read. */
  noiseSeed?: bigint | number;
}

/** n frames as flat arrays in C order; empty where the package or the options give none. */
export interface FrameBatch {
  /** n. */
  count: number;
  /** Number of the first frame. */
  first: number;
  /** (n,) seconds of audio time. */
  time: Float64Array<ArrayBuffer>;
  /** (n, V, 3) in the package's unit. */
  vertices: Floats;
  /** (n, E) probabilities of the emotions. */
  emotion: Floats;
  /** (n, V) share of the emotion branch. */
  emotionWeight: Floats;
  /** (n, K) in 0..1, in the order of `Animator.blendshapes.names`. */
  blendshapeWeights: Floats;
  /** (n, 3, 3) and (n, 3): a posed vertex is R v + T. */
  headRotation: Floats;
  headTranslation: Floats;
  arousal: Floats;
  valence: Floats;
  confidence: Floats;
  coefficients: Floats;
  emotionCoefficients: Floats;
}

/** Audio of one voice in, frames out. Weights are shared through the engine. */
export class Animator {
  readonly sampleRate: number;
  readonly fps: number;
  /** Declared latency: frame m is returned once m / fps + `seconds` of audio have been fed. */
  readonly latency: { samples: number; seconds: number; ms: number };
  readonly face: Face;
  private readonly driver: Driver;
  private readonly autoStrength: number;
  private readonly hasVertices: boolean;
  private rig: Rig;
  private channels: number | null = null;
  private ended = false;
  private failed = false;
  private busy = false;

  private constructor(
    readonly package_: Package,
    engine: Engine,
    kernel: Kernel,
    private readonly options: AnimatorOptions,
    probe: Probe | null,
  ) {
    const { manifest } = package_;
    const identity = options.identity ?? null;
    this.sampleRate = checkRate(options.sampleRate ?? 16000);
    this.fps = manifest.fps;
    this.face = identity === null ? package_.face : withIdentity(package_.face, identity);
    this.autoStrength = options.autoStrength ?? 1;
    const source = offsetSource(manifest, package_.face, options.vertices ?? true, identity);
    this.hasVertices = source.any;
    this.rig = openRig(package_, this.face, options, source.any);
    const clock = manifest.clock(blockFeatures(package_, options.blockMs ?? null));
    const timeline = new ConditionTimeline(initialConditions(manifest, options));
    const seed = checkNoiseSeed(options.noiseSeed ?? 0);
    this.driver = new Driver(manifest, engine, clock, this.sampleRate, kernel, timeline, seed, source, probe);
    const samples = this.driver.latency;
    this.latency = { samples, seconds: samples / this.sampleRate, ms: (1000 * samples) / this.sampleRate };
  }

  /** A new stream of a package on loaded graphs. */
  static async open(
    package_: Package, engine: Engine, options: AnimatorOptions = {}, probe: Probe | null = null,
  ): Promise<Animator> {
    return new Animator(package_, engine, await loadKernel(), options, probe);
  }

  /** What `FrameBatch.blendshapeWeights` are weights of, or null. */
  get blendshapes(): Blendshapes | null {
    return this.rig.blendshapes;
  }

  /** Features per block of the encoders. */
  get blockFeatures(): number {
    return this.driver.clock.blockFeatures;
  }

  /** Samples fed so far. */
  get fed(): number {
    return this.driver.fed;
  }

  /** Feed the next audio, any number of samples, and return the frames that are complete. */
  async step(chunk: Chunk): Promise<FrameBatch> {
    return this.use(false, async () => {
      if (this.ended) throw new StreamEndedError("step() after flush()", "reset() first", "Call reset().");
      const [samples, channels] = toMono(chunk, this.channels);
      const motion = await this.running(() => this.driver.feed(samples));
      this.channels = channels;
      return this.batch(motion, null);
    });
  }

  /** End the audio and return the frames still due; `tailS` seconds more return to the neutral face. */
  async flush(tailS = 0): Promise<FrameBatch> {
    return this.use(false, async () => {
      if (!(tailS >= 0 && tailS <= LONGEST_TAIL_S)) {
        throw new UsageError(`tailS=${tailS}`, `seconds from 0 to ${LONGEST_TAIL_S}`, "Pass a number.");
      }
      if (this.ended) throw new StreamEndedError("a second flush()", "reset() first", "Call reset().");
      const tail = Math.ceil(tailS * this.fps - 1e-9);
      const promised = this.driver.clock.framesOf(this.driver.fed, this.sampleRate);
      const motion = await this.running(() => this.driver.finish(tail));
      this.ended = true;
      return this.batch(motion, motion.fade(promised, tail));
    });
  }

  /** Begin a new stream with the conditions the animator was made with. */
  reset(): void {
    if (this.busy) throw concurrent();
    this.driver.reset();
    for (const layer of this.rig.layers) layer.reset();
    this.channels = null;
    this.ended = this.failed = false;
  }

  /** Let a condition ("style", "emotion", "level", ...) hold for all frames with time >= `at`; null: from now on. */
  setCondition(name: string, value: ConditionValue, at: number | null = null): void {
    const { manifest } = this.package_;
    const vector = weakened(manifest, name, conditionVector(manifest, name, value), this.autoStrength);
    this.driver.setCondition(name, vector, at);
  }

  /** Other layers from the next frame on: controls, blinks, gaze, head sway. What they remember begins anew. */
  setRig(options: RigOptions): void {
    Object.assign(this.options, options);
    this.rig = openRig(this.package_, this.face, this.options, this.hasVertices);
  }

  private async use<T>(failedToo: boolean, call: () => Promise<T>): Promise<T> {
    if (this.busy) throw concurrent();
    if (this.failed && !failedToo) {
      throw new RuntimeFailure("a call after a failed step", "a sound state", "Call reset().");
    }
    this.busy = true;
    try {
      return await call();
    } finally {
      this.busy = false;
    }
  }

  /** Mark the stream as failed if it is interrupted between blocks. */
  private async running(call: () => Promise<Motion>): Promise<Motion> {
    this.failed = true;
    const motion = await call();
    this.failed = false;
    return motion;
  }

  private batch(motion: Motion, shares: Floats | null): FrameBatch {
    const frames = new LayerFrames(motion, shares);
    for (const layer of this.rig.layers) layer.apply(frames);
    const { template } = this.face;
    const vertices = frames.offsets;
    for (let at = 0; at < vertices.length; at += template.length) {
      for (let i = 0; i < template.length; i++) vertices[at + i] += template[i];
    }
    const shift = this.rig.controls.syncOffset;
    const of = (role: Role): Floats => motion.roles[role];
    return {
      count: motion.count,
      first: motion.first,
      time: Float64Array.from({ length: motion.count }, (_, index) => (motion.first + index) / this.fps + shift),
      vertices,
      emotion: of("emotion"),
      emotionWeight: of("emotion_weight"),
      blendshapeWeights: frames.weights ?? new Float32Array(0),
      headRotation: frames.headRotation,
      headTranslation: frames.headTranslation,
      arousal: of("arousal"),
      valence: of("valence"),
      confidence: of("confidence"),
      coefficients: of("coefficients"),
      emotionCoefficients: of("emotion_coefficients"),
    };
  }
}

function concurrent(): EmoFaceError {
  return new ConcurrentUseError(
    "two calls on one Animator at the same time", "one after the other", "Await the call before, or make another animator.",
  );
}

/** Features per block; UsageError for a block that the package does not allow. */
function blockFeatures(package_: Package, blockMs: number | null): number {
  const { manifest } = package_;
  if (blockMs === null) return manifest.blockFeatures;
  const [low, high] = manifest.allowedBlockFeatures;
  const unit = 1000 / manifest.featureRate;
  const count = Math.round(blockMs / unit);
  if (count >= low && count <= high && Math.abs(count * unit - blockMs) <= 1e-9 * blockMs) return count;
  throw new UsageError(
    `blockMs=${blockMs}`, `a multiple of ${unit} ms from ${low * unit} to ${high * unit}`, "Leave it out for the package's.",
  );
}
