/** A count with its thousands set apart. */
export function count(value) {
  return value.toLocaleString('en-US');
}

/** Milliseconds as people say it; a dash when there is nothing to tell. */
export function time(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 1) return `${Number((ms * 1000).toPrecision(3))} µs`;
  if (ms < 1_000) return `${Number(ms.toPrecision(3))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3_600)} h`;
}

/** Bytes, in powers of 1,024. */
export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let [size, at] = [value, 0];
  for (; size >= 1_024 && at < units.length - 1; at++) size /= 1_024;
  return `${at === 0 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
}

/** So many a second. */
export function rate(value) {
  return `${value < 10 ? Number(value.toFixed(1)) : count(Math.round(value))}/s`;
}
