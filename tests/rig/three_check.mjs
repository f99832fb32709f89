// Opens a .glb in three.js in headless Chromium, plays its clip, draws a frame, and prints what it found as JSON:
//   node three_check.mjs FILE.glb CHROMIUM TIME
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [file, executablePath, time] = process.argv.slice(2);
const three = path.join(path.dirname(fileURLToPath(import.meta.url)), "node_modules", "three");
const page_html = `<!doctype html><script type="importmap">
{"imports": {"three": "/three/build/three.module.js", "three/addons/": "/three/examples/jsm/"}}</script>`;

const server = http.createServer((request, response) => {
  const name = new URL(request.url, "http://localhost").pathname;
  if (name === "/") return response.writeHead(200, { "content-type": "text/html" }).end(page_html);
  const source = name === "/face.glb" ? file : path.join(three, path.normalize(name.replace(/^\/three\//, "/")));
  if (!fs.existsSync(source)) return response.writeHead(404).end();
  const type = source.endsWith(".js") ? "text/javascript" : "application/octet-stream";
  response.writeHead(200, { "content-type": type }).end(fs.readFileSync(source));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});
try {
  const page = await browser.newPage({ viewport: { width: 128, height: 128 } });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const found = await page.evaluate(async (time) => {
    const THREE = await import("three");
    const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
    const gltf = await new GLTFLoader().loadAsync("/face.glb");
    let mesh;
    gltf.scene.traverse((node) => { if (node.morphTargetDictionary) mesh = node; });
    const clip = gltf.animations[0];
    const mixer = new THREE.AnimationMixer(gltf.scene);
    mixer.clipAction(clip).play();
    mixer.setTime(time);
    const renderer = new THREE.WebGLRenderer({ preserveDrawingBuffer: true });
    renderer.setSize(128, 128);
    const scene = new THREE.Scene();
    scene.add(gltf.scene, new THREE.HemisphereLight(0xffffff, 0x444444, 3));
    const box = new THREE.Box3().setFromObject(gltf.scene);
    const size = box.getSize(new THREE.Vector3()).length();
    const camera = new THREE.PerspectiveCamera(30, 1, size / 100, size * 10);
    camera.position.copy(box.getCenter(new THREE.Vector3())).z += 2 * size;
    renderer.render(scene, camera);
    const gl = renderer.getContext();
    const pixels = new Uint8Array(4 * 128 * 128);
    gl.readPixels(0, 0, 128, 128, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    let drawn = 0;
    for (let i = 0; i < pixels.length; i += 4) drawn += pixels[i] + pixels[i + 1] + pixels[i + 2] > 30 ? 1 : 0;
    return {
      three: THREE.REVISION,
      names: Object.keys(mesh.morphTargetDictionary),
      vertices: mesh.geometry.attributes.position.count,
      clips: gltf.animations.map((animation) => animation.name),
      duration: clip.duration,
      influences: Array.from(mesh.morphTargetInfluences),
      drawn: drawn / (128 * 128),
    };
  }, Number(time));
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
  server.close();
}
