// Taskyard in the browser: live regions, copy buttons, keys.
// Every page works without this file; it only saves reloading and reaching for the mouse.
"use strict";

const POLL_EVERY = 10_000; // where the stream fails
const SILENT_AFTER = 35_000; // two heartbeats of the stream and a little
const RETRY_FROM = 1_000;
const RETRY_UP_TO = 30_000;
const POINTED_AT = "[aria-labelledby] tbody:has(> [id]):hover";

// Kept for the server, which writes times in the zone of whoever looks.
const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
if (/^[\w+/-]+$/.test(timeZone)) {
  document.cookie = `taskyard_zone=${timeZone}; path=/; max-age=31536000; samesite=lax`;
}

const pulse = document.getElementById("pulse");
const live = document.getElementById("live");
const words = pulse?.dataset ?? {};

// ---- Live: one stream per tab, polling while it fails -------------------------------

const feed = {
  source: null, polling: null, timer: null, retry: RETRY_FROM,
  heardAt: Date.now(), misses: 0, held: null,
};

// The server's clock, so that a page never shows this machine's wrong one.
let clockOffset = pulse ? Date.parse(pulse.querySelector("time").dateTime) - Date.now() : 0;

function pageAddress() {
  return location.pathname + location.search;
}

function connect() {
  disconnect();
  const source = new EventSource(`${words.stream}?page=${encodeURIComponent(pageAddress())}`);
  feed.source = source;
  source.onopen = () => heard("live");
  source.onmessage = (event) => { heard("live"); show(event.data); };
  source.addEventListener("beat", () => heard("live"));
  source.addEventListener("gone", () => location.reload());
  source.addEventListener("bye", () => { if (holdsForm()) poll(); else location.reload(); });
  source.onerror = lose;
}

function disconnect() {
  feed.source?.close();
  feed.source = null;
  clearTimeout(feed.timer);
}

function lose() {
  disconnect();
  if (feed.misses < 2) setState("retrying");
  const wait = feed.retry * (0.7 + 0.6 * Math.random());
  feed.retry = Math.min(2 * feed.retry, RETRY_UP_TO);
  feed.timer = setTimeout(connect, wait);
  feed.polling ??= setInterval(poll, POLL_EVERY);
}

function stopPolling() {
  clearInterval(feed.polling);
  feed.polling = null;
}

function heard(state) {
  feed.heardAt = Date.now();
  feed.misses = 0;
  if (state === "live") {
    feed.retry = RETRY_FROM;
    stopPolling();
  }
  setState(state);
}

async function poll() {
  try {
    const response = await fetch(pageAddress(), {
      headers: { "HX-Request": "true", "HX-Target": "div#live" },
      signal: AbortSignal.timeout(POLL_EVERY),
    });
    const away = response.headers.get("HX-Redirect");
    if (away) { leaveToSignIn(away); return; }
    if (response.status === 404 || response.status === 403) { location.reload(); return; }
    if (!response.ok) throw new Error(response.statusText);
    show(await response.text());
    clockOffset = Date.parse(response.headers.get("Date")) - Date.now() || clockOffset;
    heard(feed.source?.readyState === EventSource.OPEN ? "live" : "polling");
  } catch {
    feed.misses += 1;
    setState(feed.misses > 1 ? "stopped" : "retrying");
  }
}

// Text that somebody selects holds still. What is held is tried again each second.
function isSelecting() {
  const selection = getSelection();
  return !selection.isCollapsed && live.contains(selection.anchorNode);
}

async function show(html) {
  feed.held = isSelecting() ? html : null;
  if (feed.held) return;
  const atEnd = followed().filter((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 40);
  await htmx.swap({ sourceElement: live, target: live, swap: "innerMorph", text: html });
  atEnd.forEach((box) => { box.scrollTop = box.scrollHeight; });
  setState(pulse.dataset.state);
}

// Whoever points at a list finds each row where it was, so that no click meets another one:
// rows that went stay pale, those that came wait until he is gone. Focus moves with its row.
function keepOrder(list, fresh) {
  const name = list.closest("[aria-labelledby]").getAttribute("aria-labelledby");
  const body = fresh.querySelector(`[aria-labelledby="${CSS.escape(name)}"] tbody`);
  const heirs = [...list.rows].map((row) => fresh.getElementById(row.id));
  if (!body || heirs.every((row, at) => row && row === body.rows[at])) return false;
  body.replaceChildren(...heirs.map((row, at) => row ?? pale(list.rows[at])));
  return true;
}

function pale(row) {
  const gone = row.cloneNode(true);
  gone.classList.add("old");
  return gone;
}

function keepOrders({ ctx, tasks }) {
  const task = tasks.find(({ target }) => target === live);
  const lists = task ? live.querySelectorAll(POINTED_AT) : [];
  for (const list of lists) if (keepOrder(list, task.fragment)) feed.held = ctx.text;
}

// Logs: who reads the end goes on reading the end, who scrolled up stays where he is.
function followed() {
  return [...document.querySelectorAll("[data-follow]")];
}

function setState(state) {
  const said = pulse.querySelector("[role=status]");
  pulse.dataset.state = state;
  document.documentElement.dataset.pulse = state;
  const word = state === "stopped" ? words.stopped.replace("{}", ago(feed.heardAt))
    : words[state === "live" && feed.held ? "ordered" : state];
  if (said.textContent !== word) said.textContent = word;
}

function ago(moment) {
  const seconds = Math.round((Date.now() - moment) / 1000);
  return seconds < 90
    ? words.seconds.replace("{}", seconds)
    : words.minutes.replace("{}", Math.round(seconds / 60));
}

function tick() {
  if (feed.held) show(feed.held);
  const state = pulse.dataset.state;
  if (state === "stopped") setState("stopped");
  if (state === "live" && Date.now() - feed.heardAt > SILENT_AFTER) lose();
  const moment = new Date((state === "live" ? Date.now() : feed.heardAt) + clockOffset);
  pulse.querySelector("time").textContent = `${moment.toISOString().slice(11, 19)} UTC`;
}

function holdWhileHidden() {
  if (document.hidden) {
    disconnect();
    stopPolling();
    setState("held");
  } else {
    feed.retry = RETRY_FROM;
    connect();
  }
}

if (live && words.stream && window.EventSource) {
  document.addEventListener("DOMContentLoaded", connect);
  document.addEventListener("visibilitychange", holdWhileHidden);
  document.addEventListener("htmx:before:swap", (event) => keepOrders(event.detail));
  document.addEventListener("htmx:after:history:update", connect);
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  setInterval(tick, 1000);
  followed().forEach((box) => { box.scrollTop = box.scrollHeight; });
}

// ---- Buttons ------------------------------------------------------------------------

// data-copy holds the text itself, or "#id" of the element whose text it is.
async function copy(button) {
  const said = button.dataset.copy;
  const text = said.startsWith("#") ? document.querySelector(said).textContent : said;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text); // pages without TLS have no clipboard
  }
  const before = [...button.childNodes];
  button.replaceChildren(words.copied);
  setTimeout(() => button.replaceChildren(...before), 1500);
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function closeMenus(except) {
  document.querySelectorAll("details.menu[open], details.confirm[open]").forEach((menu) => {
    if (!menu.contains(except)) menu.open = false;
  });
}

document.addEventListener("change", (event) => {
  if (event.target.dataset.submit !== undefined) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button, a, summary");
  closeMenus(event.target);
  if (!button) return;
  if (button.dataset.copy !== undefined) copy(button);
  if (button.dataset.opens) document.getElementById(button.dataset.opens).showModal();
  if (button.dataset.refresh !== undefined && live && words.stream) {
    event.preventDefault();
    poll();
  }
});

// ---- Keys: each has a button or link that does the same ------------------------------

const KEYS_OFF = "taskyard-keys-off";
const keysBox = document.getElementById("keys-on");
let goingTo = false;

if (keysBox) {
  keysBox.checked = !localStorage.getItem(KEYS_OFF);
  keysBox.addEventListener("change", () => {
    if (keysBox.checked) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "1");
  });
}

function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.target.isContentEditable
    || event.target.closest("input, textarea, select, dialog");
}

function press(key) {
  if (key === "?") return document.querySelector("[data-opens=shortcuts]");
  if (key === ".") return document.querySelector("[data-refresh]");
  return document.querySelector(`main [data-key="${CSS.escape(key)}"]`);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenus(null);
  if (isTyping(event) || localStorage.getItem(KEYS_OFF)) return;
  const wasGoing = goingTo;
  goingTo = event.key === "g" && !wasGoing;
  if (goingTo) return;
  const filter = event.key === "/" && document.querySelector("[data-filter]");
  const target = wasGoing
    ? document.querySelector(`#nav [data-key="${CSS.escape(event.key)}"]`)
    : press(event.key);
  if (!filter && !target) return;
  event.preventDefault();
  if (filter) filter.focus();
  else target.click();
});

document.querySelector("#nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

// What a browser refuses in a folded part of a form could be neither seen nor reached.
document.addEventListener("invalid", (event) => {
  const folded = event.target.closest("details");
  if (folded) folded.open = true;
}, true);

// A form that was refused is mended at its first problem, so typing begins there.
document.querySelector("main [aria-invalid='true']")?.focus();
