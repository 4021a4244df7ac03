import { write } from './elements.js';
import { PoolCard } from './pool-card.js';

/** Pauses between tries to connect, in milliseconds: the next is twice as long, up to the last. */
const FIRST_PAUSE = 250;
const LAST_PAUSE = 4_000;

/** A feed that is silent for so long is dead, in milliseconds: it tells something every second. */
const SILENCE = 5_000;

const link = document.getElementById('link');
const pools = document.getElementById('pools');
const cards = new Map();
let pause = FIRST_PAUSE;

function tell(state, text) {
  link.dataset.link = state;
  write(link, text);
}

function show({ at, pools: views }) {
  for (const view of views) {
    const key = `${view.stats.role} ${view.stats.name}`;
    let card = cards.get(key);
    if (!card) {
      card = new PoolCard(view.stats);
      cards.set(key, card);
      pools.append(card.part);
    }
    card.show(at, view);
  }
  pools.setAttribute('aria-busy', 'false');
  sort();
}

/** What is ill stands first. Not while somebody is at a card with the keyboard: the place would move away. */
function sort() {
  if (pools.contains(document.activeElement)) return;
  const order = [...cards.values()].toSorted((one, other) => one.rank - other.rank).map(({ part }) => part);
  if (order.some((part, at) => pools.children[at] !== part)) pools.append(...order);
}

function connect() {
  const url = new URL(document.body.dataset.feed, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url);
  let timer = setTimeout(() => socket.close(), SILENCE);
  socket.addEventListener('message', ({ data }) => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.close(), SILENCE);
    pause = FIRST_PAUSE;
    tell('live', 'live');
    show(JSON.parse(data));
  });
  socket.addEventListener('close', () => {
    clearTimeout(timer);
    tell('lost', 'connection lost, trying again …');
    setTimeout(connect, pause);
    pause = Math.min(LAST_PAUSE, pause * 2);
  });
}

connect();
