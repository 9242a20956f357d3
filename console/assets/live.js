// Small comforts; every page works without them.
(function () {
  "use strict";

  // The list of incidents looks for what came in since. It shows it at once
  // when the reader is at the top and idle, else it offers it.
  var live = document.getElementById("live");
  var rows = document.getElementById("rows");
  if (!live || !rows || !live.dataset.later) return;

  var later = live.dataset.later;
  var waiting = []; // pieces of list, newest first
  var count = 0;
  var touched = 0; // when the reader last did something

  ["keydown", "pointerdown", "pointermove", "scroll"].forEach(function (name) {
    addEventListener(name, function () { touched = Date.now(); }, { passive: true });
  });

  function reading() {
    var selection = getSelection();
    return window.scrollY > 80 || Date.now() - touched < 8000 ||
      (selection && !selection.isCollapsed) || rows.contains(document.activeElement);
  }

  function show() {
    waiting.forEach(function (html) {
      var box = document.createElement("template");
      box.innerHTML = html;
      Array.from(box.content.children).forEach(function (row) {
        if (!row.classList.contains("day")) row.classList.add("fresh");
      });
      // The list begins with a day's heading: keep one of each.
      var first = rows.firstElementChild;
      var heads = box.content.querySelectorAll(".day");
      var last = heads[heads.length - 1];
      if (first && last && first.textContent === last.textContent) first.remove();
      rows.prepend(box.content);
    });
    waiting = [];
    count = 0;
    live.textContent = "";
    while (rows.children.length > 200) rows.lastElementChild.remove();
  }

  function offer(words) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.addEventListener("click", function () { show(); scrollTo(0, 0); });
    live.replaceChildren(button);
  }

  async function look() {
    if (document.hidden || count >= 200) return;
    var answer = await fetch(later + "&waiting=" + count, { headers: { Accept: "text/html" } });
    if (answer.redirected || !answer.ok) return;
    var n = Number(answer.headers.get("Qorgan-Count"));
    if (!n) return;
    waiting.push(await answer.text());
    later = answer.headers.get("Qorgan-Later") || later;
    count += n;
    if (reading()) offer(decodeURIComponent(answer.headers.get("Qorgan-Words")));
    else show();
  }

  (function again() {
    setTimeout(function () { look().catch(function () {}).finally(again); }, 5000);
  })();
})();
