// node reader.mjs BUNDLE: a path of a package per line of stdin, a JSON object [kind of error or "", text] per line out.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { Package } = await import(pathToFileURL(process.argv[2]));
for await (const path of createInterface({ input: process.stdin })) {
  try {
    await Package.load(readFileSync(path), path);
    console.log(JSON.stringify(["", ""]));
  } catch (error) {
    console.log(JSON.stringify([error.name, error.message]));
  }
}
