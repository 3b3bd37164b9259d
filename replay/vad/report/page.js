"use strict";
// The page without it: headline, numbers, charts and lists. With it: tooltips, and the timeline that draws and plays a call.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// ---------------------------------------------------------------- tooltips

const tip = byId("tip");

function amount(value, unit) {
  if (value === null) return "none";
  if (unit === "share") return (value * 100).toFixed(1) + " %";
  if (unit === "ms") return value.toFixed(0) + " ms";
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function describe(row, column) {
  const title = element("b", `threshold ${data.thresholds[row]}, silence ${data.silences[column]} ms`);
  const table = element("table");
  for (const metric of data.metrics) {
    const line = table.insertRow();
    line.append(element("td", metric.title));
    line.append(element("td", amount(metric.values[row][column], metric.unit), "n"));
    const ends = [metric.low, metric.high].map((side) => side[row][column]);
    const range = ends.includes(null) ? "" : ends.map((end) => amount(end, metric.unit).split(" ")[0]).join("\u2013");
    line.append(element("td", range, "dim n"));
  }
  tip.replaceChildren(title, table);
}

function showTip(x, y) {
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
  tip.style.left = clamp(left, 4, Math.max(4, innerWidth - box.width - 4)) + "px";
  tip.style.top = clamp(y - box.height / 2, 4, Math.max(4, innerHeight - box.height - 4)) + "px";
}

function spot(svg) {
  const found = document.createElementNS(svg.namespaceURI, "circle");
  found.setAttribute("r", "5");
  found.setAttribute("class", "mark now");
  found.style.display = "none";
  svg.append(found);
  return found;
}

function place(mark, x, y) {
  mark.style.display = "";
  mark.setAttribute("cx", (x * 100).toFixed(2) + "%");
  mark.setAttribute("cy", (y * 100).toFixed(2) + "%");
}

function heat(host) {
  const svg = host.querySelector("svg"), mark = spot(svg);
  const rows = +host.dataset.rows, columns = +host.dataset.columns;
  let row = Math.floor(rows / 2), column = Math.floor(columns / 2);
  const show = (x, y) => {
    place(mark, (column + 0.5) / columns, 1 - (row + 0.5) / rows);
    describe(row, column);
    const box = svg.getBoundingClientRect();
    showTip(x ?? box.left + ((column + 0.5) / columns) * box.width, y ?? box.top + (1 - (row + 0.5) / rows) * box.height);
  };
  const hide = () => { tip.hidden = true; mark.style.display = "none"; };
  host.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    if (x < 0 || x >= 1 || y < 0 || y >= 1) return hide();
    [row, column] = [Math.floor((1 - y) * rows - 1e-9), Math.floor(x * columns)];
    row = clamp(row, 0, rows - 1);
    show(event.clientX, event.clientY);
  });
  host.addEventListener("pointerleave", hide);
  host.addEventListener("blur", hide);
  host.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    row = clamp(row + step[0], 0, rows - 1);
    column = clamp(column + step[1], 0, columns - 1);
    show();
  });
}

function trade(host) {
  const svg = host.querySelector("svg"), mark = spot(svg);
  const [x0, x1] = host.dataset.x.split(",").map(Number), [y0, y1] = host.dataset.y.split(",").map(Number);
  const delay = data.metrics.find((one) => one.name === "delay_mean_ms").values;
  const share = data.metrics.find((one) => one.name === host.dataset.metric).values;
  const hide = () => { tip.hidden = true; mark.style.display = "none"; };
  host.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = 1600, found = null;
    delay.forEach((line, row) => line.forEach((ms, column) => {
      if (ms === null || share[row][column] === null) return;
      const at = [(ms - x0) / (x1 - x0), 1 - (share[row][column] - y0) / (y1 - y0)];
      const far = (at[0] * box.width - x) ** 2 + (at[1] * box.height - y) ** 2;
      if (far < best) [best, found] = [far, [row, column, ...at]];
    }));
    if (!found) return hide();
    place(mark, found[2], found[3]);
    describe(found[0], found[1]);
    showTip(event.clientX, event.clientY);
  });
  host.addEventListener("pointerleave", hide);
}

document.querySelectorAll("[data-chart=heat]").forEach(heat);
document.querySelectorAll("[data-chart=trade]").forEach(trade);

byId("copy")?.addEventListener("click", async () => {
  const text = byId("toml").textContent;
  try {
    await navigator.clipboard.writeText(text);
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("toml"));
    byId("copy").textContent = "Press Ctrl+C";
  }
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 2000);
});

// ---------------------------------------------------------------- a call

const WINDOW = 32, RATE = 8;  // ms a window, samples a ms
const canvas = byId("timeline"), overview = byId("overview");
let call = null, view = { start: 0, span: 1 }, cursor = 0;
let context = null, playing = null;

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const LINEAR = Float32Array.from({ length: 256 }, (_, code) => {
  code = ~code & 255;
  const size = ((((code & 15) << 3) + 132) << ((code & 112) >> 4)) - 132;
  return (code & 128 ? -size : size) / 32768;
});

function opened(number) {
  const one = data.calls[number];
  if (one && !one.ready) {
    one.wave = new Int8Array(bytes(one.wave).buffer);
    one.p = bytes(one.p);
    one.sound = one.sound.map(([start, text]) => {
      const samples = Float32Array.from(bytes(text), (code) => LINEAR[code]);
      return { start, end: start + samples.length / RATE, samples };
    });
    one.ready = true;
  }
  return one;
}

function wavOf(ms) {
  let found = call.wav[0];
  for (const pair of call.wav) if (pair[0] <= ms) found = pair;
  return found[1] + ms - found[0];
}

function clock(ms, digits = 1) {
  const tenths = Math.max(0, Math.floor(ms / 100));
  const seconds = Math.floor(tenths / 10);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` + (digits ? `.${tenths % 10}` : "");
}

function select(number, ms, span) {
  stop();
  call = opened(number);
  if (!call) return;
  byId("call").value = String(number);
  const first = call.moments[0] ? call.moments[0][0] : 0;
  cursor = ms ?? Math.max(0, first - 1000);
  look(cursor - 4000, span ?? Math.min(20000, call.length));
}

function look(start, span) {
  view.span = clamp(span, 1000, Math.max(1000, call.length));
  view.start = clamp(start, 0, Math.max(0, call.length - view.span));
  draw();
}

function zoom(by, at) {  // around a moment: the cursor, if it is to be seen
  const isSeen = view.start <= cursor && cursor <= view.start + view.span;
  at ??= isSeen ? cursor : view.start + view.span / 2;
  look(at - (at - view.start) * by, view.span * by);
}

// ---------------------------------------------------------------- drawing

function prepared(target) {
  const ratio = devicePixelRatio || 1, width = target.clientWidth, height = +target.getAttribute("height-css") || target.height;
  target.setAttribute("height-css", height);
  target.width = Math.round(width * ratio);
  target.height = Math.round(height * ratio);
  target.style.height = height + "px";
  const pen = target.getContext("2d");
  pen.scale(ratio, ratio);
  return [pen, width, height];
}

function hatched(pen, x, y, width, height, ink) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  pen.beginPath();
  for (let at = x - height - ((x - height) % 7); at < x + width; at += 7) {
    pen.moveTo(at, y + height);
    pen.lineTo(at + height, y);
  }
  pen.stroke();
  pen.restore();
}

function peaks(from, to) {  // least and greatest sample between two moments, -1 to 1
  const piece = to - from < WINDOW && call.sound.find((one) => one.start <= from && from < one.end);
  let low = 1, high = -1;
  if (piece) {
    const end = Math.min(piece.samples.length, Math.ceil((to - piece.start) * RATE));
    for (let n = Math.floor((from - piece.start) * RATE); n < end; n++) {
      low = Math.min(low, piece.samples[n]);
      high = Math.max(high, piece.samples[n]);
    }
  } else {
    const last = Math.min(call.wave.length / 2 - 1, Math.max(Math.floor(from / WINDOW), Math.ceil(to / WINDOW) - 1));
    for (let n = Math.floor(from / WINDOW); n <= last; n++) {
      low = Math.min(low, call.wave[2 * n] / 128);
      high = Math.max(high, (call.wave[2 * n + 1] + 1) / 128);
    }
  }
  return low <= high ? [low, high] : [0, 0];
}

function drawWave(pen, box, start, span) {
  const middle = box.y + box.height / 2;
  const loud = (value) => Math.sign(value) * Math.sqrt(Math.abs(value)) * (box.height / 2);  // quiet callers show too
  pen.fillStyle = colour("dim");
  for (let x = 0; x < box.width; x++) {
    const [low, high] = peaks(start + (x / box.width) * span, start + ((x + 1) / box.width) * span);
    pen.fillRect(x, middle - loud(high), 1, Math.max(1, loud(high) - loud(low)));
  }
}

function bands(pen, box, at) {
  for (const [from, to, pauses] of call.turns) {
    pen.fillStyle = colour("turn");
    pen.fillRect(at(from), box.y, at(to) - at(from), box.height);
    for (const [begin, end] of pauses) {
      pen.clearRect(at(begin), box.y, at(end) - at(begin), box.height);
      pen.fillStyle = colour("pause");
      pen.fillRect(at(begin), box.y, at(end) - at(begin), box.height);
    }
  }
  for (const [from, to] of call.unsure) hatched(pen, at(from), box.y, at(to) - at(from), box.height, colour("line"));
}

function drawProbability(pen, box, at) {
  pen.strokeStyle = colour("strong");
  pen.lineWidth = 1.5;
  pen.beginPath();
  const first = Math.max(0, Math.floor(view.start / WINDOW) - 1);
  const last = Math.min(call.p.length, Math.ceil((view.start + view.span) / WINDOW) + 1);
  for (let n = first; n < last; n++) pen.lineTo(at((n + 0.5) * WINDOW), box.y + box.height * (1 - call.p[n] / 255));
  pen.stroke();
  for (const [name, ink] of [["now", "now"], ["then", "advised"]]) {
    if (data.marks[name] === undefined) continue;
    const y = box.y + box.height * (1 - data.marks[name]);
    pen.strokeStyle = colour(ink);
    pen.setLineDash(name === "now" ? [5, 4] : []);
    pen.beginPath();
    pen.moveTo(0, y);
    pen.lineTo(box.width, y);
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = colour(ink);
    pen.textAlign = "right";
    pen.fillText(name === "now" ? "now" : data.role, box.width - 4, name === "now" ? y - 4 : y + 12);
    pen.textAlign = "left";
  }
}

const cuts = (stop) => stop >= 0 && call.turns.some(([from, to]) => from < stop && stop < to);

function drawDecisions(pen, box, at, segments) {
  for (const [first, heard, end, stop, isFalse] of segments) {
    const from = at(first), to = at(stop < 0 ? call.length : stop);
    const ink = colour(isFalse ? "maybe" : "strong");
    if (isFalse) {
      hatched(pen, from, box.y, to - from, box.height, ink);
    } else {
      pen.fillStyle = ink;
      pen.globalAlpha = 0.35;  // what is only silence that is waited for
      pen.fillRect(from, box.y, to - from, box.height);
      pen.globalAlpha = 1;
      pen.fillRect(from, box.y, at(end) - from, box.height);
    }
    if (stop >= 0) {
      const isCut = cuts(stop);
      pen.fillStyle = colour(isCut ? "bad" : isFalse ? "maybe" : "strong");
      pen.fillRect(to - (isCut ? 5 : 2), box.y - 3, isCut ? 5 : 2, box.height + 6);
    }
  }
}

function drawPlain(pen, box, at, spans, ink) {
  pen.fillStyle = ink;
  for (const [from, to] of spans) pen.fillRect(at(from), box.y, at(to < 0 ? call.length : to) - at(from), box.height);
}

function drawMoments(pen, box, at) {
  for (const [ms, isBetter] of call.moments) {
    pen.fillStyle = colour(isBetter ? "good" : "bad");
    pen.beginPath();
    pen.moveTo(at(ms) - 5, box.y);
    pen.lineTo(at(ms) + 5, box.y);
    pen.lineTo(at(ms), box.y + 8);
    pen.fill();
  }
}

function lanes() {
  const found = [["the caller, and their turns", 74, (pen, box, at) => {
    bands(pen, box, at);
    drawSilent(pen, box, at);
    drawWave(pen, box, view.start, view.span);
  }], ["probability of speech, and thresholds", 74, (pen, box, at) => {
    bands(pen, box, at);
    drawProbability(pen, box, at);
  }], ["the agent speaks", 10, (pen, box, at) => drawPlain(pen, box, at, call.agent, colour("agent"))]];
  const named = { now: data.settings.then ? "now" : "now (what is set)", then: data.role };
  for (const name of ["now", "then"])
    if (call[name]) found.push([`${named[name]}: ${data.settings[name]}`, 14, (pen, box, at) => drawDecisions(pen, box, at, call[name])]);
  call.server.slice(0, 2).forEach((turns, number) =>
    found.push([number ? "the server, in a second session" : "what the server said in the call", 10,
      (pen, box, at) => drawPlain(pen, box, at, turns, colour("quiet"))]));
  return found;
}

function drawSilent(pen, box, at) {  // no sound in the page
  let from = 0;
  pen.fillStyle = colour("line");
  for (const piece of [...call.sound, { start: call.length, end: 0 }]) {
    if (piece.start > from + 1) pen.fillRect(at(from), box.y + box.height - 3, at(piece.start) - at(from), 3);
    from = piece.end;
  }
}

function drawRuler(pen, width, at) {
  const step = [500, 1000, 2000, 5000, 10000, 20000, 60000, 120000, 300000].find((one) => (one / view.span) * width > 62) || 600000;
  const offset = wavOf(view.start) - view.start;
  pen.fillStyle = colour("dim");
  pen.textAlign = "center";
  for (let wav = Math.ceil(wavOf(view.start) / step) * step; wav - offset < view.start + view.span; wav += step) {
    pen.fillText(clock(wav, step < 1000 ? 1 : 0), at(wav - offset), 12);
    pen.fillRect(at(wav - offset), 16, 1, 4);
  }
  pen.textAlign = "left";
}

function draw() {
  if (!call) return;
  const shown = lanes();
  canvas.setAttribute("height-css", 34 + shown.reduce((sum, lane) => sum + lane[1] + 21, 0));
  const [pen, width] = prepared(canvas);
  const at = (ms) => ((ms - view.start) / view.span) * width;
  pen.font = "12px system-ui, sans-serif";
  drawRuler(pen, width, at);
  drawMoments(pen, { y: 20 }, at);
  let y = 32;
  for (const [name, height, paint] of shown) {
    pen.fillStyle = colour("dim");
    pen.fillText(name, 4, y + 10, width - 8);
    paint(pen, { y: y + 15, width, height }, at);
    y += height + 21;
  }
  drawAsked(pen, { y: 32, height: y - 32 }, at);
  pen.fillStyle = colour("ink");
  pen.fillRect(at(cursor), 16, 1.5, y);
  drawOverview();
  tell();
}

function drawAsked(pen, box, at) {  // what is asked about: its edges, and the silence in question
  const one = data.asked[question];
  if (!one || data.calls[one.call] !== call) return;
  pen.strokeStyle = pen.fillStyle = colour("advised");
  pen.lineWidth = 2;
  pen.setLineDash([6, 4]);
  pen.strokeRect(at(one.at[0]), box.y, at(one.at[1]) - at(one.at[0]), box.height - 2);
  pen.setLineDash([]);
  if (!one.gap) return;
  pen.globalAlpha = 0.18;
  pen.fillRect(at(one.gap[0]), box.y, at(one.gap[1]) - at(one.gap[0]), box.height - 2);
  pen.globalAlpha = 1;
}

function drawOverview() {
  const [pen, width, height] = prepared(overview);
  const at = (ms) => (ms / call.length) * width;
  bands(pen, { y: 0, height }, at);
  drawWave(pen, { y: 6, width, height: height - 6 }, 0, call.length);
  drawMoments(pen, { y: 0 }, at);
  pen.strokeStyle = colour("strong");
  pen.lineWidth = 2;
  pen.strokeRect(at(view.start) + 1, 1, Math.max(4, at(view.span) - 2), height - 2);
}

function tell() {
  const near = call.moments.find(([ms]) => Math.abs(ms - cursor) < 1500);
  const text = `${clock(wavOf(cursor))}${near ? `  ${near[2]}` : ""}`;
  if (byId("where").textContent !== text && !playing) byId("where").textContent = text;
}

// ---------------------------------------------------------------- playing


function stop() {
  if (!playing) return;
  playing.source.onended = null;
  playing.source.stop();
  playing = null;
  byId("play").textContent = "\u25b6 Play";
}

function play(ms, until = Infinity) {
  stop();
  const piece = call.sound.find((one) => ms < one.end - 20);
  cursor = piece ? Math.max(ms, piece.start) : ms;
  if (!piece) {
    draw();
    byId("where").textContent = "No sound of this part is in the page.";
    return;
  }
  context ??= new AudioContext();
  context.resume();
  const buffer = context.createBuffer(1, piece.samples.length, RATE * 1000);
  buffer.copyToChannel(piece.samples, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.onended = () => { stop(); draw(); };
  source.start(0, (cursor - piece.start) / 1000);
  playing = { source, until, from: cursor, at: context.currentTime };
  byId("play").textContent = "\u25a0 Stop";
  tell();
  requestAnimationFrame(follow);
}

function follow() {
  if (!playing) return;
  cursor = playing.from + (context.currentTime - playing.at) * 1000;
  if (cursor > playing.until) stop();
  if (cursor > view.start + view.span * 0.9) look(cursor - view.span * 0.1, view.span);
  else draw();
  requestAnimationFrame(follow);
}

function moment(step) {
  const times = call.moments.map(([ms]) => ms);
  const next = step > 0 ? times.find((ms) => ms > cursor + 1001) : times.findLast((ms) => ms < cursor + 999);
  if (next === undefined) return;
  stop();
  cursor = Math.max(0, next - 1000);
  look(cursor - view.span / 5, view.span);
}

// ---------------------------------------------------------------- labels by key

const answered = new Map();  // the number of a question -> the number of its answer
let question = -1, isSaved = true;

function ask(number, sounds) {
  question = clamp(number, 0, data.asked.length - 1);
  const one = data.asked[question], [from, to] = one.at;
  byId("asked").textContent = `${question + 1} of ${data.asked.length}: ${one.text}`;
  byId("answers").replaceChildren(...one.answers.map(([key, name], choice) => {
    const button = element("button");
    button.type = "button";
    button.append(element("kbd", key), ` ${name}`);
    button.setAttribute("aria-pressed", String(answered.get(question) === choice));
    button.addEventListener("click", () => answer(choice));
    return button;
  }));
  const span = Math.max(6000, (to - from) * 1.6);
  select(one.call, Math.max(0, from - 700), span);
  look((from + to - span) / 2, span);
  if (sounds) play(Math.max(0, from - 700), to + 1200);
}

function answer(choice) {
  answered.set(question, choice);
  isSaved = false;
  byId("save").disabled = false;
  byId("done").textContent = `${answered.size} of ${data.asked.length} answered, not saved yet`;
  const next = data.asked.findIndex((_, number) => number > question && !answered.has(number));
  ask(next < 0 ? question : next, next >= 0);
}

function labels() {  // a label file for each call, one behind the other
  const calls = new Map();
  for (const [number, choice] of [...answered].sort((a, b) => a[0] - b[0])) {
    const one = data.asked[number], name = data.calls[one.call].name;
    calls.set(name, [...(calls.get(name) ?? []), ...one.answers[choice][2]]);
  }
  return [...calls].map(([name, lines]) => [`# call ${name}`, ...lines, ""].join("\n")).join("\n");
}

function save() {
  if (!answered.size) return;
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([labels()], { type: "text/plain" }));
  link.download = "answers.labels.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  isSaved = true;
  byId("done").textContent = `${answered.size} saved as ${link.download}`;
}

if (data.asked.length && data.calls.length) {
  byId("ask").hidden = false;
  const actions = { before: () => ask(question - 1, true), again: () => ask(question, true), next: () => ask(question + 1, true), save };
  const keys = { k: actions.before, r: actions.again, j: actions.next, s: save };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input, textarea")) return;
    const box = byId("ask").getBoundingClientRect(), isSeen = box.top < innerHeight && box.bottom > 0;
    const choice = data.asked[question].answers.findIndex(([key]) => key === event.key);
    if (!isSeen || (choice < 0 && !keys[event.key])) return;  // nobody answers what they do not see
    event.preventDefault();
    choice < 0 ? keys[event.key]() : answer(choice);
  });
  addEventListener("beforeunload", (event) => { if (!isSaved) event.preventDefault(); });
}

// ---------------------------------------------------------------- hands

if (data.calls.length) {
  const toggle = () => (playing ? (stop(), draw()) : play(cursor));
  const actions = { play: toggle, back: () => moment(-1), on: () => moment(1), nearer: () => zoom(0.5),
    further: () => zoom(2), whole: () => look(0, call.length) };
  for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
  byId("call").addEventListener("change", (event) => select(+event.target.value));
  const sounds = data.calls.map((one) => one.sound.map(([start, text]) => [start, start + (text.length * 0.75) / RATE]));
  for (const button of document.querySelectorAll("button.go")) {
    if (sounds[button.dataset.call].some(([from, to]) => from <= +button.dataset.ms && +button.dataset.ms < to)) continue;
    button.textContent = button.textContent.replace("\u25b6", "\u2192");  // to be seen, not heard
    button.setAttribute("aria-label", button.getAttribute("aria-label").replace("Play", "Show"));
  }
  document.querySelectorAll("button.go").forEach((button) => button.addEventListener("click", () => {
    const ms = Math.max(0, +button.dataset.ms - 1000);
    select(+button.dataset.call, ms, 12000);
    byId("one").scrollIntoView({ block: "start" });
    play(ms);
  }));

  let grip = null;
  canvas.addEventListener("pointerdown", (event) => { grip = { x: event.clientX, start: view.start, moved: false }; });
  canvas.addEventListener("pointermove", (event) => {
    if (!grip || !event.buttons) return;
    grip.moved ||= Math.abs(event.clientX - grip.x) > 4;
    if (grip.moved) look(grip.start - ((event.clientX - grip.x) / canvas.clientWidth) * view.span, view.span);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (grip && !grip.moved) play(view.start + (event.offsetX / canvas.clientWidth) * view.span);
    grip = null;
  });
  canvas.addEventListener("pointercancel", () => { grip = null; });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) zoom(1.0015 ** event.deltaY, view.start + (event.offsetX / canvas.clientWidth) * view.span);
    else look(view.start + (event.deltaX / canvas.clientWidth) * view.span, view.span);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: () => look(view.start - view.span / 5, view.span), ArrowRight: () => look(view.start + view.span / 5, view.span),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), " ": toggle };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  overview.addEventListener("pointerdown", (event) =>
    look((event.offsetX / overview.clientWidth) * call.length - view.span / 2, view.span));
  new ResizeObserver(draw).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  data.asked.length ? ask(0, false) : select(0);
}
