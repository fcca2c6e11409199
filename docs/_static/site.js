// What scrolls by itself has to be reachable from the keyboard, and a table says that it scrolls.
function reach() {
  document.querySelectorAll("pre, .table-wrapper, .table-scroll").forEach((box) => {
    const wide = box.scrollWidth > box.clientWidth;
    box.classList.toggle("scrolls", wide && !box.matches("pre"));
    if (wide && !box.matches(".table-scroll")) {
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
