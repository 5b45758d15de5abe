// Ask the service's health routes and say what they answer.
const list = document.querySelector("[data-service]");

async function ask(state) {
  try {
    const answer = await fetch(list.dataset.service + state.dataset.path, {
      cache: "no-store",
      signal: AbortSignal.timeout(8000),
    });
    show(state, answer.ok, answer.ok ? "Working" : "In trouble");
  } catch {
    show(state, false, "Out of reach from here");
  }
}

function show(state, good, text) {
  state.textContent = text;
  state.classList.add(good ? "good" : "bad");
}

list.querySelectorAll("[data-path]").forEach(ask);
