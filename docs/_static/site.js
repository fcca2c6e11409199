// What scrolls by itself has to be reachable from the keyboard.
function reach() {
  document.querySelectorAll("pre, .table-wrapper").forEach((box) => {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
      if (!box.matches("pre")) {
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", "Table");
      }
    }
  });
}
addEventListener("load", reach);
addEventListener("resize", reach);
document.querySelectorAll("details").forEach((box) => box.addEventListener("toggle", reach));
