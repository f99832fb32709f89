/** Where the eyes look: fixations and saccades, glances, drift, and looking away in thought; as `emoface.rig.gaze`. */
import { STEP, bitsOf, mixed } from "../counter_hash.ts";
import { RigError } from "../errors.ts";
import type { Face } from "../face_file.ts";
import { blinkStarts, type Blinks } from "./blinks.ts";
import { addShape, sparse, type Layer, type LayerFrames, type SparseShape } from "./layers.ts";
import { SmoothNoise, clamp, part, type Seeded } from "./seeded.ts";
import type { Speech } from "./speech.ts";

type Floats = Float32Array<ArrayBuffer>;
type Pair = [number, number];

export const LOOK_SHAPES = ["Left", "Right"].flatMap((side) =>
  ["In", "Out", "Up", "Down"].map((direction) => `eyeLook${direction}${side}`),
);
const EYEBALLS = "eyeballs";
const DEGREES = 57.29577951308232;
const FARTHEST = 0.7; // half a chord over the radius: a shape that turns the eye farther is none

const SALT = 0x67617a65n; // of what is drawn here, so that no other layer draws the same
// Milliseconds. Fixations are drawn cell by cell; two are `LEAST` apart, in different cells, too.
const [CELL, LEAST] = [10_000, 300];
const FIXATIONS = [
  300, 300, 319, 363, 401, 436, 470, 502, 534, 565, 597, 628, 661, 694, 728, 763, 800,
  839, 879, 922, 969, 1018, 1073, 1132, 1199, 1275, 1362, 1466, 1595, 1764, 2000, 2000, 2000,
];
const WITH_BLINK = 150; // a fixation that begins so near a blink begins with it
const [GLANCES, GLANCES_BLINKING] = [6554, 32768]; // of 65536: how many lead past the listener
const [SACCADE_MS, SACCADE_MS_PER_DEGREE] = [21, 2.2];
// Degrees, x to the face's left and y up: a listener's eyes and mouth at about a metre.
const LISTENER: Pair[] = [[-1.8, 0.4], [1.8, 0.4], [0, -2.6]];
const AROUND = 0.7;
const [DRIFT, DRIFT_MS, JITTER, JITTER_MS] = [0.35, 500, 0.1, 70];
const [NEAR, FAR, FAR_AWAY] = [1.8, 0.4, 8];
// In a pause: whether one looks away (of 65536), from when on, and for how long.
const [AWAY, AWAY_FROM, AWAY_LEAST, AWAY_SPREAD] = [39322, 400, 700, 1600];
const BACK = 150; // milliseconds into a phrase until one looks back
const UPWARDS = 45875; // of 65536
const AWAY_SPEED = 250; // degrees per second
const HEAD = 12; // most of the head's turn, in degrees, that the eyes make up for

export interface LookShape extends SparseShape {
  /** How far it turns the eye at weight 1. */
  degrees: number;
}

/** The shapes that turn the eyes, in the order of `LOOK_SHAPES`; RigError where the face cannot. */
export function findEyes(face: Face): LookShape[] {
  const missing = LOOK_SHAPES.find((name) => !face.blendshapes?.names.includes(name));
  if (missing || !face.masks.has(EYEBALLS)) {
    throw new RigError(
      missing ? `a face without the blendshape '${missing}'` : "a face without the mask 'eyeballs'",
      "the eight shapes eyeLook(In|Out|Up|Down)(Left|Right) and the mask 'eyeballs', which gaze needs",
      "Pass gaze=false.",
    );
  }
  return LOOK_SHAPES.map((name) => lookShape(face, name));
}

function lookShape(face: Face, name: string): LookShape {
  const offsets = face.blendshapes?.get(name) as Floats;
  const shape = sparse(name, offsets);
  const moves = new Set(shape.moving);
  const ball = Array.from(face.masks.get(EYEBALLS) as Int32Array).filter((v) => moves.has(v));
  let degrees = 0;
  if (ball.length) {
    // A point on the ball goes along a chord; those that go farthest lie at right angles to the axis.
    const extents = [0, 1, 2].map((axis) => {
      const values = ball.map((v) => face.template[v * 3 + axis]);
      return Math.max(...values) - Math.min(...values);
    });
    const size = Math.max(...extents);
    const farthest = Math.max(
      ...ball.map((v) => {
        const [x, y, z] = [offsets[v * 3], offsets[v * 3 + 1], offsets[v * 3 + 2]];
        return x * x + y * y + z * z;
      }),
    );
    const half = size > 0 ? Math.sqrt(farthest) / size : 0;
    if (half <= FARTHEST) {
      const square = half * half; // the arcsine's series, which every runtime sums alike
      degrees = 2 * half * (1 + square * (1 / 6 + square * (3 / 40 + square * (15 / 336)))) * DEGREES;
    }
  }
  if (degrees >= 1) return { ...shape, degrees };
  throw new RigError(
    `the blendshape '${name}', which does not turn the eye`, "a shape that turns vertices of 'eyeballs'", "gaze=false.",
  );
}

/** Where the eyes rest, and how they get there. */
export class Fixations {
  private readonly seed: bigint;
  private cell = -1;
  private starts: number[] = [];
  private places: Pair[] = [];

  constructor(
    seed: number,
    private readonly fps: number,
    private readonly blinks: Blinks | null,
  ) {
    this.seed = mixed(BigInt(seed) + SALT);
  }

  /** Milliseconds at which fixations begin in cell `cell` of the stream, ascending, and where they lie. */
  drawn(cell: number): [number[], Pair[]] {
    const base = mixed(this.seed ^ BigInt(cell));
    const begin = cell * CELL;
    const closing = this.blinks ? blinkStarts(this.blinks, Math.floor(begin / 60_000)) : [];
    const [starts, places]: [number[], Pair[]] = [[], []];
    let draw = 1;
    let random = mixed(base + STEP);
    let at = begin + Math.floor((fixation(random) * bitsOf(random, 48)) / 65536);
    while (at <= begin + CELL - LEAST) {
      const near = closing.find((start) => Math.abs(start - at) < WITH_BLINK);
      starts.push(near ?? at);
      const glances = near === undefined ? GLANCES : GLANCES_BLINKING;
      places.push(place(mixed(base + BigInt(draw + 1) * STEP), bitsOf(random, 16) < glances));
      draw += 2;
      random = mixed(base + BigInt(draw) * STEP);
      at += fixation(random);
    }
    return [starts, places];
  }

  /** Degrees to the face's left and up. */
  at(frame: number): Pair {
    const [now, fps] = [1000 * frame, this.fps];
    const cell = Math.floor(now / (CELL * fps));
    if (cell !== this.cell) {
      const before: Pair = cell > 0 ? (this.drawn(cell - 1)[1].at(-1) as Pair) : [0, 0];
      const [starts, places] = this.drawn(cell);
      [this.cell, this.starts, this.places] = [cell, starts, [before, ...places]];
    }
    const index = this.starts.findLastIndex((start) => start <= Math.floor(now / fps)) + 1;
    if (index === 0) return this.places[0];
    const [[ax, ay], [bx, by]] = [this.places[index - 1], this.places[index]];
    const [x, y] = [bx - ax, by - ay];
    const whole = SACCADE_MS + SACCADE_MS_PER_DEGREE * Math.sqrt(x * x + y * y);
    let share = Math.min((now - this.starts[index - 1] * fps) / fps / whole, 1);
    share = share * share * (3 - 2 * share);
    return [ax + x * share, ay + y * share];
  }
}

function fixation(random: bigint): number {
  const [index, rest] = [bitsOf(random, 11, 5), bitsOf(random, 0, 11)];
  return FIXATIONS[index] + Math.floor(((FIXATIONS[index + 1] - FIXATIONS[index]) * rest) / 2048);
}

function place(random: bigint, glance: boolean): Pair {
  const [x, y] = [part(random, 0), part(random, 16)];
  if (glance) {
    const far = 4 + 5 * x;
    return [bitsOf(random, 32, 1) ? far : -far, 5 * y - 2];
  }
  // Three of eight looks go to each eye, two to the mouth.
  const which = bitsOf(random, 33, 3);
  const [left, up] = LISTENER[which < 3 ? 0 : which < 6 ? 1 : 2];
  return [left + AROUND * (2 * x - 1), up + AROUND * (2 * y - 1)];
}

/** Turns the eyes, and the lids with them. */
export class GazeLayer implements Layer {
  readonly place = "gaze";
  private readonly fixations: Fixations;
  private readonly pauses: bigint;
  private readonly drift: SmoothNoise[];
  private readonly jitter: SmoothNoise[];
  private away: Pair = [0, 0];

  constructor(
    readonly gaze: Seeded,
    private readonly eyes: LookShape[],
    private readonly fps: number,
    blinks: Blinks | null,
  ) {
    this.fixations = new Fixations(gaze.seed, fps, blinks);
    const seed = mixed(mixed(BigInt(gaze.seed)) + SALT);
    this.pauses = mixed(seed);
    const bases = [1n, 2n, 3n, 4n].map((channel) => mixed(seed + channel));
    this.drift = bases.slice(0, 2).map((base) => new SmoothNoise(base, DRIFT_MS, fps));
    this.jitter = bases.slice(2).map((base) => new SmoothNoise(base, JITTER_MS, fps));
  }

  apply(frames: LayerFrames): void {
    const added = this.eyes.map(() => new Float32Array(frames.count));
    for (let index = 0; index < frames.count; index++) {
      const frame = frames.frame(index);
      this.turns(frames, index).forEach((degrees, where) => {
        if (!(degrees > 0)) return;
        const look = this.eyes[where];
        let weight = Math.fround(Math.min(degrees / look.degrees, 1));
        if (frames.shares) weight = Math.fround(weight * frames.shares[index]);
        addShape(frame, look, weight);
        added[where][index] = weight;
      });
    }
    this.eyes.forEach((look, where) => frames.added.set(look.name, added[where]));
  }

  /** Degrees by which a frame's eyes turn, in the order of `LOOK_SHAPES`; negative is none. */
  private turns(frames: LayerFrames, index: number): number[] {
    const frame = frames.first + index;
    this.think(frames.speech as Speech, frame, index);
    let [x, y] = this.fixations.at(frame);
    const [awayX, awayY] = this.away;
    x += DRIFT * this.drift[0].at(frame) + JITTER * this.jitter[0].at(frame) + awayX;
    y += DRIFT * this.drift[1].at(frame) + JITTER * this.jitter[1].at(frame) + awayY;
    const far = Math.min(Math.sqrt(awayX * awayX + awayY * awayY) / FAR_AWAY, 1);
    const { strength } = this.gaze;
    const inwards = strength * (NEAR + (FAR - NEAR) * far);
    [x, y] = [strength * x, strength * y];
    if (frames.headRotation.length) {
      // While the head turns the eyes stay where they look.
      const [toLeft, up, front] = frames.headRotation.subarray(index * 9 + 6, index * 9 + 9);
      x += madeUp(toLeft, front);
      y += madeUp(up, front);
    }
    return [inwards - x, x - inwards, y, -y, inwards + x, -x - inwards, y, -y];
  }

  /** Let the eyes go on their way to where a pause turns them, and back. */
  private think(speech: Speech, frame: number, index: number): void {
    const { fps } = this;
    const since = speech.since[index];
    let [x, y]: Pair = [0, 0];
    if (speech.speaking[index]) {
      if (since * 1000 < BACK * fps) [x, y] = this.away;
    } else {
      const random = mixed(this.pauses ^ BigInt.asUintN(64, BigInt(frame - since + 1)));
      const lasts = AWAY_LEAST + Math.floor((AWAY_SPREAD * bitsOf(random, 16)) / 65536);
      const away = bitsOf(random, 0) < AWAY;
      if (away && since * 1000 >= AWAY_FROM * fps && since * 1000 < (AWAY_FROM + lasts) * fps) {
        [x, y] = thinking(mixed(random));
      }
    }
    const [dx, dy] = [x - this.away[0], y - this.away[1]];
    const [apart, step] = [Math.sqrt(dx * dx + dy * dy), AWAY_SPEED / fps];
    if (apart > step) [x, y] = [this.away[0] + (dx * step) / apart, this.away[1] + (dy * step) / apart];
    this.away = [Math.fround(x), Math.fround(y)];
  }

  reset(): void {
    this.away = [0, 0];
  }
}

function thinking(random: bigint): Pair {
  const far = 7 + 6 * part(random, 0);
  const up = bitsOf(random, 32) < UPWARDS ? 3 + 4 * part(random, 16) : -3 - 3 * part(random, 16);
  return [bitsOf(random, 48, 1) ? far : -far, up];
}

function madeUp(aside: number, front: number): number {
  return clamp((aside / Math.max(front, 0.5)) * DEGREES, -HEAD, HEAD);
}
