/** The scene: a head, light, and a camera that people turn. */
import * as THREE from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { VRMLoaderPlugin, VRMUtils, type VRM } from "@pixiv/three-vrm";
import { HeadView, MorphView, VrmView } from "../src/view/index.ts";
import { RigError } from "../src/errors.ts";
import type { Face } from "../src/face_file.ts";
import type { Frame } from "../src/live/playout.ts";

const STEP = 0.12; // radians per key
const REFRESH_MS = 500; // a texture may have come

export class Stage {
  private readonly renderer: THREE.WebGLRenderer;
  private readonly scene = new THREE.Scene();
  private readonly camera = new THREE.PerspectiveCamera(24, 1, 0.01, 50);
  private readonly orbit: OrbitControls;
  private head: HeadView | null = null;
  private model: { object: THREE.Object3D; view: MorphView | VrmView; vrm: VRM | null } | null = null;
  private before = performance.now();
  private turned = false; // by hand: then it stays as it is
  private shown: Frame | null | undefined;
  private stale = true; // the picture, so that nothing is drawn twice

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.toneMapping = THREE.ACESFilmicToneMapping;
    this.renderer.toneMappingExposure = 1.1;
    const key = new THREE.DirectionalLight(0xfff1e2, 2.6);
    key.position.set(0.6, 0.9, 1.4);
    const rim = new THREE.DirectionalLight(0xcfe3ff, 1.6);
    rim.position.set(-1.2, 0.5, -0.8);
    const fill = new THREE.DirectionalLight(0xe6efff, 0.8);
    fill.position.set(-0.9, 0.1, 1);
    this.scene.add(key, rim, fill, new THREE.HemisphereLight(0xffffff, 0x8d8272, 0.9));
    this.orbit = new OrbitControls(this.camera, canvas);
    this.orbit.enableDamping = true;
    this.orbit.enablePan = false;
    this.orbit.addEventListener("start", () => (this.turned = true));
    this.orbit.addEventListener("change", () => (this.stale = true));
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  /** Show the package's own face. */
  setFace(face: Face): void {
    if (this.head) {
      this.scene.remove(this.head.object);
      this.head.dispose();
    }
    this.head = new HeadView(face);
    this.scene.add(this.head.object);
    this.clearModel();
  }

  /** Show a model of the user's own in place of the head; RigError where weights cannot move it. */
  async setModel(file: File, names: readonly string[]): Promise<string> {
    const loader = new GLTFLoader();
    loader.register((parser) => new VRMLoaderPlugin(parser));
    const address = URL.createObjectURL(file);
    let gltf: Awaited<ReturnType<GLTFLoader["loadAsync"]>>;
    try {
      gltf = await loader.loadAsync(address);
    } catch (error) {
      throw new RigError(`${file.name}: ${(error as Error).message}`, "a .glb or .vrm file", "Export the model again.");
    } finally {
      URL.revokeObjectURL(address);
    }
    const vrm = (gltf.userData.vrm as VRM | undefined) ?? null;
    const view = vrm ? new VrmView(vrm, names) : new MorphView(gltf.scene, names);
    if (vrm) VRMUtils.rotateVRM0(vrm);
    this.clearModel();
    this.model = { object: vrm ? vrm.scene : gltf.scene, view, vrm };
    this.scene.add(this.model.object);
    if (this.head) this.head.object.visible = false;
    this.frameView();
    if (view instanceof MorphView) return `${view.found.length} of ARKit's 52 shapes`;
    return view.perfectSync ? "a VRM with ARKit's shapes" : "a VRM, by its vowels";
  }

  clearModel(): void {
    if (this.model) this.scene.remove(this.model.object);
    this.model = null;
    if (this.head) this.head.object.visible = true;
    this.frameView();
  }

  get hasModel(): boolean {
    return this.model !== null;
  }

  setWeightMap(on: boolean): void {
    this.head?.setWeightMap(on);
    this.shown = undefined;
  }

  /** Draw a frame; null is the neutral face. Nothing is drawn where nothing has changed. */
  draw(frame: Frame | null): void {
    const { model, head } = this;
    if (frame !== this.shown) {
      this.shown = frame;
      this.stale = true;
      if (!model) frame ? head?.show(frame) : head?.rest();
      else if (model.view instanceof VrmView) model.view.show(frame?.blendshapeWeights ?? [], frame?.headRotation ?? []);
      else model.view.show(frame?.blendshapeWeights ?? []);
    }
    this.orbit.update();
    const now = performance.now();
    if (!this.stale && !model?.vrm && !(now - this.before > REFRESH_MS)) return;
    model?.vrm?.update((now - this.before) / 1000);
    this.before = now;
    this.stale = false;
    this.renderer.render(this.scene, this.camera);
  }

  /** The camera in front of what there is to see. */
  private frameView(): void {
    this.stale = true;
    this.shown = undefined;
    const object = this.model?.object ?? this.head?.object;
    if (!object) return;
    object.updateWorldMatrix(true, true);
    const box = new THREE.Box3();
    const bone = this.model?.vrm?.humanoid?.getRawBoneNode("head");
    if (bone) {
      const at = bone.getWorldPosition(new THREE.Vector3()).add(new THREE.Vector3(0, 0.06, 0));
      box.setFromCenterAndSize(at, new THREE.Vector3(0.3, 0.34, 0.3));
    } else {
      box.setFromObject(object);
    }
    const size = box.getSize(new THREE.Vector3());
    const centre = box.getCenter(new THREE.Vector3());
    const reach = Math.max(size.y, size.x / Math.max(this.camera.aspect, 0.6)) / 2;
    const far = (reach * 1.12) / Math.tan((this.camera.fov * Math.PI) / 360) + size.z / 2;
    this.camera.near = far / 50;
    this.camera.far = far * 20;
    this.camera.updateProjectionMatrix();
    this.turned = false;
    this.orbit.target.copy(centre);
    this.orbit.minDistance = far * 0.3;
    this.orbit.maxDistance = far * 3;
    this.camera.position.copy(centre).add(new THREE.Vector3(far * 0.18, far * 0.02, far * 0.98));
    this.orbit.update();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (!this.turned) this.frameView();
  }

  private key(event: KeyboardEvent): void {
    const spot = new THREE.Spherical().setFromVector3(this.camera.position.clone().sub(this.orbit.target));
    const moves: Record<string, () => void> = {
      ArrowLeft: () => (spot.theta -= STEP),
      ArrowRight: () => (spot.theta += STEP),
      ArrowUp: () => (spot.phi -= STEP),
      ArrowDown: () => (spot.phi += STEP),
      "+": () => (spot.radius *= 0.9),
      "=": () => (spot.radius *= 0.9),
      "-": () => (spot.radius /= 0.9),
    };
    if (event.key === "Home") this.frameView();
    else if (moves[event.key]) {
      moves[event.key]();
      this.turned = true;
      spot.makeSafe();
      this.camera.position.setFromSpherical(spot).add(this.orbit.target);
    } else return;
    event.preventDefault();
  }
}
