/** A VRM, moved by blendshape weights: all 52 where it has them (Perfect Sync), else vowels, blinks and looks. */
import type { VRM } from "@pixiv/three-vrm";
import { RigError } from "../errors.ts";
import { quaternion } from "../head_pose.ts";
import { ARKIT_52 } from "../rig/names.ts";
import { folded } from "./mesh.ts";

/** Weights of ARKit's shapes by name -> value of an expression. */
export type ExpressionMap = Record<string, Record<string, number>>;

const LEAST = 40; // of the 52: a model with fewer is moved by its vowels

/** VRM's presets as sums of ARKit's shapes; see docs/web.md for how the vowels were chosen. */
export const VRM_PRESETS: ExpressionMap = {
  aa: { jawOpen: 1.6, mouthFunnel: -0.7, mouthPucker: -0.7, mouthSmileLeft: -0.3, mouthSmileRight: -0.3 },
  ih: { mouthStretchLeft: 0.5, mouthStretchRight: 0.5, mouthSmileLeft: 0.3, mouthSmileRight: 0.3 },
  ou: { mouthPucker: 1.1 },
  ee: { mouthUpperUpLeft: 0.5, mouthUpperUpRight: 0.5, mouthLowerDownLeft: 0.35, mouthLowerDownRight: 0.35 },
  oh: { mouthFunnel: 1.2 },
  blinkLeft: { eyeBlinkLeft: 1 },
  blinkRight: { eyeBlinkRight: 1 },
};

/** Moves a VRM's expressions, and its head bone. */
export class VrmView {
  /** Whether all of ARKit's shapes are moved, one by one. */
  readonly perfectSync: boolean;
  private readonly direct: [string, number][] = [];
  private readonly sums: [string, [number, number][]][] = [];

  /**
   * @param vrm loaded by `VRMLoaderPlugin`.
   * @param names of the weights, as `VoiceInfo.blendshapeNames`.
   * @param presets what the expressions of a model without ARKit's shapes are made of.
   * @throws RigError: a model without expressions that speak.
   */
  constructor(
    readonly vrm: VRM,
    names: readonly string[],
    presets: ExpressionMap = VRM_PRESETS,
  ) {
    const known = Object.keys(vrm.expressionManager?.expressionMap ?? {});
    for (const expression of known) {
      const name = ARKIT_52.find((each) => each.toLowerCase() === folded(expression));
      if (name && names.includes(name)) this.direct.push([expression, names.indexOf(name)]);
    }
    this.perfectSync = this.direct.length >= LEAST;
    if (!this.perfectSync) {
      this.direct = [];
      for (const [preset, parts] of Object.entries(presets)) {
        const expression = known.find((each) => each.toLowerCase() === preset.toLowerCase());
        const sum = Object.entries(parts)
          .map(([name, factor]): [number, number] => [names.indexOf(name), factor])
          .filter(([place]) => place >= 0);
        if (expression && sum.length) this.sums.push([expression, sum]);
      }
    }
    if (!this.perfectSync && !this.sums.some(([expression]) => /^(aa|ih|ou|ee|oh)$/i.test(expression))) {
      throw new RigError(
        known.length ? `a VRM with the expressions ${known.slice(0, 8).join(", ")}` : "a VRM without expressions",
        "ARKit's 52 shapes (Perfect Sync) or the vowels aa, ih, ou, ee, oh",
        "Choose a VRM with vowels.",
      );
    }
  }

  /** Show a frame's weights (K,) and the head's rotation (3, 3), empty for none. */
  show(weights: ArrayLike<number>, headRotation: ArrayLike<number>): void {
    const manager = this.vrm.expressionManager;
    for (const [expression, place] of this.direct) manager?.setValue(expression, weights[place] ?? 0);
    for (const [expression, sum] of this.sums) {
      let value = 0;
      for (const [place, factor] of sum) value += (weights[place] ?? 0) * factor;
      manager?.setValue(expression, Math.min(Math.max(value, 0), 1));
    }
    const head = this.vrm.humanoid?.getNormalizedBoneNode("head");
    if (head && headRotation.length) {
      const [x, y, z, w] = quaternion(headRotation);
      head.quaternion.set(x, y, z, w);
    }
  }
}
