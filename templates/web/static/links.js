// Ordering the links that are kept: by dragging, by the arrow buttons without a new page, and by
// Alt with an arrow key on a link. The server is told the whole order; without this file the
// buttons are forms.
"use strict";

(function () {
  const kept = document.getElementById("kept-links");
  const told = document.getElementById("told");
  let dragged = null;
  let from = "";

  function say(words) {
    told.textContent = words;
  }

  function items() {
    return [...kept.querySelectorAll("[data-link]")];
  }

  // First and last of a list have one way to go.
  function buttons() {
    for (const list of kept.querySelectorAll("ol[data-section]")) {
      const links = [...list.children];
      links.forEach((one, at) => {
        one.querySelector("[value=up]").disabled = at === 0;
        one.querySelector("[value=down]").disabled = at === links.length - 1;
      });
    }
  }

  async function tell(item, words) {
    const list = item.parentElement;
    const fields = {
      form_token: kept.dataset.token,
      order: items().map((one) => one.dataset.link).join(" "),
      moved: item.dataset.link,
      section: list.dataset.section,
    };
    buttons();
    say("Saving …");
    try {
      const answer = await fetch(kept.dataset.order, {
        method: "POST",
        body: new URLSearchParams(fields),
        redirect: "manual",
      });
      if (answer.type !== "opaqueredirect" && !answer.ok) {
        throw new Error(answer.status);
      }
      say(words);
    } catch {
      say("Not saved; load the page again");
    }
  }

  function place(item) {
    const links = [...item.parentElement.children];
    return links.indexOf(item) + 1 + " of " + links.length + " in " + item.parentElement.dataset.section;
  }

  function step(item, by) {
    const other = by < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) {
      return;
    }
    if (by < 0) {
      other.before(item);
    } else {
      other.after(item);
    }
    tell(item, "Moved: " + place(item));
  }

  kept.addEventListener("click", (event) => {
    const button = event.target.closest("button[value=up], button[value=down]");
    if (!button) {
      return;
    }
    event.preventDefault();
    const item = button.closest("[data-link]");
    step(item, button.value === "up" ? -1 : 1);
    const again = button.disabled ? item.querySelector(".moves button:not(:disabled)") : button;
    if (again) {
      again.focus();
    }
  });

  kept.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-link]");
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (item && by && event.altKey) {
      event.preventDefault();
      const focused = document.activeElement;
      step(item, by);
      focused.focus();
    }
  });

  kept.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("[data-link]");
    if (!dragged || event.target.closest("a, textarea, input") === event.target) {
      dragged = null;
      return;
    }
    from = items().indexOf(dragged) + " " + dragged.parentElement.dataset.section;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.link);
    dragged.classList.add("dragged");
  });

  kept.addEventListener("dragover", (event) => {
    const list = event.target.closest("section.part")?.querySelector("ol[data-section]");
    if (!dragged || !list) {
      return;
    }
    event.preventDefault();
    const after = [...list.children].find((one) => {
      const box = one.getBoundingClientRect();
      return one !== dragged && event.clientY < box.top + box.height / 2;
    });
    list.insertBefore(dragged, after || null);
  });

  kept.addEventListener("drop", (event) => event.preventDefault());

  kept.addEventListener("dragend", () => {
    if (!dragged) {
      return;
    }
    dragged.classList.remove("dragged");
    const now = items().indexOf(dragged) + " " + dragged.parentElement.dataset.section;
    if (now !== from) {
      tell(dragged, "Moved: " + place(dragged));
    }
    dragged = null;
  });
})();
