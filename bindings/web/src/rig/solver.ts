/** Vertices to blendshape weights, frame by frame: in 0..1, few, and steady in time; as `emoface.rig.solver`. */
import type { Blendshapes } from "../face_file.ts";
import type { Layer, LayerFrames } from "./layers.ts";

type Floats = Float32Array<ArrayBuffer>;
const [SPARSITY, SMOOTHNESS] = [0.002, 0.05];
const NEGLIGIBLE = 1e-5; // of the largest offset: vertices that move less do not count
const RIDGE = 1e-4;
const TOLERANCE = 1e-10;
const BULK_ROUNDS = 8;

/** A shape's offsets that are not 0: their places in a frame (V, 3), and what they are. */
interface Row {
  places: Int32Array;
  values: Float64Array;
}

export class BlendshapeSolver {
  private readonly used: number[];
  private readonly size: number[];
  private readonly matrix: Float64Array[];
  private readonly ties: number[];
  private readonly rows: Row[];
  private before: Float64Array;

  constructor(private readonly shapes: Blendshapes) {
    const width = shapes.vertices * 3;
    const all = shapes.shapes;
    const reach = new Float32Array(shapes.vertices);
    for (let i = 0, v = 0, axis = 0; i < all.length; i++) {
      const far = Math.abs(all[i]);
      if (far > reach[v]) reach[v] = far;
      if (++axis === 3) {
        axis = 0;
        v = v + 1 === shapes.vertices ? 0 : v + 1;
      }
    }
    const least = Math.fround(NEGLIGIBLE) * reach.reduce((a, b) => Math.max(a, b), 0);
    const flat = shapes.names.map((_, k) => rowOf(all.subarray(k * width, (k + 1) * width), reach, least));
    const sizes = flat.map(({ values }) => Math.sqrt(dot(values, values)));
    this.used = sizes.flatMap((size, k) => (size > 0 ? [k] : []));
    const usedSizes = this.used.map((k) => sizes[k]);
    const scale = Math.sqrt(usedSizes.reduce((sum, size) => sum + size * size, 0) / usedSizes.length);
    this.size = usedSizes.map((size) => size / scale);
    this.ties = this.size.map((size) => SMOOTHNESS * size * size);
    const used = this.used.map((k) => flat[k]);
    this.matrix = used.map(({ places, values }, i) => {
      const dense = new Float64Array(width);
      places.forEach((place, index) => (dense[place] = values[index]));
      const row = Float64Array.from(used, (other) => product(other, dense) / scale ** 2);
      row[i] += this.ties[i] + RIDGE * this.size[i] ** 2;
      return row;
    });
    this.rows = used.map(({ places, values }) => ({ places, values: values.map((value) => value / scale ** 2) }));
    this.before = new Float64Array(this.used.length);
  }

  /** A solver of another stream, which shares what does not change. */
  another(): BlendshapeSolver {
    const made = Object.assign(Object.create(BlendshapeSolver.prototype) as BlendshapeSolver, this);
    made.before = new Float64Array(this.used.length);
    return made;
  }

  /** Weights (K,) of the next frame with offsets (V, 3). */
  solve(offsets: Floats): Floats {
    const linear = this.rows.map(
      (row, i) => product(row, offsets) + this.ties[i] * this.before[i] - SPARSITY * this.size[i],
    );
    const solved = solveBox(this.matrix, linear, this.before);
    const weights = new Float32Array(this.shapes.length);
    this.used.forEach((k, i) => (weights[k] = solved[i]));
    this.before = Float64Array.from(this.used, (k) => weights[k]);
    return weights;
  }

  reset(): void {
    this.before.fill(0);
  }
}

function rowOf(shape: Floats, reach: Floats, least: number): Row {
  const places: number[] = [];
  for (let i = 0; i < shape.length; i++) if (shape[i] !== 0 && reach[Math.floor(i / 3)] > least) places.push(i);
  return { places: Int32Array.from(places), values: Float64Array.from(places, (place) => shape[place]) };
}

function product({ places, values }: Row, dense: Floats | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < places.length; i++) sum += values[i] * dense[places[i]];
  return sum;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** argmin over 0 <= w <= 1 of 1/2 w' A w - b' w: a primal active set method; see `emoface.rig.active_set`. */
export function solveBox(matrix: Float64Array[], linear: number[], start: Float64Array): Float64Array {
  const w = Float64Array.from(start);
  const free = Array.from(w, (value) => value > 0 && value < 1);
  for (let round = 0; ; round++) {
    minimiseFree(matrix, linear, w, free);
    const inwards = linear.map((value, k) => {
      if (free[k]) return 0;
      const gradient = dot(matrix[k], w) - value;
      return w[k] <= 0 ? -gradient : gradient;
    });
    if (inwards.every((value) => value <= TOLERANCE) || round > BULK_ROUNDS + 4 * w.length) return w;
    if (round < BULK_ROUNDS) inwards.forEach((value, k) => (free[k] ||= value > TOLERANCE));
    else free[inwards.indexOf(Math.max(...inwards))] = true;
  }
}

/** Move w to the minimum over the free weights, fixing those that meet a bound on the way. */
function minimiseFree(matrix: Float64Array[], linear: number[], w: Float64Array, free: boolean[]): void {
  for (;;) {
    const inside = [...free.keys()].filter((k) => free[k]);
    if (!inside.length) return;
    const fixed = w.map((value, k) => (free[k] ? 0 : value));
    const right = inside.map((k) => linear[k] - dot(matrix[k], fixed));
    const wanted = solveLinear(inside.map((k) => inside.map((l) => matrix[k][l])), right);
    let least = Infinity;
    const shares = inside.map((k, i) => {
      if (wanted[i] >= 0 && wanted[i] <= 1) return Infinity;
      const move = wanted[i] - w[k];
      return wanted[i] < 0 ? w[k] / -move : (1 - w[k]) / move;
    });
    for (const share of shares) least = Math.min(least, share);
    if (least === Infinity) {
      inside.forEach((k, i) => (w[k] = wanted[i]));
      return;
    }
    inside.forEach((k, i) => {
      w[k] = Math.min(Math.max(w[k] + least * (wanted[i] - w[k]), 0), 1);
      if (shares[i] > least) return;
      w[k] = wanted[i] < 0 ? 0 : 1;
      free[k] = false;
    });
  }
}

/** Solve A x = b, A symmetric and positive definite: Cholesky's factors in place. */
function solveLinear(a: number[][], b: number[]): number[] {
  const n = b.length;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i][j];
      for (let k = 0; k < j; k++) sum -= a[i][k] * a[j][k];
      a[i][j] = i === j ? Math.sqrt(sum) : sum / a[j][j];
    }
  }
  const x = [...b];
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= a[i][k] * x[k];
    x[i] /= a[i][i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= a[k][i] * x[k];
    x[i] /= a[i][i];
  }
  return x;
}

/** Weights of blendshapes: solved for the offsets, or the model's coefficients where the shapes are its basis. */
export class BlendshapeLayer implements Layer {
  readonly place = "blendshapes";

  constructor(
    private readonly shapes: Blendshapes,
    private readonly solver: BlendshapeSolver | null,
  ) {}

  apply(frames: LayerFrames): void {
    const count = this.shapes.length;
    if (!this.solver) {
      frames.weights = frames.motion.roles.coefficients.slice();
      for (const [name, added] of frames.added) {
        const place = this.shapes.names.indexOf(name);
        for (let index = 0; index < frames.count; index++) frames.weights[index * count + place] += added[index];
      }
      return;
    }
    frames.weights = new Float32Array(frames.count * count);
    for (let index = 0; index < frames.count; index++) {
      frames.weights.set(this.solver.solve(frames.frame(index)), index * count);
    }
  }

  reset(): void {
    this.solver?.reset();
  }
}
