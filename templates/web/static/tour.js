// Says again every second how the demo's sender is: it is killed, and comes back, while one looks.
"use strict";

(function () {
  const said = document.getElementById("tour-said");

  async function ask() {
    try {
      const answer = await fetch(said.dataset.from);
      const words = await answer.text();
      if (answer.ok && words !== said.textContent) {
        said.textContent = words;
      }
    } catch {
      said.textContent = "The demo has ended.";
    }
  }

  setInterval(() => document.hidden || ask(), 1000);
})();
