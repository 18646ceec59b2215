// Keeps the listing true while it is looked at, and goes back in time.
//
// index.json is asked for twice a second; as long as nothing changed that costs a 304. The timeline is history/latest.json,
// and a moment of it an object that never changes.
"use strict";

const EVERY = 500; // ms between two questions
const SLOWEST = 5000; // ms, while no answer comes
const PATIENCE = 3000; // ms without an answer until the page says so
const FEW_CHANGES = 8; // shown until asked for all
const MANY_PODS = 10; // from here on there is a field to find one

const $ = (id) => document.getElementById(id);
const hereSince = Date.now();

// What is known: `now` is the newest index.json, `entries` the timeline from old to new, `at` the place in it that is shown,
// or null for now.
const known = { now: null, entries: [], at: null, shown: null, away: 0, state: "", all: false };

// ---- words ----------------------------------------------------------------------------------------------------------

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "long" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

const pods = (count) => `${count} ${count === 1 ? "pod" : "pods"}`;

function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000));
  if (seconds < 5) return "just now";
  const [unit, size] = UNITS.find(([, each]) => seconds >= each);
  return relative.format(-Math.floor(seconds / size), unit);
}

function moment(time) {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock.format(date) : `${calendar.format(date)}, ${clock.format(date)}`;
}

// ---- small help with the document -----------------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function timeElement(time) {
  return element("time", { datetime: time, title: exact.format(new Date(time)) }, ago(time));
}

// ---- what is shown --------------------------------------------------------------------------------------------------

const keyOf = (endpoint) => `${endpoint.ip} ${endpoint.pod}`;

function row(endpoint) {
  const name = element("th", { scope: "row", role: "rowheader" }, element("span", {}, endpoint.pod));
  const cell = (label, child) => element("td", { role: "cell", "data-label": label }, child);
  const made = element("tr", { role: "row" }, name, cell("Address", element("code", {}, endpoint.ip)),
    cell("Node", element("span", {}, endpoint.node || "unknown")), cell("Since", timeElement(endpoint.since)));
  made.dataset.key = keyOf(endpoint);
  made.dataset.words = `${endpoint.pod} ${endpoint.ip} ${endpoint.node}`.toLowerCase();
  return made;
}

// The rows that came with the page get what those made here have.
function adopt(tr) {
  const [pod, ip, node] = [...tr.children].map((cell) => cell.textContent.trim());
  tr.firstElementChild.replaceChildren(element("span", {}, pod));
  tr.dataset.key = keyOf({ ip, pod });
  tr.dataset.words = `${pod} ${ip} ${node}`.toLowerCase();
  const time = tr.querySelector("time");
  time.replaceWith(timeElement(time.dateTime));
}

function mark(tr, kind, word) {
  tr.classList.toggle("new", kind === "new");
  tr.classList.toggle("gone", kind === "gone");
  const tag = tr.querySelector(".tag");
  if (tag) tag.remove();
  if (word) tr.firstElementChild.append(element("span", { class: "tag" }, word));
}

// Rows that stay keep their place in the document, so that neither a selection nor a reader's place is lost.
function showRows(listing, flash) {
  const body = $("rows");
  const old = new Map([...body.children].map((tr) => [tr.dataset.key, tr]));
  const went = known.at === null ? [] : listing.went || [];
  const came = new Set(known.at === null ? [] : (listing.came || []).map(keyOf));
  let next = body.firstElementChild;
  for (const endpoint of [...listing.endpoints, ...went]) {
    const key = keyOf(endpoint);
    let tr = old.get(key);
    if (!tr) {
      tr = row(endpoint);
      if (flash) tr.classList.add("fresh");
    }
    old.delete(key);
    const gone = went.includes(endpoint);
    mark(tr, gone ? "gone" : came.has(key) ? "new" : "", gone ? "went" : came.has(key) ? "came" : "");
    const since = tr.querySelector("time");
    if (since.dateTime !== endpoint.since) since.replaceWith(timeElement(endpoint.since));
    if (tr === next) next = next.nextElementSibling;
    else body.insertBefore(tr, next);
  }
  for (const tr of old.values()) tr.remove();
  $("empty").hidden = listing.endpoints.length > 0;
  $("filter-label").hidden = listing.endpoints.length < MANY_PODS && !$("filter").value;
  find();
}

function showNodes(listing) {
  const counts = new Map();
  for (const { node } of listing.endpoints) counts.set(node || "unknown", (counts.get(node || "unknown") || 0) + 1);
  const sorted = [...counts].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  $("nodes").replaceChildren(...sorted.slice(0, 40).map(([node, count]) =>
    element("li", {}, element("span", {}, node), element("b", {}, String(count)))));
  $("nodes").hidden = sorted.length < 2;
}

function show(listing, flash = false) {
  known.shown = listing;
  const count = listing.endpoints.length;
  const past = known.at !== null;
  document.body.toggleAttribute("data-then", past);
  set($("count"), String(count));
  set($("count-word"), count === 1 ? "pod" : "pods");
  document.title = past ? `${pods(count)} at ${moment(listing.at)} · ${listing.service}` : `${pods(count)} · ${listing.service}`;
  $("subline").replaceChildren(past ? "were ready to serve" : "ready to serve, unchanged for ",
    ...(past ? [] : [element("span", { id: "unchanged" })]));
  $("then").hidden = !past;
  if (past) set($("then-text"), `As it was on ${exact.format(new Date(listing.at))}`);
  set($("generation"), String(listing.generation));
  showNodes(listing);
  showRows(listing, flash && !past);
  tick();
}

function find() {
  const words = $("filter").value.toLowerCase().trim();
  for (const tr of $("rows").children) tr.hidden = words !== "" && !tr.dataset.words.includes(words);
}

// Relative times, and how long nothing has changed.
function tick() {
  for (const node of document.querySelectorAll("#rows time, #entries time[data-ago]")) set(node, ago(node.dateTime));
  const unchanged = $("unchanged");
  if (unchanged && known.now) set(unchanged, ago(known.now.at).replace(" ago", "").replace("just now", "a moment"));
}

// ---- how true it is -------------------------------------------------------------------------------------------------

const STATES = {
  live: "Live",
  stale: "The stores do not answer: this is the last list they gave",
  away: "No answer: trying again",
};

function say(state) {
  if (state === known.state) return;
  known.state = state;
  $("live").dataset.state = state;
  set($("live-text"), STATES[state]);
}

const news = (text) => set($("news"), text);

// ---- the timeline ---------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

function path(name, d) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", name);
  made.setAttribute("d", d);
  return made;
}

// A step of the curve for each change, all equally wide, since the slider below goes by changes too: its thumb stands
// below the middle of a step.
function drawChart(place) {
  const { entries } = known;
  const most = Math.max(1, ...entries.map((entry) => entry.count));
  const width = 1000 / entries.length;
  const y = (entry) => (96 - (88 * entry.count) / most).toFixed(1);
  const steps = entries.map((entry, index) => `V${y(entry)}H${((index + 1) * width).toFixed(1)}`).join("");
  const chosen = `M${(place * width).toFixed(1)} 0H${((place + 1) * width).toFixed(1)}V100H${(place * width).toFixed(1)}Z`;
  $("chart").replaceChildren(path("chosen", chosen), path("area", `M0 100${steps}V100Z`),
    path("edge", `M0 ${y(entries[0])}${steps}`));
  $("moment").style.margin = `0 calc(${50 / entries.length}% - .5rem)`;
  $("moment").style.width = `calc(${100 - 100 / entries.length}% + 1rem)`;
  set($("span"), `The last ${entries.length} changes, since ${moment(entries[0].at)}; at most ${pods(most)}`);
}

const names = (list, word) => (list.length > 3 ? `${list.slice(0, 2).join(", ")} and ${list.length - 2} more` : list.join(", "))
  + (list.length ? ` ${word}` : "");
const summary = (entry) => [names(entry.came, "came"), names(entry.went, "went")].filter(Boolean).join("; ") || "no pods";

function entryButton(entry, index) {
  const who = element("span", { class: "who" });
  if (entry.came.length) who.append(element("span", { class: "tag came" }, `+${entry.came.length}`));
  if (entry.went.length) who.append(element("span", { class: "tag went" }, `−${entry.went.length}`));
  who.append(summary(entry));
  const made = element("button", { type: "button" },
    element("time", { datetime: entry.at, title: exact.format(new Date(entry.at)) }, moment(entry.at)),
    element("span", { class: "size" }, pods(entry.count)), who);
  made.addEventListener("click", () => go(index));
  if (known.at === index) made.setAttribute("aria-current", "true");
  return made;
}

function showTimeline() {
  const { entries } = known;
  $("history").hidden = entries.length < 2;
  $("changes").hidden = entries.length === 0;
  if (!entries.length) return;
  const last = entries.length - 1;
  const place = known.at === null ? last : known.at;
  const slider = $("moment");
  slider.max = String(last);
  slider.value = String(place);
  const text = known.at === null ? "Now" : `${moment(entries[place].at)}: ${pods(entries[place].count)}`;
  slider.setAttribute("aria-valuetext", text);
  set($("moment-text"), text);
  $("older").disabled = place === 0;
  $("newer").disabled = known.at === null;
  drawChart(place);
  showEntries();
}

function showEntries() {
  const { entries } = known;
  const focused = document.activeElement && document.activeElement.closest("#entries li");
  const kept = focused && focused.dataset.key;
  const first = known.all ? 0 : Math.max(0, Math.min(entries.length - FEW_CHANGES, known.at ?? Infinity));
  const items = [];
  for (let index = entries.length - 1; index >= first; index -= 1) {
    const item = element("li", {}, entryButton(entries[index], index));
    item.dataset.key = entries[index].key;
    items.push(item);
  }
  $("entries").replaceChildren(...items);
  $("more").hidden = first === 0;
  set($("more"), `Show all ${entries.length}`);
  const again = kept && items.find((item) => item.dataset.key === kept);
  if (again) again.firstChild.focus({ preventScroll: true });
}

let wanted = 0;

// Shows the entry at a place of the timeline; null, or the last one, is now.
async function go(index, { remember = true } = {}) {
  const { entries } = known;
  const past = index !== null && index < entries.length - 1;
  known.at = past ? index : null;
  const ticket = (wanted += 1);
  showTimeline();
  if (remember) history.replaceState(null, "", past ? `#${entries[index].key}` : location.pathname);
  if (!past) {
    if (known.now) show(known.now);
    news("Showing now");
    return;
  }
  const { key } = entries[index];
  const listing = await read(`/${key}`).then(({ value }) => value, () => null);
  if (ticket !== wanted) return; // somewhere else by now
  if (listing) {
    show(listing);
    news(`${moment(listing.at)}: ${pods(listing.endpoints.length)}; ${summary(entries[index])}`);
  } else {
    news("That moment is no longer kept");
    go(null);
  }
}

// ---- asking ---------------------------------------------------------------------------------------------------------

async function read(url) {
  const answer = await fetch(url, { cache: "no-cache", signal: AbortSignal.timeout(4000) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return { value: await answer.json(), state: answer.headers.get("X-Listing-State") };
}

async function readTimeline() {
  const { value } = await read("/history/latest.json");
  const entries = value.entries.slice().reverse();
  const newest = (list) => (list.length ? list[list.length - 1].generation : -1);
  if (newest(entries) < newest(known.entries)) return; // from a pod that knows less
  const key = known.at === null ? location.hash.slice(1) : known.entries[known.at].key;
  known.entries = entries;
  const place = key ? entries.findIndex((entry) => entry.key === key) : -1;
  if (place >= 0 && known.at === null) go(place, { remember: false });
  else if (known.at !== null && place < 0) go(null);
  else {
    if (known.at !== null) known.at = place;
    showTimeline();
  }
}

function tell(before, after) {
  if (!before) return;
  const had = new Set(before.endpoints.map(keyOf));
  const have = new Set(after.endpoints.map(keyOf));
  const came = after.endpoints.filter((each) => !had.has(keyOf(each))).map(({ pod }) => pod);
  const went = before.endpoints.filter((each) => !have.has(keyOf(each))).map(({ pod }) => pod);
  if (came.length || went.length) news(`${pods(after.endpoints.length)} now: ${summary({ came, went })}`);
}

async function ask() {
  const { value, state } = await read("/index.json");
  known.away = 0;
  if (value.generation > 0) say(state === "stale" ? "stale" : "live");
  if (value.generation > (known.now ? known.now.generation : 0)) {
    const before = known.now;
    known.now = value;
    if (known.at === null) show(value, before !== null);
    tell(before, value);
  }
  const newest = known.entries.length ? known.entries[known.entries.length - 1].generation : -1;
  if (known.now && newest < known.now.generation) await readTimeline().catch(() => {});
}

async function keepAsking() {
  try {
    await ask();
  } catch {
    known.away = known.away || Date.now();
    if (Date.now() - known.away >= PATIENCE) say("away");
  }
  const silent = known.away ? Date.now() - known.away : 0;
  setTimeout(whenSeen, Math.min(SLOWEST, Math.max(EVERY, silent / 4)));
}

// A page that nobody sees asks nothing.
function whenSeen() {
  if (document.visibilityState === "visible") keepAsking();
  else document.addEventListener("visibilitychange", whenSeen, { once: true });
}

// The page that an nginx shows before it knows of any listing: there is one as soon as it can be read.
async function awaitFirst() {
  const there = await read("/index.json").then(({ value }) => value.generation > 0, () => false);
  if (there && Date.now() - hereSince > 1000) location.reload();
  else setTimeout(awaitFirst, 1000);
}

function begin() {
  for (const tr of $("rows").children) adopt(tr);
  $("moment").addEventListener("input", (event) => go(Number(event.target.value)));
  $("older").addEventListener("click", () => go((known.at ?? known.entries.length - 1) - 1));
  $("newer").addEventListener("click", () => go(known.at === null ? null : known.at + 1));
  $("now").addEventListener("click", () => { go(null); $("moment").focus(); });
  $("more").addEventListener("click", () => { known.all = true; showEntries(); });
  $("filter").addEventListener("input", find);
  addEventListener("hashchange", () => {
    const place = known.entries.findIndex((entry) => entry.key === location.hash.slice(1));
    if (place >= 0 || !location.hash) go(place >= 0 ? place : null, { remember: false });
  });
  setInterval(tick, 1000);
  keepAsking();
}

if (document.body.dataset.generation === "0" && !$("rows")) awaitFirst();
else begin();
