/** The package's own head as a three.js object: template, triangles, texture, colours, and the emotion branch's weights. */
import * as THREE from "three";
import type { Face } from "../face_file.ts";
import type { Frame } from "../live/playout.ts";

type Floats = Float32Array<ArrayBuffer>;

export class HeadView {
  /** Turned and moved by the head's pose. */
  readonly object = new THREE.Group();
  readonly mesh: THREE.Mesh<THREE.BufferGeometry, THREE.MeshStandardMaterial>;
  private readonly corners: Int32Array;
  private readonly welds: Int32Array;
  private readonly triangles: Int32Array;
  private readonly normals: Floats;
  private readonly albedo: Floats;
  private readonly colours: THREE.BufferAttribute;
  private texture: THREE.Texture | null = null;
  private weightMap = false;

  constructor(private readonly face: Face) {
    const split = splitCorners(face);
    this.corners = split.vertices;
    this.welds = split.welds;
    this.triangles = split.index;
    this.normals = new Float32Array((Math.max(-1, ...split.welds) + 1) * 3);
    const geometry = new THREE.BufferGeometry();
    const count = this.corners.length;
    const dynamic = (): THREE.BufferAttribute =>
      new THREE.BufferAttribute(new Float32Array(count * 3), 3).setUsage(THREE.DynamicDrawUsage);
    geometry.setAttribute("position", dynamic());
    geometry.setAttribute("normal", dynamic());
    this.albedo = Float32Array.from({ length: count * 3 }, (_, i) => face.colours[this.corners[Math.floor(i / 3)] * 3 + (i % 3)]);
    this.colours = dynamic();
    geometry.setAttribute("color", this.colours);
    if (split.uvs) geometry.setAttribute("uv", new THREE.BufferAttribute(split.uvs, 2));
    geometry.setIndex(new THREE.BufferAttribute(new Uint32Array(split.index), 1));
    const material = new THREE.MeshStandardMaterial({ vertexColors: true, roughness: 0.62, metalness: 0 });
    this.mesh = new THREE.Mesh(geometry, material);
    this.mesh.frustumCulled = false;
    this.object.add(this.mesh);
    this.object.scale.setScalar(face.unitInMetres);
    this.setVertices(face.template);
    this.showColours();
    const albedo = face.textures.get("albedo");
    if (albedo && split.uvs) void this.loadTexture(albedo);
  }

  private async loadTexture(png: Uint8Array): Promise<void> {
    const image = await createImageBitmap(new Blob([new Uint8Array(png)], { type: "image/png" }));
    const texture = new THREE.Texture(image);
    texture.colorSpace = THREE.SRGBColorSpace;
    texture.flipY = false; // rows of uvs count from the top, as glTF's
    texture.anisotropy = 4;
    texture.needsUpdate = true;
    this.texture = texture;
    this.showColours();
  }

  /** Draw a frame. */
  show(frame: Frame): void {
    this.setVertices(frame.vertices);
    if (this.weightMap && frame.emotionWeight.length) this.paint(frame.emotionWeight);
    const { headRotation: r, headTranslation: t } = frame;
    const matrix = new THREE.Matrix4();
    if (r.length) matrix.set(r[0], r[1], r[2], t[0], r[3], r[4], r[5], t[1], r[6], r[7], r[8], t[2], 0, 0, 0, 1);
    this.mesh.matrixAutoUpdate = false;
    this.mesh.matrix.copy(matrix);
  }

  /** The neutral face. */
  rest(): void {
    this.setVertices(this.face.template);
    this.mesh.matrix.identity();
    if (this.weightMap) this.paint(new Float32Array(this.face.template.length / 3));
  }

  /** Colour the vertices by the share of the emotion branch, or as they are. */
  setWeightMap(on: boolean): void {
    this.weightMap = on;
    if (on) this.paint(new Float32Array(this.face.template.length / 3));
    this.showColours();
  }

  dispose(): void {
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
    this.texture?.dispose();
  }

  private showColours(): void {
    const { material } = this.mesh;
    const textured = this.texture !== null && !this.weightMap;
    material.map = textured ? this.texture : null;
    material.vertexColors = !textured;
    material.needsUpdate = true;
    if (!this.weightMap) {
      this.colours.array.set(this.albedo);
      this.colours.needsUpdate = true;
    }
  }

  private paint(weight: ArrayLike<number>): void {
    const colours = this.colours.array;
    this.corners.forEach((v, corner) => colours.set(heat(weight[v]), corner * 3));
    this.colours.needsUpdate = true;
  }

  private setVertices(vertices: ArrayLike<number>): void {
    const { geometry } = this.mesh;
    const position = geometry.getAttribute("position") as THREE.BufferAttribute;
    const to = position.array;
    const { corners, welds, triangles, normals } = this;
    for (let corner = 0; corner < corners.length; corner++) {
      const from = corners[corner] * 3;
      for (let axis = 0; axis < 3; axis++) to[corner * 3 + axis] = vertices[from + axis];
    }
    position.needsUpdate = true;
    // Smooth over what belongs together, though a seam of the texture parts it.
    normals.fill(0);
    for (let i = 0; i < triangles.length; i += 3) {
      const [a, b, c] = [triangles[i] * 3, triangles[i + 1] * 3, triangles[i + 2] * 3];
      const [ux, uy, uz] = [to[b] - to[a], to[b + 1] - to[a + 1], to[b + 2] - to[a + 2]];
      const [vx, vy, vz] = [to[c] - to[a], to[c + 1] - to[a + 1], to[c + 2] - to[a + 2]];
      const [nx, ny, nz] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
      for (let corner = 0; corner < 3; corner++) {
        const at = welds[triangles[i + corner]] * 3;
        normals[at] += nx;
        normals[at + 1] += ny;
        normals[at + 2] += nz;
      }
    }
    const normal = geometry.getAttribute("normal") as THREE.BufferAttribute;
    for (let corner = 0; corner < corners.length; corner++) {
      const at = welds[corner] * 3;
      const [x, y, z] = [normals[at], normals[at + 1], normals[at + 2]];
      const size = Math.sqrt(x * x + y * y + z * z) || 1;
      normal.array.set([x / size, y / size, z / size], corner * 3);
    }
    normal.needsUpdate = true;
  }
}

interface Split {
  /** Vertex of the face behind each corner, and which corners share a normal. */
  vertices: Int32Array;
  welds: Int32Array;
  index: Int32Array;
  uvs: Floats | null;
}

/** Corners of the triangles, as many as differ in vertex, texture coordinates or smooth group. */
function splitCorners(face: Face): Split {
  const { faces, uvFaces, normalGroups, uvs } = face;
  const known = new Map<string, number>();
  const welded = new Map<string, number>();
  const vertices: number[] = [];
  const welds: number[] = [];
  const coordinates: number[] = [];
  const index = new Int32Array(faces.length);
  for (let place = 0; place < faces.length; place++) {
    const group = normalGroups ? normalGroups[Math.floor(place / 3)] : 0;
    const key = `${faces[place]},${uvFaces ? uvFaces[place] : 0},${group}`;
    let corner = known.get(key);
    if (corner === undefined) {
      corner = vertices.length;
      known.set(key, corner);
      vertices.push(faces[place]);
      const weld = `${faces[place]},${group}`;
      if (!welded.has(weld)) welded.set(weld, welded.size);
      welds.push(welded.get(weld) as number);
      if (uvs && uvFaces) coordinates.push(uvs[uvFaces[place] * 2], uvs[uvFaces[place] * 2 + 1]);
    }
    index[place] = corner;
  }
  return {
    vertices: Int32Array.from(vertices),
    welds: Int32Array.from(welds),
    index,
    uvs: uvs && uvFaces ? Float32Array.from(coordinates) : null,
  };
}

// From blue (content alone) over white to red (emotion alone): told apart without red and green.
const HEAT = [[0.02, 0.09, 0.42], [0.16, 0.45, 0.78], [0.86, 0.87, 0.88], [0.93, 0.52, 0.13], [0.55, 0.07, 0.03]];

function heat(weight: number): number[] {
  const place = Math.min(Math.max(weight, 0), 1) * (HEAT.length - 1);
  const left = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[left].map((value, i) => value + (HEAT[left + 1][i] - value) * (place - left));
}
