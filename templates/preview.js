// Asks every second, while somebody looks, whether a file changed, and then shows the page anew.
(() => {
  "use strict";
  const known = document.currentScript.src.split("?")[1];
  const ask = async () => {
    try {
      const answer = document.hidden ? null : await fetch("/-/version", { cache: "no-store" });
      if (answer?.ok && (await answer.text()) !== known) return location.reload();
    } catch {
      // The preview has ended; perhaps it begins again.
    }
    setTimeout(ask, 1000);
  };
  setTimeout(ask, 1000);

  // A mail is as tall as it is; without this it scrolls inside its frame.
  const frame = document.querySelector("iframe.letter");
  const fit = () => {
    const inside = frame.contentDocument?.documentElement;
    if (!inside) return;
    frame.style.height = "0";
    frame.style.height = `${inside.scrollHeight + 2}px`;
  };
  if (frame) {
    frame.addEventListener("load", fit);
    addEventListener("resize", fit);
    fit();
  }
})();
