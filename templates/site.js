// Only adds to pages that work without it: the search, the player, the transcript that follows, and the buttons that copy an address.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  const words = button.innerHTML;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.innerHTML = words; }, 3000);
  });
}

const searching = document.querySelector(".searching");
if (searching) search(searching);

const player = document.querySelector(".player");
if (player) listen(player);

function listen(player) {
  const audio = player.querySelector("audio");
  const find = (selector) => player.querySelector(selector);
  const play = find(".play"), position = find(".position"), passed = find(".passed"), now = find(".now"), parts = find(".parts");
  const links = [...document.querySelectorAll(".chapters [data-at]")];
  const cues = [...document.querySelectorAll(".cue")];
  const transcript = document.querySelector(".transcript");
  const length = () => (Number.isFinite(audio.duration) ? audio.duration : Number(player.dataset.length));
  const start = (element) => Number(element.dataset.at);
  const latest = (elements, time) => elements.findLast((element) => start(element) <= time + 0.05);
  let wanted = null; // where to begin, until the audio is there

  audio.removeAttribute("controls");
  find(".controls").hidden = false;

  // The bar: one part for each chapter, filled as it is played.
  const bounds = [...new Set([0, ...links.map(start)])].filter((time) => time < length());
  const fills = bounds.map((from, number) => {
    const to = bounds[number + 1] ?? length(), part = document.createElement("i"), fill = document.createElement("b");
    part.style.flexGrow = to - from;
    part.append(fill);
    parts.append(part);
    return (time) => fill.style.setProperty("--done", Math.min(1, Math.max(0, (time - from) / (to - from))));
  });

  function show(time) {
    position.max = Math.round(length());
    position.value = Math.round(time);
    position.setAttribute("aria-valuetext", `${clock(time)} ${position.dataset.of} ${clock(length())}`);
    passed.textContent = clock(time);
    fills.forEach((fill) => fill(time));
    const chapter = latest(links, time);
    now.textContent = chapter ? chapter.querySelector("span:last-child").textContent : "";
    links.forEach((link) => (link === chapter ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    follow(time);
  }

  function seek(time, then) {
    const to = Math.max(0, Math.min(time, length()));
    if (audio.readyState > 0) audio.currentTime = to;
    else { wanted = to; audio.preload = "metadata"; }
    show(to);
    if (then === "play") audio.play();
  }

  const here = () => wanted ?? audio.currentTime;
  audio.addEventListener("loadedmetadata", () => {
    if (wanted !== null) audio.currentTime = wanted;
    wanted = null;
    show(audio.currentTime);
  });
  audio.addEventListener("timeupdate", () => { if (wanted === null) show(audio.currentTime); });
  for (const event of ["play", "pause"]) {
    audio.addEventListener(event, () => {
      player.classList.toggle("playing", !audio.paused);
      player.classList.add("started");
      play.setAttribute("aria-label", audio.paused ? play.dataset.play : play.dataset.pause);
    });
  }
  play.addEventListener("click", () => (audio.paused ? audio.play() : audio.pause()));
  position.addEventListener("input", () => seek(Number(position.value)));
  find(".speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
  for (const button of player.querySelectorAll("[data-skip]")) {
    button.addEventListener("click", () => seek(here() + Number(button.dataset.skip)));
  }

  // Chapters and time stamps are links to #t=1:23; a line of the transcript can be clicked as well.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-at]");
    if (link) {
      event.preventDefault();
      history.replaceState(null, "", link.getAttribute("href"));
    }
    const target = link ?? event.target.closest(".cue");
    if (target && !String(getSelection())) seek(start(target), "play");
  });
  addEventListener("hashchange", fromAddress);
  function fromAddress() {
    const stamp = location.hash.match(/^#t=([\d:.]+)$/);
    if (!stamp) return;
    seek(stamp[1].split(":").reduce((sum, part) => sum * 60 + Number(part), 0));
    player.scrollIntoView({ block: "center" });
  }

  let spoken = null;
  function follow(time) {
    const cue = cues.length && (time > 0 || !audio.paused) ? latest(cues, time) : null;
    if (cue === spoken) return;
    spoken?.classList.remove("spoken");
    cue?.classList.add("spoken");
    spoken = cue;
    const box = transcript?.querySelector(".scrolls");
    if (!cue || !box || !transcript.querySelector(".follow").checked) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.scrollTo({ top: cue.offsetTop - box.clientHeight / 3, behavior: calm ? "auto" : "smooth" });
  }

  if (transcript) {
    const box = transcript.querySelector(".lines-spoken"), found = transcript.querySelector(".found");
    transcript.querySelector(".tools").hidden = false;
    transcript.classList.add("seeks");
    box.classList.add("scrolls");
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-labelledby", "transcript");
    transcript.querySelector(".find").addEventListener("input", (event) => {
      const hits = mark(cues, event.target.value.trim());
      found.textContent = hits === null ? "" : hits.length ? `${found.dataset.lines} ${hits.length}` : found.dataset.none;
      if (hits?.length) box.scrollTo({ top: hits[0].offsetTop - box.clientHeight / 3 });
    });
  }
  show(0);
  addEventListener("load", fromAddress);
}

// Marks `words` in the lines; the lines that hold them, or null where nothing is looked for.
function mark(lines, words) {
  const hits = lines.filter((line) => {
    const text = line.textContent, at = words ? text.toLowerCase().indexOf(words.toLowerCase()) : -1;
    line.textContent = text;
    if (at < 0) return false;
    const range = document.createRange(), hit = document.createElement("mark");
    range.setStart(line.firstChild, at);
    range.setEnd(line.firstChild, at + words.length);
    range.surroundContents(hit);
    return true;
  });
  return words ? hits : null;
}

function clock(seconds) {
  const whole = Math.floor(seconds), pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return (hours ? `${hours}:${pad(minutes)}` : minutes) + ":" + pad(whole % 60);
}

// The search page: every word has to be there; titles count for more than texts.
function search(form) {
  const input = form.querySelector("input"), told = document.querySelector(".told"), list = document.querySelector(".hits");
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const pages = (globalThis.amplifyPages ?? []).map(([path, kind, title, text]) => ({
    path, kind, title, text, head: plain(title), whole: plain(`${title} ${text}`),
  }));
  form.hidden = false;

  function show() {
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    const weight = (page) => words.filter((word) => page.head.includes(word)).length;
    const hits = words.length ? pages.filter((page) => words.every((word) => page.whole.includes(word))) : [];
    hits.sort((one, other) => weight(other) - weight(one));
    told.textContent = !words.length ? "" : hits.length === 1 ? told.dataset.one : hits.length ? `${hits.length} ${told.dataset.many}` : told.dataset.none;
    list.replaceChildren(...hits.slice(0, 50).map((page) => hit(page, words)));
  }

  function hit(page, words) {
    const line = document.createElement("li"), link = document.createElement("a"), kind = document.createElement("span"), text = document.createElement("p");
    link.href = `../${page.path}`;
    link.textContent = page.title;
    kind.className = "soft";
    kind.textContent = ` ${list.dataset[page.kind] ?? page.kind}`;
    text.append(...around(page.text, words));
    line.append(link, kind, text);
    return line;
  }

  // The words that were looked for, marked, with what stands around the first of them.
  function around(text, words) {
    const found = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "gi");
    const first = Math.max(0, text.search(found)), from = first > 90 ? text.indexOf(" ", first - 70) + 1 : 0;
    const shown = (from ? "… " : "") + text.slice(from, from + 200) + (text.length > from + 200 ? " …" : "");
    return shown.split(new RegExp(`(${found.source})`, "gi")).map((part, number) => {
      if (number % 2 === 0) return part;
      const mark = document.createElement("mark");
      mark.textContent = part;
      return mark;
    });
  }

  input.value = new URLSearchParams(location.search).get("q") ?? "";
  input.addEventListener("input", show);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", `?${new URLSearchParams({ q: input.value })}`);
    show();
  });
  show();
}
