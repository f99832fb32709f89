/** EmoFace in the browser: packages read and run without a server. Names as in Python. */
export { Animator, type AnimatorOptions, type FrameBatch } from "./animator.ts";
export type { Chunk, Samples } from "./audio/chunk.ts";
export * from "./errors.ts";
export { Blendshapes, type Face, type Golden } from "./face_file.ts";
export { Manifest, FORMATS } from "./manifest.ts";
export { Package } from "./package.ts";
export { ARKIT_52 } from "./rig/names.ts";
export { blinkStarts, BlinkSchedule, type Blinks } from "./rig/blinks.ts";
export type { RigControls } from "./rig/controls.ts";
export type { RigOptions } from "./rig/choices.ts";
export { standardNormal, NoiseSource } from "./stream/noise.ts";
export { Engine, type EngineOptions } from "./stream/engine.ts";
export { checkSimd } from "./stream/simd.ts";
export { LiveVoice } from "./live/live_voice.ts";
export { Voice, type VoiceOptions } from "./live/voice.ts";
export type { Made, VoiceInfo } from "./live/messages.ts";
export { capture, microphone, type Capture } from "./live/capture.ts";
export { Playout, frameOf, type Frame } from "./live/playout.ts";
