// Runs before anything is drawn, so that a dark page is dark from its first moment.
(() => {
  const kept = localStorage.getItem("mantine-color-scheme-value");
  const dark = kept === "dark" || (kept !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
