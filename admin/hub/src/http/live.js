// Brings an open page up to date: whenever the hub kept something, the page is asked for again and its main part
// replaced. Without this script a page shows what was when it was asked for.
const main = document.getElementById("live");
let busy = false;
let again = false;

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (answer.ok && !answer.redirected) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("live");
      if (fresh) main.replaceChildren(...fresh.childNodes);
    }
    document.body.dataset.stale = String(!answer.ok);
  } catch {
    document.body.dataset.stale = "true";
  }
  busy = false;
  if (again) { again = false; setTimeout(refresh, 1000); }
}

if (main && !location.search) {
  const news = new EventSource(main.dataset.live);
  news.addEventListener("news", refresh);
  news.addEventListener("open", () => { document.body.dataset.connected = "true"; });
  news.addEventListener("error", () => { document.body.dataset.connected = "false"; });
  // Silence is news as well: how long ago a terminal was heard changes by itself.
  setInterval(refresh, 30000);
}
