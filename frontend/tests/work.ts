// Measures how the work of a function grows with its input.

import process from 'node:process'

/** The least processor time of some runs, in milliseconds. */
export function leastTime(run: () => void): number {
  let best = Infinity
  for (let i = 0; i < 3; i++) {
    const start = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, (user + system) / 1_000)
  }
  return best
}

/** Above this factor the work is not linear. */
export const LINEAR = 2.8
/** A run may be disturbed, by the compiler or the garbage collector, and only becomes slower by it. */
const ROUNDS = 8

/**
 * The factor by which the work of a function grows when a repeated text is twice as long, as the mean of two doublings
 * from 4 KB to 16 KB: 2 if it is linear, 4 if it is quadratic.
 */
export function growth(work: (text: string) => unknown, unit: string): number {
  const [short, long] = [4_096, 16_384].map((size) => unit.repeat(Math.ceil(size / unit.length)).slice(0, size))
  let first = Infinity
  let second = Infinity
  let factor = Infinity
  for (let i = 0; i < ROUNDS && factor >= LINEAR; i++) {
    first = Math.min(first, leastTime(() => work(short!)))
    second = Math.min(second, leastTime(() => work(long!)))
    // Less cannot be measured exactly, and is fast enough.
    factor = second < 2 ? 2 : Math.sqrt(second / first)
  }
  return factor
}
