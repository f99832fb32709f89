/** Visemes of the 52 weights by the map that Python's senders read: `sdk/emoface/senders/visemes.json`. */
import CONTENT from "../../../../sdk/emoface/senders/visemes.json";
import { UsageError } from "../errors.ts";

interface Content {
  features: Record<string, { gain: number; shapes: Record<string, number> }>;
  sets: Record<string, { sharpness: number; hidden: string[]; poses: Record<string, number[][]> }>;
}
const { features: FEATURES, sets: SETS } = CONTENT as Content;

/** One set of visemes: points in the space of features, each feature a weighted sum of shapes from 0 to 1. */
export class VisemeMap {
  private constructor(
    private readonly features: [Record<string, number>, number][],
    private readonly sharpness: number,
    private readonly poses: Record<string, number[][]>,
    private readonly hidden: readonly string[],
  ) {}

  /** The set of this name; UsageError where there is none. */
  static of(name: string): VisemeMap {
    if (!Object.hasOwn(SETS, name)) {
      throw new UsageError(`visemes='${name}'`, `one of ${Object.keys(SETS).join(", ")}`, "See docs/send.md.");
    }
    const { sharpness, poses, hidden } = SETS[name];
    const features = Object.values(FEATURES).map(({ shapes, gain }): [Record<string, number>, number] => [shapes, gain]);
    return new VisemeMap(features, sharpness, poses, hidden);
  }

  /** Of the visemes that are given. */
  get names(): string[] {
    return Object.keys(this.poses).filter((name) => !this.hidden.includes(name));
  }

  /** Weights by viseme, 0 to 1, of weights by ARKit's names; shapes that are not given are 0. */
  weights(given: (shape: string) => number): Record<string, number> {
    const point = this.features.map(([shapes]) => {
      let sum = 0;
      for (const [shape, share] of Object.entries(shapes)) sum += share * given(shape);
      return Math.min(Math.max(sum, 0), 1);
    });
    const distances = Object.entries(this.poses).map(([name, poses]): [string, number] => [
      name,
      Math.min(...poses.map((pose) => this.features.reduce((sum, [, gain], i) => sum + gain * (point[i] - pose[i]) ** 2, 0))),
    ]);
    const least = Math.min(...distances.map(([, distance]) => distance));
    const shares = distances.map(([name, distance]): [string, number] => [name, Math.exp(-this.sharpness * (distance - least))]);
    const total = shares.reduce((sum, [, share]) => sum + share, 0);
    return Object.fromEntries(
      shares.filter(([name]) => !this.hidden.includes(name)).map(([name, share]) => [name, share / total]),
    );
  }
}
