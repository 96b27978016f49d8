// Keeps the numbers of an issue in step while it goes out: the server sends a fragment of our own
// HTML with each look. Without this the page asks again every five seconds.
"use strict";

(function () {
  const place = document.getElementById("progress");
  const live = document.getElementById("live");
  if (!place || !window.EventSource) {
    return;
  }
  const events = new EventSource(place.dataset.events);
  let leaving = false;

  // Whoever has pressed a button gets the page that answers, not this one once more.
  document.addEventListener("submit", () => {
    leaving = true;
  });

  events.addEventListener("look", (event) => {
    const fresh = new DOMParser().parseFromString(event.data, "text/html");
    place.replaceChildren(...fresh.body.childNodes);
    live.textContent = "Live";
  });
  events.addEventListener("over", () => {
    events.close();
    if (!leaving) {
      location.reload();
    }
  });
  events.addEventListener("error", () => {
    live.textContent = events.readyState === EventSource.CLOSED ? "No answer; load the page again" : "…";
  });
})();
