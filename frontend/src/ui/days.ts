// Calendar days in the time zone of the browser.

const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()

/** The number of midnights since `date`. */
export function daysAgo(date: Date): number {
  return Math.round((midnight(new Date()) - midnight(date)) / 86_400_000)
}

/** `a` and `b` are RFC 3339 times. */
export function sameDay(a: string, b: string): boolean {
  return midnight(new Date(a)) === midnight(new Date(b))
}
