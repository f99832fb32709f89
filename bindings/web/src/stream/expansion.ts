/**
 * Coefficients of a motion basis to vertex offsets: a sum over the shapes in their order, each product rounded to
 * float32 before it is added; two branches are fused vertex by vertex, a + (b - a) w. The bits of `emoface.stream.expansion`.
 */
import { PackageError, repr } from "../errors.ts";
import { withIdentity, type Face } from "../face_file.ts";
import type { Manifest } from "../manifest.ts";

type Floats = Float32Array<ArrayBuffer>;

/** One shape: its values that are not 0 and their places, or all of them where most are not. */
interface Row {
  values: Floats;
  places: Int32Array | null;
}
const SPARSE = 0.6;

export class Expansion {
  private readonly other: Floats;
  private readonly rows: Row[];

  /** @param shapes (R, V, 3), offsets at coefficient 1. */
  constructor(shapes: Floats, vertices: number) {
    const size = vertices * 3;
    this.other = new Float32Array(size);
    this.rows = Array.from({ length: shapes.length / size }, (_, row) =>
      rowOf(shapes.subarray(row * size, (row + 1) * size)),
    );
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

  /** What a shape does not move, and what has no weight, adds nothing: leaving it out changes no bit but a zero's sign. */
  private sum(coefficients: Floats, out: Floats): void {
    out.fill(0);
    this.rows.forEach(({ values, places }, row) => {
      const coefficient = coefficients[row];
      if (coefficient === 0) return;
      if (places) for (let i = 0; i < places.length; i++) out[places[i]] += Math.fround(values[i] * coefficient);
      else for (let i = 0; i < values.length; i++) out[i] += Math.fround(values[i] * coefficient);
    });
  }
}

function rowOf(shape: Floats): Row {
  let moved = 0;
  for (let i = 0; i < shape.length; i++) if (shape[i] !== 0) moved += 1;
  if (moved > SPARSE * shape.length) return { values: shape, places: null };
  const [values, places] = [new Float32Array(moved), new Int32Array(moved)];
  for (let i = 0, at = 0; i < shape.length; i++) {
    if (shape[i] === 0) continue;
    values[at] = shape[i];
    places[at++] = i;
  }
  return { values, places };
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
