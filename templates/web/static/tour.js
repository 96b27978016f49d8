// Says again every second how the demo's sender is: it is killed, and comes back, while one looks.
// Where the steps do not all fit, the one that is shown is moved into sight.
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

  const here = document.querySelector(".tour [aria-current]");
  here?.scrollIntoView({ block: "nearest", inline: "center" });

  setInterval(() => document.hidden || ask(), 1000);
})();
