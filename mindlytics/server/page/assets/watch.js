// Hears from the server that something was stored, while the page is visible, and has it shown.

const AGAIN = 2000; // milliseconds after which a failed update is tried again

export function watch(address, update) {
  let source = null;
  let running = false;
  let waiting = false;

  async function refresh() {
    if (running) {
      waiting = true;
      return;
    }
    running = true;
    do {
      waiting = false;
      try {
        await update();
      } catch {
        setTimeout(refresh, AGAIN);
      }
    } while (waiting);
    running = false;
  }

  function connect() {
    if (document.visibilityState === "visible" && source === null) {
      source = new EventSource(address); // browsers have few connections to a server, so hidden pages leave theirs
      source.onopen = refresh; // something may have come in between
      source.onmessage = refresh;
    } else if (document.visibilityState !== "visible" && source !== null) {
      source.close();
      source = null;
    }
  }

  document.addEventListener("visibilitychange", connect);
  addEventListener("pageshow", connect);
  addEventListener("pagehide", () => {
    source?.close();
    source = null;
  });
  connect();
}
