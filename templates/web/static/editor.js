// The editor's page while somebody types: findings and letter follow the text, a finding leads to
// its line, and no text is lost. What is typed is kept in this browser until it is saved; a save is
// sent when the server answers and still knows who asks. Without this file the page is a form.
"use strict";

(function () {
  const form = document.getElementById("writing");
  const text = form.elements.text;
  const line = form.elements.line;
  const kept = document.getElementById("kept");
  const signedOut = document.getElementById("signed-out");
  const unsaved = document.getElementById("unsaved");
  const key = "digest-text " + location.pathname;
  const WAIT = 300; // milliseconds after the last key
  const KEEP = 14 * 86400 * 1000;
  let before = form.hasAttribute("data-changed") ? null : text.value;
  let timer = 0;
  let turn = 0;
  let asked = 0;
  let leaving = false;
  let had = text; // the focus, last

  document.documentElement.classList.add("js");
  document.getElementById("row").append(document.getElementById("inbox"));

  // What is kept in this browser.

  function stored(name) {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null;
    }
  }

  function store() {
    try {
      localStorage.setItem(key, JSON.stringify({ text: text.value, at: Date.now() }));
      return true;
    } catch {
      return false; // no room, or not allowed: the page itself still has it
    }
  }

  function forget(name) {
    try {
      localStorage.removeItem(name);
    } catch {
      // there is nothing then
    }
  }

  function offer() {
    if (new URLSearchParams(location.search).get("done") === "saved") {
      forget(sessionStorage.getItem("digest-saving"));
      history.replaceState(null, "", location.pathname);
    }
    const found = stored(key);
    if (!found || found.text === text.value || Date.now() - found.at > KEEP) {
      forget(key);
      return;
    }
    if (before === null) {
      return; // the page shows it, with what keeps it from being saved
    }
    document.getElementById("unsaved-at").textContent = new Date(found.at).toLocaleString();
    unsaved.hidden = false;
    document.getElementById("unsaved-take").addEventListener("click", () => {
      text.value = found.text;
      unsaved.hidden = true;
      text.focus();
      changed();
    });
    document.getElementById("unsaved-drop").addEventListener("click", () => {
      forget(key);
      unsaved.hidden = true;
      text.focus();
    });
  }

  // Asking the server.

  async function post() {
    return fetch(form.dataset.look, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      redirect: "manual",
      cache: "no-store",
    });
  }

  async function renewed() {
    const answer = await fetch(form.dataset.account, { redirect: "manual", cache: "no-store" });
    if (!answer.ok) {
      return false;
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const token = fresh.querySelector("input[name=form_token]").value;
    for (const one of document.querySelectorAll("input[name=form_token]")) {
      one.value = token;
    }
    return true;
  }

  window.digestRenewed = renewed; // pictures.js asks, too

  // The answer to the text as it is, or null where there is none; says why.
  async function ask() {
    const mine = ++asked;
    let answer;
    try {
      answer = await post();
      if (answer.status === 403 && (await renewed())) {
        answer = await post();
      }
    } catch {
      say("No connection; your text is kept here");
      return null;
    }
    if (mine === asked) {
      signedOut.hidden = answer.status !== 403; // an answer that comes late says nothing of now
    }
    if (!answer.ok) {
      say(answer.status === 403 ? "Signed out" : "The server could not look at it");
      return null;
    }
    return answer;
  }

  function say(words) {
    kept.textContent = words;
  }

  function isChanged() {
    return text.value !== before;
  }

  function told() {
    say(isChanged() ? "Not saved yet" : "");
    const note = document.getElementById("only-saved");
    if (note) {
      note.hidden = !isChanged();
    }
  }

  // Findings and letter.

  async function look() {
    const mine = ++turn;
    line.value = text.value.slice(0, text.selectionStart).split("\n").length;
    const answer = await ask();
    if (answer === null || mine !== turn) {
      return;
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== turn) {
      return;
    }
    for (const id of ["found", "inbox"]) {
      document.getElementById(id).replaceWith(document.adoptNode(fresh.getElementById(id)));
    }
    told();
    if (document.getElementById("found").dataset.shown) {
      show();
    }
  }

  // A frame that is new leaves no step in the history, and the old one stands until it is there.
  function show() {
    const old = document.getElementById("letter");
    for (const late of document.querySelectorAll("iframe.coming")) {
      late.remove();
    }
    const fresh = old.cloneNode();
    fresh.removeAttribute("src");
    fresh.removeAttribute("id");
    fresh.name = "letter-" + turn + "-" + Date.now();
    fresh.classList.add("coming");
    old.after(fresh);
    fresh.addEventListener("load", () => {
      if (document.activeElement === fresh) {
        had.focus({ preventScroll: true }); // a frame that comes takes nobody's place
      }
      old.remove();
      fresh.id = "letter";
      fresh.classList.remove("coming");
    });
    const sent = document.createElement("form");
    sent.method = "post";
    sent.action = form.dataset.letter + "#here";
    sent.target = fresh.name;
    sent.hidden = true;
    for (const [name, value] of new FormData(form)) {
      const one = document.createElement("input");
      one.type = "hidden";
      one.name = name;
      one.value = value;
      sent.append(one);
    }
    document.body.append(sent);
    sent.submit();
    sent.remove();
  }

  function changed() {
    told();
    if (isChanged()) {
      store();
    } else {
      forget(key);
    }
    clearTimeout(timer);
    timer = setTimeout(look, WAIT);
  }

  // To a line: a copy of the text up to it, as wide, says how far down it is.
  function go(number) {
    const lines = text.value.split("\n");
    const start = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
    const copy = text.cloneNode();
    copy.removeAttribute("id");
    copy.rows = 1;
    copy.className = "measure";
    copy.style.width = text.clientWidth + "px";
    copy.value = text.value.slice(0, start);
    text.after(copy);
    const height = copy.scrollHeight;
    copy.remove();
    text.focus({ preventScroll: true });
    text.setSelectionRange(start, start + (lines[number - 1] || "").length);
    text.scrollTop = Math.max(0, height - text.clientHeight / 2);
    text.scrollIntoView({ block: "nearest" });
  }

  // Saving.

  async function save() {
    store();
    say("Saving …");
    document.getElementById("save").setAttribute("aria-disabled", "true");
    const answer = await ask();
    document.getElementById("save").removeAttribute("aria-disabled");
    if (answer === null) {
      return;
    }
    sessionStorage.setItem("digest-saving", key);
    leaving = true;
    form.submit();
  }

  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.formTarget) {
      return;
    }
    event.preventDefault();
    save();
  });
  text.addEventListener("input", changed);
  document.addEventListener("focusin", (event) => {
    if (event.target.tagName !== "IFRAME") {
      had = event.target;
    }
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
      event.preventDefault();
      save();
    }
  });
  document.addEventListener("click", (event) => {
    const place = event.target.closest("[data-line]");
    if (place) {
      event.preventDefault();
      go(Number(place.dataset.line));
    }
    if (event.target.closest("[data-drop]")) {
      forget(key);
      leaving = true;
    }
  });
  for (const one of form.elements.view) {
    one.addEventListener("change", show);
  }
  window.addEventListener("focus", () => {
    if (!signedOut.hidden) {
      look();
    }
  });
  window.addEventListener("online", look);
  window.addEventListener("beforeunload", (event) => {
    if (isChanged() && !leaving) {
      event.preventDefault();
    }
  });

  offer();
  look();
})();
