// Calendar days in the time zone of the browser.

const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()

export const startOfToday = () => midnight(new Date())

/** The number of midnights since `date`. */
export function daysAgo(date: Date): number {
  return Math.round((startOfToday() - midnight(date)) / 86_400_000)
}

/** `a` and `b` are RFC 3339 times. */
export function sameDay(a: string, b: string): boolean {
  return midnight(new Date(a)) === midnight(new Date(b))
}

const listeners = new Set<() => void>()
let timer: ReturnType<typeof setTimeout> | undefined

/** Calls `listener` after each midnight, until the returned function is called. */
export function onNewDay(listener: () => void): () => void {
  listeners.add(listener)
  if (listeners.size === 1) {
    waitForMidnight()
    document.addEventListener('visibilitychange', check)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', check)
  }
}

function waitForMidnight(): void {
  clearTimeout(timer)
  const now = new Date()
  const next = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1)
  timer = setTimeout(check, next.getTime() - now.getTime())
}

/** Also after the computer woke: the timer does not run while it sleeps. */
function check(): void {
  for (const listener of [...listeners]) listener()
  waitForMidnight()
}
