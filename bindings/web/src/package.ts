/** Packages: read once, checked whole, immutable. */
import { readFace, readGolden, FACE, GOLDEN, type Face, type Golden } from "./face_file.ts";
import { MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest } from "./manifest.ts";
import { PackageFiles } from "./package_files.ts";
import { readTextures } from "./textures.ts";

export class Package {
  private constructor(
    readonly source: string,
    readonly manifest: Manifest,
    readonly face: Face,
    readonly golden: Golden,
    private readonly files: Map<string, Uint8Array<ArrayBuffer>>,
  ) {}

  /**
   * Read a package (`name.emoface`, a zip). Every listed file's SHA-256 is compared.
   *
   * @param data its bytes.
   * @param source names it in messages.
   * @throws PackageError: PackageIntegrityError, ManifestError, PackageFormatError.
   */
  static async load(data: ArrayBuffer | Uint8Array, source = "the package"): Promise<Package> {
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
    const zip = new PackageFiles(bytes, source);
    const manifest = Manifest.fromJson(await zip.read(MANIFEST_NAME, MAX_MANIFEST_BYTES));
    const files = await zip.verified(manifest.files);
    const face = await readFace(manifest, files.get(FACE) as Uint8Array, zip.allowance);
    const golden = await readGolden(manifest, files.get(GOLDEN) as Uint8Array, zip.allowance);
    face.textures = readTextures(manifest, files);
    return new Package(source, manifest, face, golden, files);
  }

  /** The verified bytes of a file of the package. */
  file(name: string): Uint8Array<ArrayBuffer> {
    return this.files.get(name) as Uint8Array<ArrayBuffer>;
  }
}
