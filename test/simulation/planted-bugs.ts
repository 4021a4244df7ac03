/**
 * The planted bugs of test/mutants/mutants.ts, by name, that the simulation has to find all alone: the runner of planted
 * bugs tries each of them with nothing but it.
 */
export const FOUND_BY_SIMULATION: readonly string[] = [
  'the store hands out the newest instead of the oldest',
  'the store forgets the list when it removes from the index',
  'the store removes whoever bears the ID by now',
  'a link whose peer has begun stays idle',
  'the reserved control connection goes to anyone',
  'the age list loses its tail when its newest is removed',
  'who takes any is served before who named the connection',
  'a settled waiter stays in line',
  'a settled waiter leaves its timer behind',
  'a settled waiter leaves its abort listener behind',
  'an arriving link is stored although somebody waits for it',
  'a dead link stays in the store',
  'a link that was cut behind its bytes stays owed',
  'the older bearer of an ID is not closed',
  'a link that left while owed keeps its claim timer',
  'what has gone is counted as in use',
  'a released slot keeps its name',
  'the capacity grows beyond its maximum',
  'a pool that a listener has closed dials on',
  'a flush closes what a listener has just taken',
  'a link that was named stays among those without a name',
  'a link that came back counts as used',
  'a reuse is not counted',
  'links without a name do not count as supply',
  'one link too many is given back',
  'dials in flight do not count as supply',
  'surplus idle connections stand for a control connection that is lost',
];
