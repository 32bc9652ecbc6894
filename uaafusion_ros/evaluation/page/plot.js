// One measure over time as SVG: curve, bounds of the checks, sampled frames, band of modes.

const MARGIN = {left: 58, right: 14, top: 12, bottom: 44};
const BAND = 8;
const FEW = 400;  // above this many points, dots would only thicken the curve

class Plot {
  constructor(data, box, readout, pick) {
    this.data = data;
    this.box = box;
    this.readout = readout;
    this.pick = pick;
    this.series = null;
    this.chosen = null;
    this.end = Math.max(...data.seconds, 1e-3);
    new ResizeObserver(() => this.draw()).observe(box);
    box.addEventListener('pointermove', (event) => this.hover(event));
    box.addEventListener('pointerleave', () => this.leave());
    box.addEventListener('click', (event) => this.click(event));
  }

  show(series) {
    this.series = series;
    this.draw();
  }

  choose(index) {
    this.chosen = index;
    this.draw();
  }

  x(seconds) {
    return MARGIN.left + seconds / this.end * (this.width - MARGIN.left - MARGIN.right);
  }

  y(value) {
    const share = (value - this.low) / (this.high - this.low);
    return this.height - MARGIN.bottom - share * (this.height - MARGIN.top - MARGIN.bottom);
  }

  draw() {
    if (!this.series || !this.box.clientWidth) return;
    this.width = this.box.clientWidth;
    this.height = this.box.clientHeight;
    const values = this.series.values;
    const known = values.filter((value) => value !== null);
    const limits = this.series.bounds.flatMap((check) => [check.minimum, check.maximum])
      .filter((value) => value !== null);
    const {low, high, ticks} = scale([...known, ...limits], 4);
    Object.assign(this, {low, high});
    const svg = drawing('svg', {
      viewBox: `0 0 ${this.width} ${this.height}`, role: 'img',
      'aria-label': `${this.series.name} over ${number(this.end)} s: lowest ` +
        `${number(extreme(known, Math.min))}, highest ${number(extreme(known, Math.max))}`,
    });
    this.drawAxes(svg, ticks);
    this.drawModes(svg);
    this.drawBounds(svg);
    this.drawCurve(svg);
    this.drawSamples(svg);
    this.cursor = drawing('path', {class: 'cursor'});
    svg.append(this.cursor);
    this.box.replaceChildren(svg);
  }

  drawAxes(svg, ticks) {
    const right = this.width - MARGIN.right;
    for (const tick of ticks) {
      const y = this.y(tick);
      svg.append(
        drawing('path', {class: 'grid', d: `M${MARGIN.left} ${y}H${right}`}),
        drawing('text', {x: MARGIN.left - 8, y: y + 4, 'text-anchor': 'end'}, number(tick)));
    }
    for (const tick of scale([0, this.end], this.width / 130).ticks) {
      if (tick > this.end) continue;
      svg.append(drawing('text', {
        x: this.x(tick), y: this.height - 8,
        'text-anchor': this.x(tick) > right - 20 ? 'end' : 'middle',
      }, `${number(tick)} s`));
    }
  }

  drawModes(svg) {
    const {mode, seconds, modes} = this.data;
    const y = this.height - MARGIN.bottom + 10;
    let from = 0;
    for (let n = 1; n <= mode.length; n++) {
      if (n < mode.length && mode[n] === mode[from]) continue;
      const start = this.x(seconds[from]);
      const end = n < mode.length ? this.x(seconds[n]) : this.width - MARGIN.right;
      const run = drawing('rect', {
        class: `mode-${mode[from] % 6}`, x: start, y, height: BAND,
        width: Math.max(1, end - start),
      });
      run.append(drawing('title', {}, spaced(modes[mode[from]])));
      svg.append(run);
      from = n;
    }
  }

  drawBounds(svg) {
    for (const check of this.series.bounds) {
      for (const [word, value] of [['at least', check.minimum], ['at most', check.maximum]]) {
        if (value === null) continue;
        const line = drawing('path', {
          class: 'bound', d: `M${MARGIN.left} ${this.y(value)}H${this.width - MARGIN.right}`});
        line.append(drawing('title', {}, `${check.statistic} ${word} ${number(value)}`));
        svg.append(line);
      }
    }
  }

  drawCurve(svg) {
    const points = this.points();
    let curve = '';
    let dots = '';
    points.forEach((n, place) => {
      const at = `${this.column(n).toFixed(1)} ${this.y(this.series.values[n]).toFixed(1)}`;
      const joins = (other) => other !== undefined &&
        this.joined(Math.min(n, other), Math.max(n, other));
      curve += `${joins(points[place - 1]) ? 'L' : 'M'}${at}`;
      const alone = !joins(points[place - 1]) && !joins(points[place + 1]);
      if (points.length <= FEW || alone) dots += `M${at}h0`;
    });
    svg.append(
      drawing('path', {class: 'curve', d: curve}), drawing('path', {class: 'dots', d: dots}));
  }

  // Where the n-th value of the series lies.
  column(n) {
    return this.x(this.data.seconds[this.series.at[n]]);
  }

  // A value that could not be told interrupts the curve.
  joined(from, to) {
    for (let n = from + 1; n < to; n++) if (this.series.values[n] === null) return false;
    return true;
  }

  // The values to draw: all, or the lowest and highest of each pixel column where there are more.
  points() {
    const {values} = this.series;
    const known = [...values.keys()].filter((n) => values[n] !== null);
    if (known.length <= 4 * this.width) return known;
    const columns = new Map();
    for (const n of known) {
      const column = Math.floor(this.column(n));
      const ends = columns.get(column) ?? [n, n];
      columns.set(column, [values[n] < values[ends[0]] ? n : ends[0],
                           values[n] > values[ends[1]] ? n : ends[1]]);
    }
    return [...columns.values()].flatMap(([a, b]) => a === b ? [a] : [a, b].sort((p, q) => p - q));
  }

  drawSamples(svg) {
    for (const sample of this.data.samples) {
      const x = this.x(this.data.seconds[sample.at]);
      const y = this.y(this.series.of(sample.at) ?? this.low);
      const mark = drawing('path', {
        class: `sample ${sample.group}`, d: marker(sample.group, x, y)});
      mark.append(drawing('title', {}, `frame ${sample.index}`));
      svg.append(mark);
      if (sample.index === this.chosen) {
        svg.append(drawing('circle', {class: 'chosen', cx: x, cy: y, r: 10}));
      }
    }
  }

  nearest(event) {
    const box = this.box.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) /
      (this.width - MARGIN.left - MARGIN.right);
    const wanted = share * this.end;
    return (places) => places.reduce((best, n) =>
      Math.abs(this.data.seconds[n] - wanted) < Math.abs(this.data.seconds[best] - wanted)
        ? n : best, places[0]);
  }

  hover(event) {
    if (!this.series) return;
    const n = this.nearest(event)(this.series.at);
    const {indices, seconds, mode, modes} = this.data;
    const x = this.x(seconds[n]);
    this.cursor.setAttribute(
      'd', `M${x} ${MARGIN.top}V${this.height - MARGIN.bottom + 10 + BAND}`);
    this.readout.textContent =
      `Frame ${indices[n]} at ${number(seconds[n])} s: ${number(this.series.of(n))}` +
      `${this.series.unit ? ` ${this.series.unit}` : ''}, mode ${spaced(modes[mode[n]])}`;
  }

  leave() {
    this.readout.textContent = '';
    this.cursor?.setAttribute('d', '');
  }

  click(event) {
    const places = this.data.samples.map((sample) => sample.at).filter((at) => at >= 0);
    if (!places.length) return;
    const at = this.nearest(event)(places);
    this.pick(this.data.samples.find((sample) => sample.at === at).index);
  }
}

function marker(group, x, y) {
  if (group === 'worst') return `M${x - 6} ${y - 5}h12l-6 11z`;
  if (group === 'best') return `M${x - 6} ${y + 5}h12l-6 -11z`;
  return `M${x - 5} ${y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0`;
}

function extreme(values, pick) {
  return values.length ? values.reduce((a, b) => pick(a, b)) : null;
}

// Round limits and ticks around values, about `wanted` steps of 1, 2 or 5 times a power of ten.
function scale(values, wanted) {
  let low = extreme(values, Math.min) ?? 0;
  let high = extreme(values, Math.max) ?? 1;
  if (low === high) {
    const room = Math.abs(low) / 10 || 1;
    [low, high] = [low - room, high + room];
  }
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * power >= rough) * power;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  const ticks = [];
  for (let n = first; n <= last; n++) ticks.push(Number((n * step).toPrecision(12)));
  return {low: ticks[0], high: ticks[ticks.length - 1], ticks};
}
