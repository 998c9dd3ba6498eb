"use strict";
const $ = (query, root = document) => root.querySelector(query);
const $$ = (query, root = document) => [...root.querySelectorAll(query)];
const data = JSON.parse($("#data").textContent);

// --- the reader's language ---------------------------------------------------------------

const locale = navigator.language.split("-")[0];
const words = data.words[locale];
const word = (key, otherwise) => words?.[key] ?? otherwise;
if (words) {
  document.documentElement.lang = locale;
  const names = new Intl.DisplayNames(locale, { type: "language" });
  for (const node of $$("[data-t]")) node.textContent = words[node.dataset.t];
  for (const node of $$("[data-language]")) node.textContent = names.of(node.dataset.language);
  for (const attribute of ["aria-label", "placeholder"])
    for (const node of $$(`[data-t-${attribute}]`))
      node.setAttribute(attribute, words[node.getAttribute(`data-t-${attribute}`)]);
}
const english = { play: "Play", pause: "Pause" };
// On a phone the table is cards, and each figure carries the name of its column.
for (const th of $$(".lines th"))
  document.documentElement.style.setProperty(`--l-${th.className}`, JSON.stringify(th.textContent.trim()));

// --- sound: one player for each track, cut alike -----------------------------------------

const players = $$("audio");
const cuts = data.cuts;
const state = { track: 1, line: null, until: Infinity, at: 0 };
players.forEach((player, number) => {
  const bytes = Uint8Array.from(atob($(`#opus-${number}`).textContent), (c) => c.charCodeAt(0));
  if (!bytes.length) return;
  player.src = URL.createObjectURL(new Blob([bytes], { type: "audio/mp4" }));
  player.addEventListener("error", () => {
    $("#trouble").textContent = word("unplayable", "This browser cannot play the sound (Opus in MP4).");
  });
  player.addEventListener("ended", stop);
});

/** Seconds in the sound for seconds of the film; null where it is not carried. */
function inSound(time) {
  let before = 0;
  for (const [start, end] of cuts) {
    if (time >= start && time <= end) return before + time - start;
    before += end - start;
  }
  return null;
}

function inFilm(time) {
  for (const [start, end] of cuts) {
    if (time <= end - start) return start + time;
    time -= end - start;
  }
  return data.seconds;
}

function seek(time) {
  state.at = Math.min(Math.max(0, time), data.seconds);
  const there = inSound(state.at);
  if (there === null) stop();
  else players[state.track].currentTime = there;
  showHead();
}

function play(until = Infinity) {
  if (inSound(state.at) === null || !players[state.track].src) return;
  state.until = until;
  players[state.track].play().then(follow, () => stop());
  $("#play").textContent = word("pause", english.pause);
}

function stop() {
  for (const player of players) player.pause();
  $("#play").textContent = word("play", english.play);
}

function follow() {
  const player = players[state.track];
  if (player.paused) return;
  state.at = inFilm(player.currentTime);
  if (state.at >= state.until) stop();
  showHead();
  requestAnimationFrame(follow);
}

function toggle() {
  if (players.some((player) => !player.paused)) stop();
  else {
    if (state.at >= data.seconds - 0.05) seek(0);
    play();
  }
}

function choose(track) {
  const playing = !players[state.track].paused;
  stop();
  state.track = track;
  for (const button of $$(".timeline [data-track]"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.track) === track));
  seek(state.at);
  if (playing) play(state.until);
}

/** Play one line in one track: its window in the original, its places in the dub. */
function hear(number, track) {
  const line = data.lines[number];
  const spans = track === 1 && line.placements.length ? line.placements : [line.window];
  stop();
  choose(track);
  select(number, false);
  seek(Math.max(0, spans[0][0] - 0.15));
  play(spans.at(-1)[1] + 0.15);
}

// --- the timeline ------------------------------------------------------------------------

const peaks = data.tracks.map((track) => ({
  perSecond: track.perSecond,
  values: Int8Array.from(atob(track.peaks), (c) => c.charCodeAt(0)),
}));
const view = { from: 0, to: Math.min(data.seconds, 60) };
const [overview, detail] = [$("#overview"), $("#detail")];
const clock = (time) => {
  const minutes = Math.floor(time / 60);
  const hours = Math.floor(minutes / 60);
  const seconds = (Math.floor((time % 60) * 100) / 100).toFixed(2).padStart(5, "0");
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
};

/** A canvas as large as its box, in device pixels, with the page's colours at hand. */
function surface(box, from, to) {
  const canvas = $("canvas", box);
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [box.clientWidth, box.clientHeight];
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(`--${name}`).trim();
  return { pen, width, height, ink, from, to, x: (t) => ((t - from) / (to - from)) * width };
}

function wave({ pen, width, from, to }, track, middle, half, colour) {
  const { perSecond, values } = peaks[track];
  const step = ((to - from) / width) * perSecond;
  pen.fillStyle = colour;
  for (let column = 0; column < width; column++) {
    const first = Math.floor(from * perSecond + column * step);
    const last = Math.max(first + 1, Math.floor(from * perSecond + (column + 1) * step));
    let [low, high] = [0, 0];
    for (let i = 2 * first; i < Math.min(2 * last, values.length); i += 2) {
      if (values[i] < low) low = values[i];
      if (values[i + 1] > high) high = values[i + 1];
    }
    pen.fillRect(column, middle - (high / 127) * half, 1, Math.max(1, ((high - low) / 127) * half));
  }
}

function draw() {
  const small = surface(overview, 0, data.seconds);
  wave(small, 0, small.height * 0.26, small.height * 0.24, small.ink("wave"));
  wave(small, 1, small.height * 0.74, small.height * 0.24, small.ink("accent"));
  drawDetail();
  showHead();
}

function drawDetail() {
  const big = surface(detail, view.from, view.to);
  const { pen, ink, x, width, height } = big;
  const half = (height - 64) / 4;
  const tops = [16, 16 + 2 * half + 30];
  pen.font = "12px system-ui, sans-serif";
  pen.fillStyle = ink("hole");
  for (const [start, end] of data.holes) pen.fillRect(x(start), tops[0], x(end) - x(start), 2 * half);
  data.lines.forEach((line, number) => {
    const colour = ink(`c${line.colour}`);
    const all = [line.window, ...line.placements];
    if (all.every(([start, end]) => end < view.from || start > view.to)) return;
    const chosen = number === state.line;
    const band = ([start, end], top) => {
      pen.globalAlpha = chosen ? 0.45 : 0.2;
      pen.fillStyle = colour;
      pen.fillRect(x(start), top, x(end) - x(start), 2 * half);
      pen.globalAlpha = 1;
      pen.fillRect(x(start), top + 2 * half, x(end) - x(start), 3);
      if (line.flagged) {
        pen.fillStyle = ink("fail");
        pen.fillRect(x(start), top - 3, x(end) - x(start), 3);
      }
    };
    band(line.window, tops[0]);
    line.placements.forEach((span) => band(span, tops[1]));
    if (line.placements.length) {
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.moveTo(x(line.window[0]), tops[0] + 2 * half + 3);
      pen.lineTo(x(line.placements[0][0]), tops[1] - 3);
      pen.moveTo(x(line.window[1]), tops[0] + 2 * half + 3);
      pen.lineTo(x(line.placements.at(-1)[1]), tops[1] - 3);
      pen.stroke();
    }
  });
  wave(big, 0, tops[0] + half, half, ink("wave"));
  wave(big, 1, tops[1] + half, half, ink("accent"));
  pen.fillStyle = ink("ink");
  pen.fillText(word("original", "Original"), 4, 11);
  pen.fillText(word("dub", "Dub"), 4, tops[1] - 5);
  const step = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600].find((s) => x(view.from + s) > 64) ?? 7200;
  pen.fillStyle = ink("faint");
  for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
    pen.fillRect(x(t), height - 15, 1, 4);
    if (x(t) < width - 48) pen.fillText(clock(t).replace(/\.00$/, ""), x(t) + 3, height - 4);
  }
}

function showHead() {
  const place = (box, from, to) => {
    const share = (state.at - from) / (to - from);
    $(".head", box).style.left = `${100 * share}%`;
    $(".head", box).hidden = share < 0 || share > 1;
  };
  const long = view.to - view.from;
  if (!players[state.track].paused && (state.at < view.from || state.at > view.to)) show(state.at, long);
  place(overview, 0, data.seconds);
  place(detail, view.from, view.to);
  $("#clock").textContent = clock(state.at);
  overview.setAttribute("aria-valuenow", state.at.toFixed(2));
  overview.setAttribute("aria-valuetext", clock(state.at));
  $(".box").style.left = `${(100 * view.from) / data.seconds}%`;
  $(".box").style.width = `${(100 * long) / data.seconds}%`;
}

/** Move the detail so that it begins at a time (within the film) and is so many seconds long. */
function show(from, long) {
  const length = Math.min(data.seconds, Math.max(2, long));
  view.from = Math.min(Math.max(0, from), data.seconds - length);
  view.to = view.from + length;
  drawDetail();
}

function zoom(factor, centre = state.at) {
  const long = factor ? (view.to - view.from) * factor : data.seconds;
  const kept = (centre - view.from) / (view.to - view.from);
  show(centre - long * (kept >= 0 && kept <= 1 ? kept : 0.5), long);
  showHead();
}

const timeAt = (event, box, from, to) => {
  const { left, width } = box.getBoundingClientRect();
  return from + ((event.clientX - left) / width) * (to - from);
};
const along = (event) => {
  if (event.type === "pointermove" && !event.buttons) return;
  const time = timeAt(event, overview, 0, data.seconds);
  show(time - (view.to - view.from) / 2, view.to - view.from);
  seek(time);
};
overview.addEventListener("pointerdown", along);
overview.addEventListener("pointermove", along);
overview.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  seek(state.at + step);
  if (state.at < view.from || state.at > view.to) zoom(1);
});
detail.addEventListener("click", (event) => {
  const time = timeAt(event, detail, view.from, view.to);
  const at = data.lines.findIndex((line) =>
    [line.window, ...line.placements].some(([start, end]) => time >= start && time <= end));
  if (at >= 0) select(at, false);
  seek(time);
});
detail.addEventListener("wheel", (event) => {
  const long = view.to - view.from;
  if (event.ctrlKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event, detail, view.from, view.to));
  else if (event.deltaX || event.shiftKey) show(view.from + ((event.deltaX || event.deltaY) / 800) * long, long);
  else return;
  event.preventDefault();
  showHead();
}, { passive: false });

// --- the table ---------------------------------------------------------------------------

const body = $(".lines tbody");
const rows = $$("tr", body);
const texts = rows.map((row) => row.textContent.toLowerCase());
const order = { key: "worst", turned: false };

function sort(key, turned = false) {
  Object.assign(order, { key, turned });
  const rank = (row) => data.lines[row.dataset.n].sort[key];
  const compare = (a, b) => {
    const [x, y] = [rank(a), rank(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.dataset.n - b.dataset.n;
    return (turned ? y - x : x - y) || a.dataset.n - b.dataset.n;
  };
  body.append(...rows.sort(compare));
  // Ranks put first what is looked for first; of these figures that is the largest.
  const down = !["time", "speaker", "overlap"].includes(key) !== turned;
  for (const button of $$("[data-sort]")) {
    const th = button.closest("th");
    if (button.dataset.sort === key) th.setAttribute("aria-sort", down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
  $("#sort").value = key;
}

function filter() {
  const wanted = $("#find").value.trim().toLowerCase();
  const flag = $("#flag").value;
  const speaker = $("#speaker")?.value ?? "";
  for (const row of rows) {
    const line = data.lines[row.dataset.n];
    row.hidden = !(texts[row.dataset.n].includes(wanted)
      && (!flag || (flag === "*" ? line.flagged : line.flags.includes(flag)))
      && (!speaker || line.speaker === Number(speaker)));
  }
  $("#count b").textContent = rows.filter((row) => !row.hidden).length;
}

function select(number, focus = true) {
  state.line = number;
  for (const row of rows) row.toggleAttribute("aria-current", Number(row.dataset.n) === number);
  const row = rows.find((row) => Number(row.dataset.n) === number);
  if (focus) {
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    seek(data.lines[number].window[0]);
  }
  const [start, end] = data.lines[number].window;
  const long = view.to - view.from;
  if (start < view.from || end > view.to) show(start - long / 3, long);
  else drawDetail();
  showHead();
}

function next(step) {
  const seen = rows.filter((row) => !row.hidden);
  const at = seen.findIndex((row) => Number(row.dataset.n) === state.line);
  const row = seen[at < 0 ? 0 : Math.min(Math.max(0, at + step), seen.length - 1)];
  if (row) select(Number(row.dataset.n));
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  const row = target.closest(".lines tbody tr");
  if (!button) {
    if (row && !getSelection().toString()) select(Number(row.dataset.n), false);
  } else if (button.id === "play") toggle();
  else if (button.dataset.sort) sort(button.dataset.sort, order.key === button.dataset.sort && !order.turned);
  else if (row) hear(Number(row.dataset.n), Number(button.dataset.track));
  else if (button.dataset.track) choose(Number(button.dataset.track));
  else if (button.dataset.zoom) zoom(Number(button.dataset.zoom));
  else if (button.dataset.seek) seek(Number(button.dataset.seek));
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  const act = { j: () => next(1), k: () => next(-1), x: () => choose(1 - state.track), " ": toggle }[event.key];
  if (!act || (event.key === " " && event.target.matches("button, a"))) return;
  event.preventDefault();
  act();
});
$("#filters").addEventListener("input", (event) => (event.target.id === "sort" ? sort(event.target.value) : filter()));
for (const row of rows)
  for (const button of $$(".hear", row)) {
    button.disabled = inSound(data.lines[row.dataset.n].window[0]) === null;
    if (button.disabled) button.title = word("no_clip", "Not carried in this page");
  }

// --- paper: the whole film, in light colours ---------------------------------------------

const paper = (printing) => () => {
  document.documentElement.classList.toggle("paper", printing);
  draw();
};
window.addEventListener("beforeprint", paper(true));
window.addEventListener("afterprint", paper(false));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
new ResizeObserver(draw).observe(detail);
sort("worst");
