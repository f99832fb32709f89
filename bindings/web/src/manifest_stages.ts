/** Stages as the manifest lists them: a graph per precision, a cadence, named inputs, outputs and states. */
import { MOST_FLOAT32, type Reader, type Shape, evaluateExtent } from "./manifest_schema.ts";

export const CADENCES = ["clip", "block", "frames", "frame"] as const;
export const PRECISIONS = ["fp32", "fp16", "int8"] as const;
export const DTYPES = ["float32", "float16", "int64", "int32"] as const;
export const MOST_TENSORS = 1024;

export type Cadence = (typeof CADENCES)[number];
export type DType = (typeof DTYPES)[number];

export interface TensorSpec {
  name: string;
  shape: Shape;
  dtype: DType;
}
export interface InputSpec extends TensorSpec {
  source: string;
}
export interface StateSpec extends TensorSpec {
  initial: number;
  batchAxis: number;
}
export interface StageSpec {
  name: string;
  cadence: Cadence;
  files: Map<string, string>;
  inputs: InputSpec[];
  outputs: TensorSpec[];
  state: StateSpec[];
}

/** The shape with "B" = `batch` and "n" = `n` put in. */
export function concreteShape(shape: Shape, n: number, batch = 1): number[] {
  return shape.map((extent) => evaluateExtent(extent, n, batch));
}

/** The stage's file for `precision`, the fp32 file where it has none of its own. */
export function stageFile(stage: StageSpec, precision: string): string {
  return (stage.files.get(precision) ?? stage.files.get("fp32")) as string;
}

/** One object of the list `stages`. */
export function readStage(reader: Reader): StageSpec {
  const name = reader.text("name");
  const cadence = reader.choice("cadence", CADENCES) as Cadence;
  const files = reader.textMap("files", PRECISIONS.length);
  const dtype = (item: Reader): DType => item.choice("dtype", DTYPES) as DType;
  const inputs = reader.items("inputs", MOST_TENSORS).map((item) => {
    const input = { name: item.text("name"), source: item.text("source"), shape: item.shape("shape"), dtype: dtype(item) };
    item.refuseUnknown();
    return input;
  });
  const outputs = reader.items("outputs", MOST_TENSORS).map((item) => {
    const output = { name: item.text("name"), shape: item.shape("shape"), dtype: dtype(item) };
    item.refuseUnknown();
    return output;
  });
  const state = reader.items("state", MOST_TENSORS).map((item) => {
    const spec = {
      name: item.text("name"),
      shape: item.shape("shape"),
      dtype: dtype(item),
      initial: item.number("initial", -MOST_FLOAT32, MOST_FLOAT32),
      batchAxis: item.integer("batch_axis", 0),
    };
    item.refuseUnknown();
    return spec;
  });
  reader.refuseUnknown();
  return { name, cadence, files, inputs, outputs, state };
}
