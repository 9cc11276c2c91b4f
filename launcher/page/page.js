// The page itself: asks for the run again and again, and shows it.

const charts = {loss: new Chart('loss', 300), lr: new Chart('lr', 110), metrics: new Chart('metrics', 220), speed: new Chart('speed', 170), time: new Chart('time', 170), norm: new Chart('norm', 170)};
const colours = ['var(--accent)', 'var(--second)', 'var(--third)', 'var(--fourth)'];
const choice = {metric: null, log: null};
let shown = null;

const column = (columns, name) => columns.step.map((step, i) => [step, columns[name][i]]);

// An average that forgets by half within a tenth of the way up to a step, and never more slowly than a thirtieth of all: where a
// curve is steep, at its beginning, it keeps close to it. Where a phase changes what is measured, each begins `anew`.
function smoothed(means, name, anew = false) {
  const slowest = (means.step[means.step.length - 1] || 0) / 30, points = [];
  let sum = 0, weight = 0, before = 0, phase = null;
  means.step.forEach((step, i) => {
    const keep = 0.5 ** ((step - before) / Math.max(4, Math.min(step / 10, slowest)));
    before = step;
    const value = means[name][i];
    if (anew && means.phase[i] !== phase) sum = weight = 0;
    phase = means.phase[i];
    if (!finite(value)) return;
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    points.push([step, sum / weight]);
  });
  return points;
}

// Phases on the axis of steps. Those of unknown length share what room is made for them.
function bandsOf(view, end) {
  let at = 0;
  return view.phases.map((phase, i) => {
    const from = finite(phase.start) ? phase.start : at;
    const to = phase.state === 'done' && finite(phase.end) ? phase.end : Math.min(finite(phase.planned_steps) ? from + phase.planned_steps : end, end);
    at = Math.max(to, from);
    return {from, to: at, done: phase.state === 'to come' ? from : finite(phase.end) ? phase.end : from, number: phase.number, what: phase.trainable.join(', ') || 'phase', colour: phaseColour(i, view.phases.length)};
  }).filter((band) => band.to > band.from);
}

function recent(means, name) {
  const from = Math.max(0, means.step.length - Math.max(5, Math.ceil(means.step.length / 20)));
  const values = means[name].slice(from).filter(finite);
  return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : NaN;
}

function timeLeft(view) {
  const means = view.means, last = means.step.length - 1;
  if (!finite(view.total_steps) || last < 1 || !['running', 'starting'].includes(view.state)) return NaN;
  const from = Math.max(0, last - Math.max(10, Math.floor(last / 10)));
  const pace = (means.elapsed_s[last] - means.elapsed_s[from]) / (means.step[last] - means.step[from]);
  return (view.total_steps - view.step) * pace;
}

const ranksOf = (view) => (view.live && Array.isArray(view.live.ranks) ? view.live.ranks.length : 0);

function showHead(view) {
  const ranks = ranksOf(view) || view.ranks;
  document.querySelector('.columns').classList.toggle('with-ranks', ranksOf(view) > 0);
  const words = {waiting: 'waiting', starting: 'starting', running: 'running', done: 'done', stopped: 'stopped', failed: 'failed', interrupted: 'interrupted'};
  byId('name').textContent = view.name;
  byId('state').textContent = words[view.state] || view.state;
  byId('state').className = `state ${words[view.state] || ''}`;
  byId('since').textContent = view.live && view.live.attempt > 1 ? `attempt ${view.live.attempt}` : '';
  const r = view.recipe, base = (path) => String(path).split('/').filter(Boolean).pop();
  byId('recipe').textContent = !r ? view.directory : r.error ? r.error : [base(r.model), r.task, r.precision, `${r.batch} a step`, `${r.optimizer}, ${r.schedule}`, finite(ranks) ? `${count(ranks)} rank${ranks === 1 ? '' : 's'}` : null, `seed ${r.seed}`].filter(Boolean).join(' · ');
  const total = view.total_steps, share = finite(total) && total > 0 ? view.step / total : NaN;
  document.title = `${finite(share) && view.state === 'running' ? `${Math.floor(share * 100)} % · ` : ''}${view.name} · Thaw`;
  const phase = view.phases.find((one) => one.state === 'learning'), left = timeLeft(view);
  fill('position', view.step > 0 ? [el('strong', {}, `step ${count(view.step)}`), finite(total) && view.state !== 'done' ? ` of ${view.total_steps_exact ? '' : 'about '}${count(total)}` : '', finite(share) && view.state !== 'done' ? ` · ${percent(share)}` : '', finite(view.epoch) ? ` · epoch ${view.epoch + 1}` : '', phase && view.phases.length > 1 ? ` · phase ${phase.number} of ${view.phases.length}: ${phase.trainable.join(', ')}` : '', finite(left) ? ` · about ${duration(left)} left at this pace` : '', view.state === 'done' && view.result ? ` · took ${duration(view.result.wall_s)}` : '', view.complete ? '' : ' · reading the log …'] : 'No step yet.');
  const bands = bandsOf(view, Math.max(finite(total) ? total : view.step, 1));
  fill('progress', bands.map((band) => el('div', {class: 'part', style: {flex: `${band.to - band.from} 1 0`}}, el('div', {class: 'fill', style: {width: `${Math.min(Math.max((band.done - band.from) / (band.to - band.from), 0), 1) * 100}%`, background: finite(total) ? band.colour : 'var(--line)'}}))));
}

function showNotice(view, unreachable) {
  const box = byId('notice');
  const said = view && view.message ? String(view.message) : '';
  const text = unreachable ? unreachable
    : view.state === 'failed' ? said || 'The run failed.'
    : view.state === 'interrupted' ? 'No process owns this run any more, and the last one did not say how it ended. The same command goes on from the last checkpoint.'
    : view.state === 'stopped' ? `Stopped${said ? ` (${said})` : ''}. The same command goes on from here.`
    : view.not_finite > 0 ? `${count(view.not_finite)} step${view.not_finite === 1 ? '' : 's'} had a loss or gradient that was not finite, and taught nothing.` : '';
  box.hidden = !text;
  box.textContent = text;
  box.className = `notice ${view && ['failed', 'interrupted'].includes(view.state) ? '' : 'calm'}`;
}

function showTiles(view, curve) {
  const means = view.means, some = means.step.length > 0, last = (name) => (some ? means[name][means[name].length - 1] : NaN);
  const wait = recent(means, 'comm_wait_s'), hidden = recent(means, 'comm_hidden_s'), step = recent(means, 'step_s'), shared = last('comm_bytes');
  const best = view.best && finite(view.best.value) ? view.best : null;
  const tiles = [
    ['loss, smoothed', fixed(curve.length > 0 ? curve[curve.length - 1][1] : NaN), '', some ? `${fixed(last('loss'))} in the last step` : ''],
    [best ? `best ${best.metric}` : 'best metric', best ? fixed(best.value) : missing, '', best ? `at step ${count(best.step)}` : 'no evaluation yet'],
    ['learning rate', rate(last('lr')), '', view.recipe && view.recipe.schedule ? view.recipe.schedule : ''],
    ['speed', compact(recent(means, 'rows_per_s')), 'rows/s', some && recent(means, 'tokens_per_s') > 0 ? `${compact(recent(means, 'tokens_per_s'))} tokens/s` : ''],
    ['a step takes', duration(step), '', some ? `${duration(view.train_s)} of training so far` : ''],
    ['open communication', percent(step > 0 ? wait / step : NaN), '', shared > 0 ? `${bytes(shared)} a step; hidden: ${percent(step > 0 ? hidden / step : NaN)}` : some ? 'one rank: nothing is shared' : ''],
  ];
  fill('tiles', tiles.map(([label, value, unit, note]) => el('div', {class: 'tile'}, el('div', {class: 'label', title: label}, label), el('div', {class: 'value'}, value, unit ? el('small', {}, unit) : ''), el('div', {class: 'note', title: note}, note || '\u00a0'))));
}

function showLoss(view, shared, curve) {
  const raw = column(view.steps, 'loss'), values = curve.map((point) => point[1]).filter((y) => y > 0);
  const log = choice.log === null ? values.length > 2 && Math.max(...values) > 20 * Math.min(...values) : choice.log;
  byId('log-scale').setAttribute('aria-pressed', String(log));
  const single = view.steps.step.length === view.step;
  charts.loss.update({...shared, lane: true, log, title: 'Loss by optimizer step', format: fixed, tickFormat: tickText, marks: raw.filter((point) => !finite(point[1])).map((point) => point[0]),
    series: [{name: single ? 'each step' : 'single steps', colour: 'var(--accent)', kind: 'raw', points: raw}, {name: 'smoothed', colour: 'var(--accent)', kind: 'line', points: curve}]});
  // Phases whose rates lie far apart are all seen on a logarithmic axis, whose lowest part stands for all that is below it.
  const highest = view.phases.map((phase) => phase.highest_lr).filter((lr) => lr > 0), apart = highest.length > 1 && Math.max(...highest) > 4 * Math.min(...highest);
  charts.lr.update({...shared, title: 'Learning rate by optimizer step', format: rate, tickFormat: (y) => (y === 0 ? '0' : y.toExponential(0).replace('e-', 'e\u2212')), fromZero: true, log: apart, floor: apart ? Math.min(...highest) / 30 : null, series: [{name: '', colour: 'var(--third)', kind: 'line', points: column(view.steps, 'lr')}]});
}

function showMetrics(view, shared) {
  const names = [...new Set(view.evaluations.flatMap((e) => Object.keys(e.metrics)))].filter((name) => name.split('/').length === 2);
  const metrics = [...new Set(names.map((name) => name.split('/')[1]))], main = view.recipe && view.recipe.metric ? String(view.recipe.metric).split('/')[1] : null;
  metrics.sort((a, b) => (b === main) - (a === main) || a.localeCompare(b));
  const metric = metrics.includes(choice.metric) ? choice.metric : metrics[0];
  const sets = [...new Set(names.filter((name) => name.split('/')[1] === metric).map((name) => name.split('/')[0]))];
  const order = view.recipe && view.recipe.eval ? view.recipe.eval.map((set) => set.name) : [];
  sets.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  fill('metric-chips', metrics.length > 1 ? metrics.filter((name) => name !== 'f1_micro').slice(0, 8).map((name) => el('button', {type: 'button', class: 'chip', 'aria-pressed': String(name === metric), onclick: () => {
    choice.metric = name;
    show(shown);
  }}, name.replace(/_/g, ' '))) : []);
  const best = view.best, ring = best && best.metric && best.metric.split('/')[1] === metric && finite(best.value) ? [best.step, best.value] : null;
  charts.metrics.update({...shared, title: `${metric || 'Metrics'} by optimizer step`, empty: 'no evaluation yet', format: fixed, tickFormat: tickText, ring, note: ring ? `best at step ${count(best.step)}` : '',
    series: sets.map((set, i) => ({name: set, colour: colours[i % colours.length], kind: 'dots', points: view.evaluations.map((e) => [e.step, e.metrics[`${set}/${metric}`]]).filter((point) => finite(point[1]))}))});
  showEvaluations(view, metric);
}

function showPace(view, shared) {
  const means = view.means;
  const curves = (name, label, colour, raw = column(means, name)) => [{colour, kind: 'raw', points: raw, quiet: true}, {name: label, colour, kind: 'line', points: smoothed(means, name, true)}];
  charts.speed.update({...shared, title: 'Rows a second by optimizer step', fromZero: true, robust: true, format: compact, series: curves('rows_per_s', 'all ranks', 'var(--accent)')});
  charts.time.update({...shared, title: 'Step time by optimizer step, and the communication in it', fromZero: true, robust: true, format: duration, 
    series: [...curves('step_s', 'a step', 'var(--accent)'), {name: 'open communication', colour: 'var(--warm)', kind: 'area', points: smoothed(means, 'comm_wait_s', true)}, {colour: 'var(--warm)', kind: 'line', points: smoothed(means, 'comm_wait_s', true), quiet: true}, {name: 'hidden', colour: 'var(--third)', kind: 'line', points: smoothed(means, 'comm_hidden_s', true)}]});
  const norms = column(view.steps, 'grad_norm'), positive = norms.map((point) => point[1]).filter((y) => y > 0);
  charts.norm.update({...shared, title: 'Gradient norm by optimizer step', log: positive.length > 2 && Math.max(...positive) > 20 * Math.min(...positive), format: fixed, tickFormat: tickText, series: curves('grad_norm', 'before clipping', 'var(--fourth)', norms)});
}

function show(view) {
  shown = view;
  const end = Math.max(finite(view.total_steps) ? view.total_steps : 0, view.step, 1), curve = smoothed(view.means, 'loss'), shared = {end, bands: bandsOf(view, end)};
  showHead(view);
  showNotice(view, '');
  showTiles(view, curve);
  showLoss(view, shared, curve);
  showMetrics(view, shared);
  showPace(view, shared);
  fill('phases', phaseItems(view));
  showRanks(view);
  showEvents(view);
  showCheckpoints(view);
  showLog(view);
}

const polling = {tag: '', failures: 0, timer: 0, heard: Date.now()};

async function poll() {
  clearTimeout(polling.timer);
  try {
    const response = await fetch('/api/run', {headers: polling.tag ? {'If-None-Match': polling.tag} : {}, cache: 'no-store', credentials: 'same-origin'});
    if (response.status === 401 || response.status === 403) throw new Error('token');
    if (response.status === 200) {
      polling.tag = response.headers.get('ETag') || '';
      show(await response.json());
    } else if (response.status !== 304) {
      throw new Error(`answer ${response.status}`);
    } else if (polling.failures > 0) {
      showNotice(shown, '');
    }
    polling.failures = 0;
    polling.heard = Date.now();
  } catch (error) {
    polling.failures += 1;
    if (polling.failures > 1 || !shown) showNotice(shown, error.message === 'token' ? 'The program was started anew and has another token: open the address that it printed.' : `No answer for ${duration((Date.now() - polling.heard) / 1000)}; asking again.`);
  }
  if (document.hidden) return;
  const under_way = !shown || ['waiting', 'starting', 'running'].includes(shown.state);
  polling.timer = setTimeout(poll, polling.failures > 0 ? Math.min(1000 * 2 ** polling.failures, 15000) : shown && !shown.complete ? 100 : under_way ? 2000 : 10000);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

const query = new URLSearchParams(location.search);
const stored = () => {
  try {
    return localStorage.getItem('thaw-theme');
  } catch {
    return null;
  }
};
const dark = matchMedia('(prefers-color-scheme: dark)');
setTheme(query.get('theme') || stored() || (dark.matches ? 'dark' : 'light'));
dark.addEventListener('change', () => stored() || setTheme(dark.matches ? 'dark' : 'light'));
byId('theme').addEventListener('click', () => {
  const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  setTheme(theme);
  try {
    localStorage.setItem('thaw-theme', theme);
  } catch {
    // kept for this visit alone
  }
});
byId('log-scale').addEventListener('click', () => {
  choice.log = byId('log-scale').getAttribute('aria-pressed') !== 'true';
  if (shown) show(shown);
});
document.addEventListener('visibilitychange', () => document.hidden || poll());
if (query.has('token')) {  // it is in the cookie now, and need not stay in the address
  query.delete('token');
  history.replaceState(null, '', query.toString() ? `/?${query}` : '/');
}
poll();
