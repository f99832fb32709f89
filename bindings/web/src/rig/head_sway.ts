/** How a speaker's head moves: slow sway, small nods on stressed syllables; as `emoface.rig.head_sway`. */
import { mixed } from "../counter_hash.ts";
import { RigError } from "../errors.ts";
import type { Face } from "../face_file.ts";
import { turnedAbout } from "../head_pose.ts";
import type { Layer, LayerFrames } from "./layers.ts";
import { SmoothNoise, clamp, follow, part, type Seeded } from "./seeded.ts";
import type { Speech } from "./speech.ts";

const AXES = "+Y up, +Z front";
const SALT = 0x73776179n; // of what is drawn here, so that no other layer draws the same
// Degrees about X, Y, Z, slow and less slow, and how many milliseconds lie between what is drawn.
const SWAY = [[1.5, 0.4], [2.2, 0.6], [1.2, 0.3]];
const SWAY_MS = [2600, 900];
const [QUIET, LIVELIER_S, CALMER_S] = [0.25, 0.8, 2.5];
const [NOD, NOD_SPREAD, NOD_S] = [2.2, 1.6, 0.22];
const [LOWER, LOWER_SPREAD, RAISED, LOWER_S] = [0.8, 0.7, -0.5, 0.9];
const MOST = 2.2;
const FASTEST = 7;
const SPRING = 9;
const RADIANS = 0.017453292519943295;

/** RigError where there is nothing that the face's head could turn about. */
export function checkHead(face: Face, axes: string): void {
  if (!face.pivots) {
    throw new RigError("a face without pivots", "the point that the head turns about", "Pass headSway=false.");
  }
  if (axes !== AXES) throw new RigError(`a face with the axes '${axes}'`, `'${AXES}'`, "Pass headSway=false.");
}

/** Turns the head about its pivot, on top of the model's own pose where there is one. */
export class SwayLayer implements Layer {
  readonly place = "head_sway";
  private readonly nods: bigint;
  private readonly noises: SmoothNoise[][];
  private readonly livelier: number;
  private readonly calmer: number;
  private readonly nodKept: number;
  private readonly lowerKept: number;
  private readonly step: number;
  private readonly mostStep: number;
  private readonly damping: number;
  private push = 0;
  private lower = 0;
  private pitch = 0;
  private speed = 0;
  private lively = QUIET;

  constructor(
    readonly sway: Seeded,
    private readonly face: Face,
    fps: number,
  ) {
    const seed = mixed(mixed(BigInt(sway.seed)) + SALT);
    this.nods = mixed(seed);
    this.noises = [0, 1, 2].map((axis) =>
      [0, 1].map((octave) => new SmoothNoise(mixed(seed + BigInt(1 + 2 * axis + octave)), SWAY_MS[octave], fps)),
    );
    this.livelier = follow(LIVELIER_S, fps);
    this.calmer = follow(CALMER_S, fps);
    this.nodKept = 1 - follow(NOD_S, fps);
    this.lowerKept = 1 - follow(LOWER_S, fps);
    this.step = 1 / fps;
    this.mostStep = FASTEST / fps;
    this.damping = Math.exp(-SPRING / fps);
  }

  apply(frames: LayerFrames): void {
    const turns = new Float64Array(frames.count * 3);
    const scale = this.sway.strength * RADIANS;
    for (let index = 0; index < frames.count; index++) {
      this.follow(frames.speech as Speech, frames.first + index, index);
      this.noises.forEach(([slow, fast], axis) => {
        const [far, farther] = SWAY[axis];
        const frame = frames.first + index;
        turns[index * 3 + axis] = this.lively * (far * slow.at(frame) + farther * fast.at(frame));
      });
      turns[index * 3] += this.pitch;
      for (let axis = 0; axis < 3; axis++) {
        turns[index * 3 + axis] *= scale;
        if (frames.shares) turns[index * 3 + axis] *= frames.shares[index];
      }
    }
    const pivot = this.face.pivots as Float32Array<ArrayBuffer>;
    const posed = turnedAbout(turns, pivot, frames.headRotation, frames.headTranslation);
    [frames.headRotation, frames.headTranslation] = posed;
  }

  /** Let the spring take its next step. */
  private follow(speech: Speech, frame: number, index: number): void {
    const speaking = speech.speaking[index] === 1;
    const stress = speech.stress[index];
    const random = mixed(this.nods ^ BigInt(frame));
    let push = this.push * this.nodKept;
    let lower = this.lower * this.lowerKept;
    if (stress > 0) push += (NOD + NOD_SPREAD * part(random, 0)) * stress;
    if (speech.since[index] === 0) lower = speaking ? RAISED : LOWER + LOWER_SPREAD * part(random, 16);
    const aim = clamp(push + lower, -MOST, MOST);
    const apart = this.pitch - aim;
    const pull = this.speed + SPRING * apart;
    let pitch = aim + (apart + pull * this.step) * this.damping;
    pitch = this.pitch + clamp(pitch - this.pitch, -this.mostStep, this.mostStep);
    const speed = (this.speed - SPRING * pull * this.step) * this.damping;
    const lively = this.lively + ((speaking ? 1 : QUIET) - this.lively) * (speaking ? this.livelier : this.calmer);
    [this.push, this.lower, this.pitch] = [Math.fround(push), Math.fround(lower), Math.fround(pitch)];
    [this.speed, this.lively] = [Math.fround(speed), Math.fround(lively)];
  }

  reset(): void {
    this.push = this.lower = this.pitch = this.speed = 0;
    this.lively = QUIET;
  }
}
