// Numbers and times as people read them, and elements of the page. Text goes in as text alone: nothing that a run says is markup.

const missing = '–';
const finite = (value) => typeof value === 'number' && Number.isFinite(value);

function fixed(value, digits = 4) {
  if (!finite(value)) return missing;
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(2);
  const places = Math.max(0, digits - Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1)) + 1));
  return value.toFixed(Math.min(places, digits));
}

const tickText = (value) => (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5) ? value.toExponential(0) : String(Number(value.toPrecision(4))));
const count = (value) => (finite(value) ? Math.round(value).toLocaleString('en-US').replace(/,/g, '\u202f') : missing);
const percent = (share) => (finite(share) ? `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %` : missing);
const rate = (value) => (finite(value) ? (value === 0 ? '0' : value.toExponential(2).replace('e-', 'e\u2212').replace('e+', 'e')) : missing);

function scaled(value, units, base) {
  if (!finite(value)) return missing;
  let unit = 0;
  while (Math.abs(value) >= base && unit + 1 < units.length) {
    value /= base;
    unit += 1;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${units[unit] ? '\u00a0' + units[unit] : ''}`;
}
const bytes = (value) => scaled(value, ['B', 'kB', 'MB', 'GB', 'TB'], 1000);
const memory = (value) => scaled(value, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024);
const compact = (value) => scaled(value, ['', 'k', 'M', 'G'], 1000);

function duration(seconds) {
  if (!finite(seconds)) return missing;
  if (seconds === 0) return '0';
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.001 ? 2 : seconds < 0.01 ? 1 : 0)}\u00a0ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}\u00a0s`;
  const total = Math.round(seconds), two = (n) => String(n).padStart(2, '0');
  const days = Math.floor(total / 86400), hours = Math.floor(total / 3600) % 24, minutes = Math.floor(total / 60) % 60;
  if (days > 0) return `${days}\u00a0d ${hours}\u00a0h`;
  if (hours > 0) return `${hours}\u00a0h ${two(minutes)}\u00a0min`;
  return `${minutes}\u00a0min ${two(total % 60)}\u00a0s`;
}

const clock = (unix) => (finite(unix) ? new Date(unix * 1000).toLocaleTimeString('en-GB') : missing);

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') node.setAttribute('class', value);
    else if (name === 'style') for (const [key, part] of Object.entries(value)) node.style.setProperty(key, part);
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}
const el = (name, attributes, ...children) => put(document.createElement(name), attributes, children);
const shape = (name, attributes, ...children) => put(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
const byId = (id) => document.getElementById(id);
const fill = (id, ...children) => byId(id).replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));

// From ice to warmth: the colour of the phase of this number, of so many.
function phaseColour(index, of) {
  const stops = [[74, 144, 217], [70, 172, 160], [226, 160, 60], [214, 98, 74]];
  const at = of > 1 ? Math.min(index / (of - 1), 1) * (Math.min(of, stops.length) - 1) : 0;
  const low = Math.min(Math.floor(at), stops.length - 2), part = at - low;
  return `rgb(${stops[low].map((value, i) => Math.round(value * (1 - part) + stops[low + 1][i] * part)).join(',')})`;
}
