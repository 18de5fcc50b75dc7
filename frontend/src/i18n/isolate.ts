// Text directions: a name in a sentence must not reorder the words around it.

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/** Makes the functions of a catalogue isolate the texts that they insert. */
export function isolating<T extends object>(texts: T, dir: 'ltr' | 'rtl'): T {
  // In a text from left to right, another such text needs no isolation.
  const isolate = (value: unknown) =>
    typeof value === 'string' && (dir === 'rtl' || RIGHT_TO_LEFT.test(value)) ? `\u2068${value}\u2069` : value
  const wrap = (text: unknown): unknown => {
    if (typeof text === 'function') return (...values: unknown[]) => (text as (...v: unknown[]) => string)(...values.map(isolate))
    return typeof text === 'object' ? isolating(text!, dir) : text
  }
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, wrap(text)])) as T
}
