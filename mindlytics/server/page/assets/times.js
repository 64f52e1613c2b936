// Writes times in the reader's own zone and language.

const today = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const earlier = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };

export function showTimes(root) {
  const now = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = time.dateTime;
      time.textContent = at.toLocaleString(undefined, at.toDateString() === now ? today : earlier);
    }
  }
}
