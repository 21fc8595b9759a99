"use strict";
// Zooms the timeline. Everything it shows stands in the page without it.
(() => {
  const box = document.getElementById("chart");
  const svg = box && box.querySelector("svg[data-end]");
  const data = document.getElementById("seconds");
  if (!svg || !data) return;
  const { seconds, windows } = JSON.parse(data.textContent);
  const [left, width, end, top, bottom] = ["left", "width", "end", "top", "bottom"].map((name) => Number(svg.dataset[name]));
  const right = left + width;
  const make = (name, attributes) => {
    const element = document.createElementNS(svg.namespaceURI, name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  };
  const clip = make("clipPath", { id: "plot" });
  clip.append(make("rect", { x: left, y: 0, width, height: bottom + 40 }));
  const parts = [...svg.querySelectorAll("rect,line,path,text")].filter((part) => !part.closest("defs"));
  const before = parts.map((part) => new Map(part.getAttributeNames().map((name) => [name, part.getAttribute(name)])));
  const ticks = make("g", {});
  const brush = make("rect", { class: "brush", y: top, height: bottom - top, x: left, width: 0 });
  const hair = make("line", { class: "hair", y1: top, y2: bottom, x1: -9, x2: -9 });
  svg.append(clip, ticks, brush, hair);
  let from = 0;
  let to = end;

  const x = (us) => left + ((us - from) / (to - from)) * width;
  const us = (px) => from + ((px - left) / width) * (to - from);
  const moved = (px) => x(((px - left) / width) * end);
  const inside = (px) => Math.min(right, Math.max(left, px));
  const place = (part, was) => {
    const number = (name) => Number(was.get(name));
    const set = (name, value) => part.setAttribute(name, value.toFixed(1));
    let shown = true;
    if (part.tagName === "rect") {
      const [start, stop] = [moved(number("x")), moved(number("x") + number("width"))];
      shown = stop > left && start < right;
      set("x", inside(start));
      set("width", Math.max(0, inside(stop) - inside(start)));
    } else if (part.tagName === "line") {
      const [start, stop] = [moved(number("x1")), moved(number("x2"))];
      shown = stop >= left - 0.1 && start <= right + 0.1;
      set("x1", inside(start));
      set("x2", inside(stop));
    } else if (part.tagName === "path") {
      part.setAttribute("clip-path", "url(#plot)");
      part.setAttribute("d", was.get("d").replace(/([ML])(-?[\d.]+)/g, (_, letter, px) => letter + moved(Number(px)).toFixed(1)));
    } else if (number("x") >= left && number("x") <= right) {
      const at = moved(number("x"));
      shown = at >= left && at <= right && !(part.classList.contains("tick") && to - from < end);
      set("x", at);
    }
    part.setAttribute("visibility", shown ? "visible" : "hidden");
  };
  const scale = () => {
    ticks.replaceChildren();
    if (to - from >= end) return;
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].map((s) => s * 1e6);
    const step = steps.find((candidate) => (to - from) / candidate <= 12) || 7.2e9;
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      const label = make("text", { x: x(at), y: bottom + 16, "text-anchor": "middle", class: "faint", "font-size": 11, "font-family": "system-ui, sans-serif" });
      label.textContent = Number((at / 1e6).toFixed(1)) + "s";
      ticks.append(label);
    }
  };
  const button = (label, start, stop) => {
    const element = document.createElement("button");
    element.type = "button";
    element.textContent = label;
    element.addEventListener("click", () => show(start, stop));
    return { element, start, stop };
  };
  const buttons = [button("whole run", 0, end), ...windows.map(([name, start, stop]) => button(name, start, stop))];
  const show = (start, stop) => {
    from = Math.max(0, Math.min(start, end - 1e6));
    to = Math.min(end, Math.max(stop, from + 1e6));
    parts.forEach((part, index) => place(part, before[index]));
    scale();
    buttons.forEach(({ element, start: a, stop: b }) => element.setAttribute("aria-pressed", String(a === from && b === to)));
  };

  const bar = document.createElement("p");
  bar.className = "zoom";
  bar.append("Show ", ...buttons.map(({ element }) => element), " or drag over the chart.");
  const readout = document.createElement("p");
  readout.className = "readout";
  box.before(bar);
  box.after(readout);
  box.classList.add("zooming");

  const time = (value) => (value === null ? "failed" : value >= 1e6 ? (value / 1e6).toPrecision(3) + "s" : value >= 1e3 ? (value / 1e3).toPrecision(3) + "ms" : value + "\u00b5s");
  const pixel = (event) => {
    const rect = svg.getBoundingClientRect();
    return inside(((event.clientX - rect.left) / rect.width) * svg.viewBox.baseVal.width);
  };
  let pressed = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    pressed = pixel(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    const at = pixel(event);
    if (pressed !== null) {
      brush.setAttribute("x", Math.min(at, pressed));
      brush.setAttribute("width", Math.abs(at - pressed));
    }
    const second = seconds.find(([start, stop]) => us(at) >= start && us(at) < stop);
    hair.setAttribute("x1", at);
    hair.setAttribute("x2", at);
    if (!second) return;
    const [start, stop, p50, p99, asked, good, failed] = second;
    readout.textContent = `${(start / 1e6).toFixed(1)}s to ${(stop / 1e6).toFixed(1)}s: p50 ${time(p50)}, p99 ${time(p99)}; ${asked} arrivals, ${good} good, ${failed} failed`;
  });
  svg.addEventListener("pointerup", (event) => {
    if (pressed === null) return;
    const [a, b] = [pressed, pixel(event)].sort((one, other) => one - other);
    pressed = null;
    brush.setAttribute("width", 0);
    if (b - a > 6) show(us(a), us(b));
  });
  svg.addEventListener("pointercancel", () => {
    pressed = null;
    brush.setAttribute("width", 0);
  });
  svg.addEventListener("pointerleave", () => {
    hair.setAttribute("x1", -9);
    hair.setAttribute("x2", -9);
  });
  svg.addEventListener("dblclick", () => show(0, end));
  show(0, end);
})();
