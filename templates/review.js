// The keys of the desk. Every one of them presses a button, follows a link or goes to a field that is on the page: without this
// file everything works by hand.
(() => {
  "use strict";
  const at = (name) => document.getElementById(name);
  const off = () => localStorage.getItem("amplify-keys") === "off";
  let leaving = false;
  addEventListener("submit", () => (leaving = true));
  addEventListener("pageshow", () => (leaving = false));

  const rows = () => [...document.querySelectorAll(".list a")].filter((one) => one.offsetParent);
  const step = (by) => {
    const all = rows();
    const here = all.indexOf(document.activeElement);
    const next = all[here < 0 ? (by > 0 ? 0 : all.length - 1) : here + by];
    if (next) return next.focus();
    document.querySelector(by > 0 ? ".pages [rel=next]" : ".pages [rel=prev]")?.click();
  };
  const move = (by) => (at("accept") || at("edit") || at("after") || at("before") ? at(by > 0 ? "after" : "before")?.click() : step(by));
  const write = (name) => () => {
    const field = at(name);
    field?.focus();
    field?.select?.();
  };
  const help = () => (at("keys").open ? at("keys").close() : at("keys").showModal());
  const does = {
    j: () => move(1), k: () => move(-1), ArrowRight: () => at("after")?.click(), ArrowLeft: () => at("before")?.click(),
    a: () => at("accept")?.click(), r: write("reason"), h: write("until"), e: () => at("edit")?.click(), u: () => at("undo")?.click(),
    "/": write("words"), "?": help,
  };

  addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input, select, textarea");
    if (event.key === "Escape" && field) return at("cancel") ? at("cancel").click() : (field.blur(), at("top")?.focus());
    if (event.key === "Escape" && at("cancel")) return at("cancel").click();
    // Later, since a browser takes what is sent while Ctrl is down for "in a new tab".
    if (event.key === "Enter" && event.ctrlKey && field?.form) return setTimeout(() => field.form.requestSubmit());
    if (field || leaving || event.repeat || event.ctrlKey || event.metaKey || event.altKey || off()) return;
    if (at("keys").open && event.key !== "?") return;
    const inList = event.target.closest?.(".list");
    const act = event.key === "ArrowDown" && inList ? () => step(1) : event.key === "ArrowUp" && inList ? () => step(-1) : does[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const button = at("help");
  button.hidden = false;
  button.addEventListener("click", help);
  const told = () => at("keys-off").setAttribute("aria-pressed", String(off()));
  at("keys-off").addEventListener("click", () => {
    localStorage.setItem("amplify-keys", off() ? "on" : "off");
    told();
  });
  told();

  // What was done is said aloud once the page is there, and reading goes on at the thing that is shown now.
  const said = at("said")?.querySelector("p").textContent;
  if (said) setTimeout(() => (at("aloud").textContent = said), 100);
  if (document.activeElement === document.body) (document.querySelector("[autofocus]") ?? at("top"))?.focus({ preventScroll: true });
  document.querySelector(".beside [aria-current]")?.scrollIntoView({ block: "nearest" });
})();
