/** Procedural blinks: when the eyes close is a function of a seed and the frame's index alone; as `emoface.rig.blinks`. */
import { STEP, bitsOf, mixed } from "../counter_hash.ts";
import { RigError } from "../errors.ts";
import type { Face } from "../face_file.ts";
import { addShape, sparse, type Layer, type LayerFrames, type SparseShape } from "./layers.ts";
import { checkSeed, clamp } from "./seeded.ts";

type Floats = Float32Array<ArrayBuffer>;
export const BLINK_SHAPES = ["eyeBlinkLeft", "eyeBlinkRight"];
const DEFAULT_RATE = 15;
const RATES = [4, 40];

// Milliseconds. Lids close in 80 and open in 150.
const [CLOSING, RESTING, OPENING] = [80, 40, 150];
const BLINK = CLOSING + RESTING + OPENING;
// Blinks are drawn cell by cell. None crosses the border of its cell.
const [CELL, FIRST, LAST, LEAST] = [60_000, 500, 59_000, 1000];
const [DOUBLE_SHARE, DOUBLE_FROM, DOUBLE_SPREAD] = [8192, 300, 150];
const INTERVALS = [
  1200, 1557, 1805, 1989, 2145, 2285, 2415, 2538, 2658, 2774, 2889, 3004, 3119, 3236, 3354, 3475, 3600, 3729, 3864,
  4006, 4155, 4314, 4486, 4672, 4877, 5106, 5366, 5671, 6041, 6515, 7180, 8324, 11000,
];
const ONE = 4096;

export interface Blinks {
  /** 0 to 2^32 - 1. */
  seed: number;
  /** Blinks per minute, 4 to 40, about. */
  rate: number;
}

/** false for none, a seed, or both values; null (default): where the face can blink. */
export type BlinkOption = boolean | number | Partial<Blinks> | null;

export function checkBlinks(given: BlinkOption): Blinks {
  const asked = typeof given === "number" ? { seed: given } : typeof given === "object" && given ? given : {};
  const { seed = 0, rate = DEFAULT_RATE } = asked;
  checkSeed(seed, "blinks");
  if (!(rate >= RATES[0] && rate <= RATES[1])) {
    throw new RigError(`rate=${rate} of the blinks`, `blinks per minute from ${RATES.join(" to ")}`, "false: none.");
  }
  return { seed, rate };
}

/** Milliseconds at which blinks of minute `cell` of the stream begin, ascending. */
export function blinkStarts({ seed, rate }: Blinks, cell: number): number[] {
  const base = mixed(mixed(BigInt(seed)) ^ BigInt(cell));
  const scale = Math.floor((65536 * DEFAULT_RATE) / rate + 0.5);
  const begin = cell * CELL;
  const starts: number[] = [];
  let draw = 1;
  let random = mixed(base + STEP);
  let at = begin + FIRST + Math.floor((interval(random, scale) * bitsOf(random, 48)) / 65536);
  while (at <= begin + LAST) {
    starts.push(at);
    if (bitsOf(random, 16) < DOUBLE_SHARE) {
      starts.push(at + DOUBLE_FROM + Math.floor((bitsOf(random, 32) * DOUBLE_SPREAD) / 65536));
    }
    draw += 1;
    random = mixed(base + BigInt(draw) * STEP);
    at = starts[starts.length - 1] + interval(random, scale);
  }
  return starts;
}

function interval(random: bigint, scale: number): number {
  const [place, rest] = [bitsOf(random, 11, 5), bitsOf(random, 0, 11)];
  const plain = INTERVALS[place] + Math.floor(((INTERVALS[place + 1] - INTERVALS[place]) * rest) / 2048);
  return Math.max(LEAST, Math.floor((plain * scale) / 65536));
}

/** How far the lids are closed at a frame: 0 to 4096. */
export class BlinkSchedule {
  private cell = -1;
  private starts: number[] = [];

  constructor(
    private readonly blinks: Blinks,
    private readonly fps: number,
  ) {}

  closure(frame: number): number {
    // Time in units of 1 / fps ms: whole numbers at any frame rate.
    const [now, fps] = [1000 * frame, this.fps];
    const cell = Math.floor(now / (CELL * fps));
    if (cell !== this.cell) {
      this.cell = cell;
      this.starts = blinkStarts(this.blinks, cell);
    }
    const start = this.starts.findLast((each) => each <= Math.floor(now / fps));
    return start === undefined ? 0 : curve(now - start * fps, fps);
  }
}

function curve(since: number, fps: number): number {
  let share = ONE;
  if (since < CLOSING * fps) share = Math.floor((since * ONE) / (CLOSING * fps));
  else if (since >= BLINK * fps) return 0;
  else if (since >= (CLOSING + RESTING) * fps) {
    share = ONE - Math.floor(((since - (CLOSING + RESTING) * fps) * ONE) / (OPENING * fps));
  }
  return Math.floor((share * share * (3 * ONE - 2 * share)) / 2 ** 24);
}

const NO_LIDS = ["eyeballs", "lashes"]; // regions that move with the lids, or lie behind them
const LIKE_UPPER = 0.5; // of the largest travel: vertices that move more are the upper lid's
const MEETS = 0.15; // of the distance at rest: pairs that come nearer than this meet when the eye closes
const CENTRAL = 0.7; // of the widest distance at rest: pairs in the corners of the eye are left out
const WIDEST = 1.5; // most of the shape that is added, for eyes that are wide open
const EARLY = 0.9; // of a shape: one whose lids have met by then closes the eye with that much of it

/** One eye of a face: its blink shape, and how much of it closes the eye of a frame. */
export class Lid {
  readonly shape: SparseShape;
  readonly full: number;
  private readonly pairs: [number, number][] = [];
  private readonly perUnit: number[][] = [];

  constructor(face: Face, name: string) {
    const offsets = face.blendshapes?.get(name) as Floats;
    const template = face.template;
    this.shape = sparse(name, offsets);
    const count = template.length / 3;
    const travel = Float64Array.from({ length: count }, (_, v) => Math.sqrt(square(offsets, v)));
    const skin = new Uint8Array(count).fill(1);
    for (const region of NO_LIDS) for (const v of face.masks.get(region) ?? []) skin[v] = 0;
    const least = LIKE_UPPER * travel.reduce((a, b) => Math.max(a, b), 0);
    const uppers: number[] = [];
    const lowers: number[] = [];
    for (let v = 0; v < count; v++) {
      if (!skin[v]) continue;
      if (travel[v] < least) lowers.push(v);
      else if (travel[v] > 0) uppers.push(v);
    }
    this.full = firstContact(template, offsets, uppers, lowers);
    const closed = Float64Array.from(template, (value, i) => value + offsets[i] * this.full);
    const nearest = new Map<number, [number, number, number]>();
    for (const upper of lowers.length ? uppers : []) {
      let [best, other] = [Infinity, -1];
      for (const lower of lowers) {
        const distance = apartSquare(closed, lower, upper);
        if (distance < best) [best, other] = [distance, lower];
      }
      const rest = Math.sqrt(apartSquare(template, upper, other));
      // Skin near the rim comes near, too: a lower vertex meets one upper vertex.
      const known = nearest.get(other);
      if (Math.sqrt(best) <= MEETS * rest && (!known || best < known[0])) nearest.set(other, [best, upper, rest]);
    }
    if (!nearest.size) {
      throw new RigError(
        `the blendshape '${name}', which does not close the eye`,
        "a shape that brings the rims of the lids together",
        "Export the package with a blink shape at its full weight, or pass blinks=false.",
      );
    }
    const widest = Math.max(...[...nearest.values()].map(([, , rest]) => rest));
    for (const [lower, [, upper, rest]] of nearest) {
      if (rest < CENTRAL * widest) continue;
      this.pairs.push([upper, lower]);
      const apart = [0, 1, 2].map((a) => template[upper * 3 + a] - template[lower * 3 + a]);
      const closing = [0, 1, 2].map((a) => offsets[lower * 3 + a] * this.full - offsets[upper * 3 + a] * this.full);
      const size = closing[0] * apart[0] + closing[1] * apart[1] + closing[2] * apart[2];
      this.perUnit.push(apart.map((value) => value / size));
    }
  }

  /** How much of `full` closes the eye of a frame with offsets (V, 3): 1 at rest, 0 for closed lids. */
  opening(frame: Floats): number {
    let least = Infinity;
    this.pairs.forEach(([upper, lower], index) => {
      const unit = this.perUnit[index];
      const change = [0, 1, 2].map((axis) => frame[upper * 3 + axis] - frame[lower * 3 + axis]);
      least = Math.min(least, change[0] * unit[0] + change[1] * unit[1] + change[2] * unit[2]);
    });
    return clamp(1 + least, 0, WIDEST);
  }
}

function square(array: ArrayLike<number>, v: number): number {
  const [x, y, z] = [array[v * 3], array[v * 3 + 1], array[v * 3 + 2]];
  return x * x + y * y + z * z;
}

function apartSquare(array: ArrayLike<number>, a: number, b: number): number {
  const x = array[a * 3] - array[b * 3];
  const y = array[a * 3 + 1] - array[b * 3 + 1];
  const z = array[a * 3 + 2] - array[b * 3 + 2];
  return x * x + y * y + z * z;
}

/** The weight at which lids meet that meet before `EARLY`; 1 where none do. */
function firstContact(template: Floats, offsets: Floats, uppers: number[], lowers: number[]): number {
  const met: [number, number][] = [];
  for (const upper of uppers) {
    const [ux, uy, uz] = template.subarray(upper * 3, upper * 3 + 3);
    const [vx, vy, vz] = offsets.subarray(upper * 3, upper * 3 + 3);
    for (const lower of lowers) {
      const at = lower * 3;
      const [x, y, z] = [template[at] - ux, template[at + 1] - uy, template[at + 2] - uz];
      const [cx, cy, cz] = [offsets[at] - vx, offsets[at + 1] - vy, offsets[at + 2] - vz];
      const squares = cx * cx + cy * cy + cz * cz;
      if (!(squares > 0)) continue;
      const weight = -(x * cx + y * cy + z * cz) / squares;
      if (!(weight > 0 && weight <= 1)) continue;
      const [mx, my, mz] = [x + weight * cx, y + weight * cy, z + weight * cz];
      const rest = Math.sqrt(x * x + y * y + z * z);
      if (Math.sqrt(mx * mx + my * my + mz * mz) <= MEETS * rest) met.push([weight, rest]);
    }
  }
  let widest = 0;
  for (const [, rest] of met) widest = Math.max(widest, rest);
  let first = met.length ? Infinity : 1;
  for (const [weight, rest] of met) if (rest >= CENTRAL * widest) first = Math.min(first, weight);
  return first < EARLY ? first : 1;
}

/** The left and the right eye of a face; RigError where its shapes cannot close them. */
export function findLids(face: Face): Lid[] {
  const missing = BLINK_SHAPES.find((name) => !face.blendshapes?.names.includes(name));
  if (missing) {
    throw new RigError(
      `a face without the blendshape '${missing}'`, `${BLINK_SHAPES.join(" and ")}, which blinks need`, "Pass blinks=false.",
    );
  }
  return BLINK_SHAPES.map((name) => new Lid(face, name));
}

/** Closes the eyes; nothing is remembered from frame to frame. */
export class BlinkLayer implements Layer {
  readonly place = "blinks";
  private readonly schedule: BlinkSchedule;

  constructor(
    private readonly lids: Lid[],
    fps: number,
    readonly blinks: Blinks,
  ) {
    this.schedule = new BlinkSchedule(blinks, fps);
  }

  apply(frames: LayerFrames): void {
    const added = this.lids.map(() => new Float32Array(frames.count));
    for (let index = 0; index < frames.count; index++) {
      const closure = this.schedule.closure(frames.first + index);
      if (!closure) continue;
      const frame = frames.frame(index);
      this.lids.forEach((lid, place) => {
        let weight = Math.fround((closure / ONE) * lid.opening(frame) * lid.full);
        if (frames.shares) weight = Math.fround(weight * frames.shares[index]);
        addShape(frame, lid.shape, weight);
        added[place][index] = weight;
      });
    }
    BLINK_SHAPES.forEach((name, place) => frames.added.set(name, added[place]));
  }

  reset(): void {}
}
