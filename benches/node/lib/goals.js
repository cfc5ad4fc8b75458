// What is to be reached, and whether it was.
"use strict";

const median = (numbers) => {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
};

const perSecond = ({ requests, microseconds }) => requests / (microseconds / 1e6);
const serverUs = ({ requests, processorUs }) => processorUs / requests;
const serviceUs = ({ requests, serviceUs: served }) => served / requests;

// Ours by theirs, round by round: both have met the same machine. The median, and from where to where it went.
function ratio(ours, theirs, of) {
  const ratios = ours.map((sample, round) => of(sample) / of(theirs[round]));
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

const faster = (page, ours, theirs, atLeast) => ({ page, ours, theirs, atLeast });
const smaller = (ours, theirs, atMost) => ({ ours, theirs, atMost });

// Within a tenth of MemoryStore where nothing is written; three times SQLite with equal durability where something is; half of
// MemoryStore's resident memory.
const GOALS = [
  faster("read", "sessile-synced", "MemoryStore", 0.9),
  faster("read", "sessile-written", "MemoryStore", 0.9),
  faster("touch", "sessile-synced", "MemoryStore", 0.9),
  faster("touch", "sessile-written", "MemoryStore", 0.9),
  faster("write", "sessile-synced", "connect-sqlite3", 3),
  smaller("sessile-synced", "MemoryStore", 0.5),
  smaller("sessile-written", "MemoryStore", 0.5),
];

// What became of each goal; those that were not measured are not judged. Where two stores have answered side by side, that
// judges; else their turns do.
function judged({ load, beside, memory }) {
  return GOALS.flatMap((goal) => {
    const { page, ours, theirs, atLeast, atMost } = goal;
    if (page) {
      const pairs = [beside[page], load[page]].flatMap((stores) => (stores?.[ours] && stores[theirs] ? [[stores[ours], stores[theirs]]] : []));
      if (pairs.length === 0) return [];
      const [speed, turns] = pairs.map((pair) => ratio(...pair, perSecond));
      return [{ ...goal, speed, turns, processor: ratio(...pairs[0], serverUs), reached: speed.median >= atLeast }];
    }
    const [one, other] = [memory[ours]?.served, memory[theirs]?.served];
    if (!one || !other) return [];
    const [rss, anonymous] = [one.rss / other.rss, one.anonymous / other.anonymous];
    return [{ ...goal, rss, anonymous, reached: rss < atMost }];
  });
}

module.exports = { judged, median, perSecond, ratio, serverUs, serviceUs };
