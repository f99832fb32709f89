/** The layers that an animator's options ask for. */
import { RigError } from "../errors.ts";
import type { Blendshapes, Face } from "../face_file.ts";
import type { Package } from "../package.ts";
import { BlinkLayer, checkBlinks, findLids, type BlinkOption, type Blinks, type Lid } from "./blinks.ts";
import { ControlLayer, checkControls, moves, type RigControls } from "./controls.ts";
import { GazeLayer, findEyes } from "./gaze.ts";
import { SwayLayer, checkHead } from "./head_sway.ts";
import { inOrder, type Layer } from "./layers.ts";
import { seeded, type SeededOption } from "./seeded.ts";
import { BlendshapeLayer, BlendshapeSolver } from "./solver.ts";
import { SpeechLayer } from "./speech.ts";

export interface RigOptions {
  /** true for weights of the package's blendshapes in every batch. */
  blendshapes?: boolean;
  controls?: Partial<RigControls> | null;
  /** null (default) for blinks, gaze and head sway: where the face can. */
  blinks?: BlinkOption;
  gaze?: SeededOption;
  headSway?: SeededOption;
}

export interface Rig {
  layers: Layer[];
  controls: RigControls;
  blinks: Blinks | null;
  blendshapes: Blendshapes | null;
}

// Found once for a face: looking for pairs of lids takes a moment.
const LIDS = new WeakMap<Blendshapes, Lid[]>();
const SOLVERS = new WeakMap<Blendshapes, BlendshapeSolver>();

/** The rig that the options ask for; RigError for what the face cannot do, or needs vertices where there are none. */
export function openRig(package_: Package, face: Face, options: RigOptions, vertices: boolean): Rig {
  const { manifest } = package_;
  const controls = checkControls(options.controls);
  const shapes = options.blendshapes ? face.blendshapes : null;
  if (options.blendshapes && !shapes) {
    throw new RigError("blendshapes=true, and the package has no blendshapes", "a package with blendshapes", "Leave it out.");
  }
  const fused = manifest.outputs.has("emotion_coefficients");
  const direct = shapes !== null && !fused && !moves(controls) && shapes.equals(face.basis);
  if (!vertices && (moves(controls) || (shapes && !direct))) {
    throw new RigError(
      "vertices=false and what needs vertices", "a shift in time, or weights of the basis", "Leave one of the two out.",
    );
  }
  const { fps } = manifest;
  const layers: Layer[] = [];
  if (moves(controls)) layers.push(new ControlLayer(controls, face, fps));
  const lids = possible(options.blinks, vertices, () => lidsOf(package_.face));
  const blinks = lids ? checkBlinks(options.blinks ?? null) : null;
  if (lids && blinks) layers.push(new BlinkLayer(lids, fps, blinks));
  const seed = blinks?.seed ?? 0;
  const eyes = possible(options.gaze, vertices, () => findEyes(package_.face));
  if (eyes) layers.push(new GazeLayer(seeded(options.gaze ?? null, "gaze", seed), eyes, fps, blinks));
  // A head that the model moves is left to it, unless more is asked for.
  const asked = options.headSway ?? (manifest.outputs.has("head_rotation") ? false : null);
  const head = possible(asked, vertices, () => (checkHead(face, manifest.axes), true));
  if (head) layers.push(new SwayLayer(seeded(asked, "head sway", seed), face, fps));
  if (eyes || head) layers.push(new SpeechLayer(face, fps));
  if (shapes) layers.push(new BlendshapeLayer(shapes, direct ? null : solverOf(shapes)));
  return { layers: inOrder(layers), controls, blinks, blendshapes: shapes };
}

/** What is found where an option asks for it; null where it does not, or only by default and the face cannot. */
function possible<T>(option: unknown, vertices: boolean, find: () => T): T | null {
  if (option === false) return null;
  if (!vertices) {
    if (option === null || option === undefined) return null;
    throw new RigError("eyes or a head to move, and vertices=false", "one of the two", "Leave one of the two out.");
  }
  try {
    return find();
  } catch (error) {
    if (error instanceof RigError && (option === null || option === undefined)) return null;
    throw error;
  }
}

/** The eyes that blinks close, found once for a face; RigError where its shapes cannot close them. */
export function lidsOf(face: Face): Lid[] {
  const known = face.blendshapes && LIDS.get(face.blendshapes);
  if (known) return known;
  const lids = findLids(face);
  LIDS.set(face.blendshapes as Blendshapes, lids);
  return lids;
}

/** A solver's matrices are made once; its weights begin at rest. */
function solverOf(shapes: Blendshapes): BlendshapeSolver {
  const solver = SOLVERS.get(shapes)?.another() ?? new BlendshapeSolver(shapes);
  SOLVERS.set(shapes, solver);
  return solver;
}
