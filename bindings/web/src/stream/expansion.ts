/**
 * Coefficients of a motion basis to vertex offsets: a sum over the shapes in their order, each product rounded to
 * float32 before it is added; two branches are fused vertex by vertex, a + (b - a) w. The bits of `emoface.stream.expansion`.
 */
import { PackageError, repr } from "../errors.ts";
import { withIdentity, type Face } from "../face_file.ts";
import type { Manifest } from "../manifest.ts";

type Floats = Float32Array<ArrayBuffer>;

export class Expansion {
  private readonly other: Floats;
  private readonly size: number;
  private readonly rank: number;

  /** @param shapes (R, V, 3), offsets at coefficient 1. */
  constructor(
    private readonly shapes: Floats,
    vertices: number,
  ) {
    this.size = vertices * 3;
    this.rank = shapes.length / this.size;
    this.other = new Float32Array(this.size);
  }

  /** Fill one frame's offsets (V, 3); `emotion` is null where nothing is fused. */
  offsets(coefficients: Floats, emotion: Floats | null, weight: Floats, out: Floats): void {
    this.sum(coefficients, out);
    if (!emotion) return;
    const { other } = this;
    this.sum(emotion, other);
    for (let i = 0; i < out.length; i++) {
      out[i] += Math.fround(Math.fround(other[i] - out[i]) * weight[Math.floor(i / 3)]);
    }
  }

  private sum(coefficients: Floats, out: Floats): void {
    const { shapes, size } = this;
    for (let row = 0; row < this.rank; row++) {
      const coefficient = coefficients[row];
      const at = row * size;
      if (row === 0) for (let i = 0; i < size; i++) out[i] = shapes[i] * coefficient;
      else for (let i = 0; i < size; i++) out[i] += Math.fround(shapes[at + i] * coefficient);
    }
  }
}

/** Where a stream's vertex offsets come from: the stages, where one has the role, or the coefficients. */
export interface OffsetSource {
  graphs: boolean;
  expansion: Expansion | null;
  any: boolean;
}

/** The source for the face that is animated; PackageError where without vertices nothing would be left of the motion. */
export function offsetSource(manifest: Manifest, face: Face, vertices: boolean, identity: string | null): OffsetSource {
  if (!vertices) {
    if (!manifest.coefficients) {
      throw new PackageError(
        `vertices=false with package ${repr(manifest.name)}, which gives no coefficients`,
        "a package whose motion lies in a basis",
        "Leave the option out, or export the model with coefficients.",
      );
    }
    return { graphs: false, expansion: null, any: false };
  }
  const own = identity !== null && face.identities.get(identity)?.basis != null;
  if (!face.basis || (manifest.outputs.has("offsets") && !own)) return { graphs: true, expansion: null, any: true };
  const basis = identity === null ? face.basis : (withIdentity(face, identity).basis ?? face.basis);
  return { graphs: false, expansion: new Expansion(basis.shapes, manifest.vertices), any: true };
}
