/** Any three.js object whose meshes have morph targets of ARKit's names, moved by blendshape weights. */
import type * as THREE from "three";
import { RigError } from "../errors.ts";
import { ARKIT_52 } from "../rig/names.ts";

// Blender's and Ready Player Me's spellings of left and right beside ARKit's.
const SIDES: [RegExp, string][] = [[/_?l$/i, "Left"], [/_?r$/i, "Right"]];
const LEAST = 4; // shapes that a face needs to speak

/** A name as it is compared: without case, prefix and underscores. */
export function folded(name: string): string {
  return (name.split(/[.:]/).at(-1) as string).replace(/[_\s-]/g, "").toLowerCase();
}

/** ARKit's name of a morph target, or null. */
export function arkitName(target: string): string | null {
  const spelt = [target, ...SIDES.map(([pattern, side]) => target.replace(pattern, side))].map(folded);
  return ARKIT_52.find((name) => spelt.includes(name.toLowerCase())) ?? null;
}

/** Morph targets of a mesh that weights move. */
export class MorphView {
  /** ARKit's names that the object has. */
  readonly found: string[];
  private readonly places: [number[], number, number][] = [];

  /**
   * @param object a loaded model; all meshes in it are moved.
   * @param names of the weights, as `VoiceInfo.blendshapeNames`.
   * @throws RigError: a model without the named shapes.
   */
  constructor(
    readonly object: THREE.Object3D,
    names: readonly string[],
  ) {
    const found = new Set<string>();
    const seen: string[] = [];
    object.traverse((child) => {
      const { morphTargetDictionary: targets, morphTargetInfluences: influences } = child as THREE.Mesh;
      if (!targets || !influences) return;
      child.frustumCulled = false;
      for (const [target, place] of Object.entries(targets)) {
        seen.push(target);
        const name = arkitName(target);
        const weight = name === null ? -1 : names.indexOf(name);
        if (name === null || weight < 0) continue;
        found.add(name);
        this.places.push([influences, place, weight]);
      }
    });
    this.found = [...found];
    if (this.found.length < LEAST) {
      const has = seen.length ? `the morph targets ${seen.slice(0, 6).join(", ")}${seen.length > 6 ? ", ..." : ""}` : "no morph targets";
      throw new RigError(
        `a model with ${has}`,
        "morph targets of ARKit's names (jawOpen, mouthSmileLeft, ...), or a VRM",
        "Choose a model with ARKit's 52 blendshapes.",
      );
    }
  }

  /** Show a frame's weights (K,). */
  show(weights: ArrayLike<number>): void {
    for (const [influences, place, weight] of this.places) influences[place] = weights[weight] ?? 0;
  }
}
