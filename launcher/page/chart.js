// Charts over optimizer steps, as SVG. All share one horizontal axis, the run's phases as bands behind the curves, and one cursor:
// where the pointer is on any of them, every legend says its values there; else the latest.

const margin = {left: 50, right: 10, top: 8, bottom: 22}, laneHeight = 24;

function niceStep(length, parts) {
  const power = 10 ** Math.floor(Math.log10(length / parts));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => length / parts <= step * 1.0001) || power * 10;
}

function linearTicks(low, high, parts) {
  const step = niceStep(high - low, parts), ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (const factors of [[1], [1, 3], [1, 2, 5]]) {
    ticks.length = 0;
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
      for (const factor of factors) {
        const tick = factor * 10 ** power;
        if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
      }
    if (ticks.length >= 3) break;
  }
  const every = Math.ceil(ticks.length / 6);
  return ticks.length >= 2 ? ticks.filter((_, i) => i % every === 0) : linearTicks(low, high, 3);
}

// The heights to show: all of a few, and of many those that are not alone far out (they are cut off at the edge).
function heights(series, spec) {
  let low = Infinity, high = -Infinity;
  for (const one of series) {
    const values = one.points.map((point) => point[1]).filter((y) => finite(y) && (!spec.log || y > 0 || spec.floor)).map((y) => Math.max(y, spec.floor || y)).sort((a, b) => a - b);
    if (values.length === 0) continue;
    const cut = (spec.robust || one.kind === 'raw') && values.length > 60 ? 0.01 : 0;
    low = Math.min(low, values[Math.floor((values.length - 1) * cut)]);
    high = Math.max(high, values[Math.ceil((values.length - 1) * (1 - cut))]);
  }
  if (low > high) return null;
  if (spec.log) return low === high ? [low / 2, high * 2] : [low * (low / high) ** 0.05, high * (high / low) ** 0.05];
  const flat = high - low < 1e-6 * Math.abs(high);  // but for the last digits
  const pad = (flat ? Math.abs(high) * 0.1 : (high - low) * 0.07) || 1;
  return [spec.fromZero || (low >= 0 && low - pad < 0) ? Math.min(0, low) : low - pad, high + pad];
}

// The point at or before x, by halving.
function pointAt(points, x) {
  let low = 0, high = points.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (points[middle][0] <= x) low = middle;
    else high = middle - 1;
  }
  return points.length > 0 ? points[low] : null;
}

class Chart {
  static all = [];
  constructor(id, height) {
    this.root = byId(id);
    this.legend = byId(`${id}-legend`);
    this.height = height;
    this.spec = null;
    Chart.all.push(this);
    new ResizeObserver(() => this.draw()).observe(this.root);
    this.root.addEventListener('pointermove', (event) => this.point(event));
    this.root.addEventListener('pointerleave', () => Chart.all.forEach((chart) => chart.showAt(null)));
  }

  // {title, end, bands, lane, series: [{name, colour, kind, points: [[x, y]…], quiet}], format, tickFormat, log, floor, fromZero, robust,
  //  marks, ring, note, empty}. kind: line, raw, area or dots; a quiet series has no place in the legend. floor: what is lower is
  //  drawn there. robust: the few highest and lowest values may leave the picture. marks: steps to point out; ring: [x, y] to circle.
  update(spec) {
    this.spec = spec;
    this.draw();
  }

  point(event) {
    if (!this.scaleX) return;
    const x = this.scaleX.invert(event.clientX - this.root.getBoundingClientRect().left);
    Chart.all.forEach((chart) => chart.showAt(x));
  }

  draw() {
    const spec = this.spec, width = this.root.clientWidth;
    if (!spec || width < 60) return;
    const top = margin.top + (spec.lane ? laneHeight + 6 : 0), bottom = this.height - margin.bottom;
    const svg = shape('svg', {height: this.height, role: 'img', 'aria-label': spec.title, viewBox: `0 0 ${width} ${this.height}`});
    const end = Math.max(spec.end, 1), plot = width - margin.left - margin.right;
    const x = (value) => margin.left + (value / end) * plot;
    this.scaleX = {to: x, invert: (pixel) => ((pixel - margin.left) / plot) * end};
    this.bandsInto(svg, x, top, bottom);
    if (spec.lane) this.laneInto(svg, x);
    const range = heights(spec.series, spec);
    if (range) {
      const [low, high] = spec.log ? range.map(Math.log) : range;
      const y = (value) => bottom - (((spec.log ? Math.log(Math.max(value, spec.floor || value)) : value) - low) / (high - low)) * (bottom - top);
      this.axesInto(svg, x, y, range, width, top, bottom);
      this.curvesInto(svg, x, y, range, top, bottom);
    } else {
      svg.append(shape('text', {class: 'empty', x: margin.left + plot / 2, y: (top + bottom) / 2, 'text-anchor': 'middle'}, spec.empty || 'nothing yet'));
    }
    this.cursor = shape('line', {class: 'cursor', y1: top, y2: bottom, visibility: 'hidden'});
    svg.append(this.cursor);
    this.root.replaceChildren(svg);
    this.showAt(null);
  }

  bandsInto(svg, x, top, bottom) {
    for (const [i, band] of this.spec.bands.entries()) {
      svg.append(shape('rect', {x: x(band.from), y: top, width: Math.max(x(band.to) - x(band.from), 0), height: bottom - top, fill: band.colour, style: {'fill-opacity': 'var(--band)'}}));
      if (i > 0) svg.append(shape('line', {class: 'edge', x1: x(band.from), x2: x(band.from), y1: top, y2: bottom}));
    }
  }

  // What learns in each phase, on the time line; paler what is still to come.
  laneInto(svg, x) {
    for (const band of this.spec.bands) {
      const from = x(band.from) + 1, until = x(band.to) - 1, done = Math.min(Math.max(x(band.done), from), until);
      const bar = (left, right, opacity) => right - left > 0.5 && svg.append(shape('rect', {x: left, y: margin.top, width: right - left, height: laneHeight, rx: 4, fill: band.colour, style: {'fill-opacity': opacity}}));
      bar(from, until, 'var(--lane-ahead)');
      bar(from, done, 'var(--lane)');
      const room = Math.floor((until - from - 14) / 6.6), whole = `${band.number}  ${band.what}`;
      const text = whole.length <= room ? whole : room >= 8 ? `${whole.slice(0, room - 1)}…` : room >= 1 ? String(band.number) : '';
      const covered = done - from > text.length * 6.6 + 10;
      svg.append(shape('text', {class: covered ? 'lane' : 'lane ahead', x: from + 8, y: margin.top + 16}, text, shape('title', {}, whole)));
    }
  }

  axesInto(svg, x, y, range, width, top, bottom) {
    const {format, log, end} = this.spec;
    const ticks = log ? logTicks(range[0], range[1]) : linearTicks(range[0], range[1], Math.max(2, Math.round((bottom - top) / 34)));
    for (const tick of ticks) {
      const at = y(tick);
      if (at < top - 1 || at > bottom + 1) continue;
      svg.append(shape('line', {class: 'grid', x1: margin.left, x2: width - margin.right, y1: at, y2: at}));
      svg.append(shape('text', {x: margin.left - 8, y: at + 4, 'text-anchor': 'end'}, (this.spec.tickFormat || format)(tick)));
    }
    svg.append(shape('line', {class: 'axis', x1: margin.left, x2: width - margin.right, y1: bottom, y2: bottom}));
    const steps = linearTicks(0, Math.max(end, 1), Math.max(2, Math.round(width / 110))).filter((tick) => Number.isInteger(tick));
    for (const tick of steps) svg.append(shape('text', {x: x(tick), y: bottom + 16, 'text-anchor': x(tick) > width - margin.right - 24 ? 'end' : 'middle'}, compact(tick)));
  }

  curvesInto(svg, x, y, range, top, bottom) {
    const clip = `clip-${this.root.id}`;
    svg.append(shape('clipPath', {id: clip}, shape('rect', {x: margin.left - 4, y: top - 4, width: this.root.clientWidth, height: bottom - top + 8})));
    const drawing = shape('g', {'clip-path': `url(#${clip})`});
    for (const series of this.spec.series) {
      let path = '', before = null;
      for (const [step, value] of series.points) {
        if (!finite(value) || (this.spec.log && value <= 0 && !this.spec.floor)) {
          before = null;
          continue;
        }
        const at = `${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
        path += before === null ? `M${at}` : `L${at}`;
        before = value;
      }
      const kept = series.points.filter((point) => finite(point[1]));
      if (series.kind === 'area' && kept.length > 1)
        drawing.append(shape('path', {class: 'area', fill: series.colour, d: `${path}L${x(kept[kept.length - 1][0])} ${bottom}L${x(kept[0][0])} ${bottom}Z`}));
      else drawing.append(shape('path', {class: series.kind === 'raw' ? 'raw' : 'line', stroke: series.colour, d: path}));
      if (series.kind === 'dots' || kept.length === 1)
        for (const point of kept.length > 120 ? kept.slice(-1) : kept) drawing.append(shape('circle', {cx: x(point[0]), cy: y(point[1]), r: 2.6, fill: series.colour}));
    }
    const {ring, marks} = this.spec;
    if (ring && finite(ring[1])) drawing.append(shape('circle', {cx: x(ring[0]), cy: y(ring[1]), r: 6, fill: 'none', stroke: 'var(--good)', 'stroke-width': 2}));
    for (const mark of marks || []) drawing.append(shape('line', {x1: x(mark), x2: x(mark), y1: top, y2: top + 9, stroke: 'var(--bad)', 'stroke-width': 2}));
    svg.append(drawing);
  }

  showAt(position) {
    if (!this.spec || !this.cursor) return;
    const end = this.spec.end, inside = position !== null && position >= 0 && position <= end * 1.001;
    this.cursor.setAttribute('visibility', inside ? 'visible' : 'hidden');
    if (inside) for (const side of ['x1', 'x2']) this.cursor.setAttribute(side, this.scaleX.to(position));
    const entries = this.spec.series.filter((series) => !series.quiet).map((series) => {
      const point = inside ? pointAt(series.points, position) : series.points[series.points.length - 1];
      return el('span', {}, el('span', {class: 'key', style: {background: series.colour}}), series.name ? `${series.name} ` : '', el('strong', {}, point ? this.spec.format(point[1]) : missing));
    });
    const at = inside ? pointAt((this.spec.series.find((series) => series.points.length > 0) || {points: []}).points, position) : null;
    this.legend.replaceChildren(...entries, at ? el('span', {class: 'faint'}, `step ${count(at[0])}`) : this.spec.note ? el('span', {class: 'faint'}, this.spec.note) : '');
  }
}
