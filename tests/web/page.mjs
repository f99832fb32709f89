// node page.mjs < {playwright, chromium, address, folder, audio, long, models, damaged, pictures, apart}: the page in a
// browser; what was seen as JSON.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const job = JSON.parse(readFileSync(0, "utf8"));
const { chromium } = await import(pathToFileURL(job.playwright));
// The head alone is drawn by the stand-in for a graphics card, which is slow.
const GL = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
  "--disable-accelerated-2d-canvas", "--disable-gpu-compositing", "--disable-gpu-rasterization"];
const SOUND = ["--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"];
const HEAR = ["--use-fake-ui-for-media-stream", `--use-file-for-fake-audio-capture=${job.audio}`];
const SIZE = { width: 480, height: 640 };
const LONG = { timeout: 90_000 };
const said = {};

const browser = await chromium.launch({ executablePath: job.chromium, args: [...GL, ...SOUND, ...HEAR] });
const open = async (options = {}, prepare = async () => {}) => {
  const context = await browser.newContext({ viewport: SIZE, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  await prepare(page);
  await page.goto(job.address);
  return page;
};
const ready = (page) => page.waitForSelector('body[data-state="ready"]', LONG);
const state = (page, name) => page.getAttribute("body", `data-${name}`);
/** The face as it is drawn, from the canvas: a picture of the whole page takes seconds while it speaks. */
const shot = async (page, name) => {
  const address = await page.evaluate(async () => {
    const face = document.getElementById("face");
    const small = document.createElement("canvas");
    [small.width, small.height] = [240, Math.round((240 * face.height) / face.width)];
    const context = small.getContext("2d");
    const middle = [small.width >> 1, small.height >> 1, 1, 1];
    for (;;) {
      await new Promise(requestAnimationFrame); // right behind the page's own drawing, if it draws
      context.drawImage(face, 0, 0, small.width, small.height);
      if (context.getImageData(...middle).data[3]) return small.toDataURL("image/png");
    }
  });
  writeFileSync(`${job.folder}/${name}.png`, Buffer.from(address.split(",")[1], "base64"));
};
const error = async (page) => {
  const box = await page.waitForSelector("#error:not([hidden])", LONG);
  return [await box.getAttribute("data-kind"), await box.textContent()];
};
/** Pictures while the page speaks, `count` of them, some frames apart however slow the machine is. */
const watch = async (page, name, count) => {
  let before = -100;
  for (let index = 0; index < count; index++) {
    for (let turn = 0; turn < 200; turn++) {
      const frame = Number(await state(page, "frame"));
      if (Math.abs(frame - before) >= job.apart) {
        before = frame;
        break;
      }
      await page.waitForTimeout(25);
    }
    await shot(page, `${name}${index}`);
  }
};

/** Wait for the end of what sounds, and hasten it. */
const quiet = async (page) => {
  while ((await state(page, "state")) !== "ready") {
    await page.keyboard.press("Escape");
    await page.waitForTimeout(100);
  }
};

// A file, without CSP being passed over.
let page = await open();
await ready(page);
said.loadMs = Number(await state(page, "load-ms"));
await shot(page, "rest");
await page.setInputFiles("#file", job.long);
await page.waitForSelector('body[data-state="playing"][data-frame]', LONG);
await watch(page, "file", job.pictures);
said.figures = await page.textContent("#figures");
await page.click("#interrupt");
await page.waitForSelector('body[data-state="ready"]', LONG);
await page.waitForTimeout(300);
await shot(page, "interrupted");

// By keyboard: every control can be reached and has a name.
said.labels = await page.locator("button:visible, select:visible, input:visible, canvas:visible").evaluateAll((all) =>
  all.map((each) => each.getAttribute("aria-label") ?? (each.labels?.[0] ?? each).textContent.trim()));
await page.focus("#face");
await page.keyboard.press("ArrowRight");
await page.keyboard.press("ArrowRight");
await page.waitForTimeout(400);
await shot(page, "turned");
await page.focus("#talk");
await page.keyboard.press("Enter");
await page.waitForSelector('body[data-state="talking"]', LONG);
await page.waitForTimeout(600);
await watch(page, "talk", job.pictures);
said.talked = Number(await state(page, "frame"));
await page.keyboard.press("Enter");
await page.waitForSelector('body[data-state="ready"]', LONG);

// Models of other makers, and one that cannot speak.
for (const [name, file] of Object.entries(job.models)) {
  await page.setInputFiles("#file", file);
  if (name === "mute") {
    said.mute = await error(page);
    continue;
  }
  await page.waitForSelector("#own_head:visible", LONG);
  said[name] = await page.textContent("#status");
  await page.setInputFiles("#file", job.audio);
  await page.waitForSelector('body[data-state="playing"]', LONG);
  await watch(page, name, 6);
  await quiet(page);
}
await page.click("#own_head");
await page.check("#weight_map");
await page.waitForTimeout(300);
await shot(page, "weights");
await page.setInputFiles("#file", job.damaged);
said.damaged = await error(page);
said.faults = page.faults;
await page.context().close();

// A phone in the dark.
page = await open({ viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true });
await ready(page);
said.overflow = await page.locator("body").evaluate((body) => body.scrollWidth - innerWidth);
said.ground = await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
said.targets = await page.locator("button:visible, .button:visible, select:visible").evaluateAll((all) =>
  Math.min(...all.map((each) => each.getBoundingClientRect().height)));
await page.screenshot({ path: `${job.folder}/phone.png`, fullPage: true });
await page.context().close();

// What browsers refuse.
page = await open({}, (made) => made.addInitScript(() => { WebAssembly.validate = () => false; }));
said.simd = await error(page);
await page.context().close();
await browser.close();
const deaf = await chromium.launch({ executablePath: job.chromium, args: [...GL, ...SOUND, "--deny-permission-prompts"] });
page = await deaf.newPage({ viewport: SIZE });
await page.goto(job.address);
await ready(page);
await page.click("#talk");
said.denied = await error(page);
await deaf.close();
console.log(JSON.stringify(said));
