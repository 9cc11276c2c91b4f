// The panels beside the curves: phases, ranks by host, events, checkpoints, evaluations.

function phaseItems(view) {
  return view.phases.map((phase, i) => {
    const early = phase.ended_by && !['steps', 'epochs', 'rows'].includes(phase.ended_by);
    const ended = early ? `ended by ${phase.ended_by}` : phase.until ? `for ${phase.until}` : null;
    const more = [
      ended,
      finite(phase.highest_lr) && phase.highest_lr > 0 ? `lr ≤ ${rate(phase.highest_lr)}` : finite(phase.lr) ? `lr ${rate(phase.lr)}` : null,
      phase.train_s > 0 ? `${count(phase.rows / phase.train_s)} rows/s` : null,
      phase.steps > 0 && phase.comm_bytes > 0 ? `${bytes(phase.comm_bytes / phase.steps)} shared a step` : null,
      finite(phase.peak_memory_bytes) ? `peak memory ${memory(phase.peak_memory_bytes)}` : null,
    ].filter(Boolean);
    const planned = finite(phase.planned_steps) ? `${phase.open_ended ? '≤ ' : ''}${count(phase.planned_steps)}` : '?';
    const when = phase.state === 'learning' ? `${count(phase.steps)} of ${planned} steps` : phase.state === 'done' ? `${count(phase.steps)} steps` : `${planned} steps`;
    return el('li', {class: phase.state === 'to come' ? 'ahead' : ''},
      el('span', {class: 'swatch', style: {background: phaseColour(i, view.phases.length), opacity: phase.state === 'to come' ? 0.4 : 1}}),
      el('span', {class: 'what'}, phase.trainable.length > 0 ? phase.trainable.join(', ') : `phase ${phase.number}`),
      el('span', {class: 'when'}, when),
      el('span', {class: 'more'}, more.join(' · ')));
  });
}

const median = (values) => {
  const sorted = values.filter(finite).sort((a, b) => a - b);
  return sorted.length > 0 ? sorted[Math.floor(sorted.length / 2)] : NaN;
};

const collectiveOf = (rank) => (rank.in ? `${rank.in.name} ${rank.in.sequence}` : '');

// The collective that most wait in for longer than a second while others have not come to it, and who those are; null where all
// is well. It is they who are in trouble, not the waiting ones.
function heldUp(ranks) {
  const inside = new Map();
  for (const rank of ranks) if (rank.in && rank.in.since_s > 1) inside.set(collectiveOf(rank), [...(inside.get(collectiveOf(rank)) || []), rank]);
  const [name, waiting] = [...inside].sort((a, b) => b[1].length - a[1].length)[0] || ['', []];
  const awaited = ranks.filter((rank) => collectiveOf(rank) !== name);
  return waiting.length === 0 || awaited.length === 0 ? null : {name, waiting, awaited: new Set(awaited), since: Math.max(...waiting.map((rank) => rank.in.since_s))};
}

// What is wrong with a rank, in a few words; '' where nothing is.
function troubleOf(rank, held) {
  const silent = finite(rank.seen_s) && rank.seen_s > 5 ? `silent for ${duration(rank.seen_s)}` : '';
  const awaited = held && held.since > 5 && held.awaited.has(rank) ? `others wait for it in ${held.name}` : '';
  if (silent || awaited) return [silent, awaited].filter(Boolean).join(', ');
  if (['lost', 'dead', 'silent', 'stuck', 'stopped', 'failed'].includes(rank.state)) return rank.state;
  if (!held && rank.in && rank.in.since_s > 5) return `in ${collectiveOf(rank)} for ${duration(rank.in.since_s)}`;
  return '';
}
const slowness = (rank) => (finite(rank.slow) && rank.slow >= 1.5 ? `${rank.slow.toFixed(1)} × the median's step` : '');

// Each rank with what is to be said of it, and how loud.
function judged(ranks) {
  const held = heldUp(ranks);
  const quiet = ['done', 'waiting', 'starting'];
  return ranks.map((rank) => {
    const trouble = troubleOf(rank, held), slow = slowness(rank);
    const level = trouble ? 'trouble' : slow ? 'slow' : rank.state === 'training' ? '' : quiet.includes(rank.state) ? 'quiet-state' : 'other';
    return {...rank, level, says: trouble || slow, loud: trouble ? 'bad' : 'warn'};
  });
}

function heldUpNote(ranks) {
  const held = heldUp(ranks);
  if (!held) return null;
  const awaited = [...held.awaited], who = awaited.slice(0, 8).map((rank) => `${rank.rank} (${rank.host})`).join(', ');
  return el('div', {class: 'collectives'}, `${count(held.waiting.length)} of ${count(ranks.length)} ranks wait in ${held.name}, the longest for ${duration(held.since)}. Not there: rank ${who}${awaited.length > 8 ? ` and ${count(awaited.length - 8)} more` : ''}.`);
}

const openShare = (rank) => (rank.step_s > 0 && finite(rank.wait_s) ? Math.min(rank.wait_s / rank.step_s, 1) : NaN);

// A bar of a step: working (communication that hides behind it included), then waiting for others.
function stepBar(share) {
  const open = finite(share) ? share : 0;
  return el('div', {class: 'bar', title: `${percent(open)} of a step is open communication; what is hidden runs beside the computing`},
    el('span', {class: 'busy', style: {width: `${(1 - open) * 100}%`}}), el('span', {class: 'open', style: {width: `${open * 100}%`}}));
}

function byHost(ranks) {
  const hosts = new Map();
  for (const rank of ranks) {
    if (!hosts.has(rank.host)) hosts.set(rank.host, []);
    hosts.get(rank.host).push(rank);
  }
  const troubled = (group) => group.filter((rank) => rank.says).length;
  return [...hosts].sort((a, b) => troubled(b[1]) - troubled(a[1]) || String(a[0]).localeCompare(String(b[0]), 'en', {numeric: true}));
}

function hostRow([host, ranks]) {
  const shares = median(ranks.map(openShare)), steps = ranks.map((rank) => rank.step).filter(finite);
  const low = Math.min(...steps), high = Math.max(...steps);
  const troubles = ranks.filter((rank) => rank.says);
  const cells = ranks.length <= 64 ? el('div', {class: 'cells'}, ranks.map((rank) => el('span', {class: `cell ${rank.level}`, title: `rank ${rank.rank}: ${rank.state}${rank.in ? `, in ${collectiveOf(rank)}` : ''}`}))) : null;
  return el('div', {class: 'host-row'},
    el('div', {class: 'host-line'}, el('span', {class: 'name'}, host), el('span', {class: 'soft'}, `${count(ranks.length)} rank${ranks.length === 1 ? '' : 's'}${steps.length > 0 ? ` · step ${count(low)}${high > low ? `–${count(high)}` : ''}` : ''}`)),
    cells, stepBar(shares),
    el('div', {class: 'host-line soft'}, el('span', {}, `${duration(median(ranks.map((rank) => rank.step_s)))} a step, ${percent(shares)} open`), el('span', {}, memory(ranks.reduce((sum, rank) => sum + (rank.memory_bytes || 0), 0)))),
    troubles.slice(0, 4).map((rank) => el('div', {class: rank.loud}, `rank ${rank.rank}: ${rank.says}`)),
    troubles.length > 4 ? el('div', {class: 'bad'}, `and ${count(troubles.length - 4)} more`) : null);
}

function rankTable(hosts) {
  const head = ['rank', 'state', 'step', 'a step', 'open', 'memory'];
  const rows = hosts.flatMap(([host, ranks]) => [
    el('tr', {class: 'host'}, el('td', {colspan: 6}, host)),
    ...ranks.flatMap((rank) => [
      el('tr', {title: rank.in ? `in ${collectiveOf(rank)} for ${duration(rank.in.since_s)}` : null}, el('td', {}, rank.rank), el('td', {class: 'text'}, el('span', {class: `cell inline ${rank.level}`}), rank.state),
        el('td', {}, count(rank.step)), el('td', {}, duration(rank.step_s)), el('td', {}, percent(openShare(rank))), el('td', {}, memory(rank.memory_bytes))),
      rank.says && rank.says !== rank.state ? el('tr', {class: 'more'}, el('td', {}), el('td', {colspan: 5, class: `text ${rank.loud}`}, rank.says)) : null,
    ]),
  ]);
  return el('table', {}, el('thead', {}, el('tr', {}, head.map((name, i) => el('th', {class: i === 1 ? 'text' : ''}, name)))), el('tbody', {}, rows));
}

function showRanks(view) {
  const live = view.live, ranks = live && Array.isArray(live.ranks) ? live.ranks : [];
  if (ranks.length === 0) {
    byId('ranks-summary').textContent = finite(view.ranks) ? `${count(view.ranks)}` : '';
    fill('ranks', el('p', {class: 'soft'}, live ? 'No rank has reported yet.' : ['A run that is started by ', el('code', {}, 'thaw launch'), ' shows each of its ranks here.']));
    return;
  }
  const hosts = byHost(judged(ranks));
  byId('ranks-summary').textContent = `${count(ranks.length)} on ${count(hosts.length)} host${hosts.length === 1 ? '' : 's'}${finite(live.restarts) ? ` · ${count(live.restarts)} of at most ${count(live.max_restarts)} restarts` : ''}`;
  const most = 200;
  const list = ranks.length <= 16 ? rankTable(hosts) : el('div', {class: 'scroll', style: {'max-height': '520px'}}, hosts.slice(0, most).map(hostRow), hosts.length > most ? el('p', {class: 'soft'}, `and ${count(hosts.length - most)} hosts more, all well or less troubled`) : null);
  fill('ranks', heldUpNote(ranks), list);
}

function showEvents(view) {
  byId('events-card').hidden = view.events.length === 0;
  fill('events', view.events.slice(-200).reverse().map((event) => el('li', {},
    el('span', {class: 'faint'}, clock(event.at)), el('span', {class: `dot ${/^[a-z]+$/.test(event.kind) ? event.kind : ''}`, title: event.kind}),
    el('span', {class: 'message'}, event.message))));
}

function showCheckpoints(view) {
  if (view.checkpoints.length === 0) return fill('checkpoints', el('p', {class: 'soft'}, 'None yet.'));
  return fill('checkpoints', el('table', {}, el('tbody', {}, view.checkpoints.slice(-8).reverse().map((checkpoint) => el('tr', {},
    el('td', {}, `step ${count(checkpoint.step)}`), el('td', {class: 'text soft'}, [checkpoint.latest ? 'latest' : '', checkpoint.best ? 'best' : ''].filter(Boolean).join(', ')), el('td', {class: 'soft'}, clock(checkpoint.at)))))));
}

function showEvaluations(view, metric) {
  if (view.evaluations.length === 0) return fill('evaluations');
  const sets = [...new Set(view.evaluations.flatMap((e) => Object.keys(e.metrics)).filter((name) => name.split('/')[1] === metric && name.split('/').length === 2).map((name) => name.split('/')[0]))];
  const head = el('tr', {}, ['step', 'epoch', ...sets.map((set) => `${set} ${metric}`), 'took'].map((name) => el('th', {}, name)));
  const rows = view.evaluations.slice(-50).reverse().map((e) => el('tr', {class: view.best && e.step === view.best.step ? 'best' : ''},
    el('td', {}, count(e.step)), el('td', {}, finite(e.epoch) ? e.epoch + 1 : missing), sets.map((set) => el('td', {}, fixed(e.metrics[`${set}/${metric}`]))), el('td', {class: 'faint'}, duration(e.evaluation_s))));
  return fill('evaluations', el('table', {}, el('thead', {}, head), el('tbody', {}, rows)));
}

function showLog(view) {
  const lines = view.live && Array.isArray(view.live.log) ? view.live.log : [], box = byId('log');
  byId('log-card').hidden = lines.length === 0;
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
  box.textContent = lines.slice(-400).join('\n');
  if (atEnd) box.scrollTop = box.scrollHeight;
}
