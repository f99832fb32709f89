/** The files of a package in a zip, never more than its bytes can hold, every one compared with its hash. */
import { Archive } from "./archive.ts";
import { ManifestError, PackageIntegrityError, RuntimeFailure, repr } from "./errors.ts";
import { MANIFEST_NAME, type FileEntry } from "./manifest.ts";
import { sorted } from "./manifest_checks.ts";
import { isFileName, shown } from "./manifest_schema.ts";

export const FETCH = "Fetch or export the package again.";
const FREE_BYTES = 64 << 20;
/** What comes out of a package, arrays included, is at most `FREE_BYTES` and `MOST_RATIO` times its bytes. */
const MOST_RATIO = 100;
// What people and systems put beside a package's files; never opened.
const IGNORED = [
  /^(?:\.[A-Za-z0-9_][A-Za-z0-9_.-]*|(?:README|LICENSE|LICENCE|NOTICE)(?:\.md|\.txt)?)$/,
  /^__MACOSX\/(?:\._[A-Za-z0-9_.-]*)?$/,
];

/** The bytes that may still come out of a package of `stored` bytes. */
export class Allowance {
  private left: number;

  constructor(stored: number) {
    this.left = FREE_BYTES + MOST_RATIO * stored;
  }

  spend(wanted: number): boolean {
    this.left -= wanted;
    return this.left >= 0;
  }
}

/** The error for files that are not what the manifest says. */
export function integrityFault(got: string, expected = "the package as it was exported"): PackageIntegrityError {
  return new PackageIntegrityError(got, expected, FETCH);
}

/** The error for bytes that no honest package has. */
export function bomb(name: string, inflated: number): PackageIntegrityError {
  const expected = `at most ${FREE_BYTES} bytes and ${MOST_RATIO} times the package's own size`;
  return integrityFault(`${name}: ${inflated} bytes once inflated`, expected);
}

/** A package as a zip of flat files. */
export class PackageFiles {
  readonly allowance: Allowance;
  private readonly archive: Archive;

  /** @param what names the package in messages. */
  constructor(
    data: Uint8Array,
    private readonly what: string,
  ) {
    this.allowance = new Allowance(data.length);
    const fault = (why: string): PackageIntegrityError => integrityFault(`${what}: ${why}`, "an undamaged package");
    this.archive = new Archive(data, fault, (name) => {
      if (isFileName(name) || IGNORED.some((each) => each.test(name))) return;
      const expected = "plain file names: no path outside the package, no folders";
      throw new ManifestError(what, "file name", repr(shown(name)), expected, FETCH);
    });
    if (!this.allowance.spend(this.archive.inflated)) throw bomb(what, this.archive.inflated);
  }

  /** The bytes of a file, PackageIntegrityError where they are more than `most`. */
  async read(name: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
    const member = this.archive.members.get(name);
    if (!member) throw integrityFault(`${name}: no such file`, "every file that the manifest lists");
    if (member.size > most) throw integrityFault(`${name}: ${member.size} bytes`, `${most} bytes at most`);
    return this.archive.read(name);
  }

  /** All listed files by name; refuses files that are missing, not listed, or not what they should be. */
  async verified(entries: Map<string, FileEntry>): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
    for (const name of sorted(this.archive.members.keys())) {
      if (!entries.has(name) && name !== MANIFEST_NAME && !IGNORED.some((each) => each.test(name))) {
        throw integrityFault(`${this.what}: ${shown(name)}: not in the manifest`, "only files that it lists");
      }
    }
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const name of sorted(entries.keys())) {
      const entry = entries.get(name) as FileEntry;
      const data = await this.read(name, entry.bytes);
      if (data.length !== entry.bytes) {
        throw integrityFault(`${name}: ${data.length} bytes`, `${entry.bytes} bytes (files.${name}.bytes)`);
      }
      const digest = await sha256(data);
      if (digest !== entry.sha256) {
        throw integrityFault(`${name}: SHA-256 ${digest}`, `${entry.sha256} (files.${name}.sha256)`);
      }
      files.set(name, data);
    }
    return files;
  }
}

/** SHA-256 in hexadecimal digits. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    throw new RuntimeFailure(
      "a page without a secure context, in which a package's hashes cannot be checked",
      "https://, or http://localhost",
      "Serve the page over HTTPS, or open it with `emoface view`.",
    );
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
