/** Time and randomness. Injected, so that the tests control both. */
export interface Clock {
  now(): number
  /** Runs `run` once after `ms`. Returns a function that cancels it. */
  after(ms: number, run: () => void): () => void
  /** A number from 0 to 1. */
  random(): number
}

export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
