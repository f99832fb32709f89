/** The panel: emotion, level, style, strength, blinks, gaze, head, and what is shown. Labels, keyboard, large targets. */
import type { VoiceInfo } from "../src/live/messages.ts";
import type { RigOptions } from "../src/rig/choices.ts";
import type { AnimatorOptions } from "../src/animator.ts";

export interface ControlEvents {
  condition(name: string, value: string | null): void;
  options(options: AnimatorOptions): void;
  rig(options: RigOptions): void;
  weightMap(on: boolean): void;
  ownHead(): void;
}

const SPELT: Record<string, string> = { auto: "as heard" };

/** Fill the panel for a package; what it cannot be steered by is left out. */
export function buildControls(panel: HTMLElement, info: VoiceInfo, events: ControlEvents): void {
  panel.replaceChildren();
  const group = (title: string): HTMLElement => {
    const heading = document.createElement("h2");
    heading.textContent = title;
    panel.append(heading);
    return panel;
  };
  const { choices, can } = info;
  if (Object.keys(choices).length) group("Expression");
  const first: Record<string, [string, string] | null> = {
    emotion: null, level: null, style: ["", "mean of all"], person: ["", "the package's own"],
  };
  for (const [name, title] of [["emotion", "Emotion"], ["level", "Level"], ["style", "Style"], ["person", "Person"]]) {
    if (!choices[name]) continue;
    const entries = choices[name].map((each): [string, string] => [each, SPELT[each] ?? each]);
    if (first[name]) entries.unshift(first[name]);
    const initial = name === "emotion" && choices[name].includes("auto") ? "auto" : entries[0][0];
    panel.append(choice(name, title, entries, initial, (value) => events.condition(name, value || null)));
  }
  if (choices.emotion?.includes("auto") && choices.emotion.includes("neutral")) {
    panel.append(slider("auto_strength", "Follow voice", [0, 1, 0.05], 1, percent, (value) => events.options({ autoStrength: value })));
  }
  if (info.identities.length) {
    const entries: [string, string][] = [["", "the package's own"], ...info.identities.map((n): [string, string] => [n, n])];
    panel.append(choice("identity", "Identity", entries, "", (value) => events.options({ identity: value || null })));
  }
  group("Motion");
  const controls = { lowerStrength: 1, upperStrength: 1, lowerSmoothing: 0, upperSmoothing: 0 };
  const change = (changed: Partial<typeof controls>): void => events.rig({ controls: Object.assign(controls, changed) });
  if (can.controls) {
    panel.append(slider("lower_strength", "Mouth", [0, 2, 0.05], 1, percent, (value) => change({ lowerStrength: value })));
    panel.append(slider("upper_strength", "Brows, eyes", [0, 2, 0.05], 1, percent, (value) => change({ upperStrength: value })));
  } else {
    panel.append(
      slider("strength", "Strength", [0, 2, 0.05], 1, percent, (value) => change({ lowerStrength: value, upperStrength: value })),
    );
  }
  panel.append(
    slider("smoothing", "Smoothing", [0, 0.2, 0.01], 0, (value) => `${Math.round(value * 1000)} ms`, (value) =>
      change({ lowerSmoothing: value, upperSmoothing: value }),
    ),
  );
  const perMinute = (value: number): string => (value < 4 ? "off" : `${value} /min`);
  const factor = (value: number): string => (value < 0.1 ? "off" : percent(value));
  if (can.blinks) {
    panel.append(slider("blinks", "Blinks", [3, 40, 1], 15, perMinute, (value) => events.rig({ blinks: value < 4 ? false : { rate: value } })));
  }
  if (can.gaze) panel.append(slider("gaze", "Gaze", [0, 2, 0.1], 1, factor, (value) => events.rig({ gaze: value < 0.1 ? false : value })));
  if (can.headSway) {
    panel.append(slider("head_sway", "Head", [0, 2, 0.1], 1, factor, (value) => events.rig({ headSway: value < 0.1 ? false : value })));
  }
  if (can.weight) {
    group("View");
    panel.append(check("weight_map", "Where emotion moves the face", false, events.weightMap));
  }
  const own = document.createElement("button");
  own.type = "button";
  own.id = "own_head";
  own.textContent = "Back to the package's head";
  own.hidden = true;
  own.onclick = () => events.ownHead();
  panel.append(own);
}

function percent(value: number): string {
  return `${Math.round(value * 100)} %`;
}

function row(id: string, title: string, field: HTMLElement, kind = ""): HTMLElement {
  const made = document.createElement("div");
  made.className = `row ${kind}`;
  const label = document.createElement("label");
  label.htmlFor = field.id = id;
  label.textContent = title;
  made.append(label, field);
  return made;
}

function choice(
  id: string, title: string, entries: [string, string][], initial: string, changed: (value: string) => void,
): HTMLElement {
  const select = document.createElement("select");
  for (const [value, text] of entries) select.add(new Option(text, value, false, value === initial));
  select.onchange = () => changed(select.value);
  return row(id, title, select);
}

function slider(
  id: string, title: string, [least, most, step]: number[], initial: number, told: (value: number) => string,
  changed: (value: number) => void,
): HTMLElement {
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min: String(least), max: String(most), step: String(step), value: String(initial) });
  const output = document.createElement("output");
  output.htmlFor = id;
  const tell = (): void => {
    output.textContent = told(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.oninput = tell;
  input.onchange = () => changed(Number(input.value));
  tell();
  const made = row(id, title, input);
  made.append(output);
  return made;
}

function check(id: string, title: string, initial: boolean, changed: (on: boolean) => void): HTMLElement {
  const input = document.createElement("input");
  Object.assign(input, { type: "checkbox", checked: initial });
  input.onchange = () => changed(input.checked);
  return row(id, title, input, "check");
}
