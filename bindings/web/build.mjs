// Build the npm package's files: node build.mjs [OUT] (default: dist). With --page, the static page too.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const words = process.argv.slice(2);
const out = path.resolve(words.find((word) => !word.startsWith("-")) ?? path.join(here, "dist"));
const WASM = "ort-wasm-simd-threaded.wasm";

const common = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  keepNames: true, // an error says its kind
  legalComments: "none",
  logLevel: "warning",
  loader: { ".npz": "binary" },
};

await mkdir(out, { recursive: true });
await build({
  ...common,
  entryPoints: Object.fromEntries(
    [["emoface", "src/index.ts"], ["worker", "src/live/worker.ts"], ["capture", "src/live/capture_worklet.ts"],
      ["three", "src/view/index.ts"]].filter(([, file]) => existsSync(path.join(here, file))),
  ),
  outdir: out,
  external: ["node:*", "module", "three", "three/*", "@pixiv/three-vrm"],
});
await copyFile(path.join(here, "node_modules/onnxruntime-web/dist", WASM), path.join(out, WASM));
if (words.includes("--page") && existsSync(path.join(here, "page/page.ts"))) {
  await build({ ...common, entryPoints: { page: "page/page.ts" }, outdir: out, external: [] });
  for (const name of ["index.html", "page.css"]) await copyFile(path.join(here, "page", name), path.join(out, name));
  await notices();
}

/** The terms of what is bundled, beside it. */
async function notices() {
  const parts = [];
  for (const name of ["onnxruntime-web", "onnxruntime-common", "three", "@pixiv/three-vrm"]) {
    const folder = path.join(here, "node_modules", name);
    const about = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const file = path.join(folder, "LICENSE");
    // ONNX Runtime's packages name their licence and leave out its text.
    const text = existsSync(file) ? await readFile(file, "utf8") : mit("Microsoft Corporation");
    parts.push(`${name} ${about.version} (${about.license})\n\n${text}`);
  }
  await writeFile(path.join(out, "THIRD_PARTY.txt"), parts.join(`\n${"-".repeat(78)}\n\n`));
}

function mit(holder) {
  return `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`;
}
