/** A VRM, moved by blendshape weights: all 52 where it has them (Perfect Sync), else vowels and blinks; and its head. */
import type { VRM } from "@pixiv/three-vrm";
import { RigError } from "../errors.ts";
import { quaternion } from "../head_pose.ts";
import { ARKIT_52 } from "../rig/names.ts";
import { VisemeMap } from "../rig/visemes.ts";
import { folded } from "./mesh.ts";

const LEAST = 40; // of the 52: a model with fewer is moved by its vowels
const BLINKS: Record<string, string> = { blinkLeft: "eyeBlinkLeft", blinkRight: "eyeBlinkRight" };

export class VrmView {
  /** Whether ARKit's shapes are moved, one by one. */
  readonly perfectSync: boolean;
  private readonly direct: [string, string][] = [];
  private readonly vowels: [string, string][] = [];

  /**
   * @param vrm loaded by `VRMLoaderPlugin`.
   * @param names of the weights, as `VoiceInfo.blendshapeNames`.
   * @param visemes what the vowels of a model without ARKit's shapes are made of.
   * @throws RigError: a model without expressions that speak.
   */
  constructor(
    readonly vrm: VRM,
    private readonly names: readonly string[],
    private readonly visemes = VisemeMap.of("vrm"),
  ) {
    const known = Object.keys(vrm.expressionManager?.expressionMap ?? {});
    const called = (name: string): string | undefined => known.find((each) => folded(each) === name.toLowerCase());
    const pairs = (wanted: [string, string][]): [string, string][] =>
      wanted.flatMap(([name, source]): [string, string][] => {
        const expression = called(name);
        return expression === undefined ? [] : [[expression, source]];
      });
    const shapes = ARKIT_52.filter((name) => names.includes(name));
    this.direct = pairs(shapes.map((name) => [name, name]));
    this.perfectSync = this.direct.length >= LEAST;
    if (this.perfectSync) return;
    this.direct = pairs(Object.entries(BLINKS));
    this.vowels = pairs(visemes.names.map((name) => [name, name]));
    if (this.vowels.length) return;
    throw new RigError(
      known.length ? `a VRM with the expressions ${known.slice(0, 8).join(", ")}` : "a VRM without expressions",
      `ARKit's 52 shapes (Perfect Sync) or the vowels ${visemes.names.join(", ")}`,
      "Choose a VRM with vowels.",
    );
  }

  /** Show a frame's weights (K,) and the head's rotation (3, 3), empty for none. */
  show(weights: ArrayLike<number>, headRotation: ArrayLike<number>): void {
    const manager = this.vrm.expressionManager;
    const given = (shape: string): number => weights[this.names.indexOf(shape)] ?? 0;
    for (const [expression, shape] of this.direct) manager?.setValue(expression, given(shape));
    if (this.vowels.length) {
      const spoken = this.visemes.weights(given);
      for (const [expression, viseme] of this.vowels) manager?.setValue(expression, spoken[viseme]);
    }
    const head = this.vrm.humanoid?.getNormalizedBoneNode("head");
    if (head && headRotation.length) {
      const [x, y, z, w] = quaternion(headRotation);
      head.quaternion.set(x, y, z, w);
    }
  }
}
