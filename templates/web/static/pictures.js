// Pictures put into the text that is written: chosen, dropped or pasted, one after the other. Each
// is sent at once; where the caret was comes the line that shows it, and what to say about it is
// chosen, to be typed over. Writing goes on meanwhile. Without this file a form does it.
"use strict";

(function () {
  const form = document.getElementById("writing");
  const text = form.elements.text;
  const chosen = document.getElementById("picture");
  const button = document.getElementById("add-picture");
  const coming = document.getElementById("uploading");
  const bar = coming.querySelector("progress");
  const most = Number(chosen.dataset.most);
  const ALT = "TODO"; // a finding until somebody says what the picture shows
  const waiting = [];
  let place = 0; // in the text, while a picture is on its way
  let length = 0;
  let moved = false; // whether somebody went on writing
  let sending = null;

  chosen.removeAttribute("name"); // it is sent by itself
  button.type = "button";

  // Which pictures.

  function pictures(data) {
    return data ? [...data.files] : [];
  }

  function hasFiles(event) {
    return event.dataTransfer !== null && event.dataTransfer.types.includes("Files");
  }

  button.addEventListener("click", () => chosen.click());
  chosen.addEventListener("change", () => {
    take([...chosen.files], text.selectionEnd);
    chosen.value = "";
  });
  text.addEventListener("paste", (event) => {
    const found = pictures(event.clipboardData);
    if (found.length && !event.clipboardData.types.includes("text/plain")) {
      event.preventDefault(); // a table that is copied brings a picture of itself: its words are meant
      take(found, text.selectionEnd);
    }
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!hasFiles(event)) {
        return;
      }
      event.preventDefault(); // beside the text, too: else the browser goes to the file
      const inside = event.target === text && kind !== "dragleave" && kind !== "drop";
      text.classList.toggle("over", inside);
      event.dataTransfer.dropEffect = event.target === text ? "copy" : "none";
      if (kind === "drop" && event.target === text) {
        text.focus();
        take(pictures(event.dataTransfer), under(event));
      }
    });
  }

  // Where in the text something was dropped, as far as the browser knows.
  function under(event) {
    const found = document.caretPositionFromPoint
      ? document.caretPositionFromPoint(event.clientX, event.clientY)
      : null;
    return found && found.offsetNode === text ? found.offset : text.selectionEnd;
  }

  function take(files, at) {
    if (!files.length) {
      return;
    }
    tell("", "");
    if (sending === null && !waiting.length) {
      place = at;
      length = text.value.length;
      moved = false;
    }
    waiting.push(...files);
    if (sending === null) {
      next();
    }
  }

  // What is typed before the place moves it along.
  text.addEventListener("input", () => {
    const more = text.value.length - length;
    length = text.value.length;
    if (sending !== null) {
      moved = true;
      if (text.selectionEnd - more <= place) {
        place = Math.max(0, place + more);
      }
    }
  });

  // Sending.

  function next() {
    const file = waiting.shift();
    if (file === undefined) {
      return;
    }
    if (file.size > most) {
      failed(file, "It has " + (file.size / 1048576).toFixed(1) + " MB; " + most / 1048576 + " MB is the most.");
      return;
    }
    coming.querySelector("span").textContent = "Sending " + named(file);
    bar.value = 0;
    coming.hidden = false;
    send(file, true);
  }

  function named(file) {
    return file.name || "the picture";
  }

  function send(file, again) {
    const body = new FormData();
    body.append("form_token", form.elements.form_token.value);
    body.append("picture", file, file.name);
    const asked = new XMLHttpRequest(); // unlike fetch it says how much is sent
    sending = asked;
    asked.open("POST", form.dataset.picture);
    asked.setRequestHeader("Accept", "application/json");
    asked.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) {
        bar.value = event.loaded / event.total;
      }
    });
    asked.upload.addEventListener("load", () => bar.removeAttribute("value")); // it is looked at
    asked.addEventListener("error", () => failed(file, "There is no connection."));
    asked.addEventListener("abort", () => failed(file, "You stopped it."));
    asked.addEventListener("load", () => answered(file, asked, again));
    asked.send(body);
  }

  async function answered(file, asked, again) {
    if (asked.status === 200) {
      done(file, JSON.parse(asked.response));
    } else if (asked.status === 403 && again) {
      // Signed in anew in another tab, signed out, or not allowed: the page of oneself says which.
      const known = await window.digestRenewed().catch(() => false);
      document.getElementById("signed-out").hidden = known;
      if (known) {
        send(file, false);
      } else {
        failed(file, "You are signed out.");
      }
    } else {
      failed(file, why(asked));
    }
  }

  function why(asked) {
    if (asked.status === 403) {
      return "Your role does not allow it.";
    }
    if (asked.status === 413) {
      return "It is too large; " + most / 1048576 + " MB is the most.";
    }
    if (asked.status === 429) {
      return "These were many pictures; wait some minutes.";
    }
    try {
      return JSON.parse(asked.response).error;
    } catch {
      return "The server could not take it (" + asked.status + ").";
    }
  }

  function failed(file, words) {
    finish();
    tell("", named(file) + " was not added. " + words);
    next();
  }

  function done(file, found) {
    const stayed = !moved;
    finish();
    const start = put("![", ALT, "](" + found.name + ")");
    tell(named(file) + " is in the text. Say what it shows in place of " + ALT + ".", "");
    if (stayed && !waiting.length) {
      text.focus();
      text.setSelectionRange(start, start + ALT.length);
    }
    next();
  }

  function finish() {
    sending = null;
    coming.hidden = true;
    if (document.activeElement === document.body) {
      text.focus(); // what had it is gone
    }
  }

  document.getElementById("stop-adding").addEventListener("click", () => {
    waiting.length = 0;
    sending.abort();
    text.focus();
  });

  function tell(good, bad) {
    document.getElementById("uploaded").textContent = good;
    document.getElementById("not-added").textContent = bad;
  }

  // A paragraph of its own at the place; where the words about it begin. As if it were typed, so
  // that it can be undone.
  function put(before, alt, after) {
    const [was, end] = [text.selectionStart, text.selectionEnd];
    const above = text.value.slice(0, place);
    const below = text.value.slice(place);
    const lead = above === "" || above.endsWith("\n") ? "" : "\n\n";
    const tail = below === "" || below.startsWith("\n") ? "" : "\n\n";
    const written = lead + before + alt + after + tail;
    const had = document.activeElement;
    const at = place;
    text.focus({ preventScroll: true });
    text.setSelectionRange(at, at);
    if (!document.execCommand("insertText", false, written)) {
      text.setRangeText(written, at, at, "end");
      text.dispatchEvent(new Event("input", { bubbles: true }));
    }
    length = text.value.length;
    const shifted = (one) => (one > at ? one + written.length : one);
    text.setSelectionRange(shifted(was), shifted(end));
    if (had !== text && had !== document.body) {
      had.focus({ preventScroll: true });
    }
    place = at + written.length - tail.length;
    return at + lead.length + before.length;
  }
})();
