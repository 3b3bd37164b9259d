"use strict";
// One call's page. Without it there is all that was said and done; with it there is sound, and everything follows it.
(() => {
  const byId = (id) => document.getElementById(id);
  const root = byId("call");
  let facts = JSON.parse(byId("facts").textContent);
  let length = facts.length_ms;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const clock = (ms) => {
    const tenths = Math.round(Math.max(0, ms) / 100); // the nearest one, as the page itself has it
    return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
  };
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  // -------------------------------------------------------------- the sound

  const peaksOf = () => ["caller", "agent"].map((side) => bytes(facts.peaks[side]));
  const curvesOf = () => peaks.map((side) => Float32Array.from(side, (value) => value / 255));
  let peaks = peaksOf();

  async function inflated(text) {
    const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  function wave(caller, agent) { // stereo, 8 kHz, 8 bits of µ-law: as it was on the line
    const head = new DataView(new ArrayBuffer(58));
    const size = caller.length * 2;
    const put = (at, text) => [...text].forEach((letter, n) => head.setUint8(at + n, letter.charCodeAt(0)));
    put(0, "RIFF"); head.setUint32(4, 50 + size, true); put(8, "WAVEfmt "); head.setUint32(16, 18, true);
    head.setUint16(20, 7, true); head.setUint16(22, 2, true); head.setUint32(24, 8000, true); head.setUint32(28, 16000, true);
    head.setUint16(32, 2, true); head.setUint16(34, 8, true); head.setUint16(36, 0, true);
    put(38, "fact"); head.setUint32(42, 4, true); head.setUint32(46, caller.length, true);
    put(50, "data"); head.setUint32(54, size, true);
    const both = new Uint8Array(size);
    for (let n = 0; n < caller.length; n++) { both[2 * n] = caller[n]; both[2 * n + 1] = agent[n]; }
    return new Blob([head.buffer, both], { type: "audio/wav" });
  }

  async function soundAddress() { // with none, silence: the playhead and what follows it still go
    if (root.dataset.sound) return root.dataset.sound;
    const held = byId("sound") ? byId("sound").textContent.split(",") : [];
    const sides = [0, 1].map(() => new Uint8Array(length * 8).fill(255));
    for (const [n, text] of held.entries()) sides[n].set((await inflated(text)).subarray(0, length * 8));
    return URL.createObjectURL(wave(...sides));
  }

  // -------------------------------------------------------------- the waveform, and what goes with it

  const media = new Audio();
  media.preload = "metadata";
  const view = byId("view"), along = byId("along"), head = byId("head");
  const charts = document.currentScript.dataset.charts;
  const nonce = byId("main").dataset.nonce || document.currentScript.nonce || undefined;
  const channel = (name) => ({ waveColor: colour(name), progressColor: colour(name), height: 48 });
  const surfer = WaveSurfer.create({
    container: byId("wave"), media, peaks: curvesOf(), duration: length / 1000, height: 48, splitChannels: [channel("caller"), channel("agent")],
    cursorWidth: 0, barWidth: 2, barGap: 1, barRadius: 1, barMinHeight: 1, normalize: false, dragToSeek: true, hideScrollbar: false, cspNonce: nonce,
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", () => { surfer.setOptions({ splitChannels: [channel("caller"), channel("agent")] }); if (plot) chart(); });

  let now = 0, offset = 0; // ms, pixels
  const width = () => Math.max(view.clientWidth, surfer.getWrapper().clientWidth || 0);

  function ruler() {
    const whole = width(), step = [200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000]
      .find((one) => (one / length) * whole > 64) || 1200000;
    const ticks = [];
    for (let ms = 0; ms < length - step * 0.4; ms += step) {
      const tick = document.createElement("span");
      tick.textContent = step < 1000 ? clock(ms) : clock(ms).slice(0, -2);
      tick.style.left = (ms / length) * 100 + "%";
      ticks.push(tick);
    }
    byId("ruler").replaceChildren(...ticks);
  }

  function flags() {
    view.querySelectorAll(".flag").forEach((flag) => flag.remove());
    for (const one of facts.moments) {
      if (one.kind !== "barge_in") continue;
      const flag = document.createElement("div");
      flag.className = "flag";
      flag.dataset.at = one.t_ms;
      view.append(flag);
    }
  }

  function place() {
    const whole = width();
    along.style.width = whole + "px";
    along.style.transform = `translateX(${-offset}px)`;
    head.style.left = (now / length) * whole - offset + "px";
    for (const flag of view.querySelectorAll(".flag")) flag.style.left = (flag.dataset.at / length) * whole - offset + "px";
  }

  surfer.on("scroll", (_start, _end, left) => { offset = left; place(); });
  surfer.on("redraw", () => { ruler(); place(); });
  surfer.on("zoom", () => { ruler(); place(); });
  addEventListener("resize", () => { ruler(); place(); });
  byId("zoom").addEventListener("change", (event) => {
    const seconds = Number(event.target.value);
    surfer.zoom(seconds && seconds < length / 1000 ? view.clientWidth / seconds : 0);
    seek(now);
  });

  // -------------------------------------------------------------- playing

  const playButton = byId("play"), timeShown = byId("time"), whole = () => ` ${clock(length)}`;

  function seek(ms) {
    now = clamp(ms, 0, length);
    surfer.setTime(now / 1000);
    follow(true);
  }

  async function play(ms) {
    if (ms !== undefined) seek(ms);
    try {
      await surfer.play();
    } catch (error) {
      if (error.name !== "AbortError") tell(byId("note")?.textContent || "This page has no sound.");
    }
  }

  function tell(text) { byId("said").textContent = text; }

  const silences = (() => { // stretches of 0.8 s and more in which neither side is louder than a quiet line
    const found = [], step = facts.peaks.ms;
    let from = null;
    for (let n = 0; n <= peaks[0].length; n++) {
      const isQuiet = n < peaks[0].length && peaks[0][n] < 26 && peaks[1][n] < 26;
      if (isQuiet) from ??= n;
      else if (from !== null) {
        if ((n - from) * step >= 800) found.push([from * step + 200, n * step - 200]);
        from = null;
      }
    }
    return found;
  })();

  function skipped(ms) {
    const silence = byId("skip").checked && silences.find(([from, to]) => from <= ms && ms < to - 100);
    if (silence) surfer.setTime(silence[1] / 1000);
    return Boolean(silence);
  }

  surfer.on("timeupdate", (seconds) => { // one that still comes of a moment that was left is no news
    if (!surfer.isPlaying() || media.seeking) return;
    now = seconds * 1000;
    if (!skipped(now)) follow(false);
  });
  surfer.on("interaction", (seconds) => { now = seconds * 1000; follow(true); });
  for (const [event, text] of [["play", "\u275a\u275a Pause"], ["pause", "\u25b6 Play"], ["finish", "\u25b6 Play"]])
    surfer.on(event, () => { playButton.textContent = text; });
  playButton.addEventListener("click", () => (surfer.isPlaying() ? surfer.pause() : play(now >= length - 50 ? 0 : undefined)));
  byId("speed").addEventListener("change", (event) => surfer.setPlaybackRate(Number(event.target.value), true));

  // -------------------------------------------------------------- what follows the playhead

  const NEAR_MS = 15000; // of the tape's lines are there on both sides of the playhead, or others are asked for
  let lines = [], current = null, currentWord = null, tapedAt = -1;
  const seen = new IntersectionObserver((met) => { for (const one of met) if (one.isIntersecting) wordsOf(lines.find((line) => line.item === one.target)); });

  function look() {
    seen.disconnect();
    lines = [...document.querySelectorAll(".talk > li")].map((item) => {
      const said = item.querySelector("[data-words]");
      if (said) seen.observe(item);
      return { item, said, from: Number(item.dataset.from), to: Number(item.dataset.to), words: null };
    });
  }

  function wordsOf(line) { // made where somebody looks or listens: an hour has ten thousand
    if (line.words || !line.said) return line.words || [];
    const sizes = line.said.dataset.words.split(" ").filter(Boolean).map(Number), texts = [];
    const walker = document.createTreeWalker(line.said, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (!walker.currentNode.parentElement.matches(".hidden-text, .quiet")) texts.push(walker.currentNode);
    line.words = [];
    let at = line.from, n = 0;
    for (const text of texts) {
      const said = text.data, made = [];
      for (let begin = 0; begin < said.length && n < sizes.length; begin += sizes[n], n += 2) {
        const word = document.createElement("span");
        at += sizes[n + 1];
        word.className = "w";
        word.dataset.at = at;
        word.textContent = said.slice(begin, begin + sizes[n]);
        made.push(word);
      }
      text.replaceWith(...made);
      line.words.push(...made);
    }
    return line.words;
  }

  function lineAt(ms) {
    let found = null;
    for (const line of lines) if (line.from <= ms + 1 && (ms <= line.to + 400 || line.from > (found ? found.from : -1))) found = line.said || !found ? line : found;
    return found && ms <= found.to + 1500 ? found : null;
  }

  function wordAt(line, ms) {
    let found = null;
    for (const word of wordsOf(line)) if (Number(word.dataset.at) <= ms + 1) found = word; else break;
    return ms <= line.to + 200 ? found : null;
  }

  function mark(was, is) {
    if (was === is) return is;
    was?.classList.remove("now");
    is?.classList.add("now");
    return is;
  }

  function follow(isSought) {
    timeShown.textContent = `${clock(now)} /${whole()}`;
    place();
    const line = lineAt(now), item = line && line.item;
    if (item && item !== current && byId("follow").checked) show(item);
    current = mark(current, item);
    currentWord = mark(currentWord, line && wordAt(line, now));
    if (isSought || !surfer.isPlaying()) taped();
  }

  function show(item) { // within its own box: the page itself stays where its reader put it
    const box = byId("words");
    if (box.scrollHeight <= box.clientHeight) return;
    const top = item.getBoundingClientRect().top - box.getBoundingClientRect().top;
    if (top < 0 || top > box.clientHeight - 60) box.scrollTop += top - box.clientHeight / 3;
  }

  async function taped() {
    const details = byId("tape");
    if (!details || !details.open || tapedAt === now) return;
    tapedAt = now;
    const address = byId("taped").parentElement.dataset.lines, isNear = facts.tape && facts.tape.from_ms <= Math.max(0, now - NEAR_MS) && now + NEAR_MS <= facts.tape.to_ms;
    if (address && !isNear) {
      const wanted = now, found = await (await fetch(`${address}?at=${Math.round(now)}`)).json();
      if (wanted !== now) return; // somebody has moved on, and asked again
      facts.tape = found;
    }
    const rows = facts.tape ? facts.tape.rows : [];
    let last = rows.findIndex((row) => row[1] > now);
    last = last < 0 ? rows.length : last;
    const made = rows.slice(Math.max(0, last - 8), last + 8).map((row, n) => {
      const line = document.createElement("tr");
      for (const [text, isCode] of [[clock(row[1])], [`${row[2]} \u2190 ${row[3]}`], [row[4], true]]) {
        const cell = line.insertCell(), place = isCode ? cell.appendChild(document.createElement("code")) : cell;
        place.textContent = text;
      }
      if (Math.max(0, last - 8) + n === last - 1) line.className = "now";
      return line;
    });
    byId("taped").replaceChildren(...made);
  }
  byId("tape")?.addEventListener("toggle", () => {
    tapedAt = -1;
    taped();
  });

  // -------------------------------------------------------------- pointing and keys

  document.addEventListener("click", (event) => {
    const aim = event.target.closest("[data-play], [data-at], [data-copy]");
    if (!aim || aim.classList.contains("flag")) return;
    if (aim.dataset.play !== undefined) return play(Number(aim.dataset.play));
    if (aim.dataset.at !== undefined) return seek(Number(aim.dataset.at));
    copy(aim);
  });
  along.addEventListener("click", (event) => {
    if (event.target.closest("[data-at]")) return;
    seek(((event.clientX - view.getBoundingClientRect().left + offset) / width()) * length);
  });

  async function copy(button) {
    const command = button.closest("li").querySelector("pre");
    try {
      await navigator.clipboard.writeText(command.textContent);
      tell("Copied.");
      button.firstChild.textContent = "Copied";
      setTimeout(() => { button.firstChild.textContent = "Copy"; }, 1500);
    } catch {
      getSelection().selectAllChildren(command);
      tell("Selected: copy it with the keyboard.");
    }
  }

  function turn(by) {
    const turns = lines.filter((line) => line.said);
    const before = turns.findLastIndex((line) => line.from <= now + 20);
    const next = turns[clamp(before + by, 0, turns.length - 1)];
    if (!next) return;
    seek(next.from);
    tell(`${clock(next.from)} ${next.item.innerText}`);
  }

  const keys = {
    " ": () => playButton.click(), j: () => turn(1), k: () => turn(-1),
    ArrowLeft: (event) => seek(now - (event.shiftKey ? 1000 : 5000)), ArrowRight: (event) => seek(now + (event.shiftKey ? 1000 : 5000)),
    Home: () => seek(0), End: () => seek(length),
  };
  document.addEventListener("keydown", (event) => {
    const isBusy = event.target.closest("input, select, textarea, summary") || (event.key === " " && event.target.closest("button, a"));
    if (isBusy || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key](event);
  });

  // -------------------------------------------------------------- how long answers took, along the call

  let plot = null;

  function chart() {
    const host = byId("waits-chart");
    plot?.destroy();
    const times = facts.waits.map((wait) => wait.from_ms / 1000), took = facts.waits.map((wait) => wait.to_ms - wait.from_ms);
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    plot = new uPlot({
      width: host.clientWidth, height: 150, legend: { show: false }, scales: { x: { time: false, range: () => [0, length / 1000] }, y: { range: (_plot, _low, high) => [0, Math.max(1000, high * 1.1)] } },
      axes: [{ ...axis, values: (_plot, ticks) => ticks.map((tick) => clock(tick * 1000).slice(0, -2)) }, { ...axis, size: 52, values: (_plot, ticks) => ticks.map((tick) => tick + " ms") }],
      series: [{}, { stroke: colour("accent"), fill: colour("accent"), paths: uPlot.paths.bars({ size: [0.5, 9] }), points: { show: false } }],
    }, [times, took], host);
  }
  function loaded(address) { // what draws charts is a third of the page: it comes when somebody comes to one
    return new Promise((done) => {
      const script = document.createElement("script");
      script.onload = done;
      script.src = address;
      document.head.append(script);
    });
  }
  new IntersectionObserver(async (met, watch) => {
    if (!met.some((one) => one.isIntersecting)) return;
    watch.disconnect();
    if (!window.uPlot) await loaded(charts);
    chart();
  }, { rootMargin: "400px" }).observe(byId("waits-chart") || document.createElement("p"));
  new ResizeObserver(() => plot?.setSize({ width: byId("waits-chart").clientWidth, height: 150 })).observe(document.body);

  // -------------------------------------------------------------- a call that goes on

  const drawn = new Map(); // each part as it came: what has happened to it since is no news

  function renew(page) { // what is the same stays as it is: somebody may be reading, or have it unfolded
    const fresh = document.createElement("template");
    fresh.innerHTML = page.body; // the server's own templates, which escape whatever strangers said
    for (const part of fresh.content.querySelectorAll("[data-part]")) {
      const mine = document.querySelector(`[data-part="${part.dataset.part}"]`), html = part.innerHTML;
      if (mine && drawn.get(part.dataset.part) !== html) mine.replaceChildren(...part.childNodes);
      drawn.set(part.dataset.part, html);
    }
    facts = JSON.parse(page.data);
    length = facts.length_ms;
    peaks = peaksOf();
    surfer.load("", curvesOf(), length / 1000);
    now = length;
    look();
    flags();
    ruler();
    follow(true);
    byId("words").scrollTop = byId("words").scrollHeight;
  }

  function grow(address) {
    const stream = new EventSource(address);
    stream.onmessage = (event) => { renew(JSON.parse(event.data)); document.body.dataset.grown = Number(document.body.dataset.grown || 0) + 1; };
    stream.addEventListener("over", () => { stream.close(); location.reload(); });
    addEventListener("pagehide", () => stream.close());
  }

  // -------------------------------------------------------------- begin

  if (root.dataset.live) for (const part of document.querySelectorAll("[data-part]")) drawn.set(part.dataset.part, part.innerHTML);
  look();
  flags();
  ruler();
  place();
  follow(true);
  const wished = /^#t=([0-9.]+)$/.exec(location.hash); // a link to a second of the call
  if (wished) seek(Number(wished[1]) * 1000);
  if (root.dataset.live) grow(root.dataset.live);
  else soundAddress().then((address) => {
    for (const event of ["loadedmetadata", "error"])
      media.addEventListener(event, () => { document.body.dataset.ready = event === "error" ? "no" : "yes"; }, { once: true });
    media.src = address;
  });
})();
