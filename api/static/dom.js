// Building elements. Text always becomes a text node, so that no data is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function put(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** Make an HTML element; children are elements or text. */
export function h(tag, attributes, ...children) {
  return put(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function s(tag, attributes, ...children) {
  return put(document.createElementNS(SVG, tag), attributes, children);
}

/** Replace what an element holds, but only if `signature` is not what it was made from: focus and selection stay. */
export function fill(element, signature, build) {
  const text = JSON.stringify(signature);
  if (element.madeFrom === text) return;
  element.madeFrom = text;
  element.replaceChildren(...[build()].flat().filter((child) => child != null && child !== false));
}

const SHAPES = {
  water: "M8 1.8c2.8 3.3 4.3 5.8 4.3 7.700a4.3 4.3 0 0 1-8.6 0c0-1.9 1.5-4.4 4.3-7.700Z",
  lighting: "M5.6 11.200c-1.4-.9-2.3-2.4-2.3-4.100a4.7 4.7 0 0 1 9.4 0c0 1.7-.9 3.2-2.3 4.100M5.8 11.400h4.400M6.5 14h3",
  transport: "M3.5 3.500h9v8h-9zM3.5 7.800h9M5.3 11.500v2M10.7 11.500v2",
};

/** Draw the small sign of a domain. */
export function domainSign(domain) {
  const path = s("path", { d: SHAPES[domain] ?? "M4 8a4 4 0 1 0 8 0a4 4 0 1 0-8 0" });
  return s("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}

/** Draw a severity as bars: the shape says the same as the colour. */
export function severitySign(level) {
  const bars = [1, 2, 3, 4].map((n) =>
    s("rect", { x: n * 4 - 4, y: 12 - n * 3, width: 2.6, height: n * 3, rx: 0.8, class: n <= level ? "on" : "off" }),
  );
  return s("svg", { class: "bars", viewBox: "0 0 15 12", "aria-hidden": "true" }, bars);
}
