/** Apple's 52 face shapes by name, in the order of Live Link Face's files; as `emoface.rig.names`. */
const both = (...names: string[]): string[] => names.flatMap((name) => [`${name}Left`, `${name}Right`]);
const EYE = ["eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide"];

export const ARKIT_52: readonly string[] = [
  ...EYE.map((name) => `${name}Left`),
  ...EYE.map((name) => `${name}Right`),
  "jawForward", "jawRight", "jawLeft", "jawOpen",
  "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft",
  ...both("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch"),
  "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
  ...both("mouthPress", "mouthLowerDown", "mouthUpperUp"),
  "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
  "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
];
