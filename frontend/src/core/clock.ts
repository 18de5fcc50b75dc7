/** Time and chance, so that tests can hold both in their hands. */
export interface Clock {
  now(): number
  after(ms: number, run: () => void): () => void
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
