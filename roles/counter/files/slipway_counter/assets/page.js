// Counts without a reload, and keeps the figure true while it is looked at.
//
// A click has a key of its own and is sent again with it until it is stored, so it is counted once whatever breaks.
"use strict";

const EVERY = 1000; // ms between two questions
const SLOWEST = 5000; // ms, while no answer comes
const AGAIN = 500; // ms before a click is sent again
const GIVE_UP = 60000; // ms after which a click is no longer sent again

const $ = (id) => document.getElementById(id);
const known = { order: 0, shown: 0, waiting: 0, silence: EVERY };
const unanswered = new Set(); // the clicks, and the question for the count, whose last try got no answer
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// An answer to a later question is the truer one.
function show(order, count) {
  if (order < known.shown) return;
  known.shown = order;
  set($("count"), String(count));
  set($("count-word"), "counted");
  document.title = `${count} · counter`;
}

function say(what, answered) {
  if (answered) unanswered.delete(what);
  else unanswered.add(what);
  const live = unanswered.size === 0;
  $("live").dataset.state = live ? "live" : "away";
  set($("live-text"), live ? "Live" : "No answer: trying again");
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function ask(what, url, options) {
  const order = (known.order += 1);
  const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(15000), ...options });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  say(what, true);
  show(order, value.count);
  return value.count;
}

async function send(key) {
  for (const until = Date.now() + GIVE_UP; ;) {
    try {
      return await ask(key, "/", { method: "POST", headers: { "Idempotency-Key": key, Accept: "application/json" } });
    } catch (error) {
      const over = Date.now() >= until;
      say(key, over); // one that is given up is no longer asked for
      if (over) throw error;
      set($("note"), "Not known to be stored yet: sending it again, which cannot count it twice.");
    }
    await pause(AGAIN);
  }
}

async function add(event) {
  event.preventDefault();
  const key = $("key").value;
  $("key").value = newKey();
  known.waiting += 1;
  $("form").setAttribute("aria-busy", "true");
  const text = await send(key).then((count) => `Stored as number ${count}.`, () => "Given up: it is not known whether that was counted.");
  known.waiting -= 1;
  set($("note"), text);
  set($("add"), "Count one");
  if (known.waiting === 0) $("form").removeAttribute("aria-busy");
}

async function keepAsking() {
  try {
    await ask("count", "/count");
    known.silence = EVERY;
  } catch {
    say("count", false);
    known.silence = Math.min(2 * known.silence, SLOWEST);
  }
  setTimeout(whenSeen, known.silence);
}

// A page that nobody sees asks nothing.
function whenSeen() {
  if (document.visibilityState === "visible") keepAsking();
  else document.addEventListener("visibilitychange", whenSeen, { once: true });
}

$("form").addEventListener("submit", add);
keepAsking();
