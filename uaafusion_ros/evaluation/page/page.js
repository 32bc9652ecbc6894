// Puts the report together: choice of the measure, strips of frames, values of the chosen one.

const data = JSON.parse(document.getElementById('data').textContent);

function prepareSamples() {
  for (const sample of data.samples) {
    sample.at = data.indices.indexOf(sample.index);
    sample.group = Object.keys(data.groups).find((group) => group in sample.places) ?? 'spaced';
  }
  data.samples.sort((a, b) => a.at - b.at);
}

function prepareSeries() {
  for (const series of data.series) {
    const values = new Map(series.at.map((frame, n) => [frame, series.values[n]]));
    series.of = (frame) => values.get(frame) ?? null;
  }
}

function startPlot(pick) {
  const choice = document.getElementById('series');
  const plot = new Plot(
    data, document.getElementById('plot'), document.getElementById('readout'), pick);
  data.series.forEach((series, n) => {
    choice.append(element('option', {value: n}, series.name));
  });
  const show = () => {
    const series = data.series[choice.value];
    const better = {up: 'higher is better', down: 'lower is better'}[series.direction];
    document.getElementById('series-about').textContent =
      [series.unit && `in ${series.unit}`, better,
       series.median != null && `median ${number(series.median)}`,
       ...series.bounds.map((check) =>
         `${check.statistic} ${check.bound} required: ${check.passed ? 'met' : 'not met'}`),
      ].filter(Boolean).join(', ');
    plot.show(series);
  };
  choice.addEventListener('change', show);
  const failed = data.series.findIndex(
    (series) => series.bounds.some((check) => !check.passed));
  choice.value = Math.max(0, failed);
  show();
  drawKey();
  return plot;
}

function drawKey() {
  const sign = (shape, kind) => {
    const svg = drawing('svg', {viewBox: '0 0 14 14', 'aria-hidden': 'true'});
    svg.append(drawing('path', {class: kind, d: shape}));
    return svg;
  };
  const key = document.getElementById('plot-key');
  data.modes.forEach((mode, n) => {
    key.append(element('li', {}, sign('M0 3h14v8h-14z', `mode-${n % 6}`), `mode ${spaced(mode)}`));
  });
  if (data.series.some((series) => series.bounds.length)) {
    key.append(element('li', {}, sign('M0 7h14', 'bound'), 'required by a check'));
  }
  for (const group of Object.keys(data.groups)) {
    if (!data.samples.some((sample) => sample.group === group)) continue;
    key.append(element(
      'li', {}, sign(marker(group, 7, 7), group),
      `frame below: ${data.groups[group].toLowerCase()}`));
  }
}

function drawStrips(pick) {
  for (const [group, title] of Object.entries(data.groups)) {
    const members = data.samples.filter((sample) => group in sample.places)
      .sort((a, b) => a.places[group] - b.places[group]);
    if (!members.length) continue;
    const strip = element('div', {class: 'strip'});
    for (const sample of members) {
      const button = element('button', {type: 'button', 'data-index': sample.index},
        element('img', {src: sample.layers.fused, alt: ''}),
        element('span', {}, `Frame ${sample.index}`, element('br'),
          `${number(data.seconds[sample.at])} s`));
      button.addEventListener('click', () => pick(sample.index));
      strip.append(button);
    }
    document.getElementById('strips').append(
      element('div', {}, element('h3', {}, title), strip));
  }
}

function describe(sample) {
  const groups = Object.keys(sample.places).filter((group) => group !== 'spaced').map(
    (group) => `${data.groups[group].toLowerCase()} no. ${sample.places[group] + 1}`);
  document.getElementById('frame-status').textContent = [
    `Frame ${sample.index} at ${number(data.seconds[sample.at])} s`,
    `mode ${spaced(data.modes[data.mode[sample.at]])}`, ...groups].join(', ');
  for (const button of document.querySelectorAll('.strip button')) {
    button.setAttribute('aria-current', Number(button.dataset.index) === sample.index);
  }
  const rows = data.series.map((series) => {
    const value = series.of(sample.at);
    return element('tr', {},
      element('th', {scope: 'row'}, series.name),
      element('td', {class: `num mark ${standing(series, value)}`},
        {fail: '▼ ', pass: '▲ '}[standing(series, value)] ?? '', number(value)),
      element('td', {class: 'num'}, number(series.median)));
  });
  const head = element('tr', {}, ...['Measure', 'Here', 'Median'].map((text, n) =>
    element('th', {scope: 'col', class: n ? 'num' : ''}, text)));
  document.getElementById('frame-values').replaceChildren(
    element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)),
    element('p', {class: 'about'}, '▼ among the worst 5 % of the run, ▲ among the best'));
}

// 'fail' among the worst twentieth of all frames, 'pass' among the best.
function standing(series, value) {
  if (value == null || series.p05 == null || series.p05 === series.p95) return '';
  const sign = {up: 1, down: -1}[series.direction] ?? 0;
  if (value <= series.p05) return {'1': 'fail', '-1': 'pass'}[sign] ?? '';
  if (value >= series.p95) return {'1': 'pass', '-1': 'fail'}[sign] ?? '';
  return '';
}

function start() {
  startTheme();
  startPrinting();
  for (const section of document.querySelectorAll('.needs-script')) section.hidden = false;
  prepareSamples();
  prepareSeries();
  let viewer = null;
  const pick = (index) => viewer?.select(index);
  let plot = null;
  if (data.series.length) plot = startPlot(pick);
  else document.getElementById('plots').hidden = true;
  if (!data.samples.length) return;
  viewer = new Viewer(data, (sample) => {
    describe(sample);
    plot?.choose(sample.index);
  });
  drawStrips(pick);
  const first = data.samples.find((sample) => sample.places.worst === 0) ?? data.samples[0];
  viewer.select(first.index);
}

start();
