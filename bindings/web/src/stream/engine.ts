/** The package's graphs in ONNX Runtime Web, one WASM thread; weights are shared, state is per stream. */
import * as ort from "onnxruntime-web/wasm";
import { BackendError, PackageError, repr } from "../errors.ts";
import { concreteShape, stageFile, type DType, type StageSpec } from "../manifest_stages.ts";
import type { Package } from "../package.ts";
import { checkSimd } from "./simd.ts";

export type Values = Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
/** An array with its shape, as it goes into a graph and comes out of it. */
export interface Tensor {
  data: Values;
  dims: readonly number[];
}

export interface EngineOptions {
  /** Where `ort-wasm-simd-threaded.wasm` lies, or its bytes; beside the script by default. */
  wasm?: string | URL | ArrayBuffer | Uint8Array;
  /** "fp32", "fp16" or "int8"; the package's own by default. */
  precision?: string;
}

export class Engine {
  private constructor(
    readonly precision: string,
    private readonly sessions: Map<string, ort.InferenceSession>,
  ) {}

  /**
   * Load every stage's graph.
   *
   * @throws BackendError: the browser has no WebAssembly SIMD, or a graph does not load or has other tensors than the
   *   manifest lists. PackageError: no such precision.
   */
  static async load(package_: Package, options: EngineOptions = {}): Promise<Engine> {
    const { manifest } = package_;
    const precision = options.precision ?? manifest.defaultPrecision;
    if (!manifest.precisions().includes(precision)) {
      throw new PackageError(
        `precision=${repr(precision)}`,
        `one of ${manifest.precisions().join(", ")}`,
        "Choose another, or export the package with it.",
      );
    }
    if (!manifest.streams) {
      throw new BackendError(
        `package ${repr(manifest.name)}, which hears whole clips`,
        "a package that streams",
        "Export the model with a band or a window.",
      );
    }
    checkSimd();
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.proxy = false;
    ort.env.logLevel = "error";
    const { wasm } = options;
    if (wasm instanceof ArrayBuffer || wasm instanceof Uint8Array) ort.env.wasm.wasmBinary = wasm;
    else if (wasm) ort.env.wasm.wasmPaths = { wasm: String(wasm) };
    const sessions = new Map<string, ort.InferenceSession>();
    for (const stage of manifest.stages) {
      const file = stageFile(stage, precision);
      try {
        const session = await ort.InferenceSession.create(package_.file(file), {
          executionProviders: ["wasm"],
          graphOptimizationLevel: "basic", // "all" takes seconds and gains nothing here
        });
        sessions.set(stage.name, session);
      } catch (error) {
        const why = (error as Error).message.split("\n")[0];
        throw new BackendError(`${file}: ${why}`, "a graph that ONNX Runtime Web can run", "Export the package again.");
      }
      checkTensors(stage, file, sessions.get(stage.name) as ort.InferenceSession);
    }
    return new Engine(precision, sessions);
  }

  openStage(stage: StageSpec): StageStream {
    return new StageStream(stage, this.sessions.get(stage.name) as ort.InferenceSession);
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await session.release();
  }
}

/** One stage of one stream: its graph and its state. */
export class StageStream {
  private state = new Map<string, ort.Tensor>();

  constructor(
    private readonly spec: StageSpec,
    private readonly session: ort.InferenceSession,
  ) {
    this.reset();
  }

  reset(): void {
    for (const { name, shape, dtype, initial } of this.spec.state) {
      const dims = concreteShape(shape, 1);
      this.state.set(name, new ort.Tensor(dtype, filled(dtype, dims, initial) as never, dims));
    }
  }

  /** Run one step; the state is replaced whole. */
  async run(inputs: Map<string, Tensor>): Promise<Map<string, Tensor>> {
    const feeds: Record<string, ort.Tensor> = {};
    for (const { name, dtype } of this.spec.inputs) {
      const { data, dims } = inputs.get(name) as Tensor;
      feeds[name] = new ort.Tensor(dtype, data as never, dims);
    }
    for (const [name, tensor] of this.state) feeds[`state.${name}`] = tensor;
    let results: ort.InferenceSession.OnnxValueMapType;
    try {
      results = await this.session.run(feeds);
    } catch (error) {
      const why = (error as Error).message.split("\n")[0];
      throw new BackendError(`stage ${this.spec.name}: ${why}`, "a graph that runs", "Verify it with `emoface verify`.");
    }
    for (const { name } of this.spec.state) this.state.set(name, results[`new_state.${name}`] as ort.Tensor);
    return new Map(this.spec.outputs.map(({ name }) => [name, results[name] as unknown as Tensor]));
  }
}

function filled(dtype: DType, dims: number[], value: number): Values {
  const count = dims.reduce((a, b) => a * b, 1);
  if (dtype === "int64") return new BigInt64Array(count).fill(BigInt(value));
  if (dtype === "int32") return new Int32Array(count).fill(value);
  if (dtype === "float16") return new Uint16Array(count).fill(toHalf(value));
  return new Float32Array(count).fill(value);
}

/** The 16 bits of the nearest float16. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (!(size < 65520)) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -14)));
  const unit = 2 ** (exponent - 10);
  let steps = size / unit;
  const low = Math.floor(steps);
  steps = steps - low > 0.5 || (steps - low === 0.5 && low % 2) ? low + 1 : low;
  return sign | (steps + (exponent + 14) * 1024);
}

function checkTensors(stage: StageSpec, file: string, session: ort.InferenceSession): void {
  const states = stage.state.map(({ name }) => name);
  const inputs = [...stage.inputs.map(({ name }) => name), ...states.map((name) => `state.${name}`)];
  const outputs = [...stage.outputs.map(({ name }) => name), ...states.map((name) => `new_state.${name}`)];
  for (const [kind, wanted, found] of [
    ["inputs", inputs, session.inputNames],
    ["outputs", outputs, session.outputNames],
  ] as const) {
    if (found.join() !== wanted.join()) {
      throw new BackendError(
        `${file}: ${kind} ${found.join(", ")}`, `${wanted.join(", ")}, as the manifest has them`, "Export the package again.",
      );
    }
  }
}
