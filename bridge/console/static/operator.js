// A call that goes on: what is done about it is told in place, and it can be heard. The forms work without this.
"use strict";
(() => {
  const section = document.querySelector(".operator");
  if (!section) return;
  const status = document.getElementById("done"), button = document.getElementById("listen");
  const tell = (text) => { status.textContent = text; };

  // -------------------------------------------------------------- asked in place

  section.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.dataset.done) return;
    event.preventDefault();
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "text/plain" } });
    const said = await answer.text();
    tell(answer.ok ? form.dataset.done : `Not done: ${said}`);
    if (answer.ok) form.querySelectorAll("input:not([type=checkbox])").forEach((input) => { input.value = ""; });
  });

  addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "l" && button) button.click();
    if (event.key === "w") { event.preventDefault(); document.getElementById("whisper").focus(); }
  });

  // -------------------------------------------------------------- heard

  const RATE = 8000, SIDE = 800, LEAD = 0.15, MOST_AHEAD = 0.8; // a block is a tenth of a second of each side
  const LINEAR = Float32Array.from({ length: 256 }, (_, byte) => { // µ-law, G.711
    const code = ~byte & 255, size = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132;
    return (code & 128 ? -size : size) / 32768;
  });

  // Plays blocks one after the other; what comes in a heap is late already, and left out.
  class Speaker {
    constructor() {
      this.context = new AudioContext({ sampleRate: RATE });
      this.at = 0;
      this.heard = 0;
    }

    play(block) {
      const now = this.context.currentTime;
      if (this.at < now) this.at = now + LEAD;
      if (this.at > now + MOST_AHEAD) return;
      const sound = this.context.createBuffer(2, SIDE, RATE);
      const left = sound.getChannelData(0), right = sound.getChannelData(1);
      const loudest = [0, 0];
      for (let n = 0; n < SIDE; n++) {
        const caller = LINEAR[block[n]], agent = LINEAR[block[SIDE + n]];
        left[n] = caller + 0.4 * agent; // a little apart: two people on one ear are hard to follow
        right[n] = agent + 0.4 * caller;
        loudest[0] = Math.max(loudest[0], Math.abs(caller));
        loudest[1] = Math.max(loudest[1], Math.abs(agent));
      }
      const source = this.context.createBufferSource();
      source.buffer = sound;
      source.connect(this.context.destination);
      source.start(this.at);
      this.at += SIDE / RATE;
      this.heard += SIDE / RATE;
      show(loudest, this.heard);
    }

    close() { return this.context.close(); }
  }

  const levels = section.querySelector(".levels");
  function show(loudest, heard) {
    levels.querySelectorAll("i").forEach((bar, side) => { bar.style.width = `${Math.round(Math.sqrt(loudest[side]) * 100)}%`; });
    levels.dataset.heard = heard.toFixed(1);
    levels.dataset.loudest = loudest.map((one) => one.toFixed(3)).join(" ");
  }

  let leaving = null;

  async function listen() {
    const stopped = new AbortController(), speaker = new Speaker();
    leaving = () => stopped.abort();
    pressed(true);
    try {
      tell("You listen in: it stands in the record of this call.");
      while (await hear(speaker, stopped.signal)); // an answer ends after some minutes
      if (status.textContent.startsWith("You listen in")) tell("The call is over.");
    } catch (error) {
      if (error.name !== "AbortError") tell("The sound broke off.");
    }
    leaving = null;
    pressed(false);
    await speaker.close();
  }

  // Plays one answer to its end; says whether there may be another.
  async function hear(speaker, signal) {
    const answer = await fetch(`${section.dataset.call}/listen`, { method: "POST", headers: { Accept: "text/plain" }, signal });
    if (!answer.ok) {
      tell(`Not done: ${await answer.text()}`);
      return false;
    }
    const reader = answer.body.getReader();
    let rest = new Uint8Array(0);
    for (let part; !(part = await reader.read()).done;) {
      const data = new Uint8Array(rest.length + part.value.length);
      data.set(rest);
      data.set(part.value, rest.length);
      let place = 0;
      for (; place + 2 * SIDE <= data.length; place += 2 * SIDE) speaker.play(data.subarray(place, place + 2 * SIDE));
      rest = data.slice(place);
    }
    return rest.length === 0; // a last byte says that the call is over
  }

  function pressed(on) {
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Stop listening" : "Listen in";
    levels.hidden = !on;
    if (!on && status.textContent.startsWith("You listen in")) tell("You listen in no more.");
  }

  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => (leaving ? leaving() : listen()));
    addEventListener("pagehide", () => leaving?.());
  }
})();
