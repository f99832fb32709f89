/** Poses of the head: R v + T about the template's origin. float64 in the order of `emoface.head_pose`. */
import { RuntimeFailure } from "./errors.ts";

type Floats = Float32Array<ArrayBuffer>;
type Vector = [number, number, number];

const MOST_OFF = 1e-3;
const FARTHEST_M = 1000;
const REMEDY = "Call reset(). If it happens again, verify the package with `emoface verify`.";

const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0],
];

/** Make the rotations (n, 3, 3) of graphs orthonormal in place; RuntimeFailure for what is no pose of a head. */
export function checkRotations(rotation: Floats, translation: Floats, unitInMetres: number): void {
  if (![...rotation, ...translation].every(Number.isFinite)) {
    throw new RuntimeFailure("a NaN or infinite head pose from the graphs", "finite head poses", REMEDY);
  }
  for (let frame = 0; frame * 9 < rotation.length; frame++) {
    const matrix = rotation.subarray(frame * 9, frame * 9 + 9);
    const columns = [0, 1, 2].map((column): Vector => [matrix[column], matrix[3 + column], matrix[6 + column]]);
    for (const [a, b] of [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]) {
      const off = Math.abs(dot(columns[a], columns[b]) - (a === b ? 1 : 0));
      if (off > MOST_OFF) {
        const got = `a head rotation from the graphs whose columns are off orthonormal by ${off.toPrecision(3)}`;
        throw new RuntimeFailure(got, `at most ${MOST_OFF}`, REMEDY);
      }
    }
    if (!(dot(columns[0], cross(columns[1], columns[2])) > 0)) {
      throw new RuntimeFailure("a head rotation from the graphs that is a reflection", "determinant 1", REMEDY);
    }
    const moved = Array.from(translation.subarray(frame * 3, frame * 3 + 3)) as Vector;
    const far = Math.sqrt(dot(moved, moved)) * unitInMetres;
    if (far > FARTHEST_M) {
      const got = `a head translation from the graphs of ${far.toPrecision(6)} m`;
      throw new RuntimeFailure(got, `at most ${FARTHEST_M} m`, REMEDY);
    }
    matrix.set(orthonormal(columns[0], columns[1]));
  }
}

/** Let a share of each rotation (n, 3, 3) be left, the rest being none: normalised lerp, in place. */
export function towardsRest(rotation: Floats, shares: Floats, begin: number): void {
  for (let frame = begin; frame * 9 < rotation.length; frame++) {
    const share = shares[frame];
    if (share === 1) continue;
    const matrix = rotation.subarray(frame * 9, frame * 9 + 9);
    const q = quaternion(matrix).map((part) => part * share);
    q[3] += 1 - share;
    matrix.set(matrixOf(normalised(q)));
  }
}

/**
 * Poses of heads that first turn about a pivot.
 *
 * @param turns (n, 3) radians about X, Y, Z.
 * @param rotation, translation poses that follow; empty where there are none.
 */
export function turnedAbout(turns: Float64Array, pivot: Floats, rotation: Floats, translation: Floats): [Floats, Floats] {
  const count = turns.length / 3;
  const [rotations, translations] = [new Float32Array(count * 9), new Float32Array(count * 3)];
  const at: Vector = [pivot[0], pivot[1], pivot[2]];
  for (let frame = 0; frame < count; frame++) {
    const q = normalised([turns[frame * 3] * 0.5, turns[frame * 3 + 1] * 0.5, turns[frame * 3 + 2] * 0.5, 1]);
    const made = matrixOf(q);
    const row = (axis: number): Vector => [made[axis * 3], made[axis * 3 + 1], made[axis * 3 + 2]];
    const column = (axis: number): Vector => [made[axis], made[3 + axis], made[6 + axis]];
    let moved = at.map((value, axis) => value - dot(row(axis), at)) as Vector;
    if (!rotation.length) {
      rotations.set(made, frame * 9);
    } else {
      const after = [0, 1, 2].map(
        (axis) => Array.from(rotation.subarray(frame * 9 + axis * 3, frame * 9 + axis * 3 + 3)) as Vector,
      );
      const [first, second] = [0, 1].map((k) => after.map((line) => dot(line, column(k))) as Vector);
      moved = after.map((line, axis) => dot(line, moved) + translation[frame * 3 + axis]) as Vector;
      rotations.set(orthonormal(first, second), frame * 9);
    }
    translations.set(moved, frame * 3);
  }
  return [rotations, translations];
}

/** The unit quaternion x, y, z, w with w >= 0 of a rotation (3, 3). */
export function quaternion(r: ArrayLike<number>): number[] {
  const [xx, xy, xz, yx, yy, yz, zx, zy, zz] = Array.from(r);
  // Four times the products of the quaternion's parts with each other. The largest part divides best.
  const table = [
    [1 + xx - yy - zz, xy + yx, xz + zx, zy - yz],
    [xy + yx, 1 - xx + yy - zz, yz + zy, xz - zx],
    [xz + zx, yz + zy, 1 - xx - yy + zz, yx - xy],
    [zy - yz, xz - zx, yx - xy, 1 + xx + yy + zz],
  ];
  let largest = 0;
  for (let part = 1; part < 4; part++) if (table[part][part] > table[largest][largest]) largest = part;
  const q = normalised(table[largest]);
  return q[3] < 0 ? q.map((part) => -part) : q;
}

function normalised(q: number[]): number[] {
  const size = Math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  return q.map((part) => part / size);
}

function matrixOf([x, y, z, w]: number[]): number[] {
  return [
    1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
    2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
    2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
  ];
}

/** The rotation whose first two columns are near those given: Gram and Schmidt's, and the third at right angles. */
function orthonormal(first: Vector, second: Vector): number[] {
  const size = Math.sqrt(dot(first, first));
  const x = first.map((value) => value / size) as Vector;
  const along = dot(x, second);
  let y = second.map((value, axis) => value - along * x[axis]) as Vector;
  const height = Math.sqrt(dot(y, y));
  y = y.map((value) => value / height) as Vector;
  const z = cross(x, y);
  return [x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]];
}
