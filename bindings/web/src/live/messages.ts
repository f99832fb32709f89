/** What a page and its worker say to each other. */
import type { AnimatorOptions, FrameBatch } from "../animator.ts";
import type { ErrorMessage } from "../errors.ts";
import type { Face } from "../face_file.ts";
import type { RigOptions } from "../rig/choices.ts";
import type { ConditionValue } from "../stream/conditions.ts";

export interface OpenRequest {
  kind: "open";
  package: ArrayBuffer;
  source: string;
  wasm?: string;
  precision?: string;
  options: AnimatorOptions;
}

export type Request =
  | OpenRequest
  | { kind: "start"; options: AnimatorOptions }
  | { kind: "feed"; chunk: Float32Array[] }
  | { kind: "finish"; tailS: number }
  | { kind: "interrupt"; at: number | null }
  | { kind: "set"; name: string; value: ConditionValue; at: number | null }
  | { kind: "rig"; options: RigOptions };

/** What a page needs to know of a voice. */
export interface VoiceInfo {
  name: string;
  licence: string;
  fps: number;
  vertices: number;
  motionRange: number;
  /** Choices by condition: style, emotion, level, person. */
  choices: Record<string, string[]>;
  emotions: string[];
  blendshapeNames: string[];
  identities: string[];
  latency: { samples: number; seconds: number; ms: number };
  blockMs: number;
  /** The block for clips, which nobody waits for: 100 ms where the package allows it. */
  clipBlockMs: number;
  /** Whether the face can blink, look, and move its head. */
  can: { blinks: boolean; gaze: boolean; headSway: boolean; weight: boolean; controls: boolean };
  face: Face;
}

/** A batch of frames and how long it took to make, in ms. */
export interface Made {
  batch: FrameBatch;
  tookMs: number;
}

export type Answer = { id: number; error?: ErrorMessage; info?: VoiceInfo; made?: Made };
