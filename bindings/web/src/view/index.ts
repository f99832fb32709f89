/** Heads in three.js: the package's own, any mesh with ARKit's morph targets, a VRM. */
export { HeadView } from "./head.ts";
export { MorphView, arkitName } from "./mesh.ts";
export { VrmView } from "./vrm.ts";
