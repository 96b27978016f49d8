// Keeps an open preview in step with the file: asks the server for its events, and on each one
// fetches the page again, swaps what has changed and lets the frames load anew.
"use strict";

(function () {
  const live = document.getElementById("live");
  const events = new EventSource("/events");
  let wasDown = false;
  let asked = 0;

  function say(text) {
    live.textContent = text;
  }

  function time() {
    return new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  }

  function swap(fresh, id) {
    const old = document.getElementById(id);
    const now = fresh.getElementById(id);
    if (old && now) {
      old.replaceWith(document.adoptNode(now));
    }
    return Boolean(old) === Boolean(now);
  }

  async function update() {
    const turn = ++asked;
    const answer = await fetch(location.href, { cache: "no-store" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn !== asked) {
      return; // a later change is already on its way
    }
    const frames = document.querySelectorAll("iframe");
    const same = fresh.querySelectorAll("iframe").length === frames.length;
    if (!same || !["state", "facts"].every((id) => swap(fresh, id))) {
      location.reload();
      return;
    }
    swap(fresh, "plain");
    document.title = fresh.title;
    for (const frame of frames) {
      frame.src = frame.src;
    }
    say("Updated " + time());
  }

  events.addEventListener("change", () => update().catch(() => say("No answer")));
  events.addEventListener("open", () => {
    if (wasDown) {
      location.reload();
    }
    say("Live");
  });
  events.addEventListener("error", () => {
    wasDown = true;
    say("The preview has ended");
  });
})();
