/** How strongly and how smoothly the upper and lower face move, and when; as `emoface.rig.controls`. */
import { RigError } from "../errors.ts";
import type { Face } from "../face_file.ts";
import type { Layer, LayerFrames } from "./layers.ts";
import { follow } from "./seeded.ts";

type Floats = Float32Array<ArrayBuffer>;

export interface RigControls {
  /** Factor 0 to 3 on the motion of brows and eyes, and of everything else. */
  upperStrength: number;
  lowerStrength: number;
  /** Time constant in seconds, 0 to 1, of a one-pole low-pass filter. */
  upperSmoothing: number;
  lowerSmoothing: number;
  /** Seconds, -1 to 1, that the face moves later than the sound. */
  syncOffset: number;
}

const DEFAULTS: RigControls = { upperStrength: 1, lowerStrength: 1, upperSmoothing: 0, lowerSmoothing: 0, syncOffset: 0 };
const LIMITS: Record<keyof RigControls, [number, number]> = {
  upperStrength: [0, 3], lowerStrength: [0, 3], upperSmoothing: [0, 1], lowerSmoothing: [0, 1], syncOffset: [-1, 1],
};
const UPPER_MASKS = ["eyes_forehead", "eyeballs"];
const BLUR_ROUNDS = 24;

export function checkControls(given: Partial<RigControls> | null | undefined): RigControls {
  const controls = { ...DEFAULTS, ...given };
  for (const [name, [low, high]] of Object.entries(LIMITS)) {
    const value = controls[name as keyof RigControls];
    if (!(value >= low && value <= high)) {
      throw new RigError(`${name}=${value}`, `a number from ${low} to ${high}`, "Choose a value in range.");
    }
  }
  return controls;
}

/** Whether offsets change: a shift in time alone leaves them. */
export function moves(controls: RigControls): boolean {
  return (Object.keys(DEFAULTS) as (keyof RigControls)[]).some(
    (name) => name !== "syncOffset" && controls[name] !== DEFAULTS[name],
  );
}

/** Share (V,) of the upper face in each vertex: 1 on brows, forehead and eyes, 0 below, smooth between. */
export function upperShare(face: Face): Floats {
  if (!face.masks.has(UPPER_MASKS[0])) {
    throw new RigError(
      "a face without the mask 'eyes_forehead'",
      "the mask that parts the upper from the lower face",
      "Give both halves the same strength and smoothing.",
    );
  }
  const count = face.template.length / 3;
  let share = new Float64Array(count);
  for (const name of UPPER_MASKS) for (const v of face.masks.get(name) ?? []) share[v] = 1;
  const edges: [number, number][] = [];
  for (const [a, b] of [[0, 1], [1, 2], [2, 0]]) {
    for (let t = 0; t < face.faces.length; t += 3) edges.push([face.faces[t + a], face.faces[t + b]]);
  }
  const degree = new Float64Array(count);
  for (const [a, b] of edges) {
    degree[a] += 1;
    degree[b] += 1;
  }
  for (let round = 0; round < BLUR_ROUNDS; round++) {
    const sums = new Float64Array(count);
    for (const [a, b] of edges) sums[a] += share[b];
    for (const [a, b] of edges) sums[b] += share[a];
    share = share.map((value, v) => 0.5 * value + (0.5 * sums[v]) / Math.max(degree[v], 1));
  }
  return Float32Array.from(share);
}

/** Strength and smoothing of the offsets. */
export class ControlLayer implements Layer {
  readonly place = "controls";
  private readonly gain: Floats | null;
  private readonly follow: Floats | null;
  private readonly held: Floats;
  private started = false;

  constructor(controls: RigControls, face: Face, fps: number) {
    const c = controls;
    const parted = c.upperStrength !== c.lowerStrength || c.upperSmoothing !== c.lowerSmoothing;
    const share = parted ? upperShare(face) : new Float32Array(face.template.length / 3);
    this.gain = c.upperStrength === 1 && c.lowerStrength === 1 ? null : blend(c.upperStrength, c.lowerStrength, share);
    const smooth = c.upperSmoothing || c.lowerSmoothing;
    this.follow = smooth ? blend(follow(c.upperSmoothing, fps), follow(c.lowerSmoothing, fps), share) : null;
    this.held = new Float32Array(face.template.length);
  }

  apply(frames: LayerFrames): void {
    for (let index = 0; index < frames.count; index++) {
      const frame = frames.frame(index);
      if (this.gain) for (let i = 0; i < frame.length; i++) frame[i] *= this.gain[Math.floor(i / 3)];
      if (!this.follow) continue;
      if (this.started) {
        for (let i = 0; i < frame.length; i++) {
          const way = Math.fround(Math.fround(frame[i] - this.held[i]) * this.follow[Math.floor(i / 3)]);
          frame[i] = way + this.held[i];
        }
      }
      this.held.set(frame);
      this.started = true;
    }
  }

  reset(): void {
    this.started = false;
    this.held.fill(0);
  }
}

function blend(upper: number, lower: number, share: Floats): Floats {
  const difference = Math.fround(upper - lower);
  return share.map((value) => Math.fround(lower) + Math.fround(difference * value));
}
