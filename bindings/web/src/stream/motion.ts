/** Frames as a stream's stages gave them, before a face is made of them. */
import { RuntimeFailure } from "../errors.ts";
import { checkRotations, towardsRest } from "../head_pose.ts";
import { AFFECT, ROLE_NAMES, type Manifest, type Role } from "../manifest.ts";
import type { Expansion } from "./expansion.ts";

type Floats = Float32Array<ArrayBuffer>;

/** Frames [first, first + count): an array for each role, rows of `widths` values; width 0 where there are none. */
export class Motion {
  readonly roles = {} as Record<Role, Floats>;

  constructor(
    readonly first: number,
    readonly count: number,
    readonly widths: Record<Role, number>,
  ) {
    for (const role of ROLE_NAMES) this.roles[role] = new Float32Array(count * widths[role]);
  }

  /** One frame's values of a role: a view. */
  row(role: Role, index: number): Floats {
    const width = this.widths[role];
    return this.roles[role].subarray(index * width, (index + 1) * width);
  }

  /** Refuse what no graph may give, fill the offsets where they are made here, make rotations orthonormal. */
  settle(manifest: Manifest, expansion: Expansion | null): void {
    requireFinite("coefficients", this.roles.coefficients);
    requireFinite("coefficients", this.roles.emotion_coefficients);
    if (expansion) {
      const fused = this.widths.emotion_coefficients > 0;
      for (let index = 0; index < this.count; index++) {
        const emotion = fused ? this.row("emotion_coefficients", index) : null;
        const weight = this.row("emotion_weight", index);
        expansion.offsets(this.row("coefficients", index), emotion, weight, this.row("offsets", index));
      }
    }
    requireFinite("vertex offsets", this.roles.offsets);
    for (const role of AFFECT) requireFinite(role, this.roles[role]);
    checkRotations(this.roles.head_rotation, this.roles.head_translation, manifest.unitInMetres);
  }

  /** Blend the motion of frames `first` ... to rest over `count` frames: smoothstep. Returns every frame's factor. */
  fade(first: number, count: number): Floats {
    const shares = new Float32Array(this.count).fill(1);
    const begin = Math.max(0, first - this.first);
    for (let index = begin; index < this.count; index++) {
      const t = (this.first + index - first + 1) / count;
      shares[index] = 1 - t * t * (3 - 2 * t);
      for (const role of ["offsets", "coefficients", "emotion_coefficients", "head_translation"] as const) {
        const row = this.row(role, index);
        for (let i = 0; i < row.length; i++) row[i] *= shares[index];
      }
    }
    towardsRest(this.roles.head_rotation, shares, begin);
    return shares;
  }
}

function requireFinite(name: string, values: Floats): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new RuntimeFailure(
      `NaN or infinite ${name} from the graphs`,
      "finite values",
      "Call reset(). If it happens again, verify the package with `emoface verify`.",
    );
  }
}
