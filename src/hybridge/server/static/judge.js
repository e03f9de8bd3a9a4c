// Grading by keys: 0 to 3 and ? grade the passage in focus, u takes the last grade back.
"use strict";

(() => {
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  const page = document.getElementById("grading");
  if (!page) return;
  const candidates = [...page.querySelectorAll(".candidate")];
  const say = (text) => (document.getElementById("announced").textContent = text);
  let waiting = 0;
  let isLost = false; // whether a grade was not saved: then no link leads away from it
  let sent = Promise.resolve(); // One after another, so that undo takes back what came last.

  const buttons = (candidate) => [...candidate.querySelectorAll("button[name=grade]")];
  const isGraded = (candidate) => candidate.classList.contains("is-graded");
  const current = () => document.activeElement?.closest(".candidate");
  const focus = (element) => element?.focus();

  const show = (candidate, grade) => {
    for (const button of buttons(candidate)) {
      button.setAttribute("aria-pressed", String(button.value === grade));
    }
    candidate.classList.toggle("is-graded", grade !== "");
  };

  const pressed = (candidate) =>
    buttons(candidate).find((button) => button.getAttribute("aria-pressed") === "true")?.value ?? "";

  const post = (path, fields) => {
    waiting += 1;
    document.getElementById("saving").textContent = "· saving";
    const answer = sent.then(async () => {
      const response = await fetch(path, {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new URLSearchParams(fields),
        keepalive: true,
      });
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).detail);
      return response.json();
    });
    sent = answer.catch(() => {}).finally(() => {
      waiting -= 1;
      if (!waiting) document.getElementById("saving").textContent = "";
    });
    return answer.then((state) => {
      document.getElementById("graded").textContent = `${state.graded} of ${state.candidates} graded`;
      return state;
    });
  };

  const failed = (error) => {
    isLost = true;
    const text = `Not saved. ${error.message || "The server does not answer."}`;
    say(text);
    let shown = document.getElementById("failed");
    if (!shown) {
      shown = document.createElement("p");
      shown.id = "failed";
      shown.className = "error";
      page.querySelector(".asked").append(shown);
    }
    shown.textContent = text;
  };

  const onward = () =>
    ["next", "unfinished", "finished", "all-questions"].map((id) => document.getElementById(id)).find(Boolean);

  const grade = (candidate, value) => {
    const before = pressed(candidate);
    show(candidate, value);
    const place = candidates.indexOf(candidate);
    const rest = [...candidates.slice(place + 1), ...candidates.slice(0, place)];
    const next = rest.find((each) => !isGraded(each));
    focus(next ?? onward());
    post("/judge/grade", {
      question: page.dataset.question,
      passage: candidate.dataset.passage,
      judge: page.dataset.judge,
      grade: value,
    })
      .then((state) => {
        isLost = false;
        document.getElementById("failed")?.remove();
        say(`Passage ${place + 1}: grade ${value}. ${state.graded} of ${state.candidates} graded.`);
      })
      .catch((error) => {
        show(candidate, before);
        failed(error);
      });
  };

  const undo = () =>
    post("/judge/undo", { question: page.dataset.question, judge: page.dataset.judge })
      .then((state) => {
        const candidate = candidates.find((each) => each.dataset.passage === state.passage);
        if (!candidate) return say("Nothing to undo");
        show(candidate, state.grade);
        focus(candidate);
        say(`Passage ${candidates.indexOf(candidate) + 1}: grade taken back.`);
      })
      .catch(failed);

  const follow = (id) => document.getElementById(id)?.click();

  const move = (step) => {
    const place = candidates.indexOf(current());
    focus(candidates[place < 0 ? 0 : place + step]);
  };

  page.addEventListener("submit", (event) => {
    if (event.target.id === "undo") {
      event.preventDefault();
      undo();
    } else if (event.target.matches(".grades")) {
      event.preventDefault();
      grade(event.target.closest(".candidate"), event.submitter.value);
    }
  });

  // A link waits until all is saved.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || !waiting || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    sent.then(() => isLost || location.assign(link.href));
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.target.closest("input:not([type=hidden]), textarea, select")) return;
    const candidate = current();
    const button = candidate && buttons(candidate).find((each) => each.value === event.key);
    if (button) grade(candidate, button.value);
    else if (event.key === "u") undo();
    else if (event.key === "n") follow("next");
    else if (event.key === "p") follow("previous");
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else return;
    event.preventDefault();
  });

  window.addEventListener("beforeunload", (event) => {
    if (waiting) event.preventDefault();
  });

  // The first that has no grade: so a reload goes on where the judge was.
  focus(candidates.find((each) => !isGraded(each)) ?? onward());
})();
