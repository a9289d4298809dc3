// What is wrong with a page that shows hostile text; and how it looks, to be held against a harmless one.
([measures, boxes, frame]) => {
  const wrong = [];
  const root = document.documentElement;
  if (window.__ran !== undefined) wrong.push(`ran ${window.__ran}`);
  if (measures) for (const message of document.querySelectorAll(".message")) message.style.contentVisibility = "visible";
  // Tabs hide parts of the evidence.
  for (const part of measures ? document.querySelectorAll("[role=tabpanel]") : []) part.hidden = false;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !one.closest(".table-scroll, pre"));
    wrong.push(`${root.scrollWidth - root.clientWidth} pixels too wide: ${wide.slice(0, 2).concat(wide.slice(-1)).map((one) => one.outerHTML.slice(0, 150)).join(" … ")}`);
  }
  const active = "script:not([src^='/static/']), iframe, frame, object, embed, base, svg, math, style, template, video, audio, area";
  for (const element of document.querySelectorAll(active)) if (element.matches(".drawn > svg[aria-hidden=true], svg.columns, svg.share[aria-hidden=true], svg.sparkline")) {
    // A drawing of ours: of such elements and no others, and nothing that acts.
    for (const part of element.querySelectorAll("*")) {
      const acts = [...part.attributes].some((one) => /^(on|style$|id$|name$)/.test(one.name));
      if (acts || !/^(g|a|title|text|rect|circle|path|polyline|line)$/.test(part.localName)) wrong.push(`in a drawing: ${part.outerHTML.slice(0, 200)}`);
    }
  } else if (!document.doctype || element.ownerSVGElement === null) wrong.push(`element ${element.outerHTML.slice(0, 200)}`);
  const places = (name) => [...document.querySelectorAll(`[${name}]`)].map((element) => element.getAttribute(name).replace(/[0-9a-f-]{36}|[0-9]+/g, "N"));
  const classes = new Set();
  const rect = (element) => element.getBoundingClientRect();
  // The head and the first column of a table stay in view, within its frame.
  const inView = (element) => getComputedStyle(element).position === "sticky" && element.matches(".table-scroll thead th, .table-scroll tr > :first-child, .rows-section span");
  const out = (inner, outer) => inner.width > 0 && (inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1);
  for (const box of measures ? document.querySelectorAll(boxes) : []) {
    if (!document.querySelector("main")?.contains(box) || box.matches(".sheet > * > tr > td, .insights td, .insights th")) continue;
    const style = getComputedStyle(box);
    const around = rect(box);
    const holds = style.overflowX === "visible" && style.display !== "inline";
    if (holds && box.clientWidth && box.scrollWidth > box.clientWidth + 1 && !box.querySelector("pre, .table-scroll")) wrong.push(`sticks out: ${box.outerHTML.slice(0, 200)}`);
    for (const element of box.querySelectorAll("*")) {
      for (const attribute of element.attributes) if (/^(on|style|src|srcset|id|name|form|data-(?!language$)|hx-)/.test(attribute.name) && !element.matches("a[hx-get^='/'][id^='sort-'], td [id], button")) wrong.push(`attribute in ${element.outerHTML.slice(0, 200)}`);
      for (const name of element.classList) classes.add(name);
      if (/fixed|sticky|absolute/.test(getComputedStyle(element).position) && !element.matches(".visually-hidden, .code > .text-tools") && !inView(element)) wrong.push(`out of the flow: ${element.outerHTML.slice(0, 200)}`);
      if (holds && !element.closest("pre, .table-scroll, .visually-hidden, .document-table") && out(rect(element), around)) wrong.push(`outside its box: ${element.outerHTML.slice(0, 200)}`);
    }
  }
  for (const link of document.querySelectorAll("main a[href]")) {
    const url = new URL(link.href.baseVal ?? link.href, location);
    if (url.protocol === "mailto:" ? link.textContent.includes(url.pathname) : url.host === location.host || location.protocol === "file:" && !link.closest(".prose")) continue;
    const isOmni = link.textContent.startsWith("Open in Omni") && /\.omni\.co$/.test(url.host);
    if (!isOmni && (!/^https?:$/.test(url.protocol) || !link.textContent.toLowerCase().includes(url.host) || !/noopener/.test(link.rel))) wrong.push(`leads elsewhere: ${link.outerHTML.slice(0, 300)}`);
  }
  const seen = {};
  for (const selector of frame) {
    const element = document.querySelector(selector);
    if (!element) continue;
    const at = rect(element);
    seen[selector] = [at.x, at.y, at.width, at.height].map(Math.round);
    const top = document.elementFromPoint(at.x + Math.min(at.width / 2, innerWidth - 1), at.y + at.height / 2);
    if (at.height && at.y < innerHeight && !(top && (element.contains(top) || top.contains(element)))) wrong.push(`${selector} is covered by ${top?.outerHTML.slice(0, 100)}`);
  }
  return { wrong, seen, classes: [...classes], ids: places("id"), names: places("name"), title: document.title, html: root.outerHTML };
}
