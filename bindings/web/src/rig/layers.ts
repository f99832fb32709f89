/** What happens to a stream's frames between the model and the caller: layers, each in its place, in one order. */
import type { Motion } from "../stream/motion.ts";
import type { Speech } from "./speech.ts";

type Floats = Float32Array<ArrayBuffer>;

export const ORDER = ["speech", "head_sway", "controls", "gaze", "blinks", "blendshapes"] as const;
export type Place = (typeof ORDER)[number];

/** The next frames of a stream, [first, first + count), which layers change in place; fields as in Python. */
export class LayerFrames {
  readonly first: number;
  readonly count: number;
  readonly offsets: Floats;
  readonly size: number;
  headRotation: Floats;
  headTranslation: Floats;
  speech: Speech | null = null;
  readonly added = new Map<string, Floats>();
  weights: Floats | null = null;

  constructor(
    readonly motion: Motion,
    readonly shares: Floats | null,
  ) {
    this.first = motion.first;
    this.count = motion.count;
    this.offsets = motion.roles.offsets;
    this.size = motion.widths.offsets;
    this.headRotation = motion.roles.head_rotation;
    this.headTranslation = motion.roles.head_translation;
  }

  /** One frame's offsets (V, 3): a view. */
  frame(index: number): Floats {
    return this.offsets.subarray(index * this.size, (index + 1) * this.size);
  }
}

/** One layer of one stream. The same frames give the same bits for any cut into batches. */
export interface Layer {
  readonly place: Place;
  apply(frames: LayerFrames): void;
  reset(): void;
}

export function inOrder(layers: Layer[]): Layer[] {
  return layers.sort((a, b) => ORDER.indexOf(a.place) - ORDER.indexOf(b.place));
}

/** A shape by the vertices that it moves. */
export interface SparseShape {
  name: string;
  moving: Int32Array;
  shape: Floats;
}

export function sparse(name: string, offsets: Floats): SparseShape {
  const moving: number[] = [];
  for (let v = 0; v * 3 < offsets.length; v++) {
    if (offsets[v * 3] || offsets[v * 3 + 1] || offsets[v * 3 + 2]) moving.push(v);
  }
  const shape = new Float32Array(moving.length * 3);
  moving.forEach((v, i) => shape.set(offsets.subarray(v * 3, v * 3 + 3), i * 3));
  return { name, moving: Int32Array.from(moving), shape };
}

/** Add a share of a shape to a frame's offsets. */
export function addShape(frame: Floats, { moving, shape }: SparseShape, weight: number): void {
  moving.forEach((v, i) => {
    for (let axis = 0; axis < 3; axis++) frame[v * 3 + axis] += Math.fround(weight * shape[i * 3 + axis]);
  });
}
