/** What the seeded layers hear of the speech, read off the model's own motion; as `emoface.rig.speech`. */
import type { Face } from "../face_file.ts";
import type { Layer, LayerFrames } from "./layers.ts";
import { follow } from "./seeded.ts";

const PROBES = 32; // vertices of the lips that are looked at; a power of two, since sums are folded in halves
const [SPEAKS, RESTS] = [0.5, 0.2]; // of the mouth's width per second
const [RISE_S, FALL_S] = [0.03, 0.2];
const [USUAL, USUAL_S] = [1, 1.5];
const [STRESSED, MOST_STRESS] = [1.1, 3];
const REST_MS = 450; // between two stresses
const MOST = 1000;
const MOST_FRAMES = 2 ** 40;

/** Of each frame: how strongly it is stressed, whether a phrase is going on, and for how many frames. */
export interface Speech {
  stress: Float64Array;
  speaking: Uint8Array;
  since: Float64Array;
}

/** Follows the lips; a face without the mask `lips` never speaks. */
export class SpeechLayer implements Layer {
  readonly place = "speech";
  private readonly probes: number[] = [];
  private readonly width: number = 0;
  private readonly rise: number;
  private readonly fall: number;
  private readonly learn: number;
  private movedBefore = 0;
  private speed = 0;
  private usual = USUAL;
  private started = false;
  private speaking = false;
  private since = 0;
  private rested = 0;

  constructor(
    face: Face,
    private readonly fps: number,
  ) {
    const lips = face.masks.get("lips") ?? new Int32Array(0);
    if (lips.length) {
      this.probes = Array.from({ length: PROBES }, (_, i) => lips[Math.floor((i * lips.length) / PROBES)]);
      this.width = Math.max(
        ...[0, 1, 2].map((axis) => {
          const values = Array.from(lips, (v) => face.template[v * 3 + axis]);
          return Math.max(...values) - Math.min(...values);
        }),
      );
    }
    this.rise = follow(RISE_S, fps);
    this.fall = follow(FALL_S, fps);
    this.learn = follow(USUAL_S, fps);
  }

  apply(frames: LayerFrames): void {
    const { count } = frames;
    const speech: Speech = {
      stress: new Float64Array(count), speaking: new Uint8Array(count), since: new Float64Array(count).fill(1),
    };
    frames.speech = speech;
    if (!(this.width > 0)) return;
    for (let index = 0; index < count; index++) {
      speech.stress[index] = this.hear(this.moved(frames.frame(index)));
      speech.speaking[index] = this.speaking ? 1 : 0;
      speech.since[index] = this.since;
    }
  }

  /** Root mean square distance of the lips from rest, in widths of the mouth. */
  private moved(frame: Float32Array): number {
    let squares = this.probes.map((v) => {
      const [x, y, z] = [frame[v * 3], frame[v * 3 + 1], frame[v * 3 + 2]];
      return x * x + y * y + z * z;
    });
    while (squares.length > 1) {
      const half = squares.length / 2;
      squares = squares.slice(0, half).map((value, i) => value + squares[half + i]);
    }
    return Math.min(Math.sqrt(squares[0] / PROBES) / this.width, MOST);
  }

  /** Take in the next frame; returns its stress. */
  private hear(moved: number): number {
    const rise = this.started ? (moved - this.movedBefore) * this.fps : 0;
    const speed = Math.abs(rise);
    const fast = this.speed + (speed - this.speed) * (speed > this.speed ? this.rise : this.fall);
    const speaking = fast > (this.speaking ? RESTS : SPEAKS);
    this.since = speaking !== this.speaking ? 0 : Math.min(this.since + 1, MOST_FRAMES);
    this.rested = Math.min(this.rested + 1, MOST_FRAMES);
    let stress = 0;
    if (speaking) {
      if (rise > STRESSED * this.usual && this.rested * 1000 >= REST_MS * this.fps) {
        stress = Math.min(rise / this.usual, MOST_STRESS) / MOST_STRESS;
        this.rested = 0;
      }
      this.usual = Math.fround(Math.max(this.usual + (fast - this.usual) * this.learn, RESTS));
    }
    this.started = true;
    this.speaking = speaking;
    this.movedBefore = Math.fround(moved);
    this.speed = Math.fround(fast);
    return stress;
  }

  reset(): void {
    this.movedBefore = this.speed = 0;
    this.usual = USUAL;
    this.started = this.speaking = false;
    this.since = this.rested = 0;
  }
}
